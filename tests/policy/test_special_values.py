"""What 0, a negative number and null mean in each limit (``reference/value-types.md`` §14)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import update

from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.services.policy.actions import ExplainPolicyAction
from bai_manager.services.policy.types import Scope

if TYPE_CHECKING:
    from sqlalchemy import Table

    from tests.tenants import Site

NONE: Final = Decimal("Infinity")
KEYPAIR: Final = [
    ("max_concurrent_sessions", 0, Scope.KEYPAIR, "concurrent sessions", NONE),
    ("max_concurrent_sessions", -1, Scope.KEYPAIR, "concurrent sessions", NONE),
    ("max_concurrent_sessions", 1, Scope.KEYPAIR, "concurrent sessions", 1),
    ("max_concurrent_sftp_sessions", 0, Scope.KEYPAIR, "concurrent SFTP sessions", NONE),
    ("max_concurrent_sftp_sessions", -1, Scope.KEYPAIR, "concurrent SFTP sessions", NONE),
    ("max_pending_session_count", None, Scope.QUEUE, "pending sessions", NONE),
    ("max_pending_session_count", 0, Scope.QUEUE, "pending sessions", 0),
    ("max_pending_session_resource_slots", None, Scope.QUEUE, "cpu", None),
    ("max_pending_session_resource_slots", {}, Scope.QUEUE, "cpu", None),
    ("max_pending_session_resource_slots", {"cpu": "0"}, Scope.QUEUE, "cpu", 0),
    ("max_session_lifetime", 0, Scope.KEYPAIR, "session lifetime", NONE),
    ("max_session_lifetime", 60, Scope.KEYPAIR, "session lifetime", 60),
    ("idle_timeout", 0, Scope.KEYPAIR, "idle time", NONE),
    ("idle_timeout", -1, Scope.KEYPAIR, "idle time", NONE),
    ("total_resource_slots", {"cpu": "0"}, Scope.KEYPAIR, "cpu", 0),
    ("total_resource_slots", {}, Scope.KEYPAIR, "cpu", NONE),
    ("default_for_unspecified", "LIMITED", Scope.KEYPAIR, "cpu", 0),
]
USER: Final = [
    ("max_vfolder_count", 0, Scope.USER, "folders", NONE),
    ("max_vfolder_count", -1, Scope.USER, "folders", NONE),
    ("max_quota_scope_size", 0, Scope.USER, "storage", NONE),
    ("max_quota_scope_size", -1, Scope.USER, "storage", NONE),
    ("max_customized_image_count", 0, Scope.USER, "customized images", 0),
    ("max_session_count_per_model_session", 0, Scope.USER, "replicas per model service", 0),
]
PROJECT: Final = [
    ("max_vfolder_count", 0, Scope.PROJECT, "folders", NONE),
    ("max_quota_scope_size", -1, Scope.PROJECT, "storage", NONE),
    ("max_network_count", -1, Scope.PROJECT, "networks", NONE),
    ("max_network_count", 0, Scope.PROJECT, "networks", 0),
]


@pytest.mark.parametrize(
    ("policies", "cases"),
    [
        (keypair_resource_policies, KEYPAIR),
        (user_resource_policies, USER),
        (project_resource_policies, PROJECT),
    ],
    ids=["keypair", "user", "project"],
)
async def test_special_values_limit_as_the_reference_says(
    site: Site, policies: Table, cases: list[tuple[str, object, Scope, str, object]]
) -> None:
    found = []
    for field, value, scope, resource, _ in cases:
        await site.execute(update(policies).values({field: value}))
        limits = (await site.run(ExplainPolicyAction(), site.world.alice)).explained.limits
        told = {(one.scope, one.resource): one.limit for one in limits}.get((scope, resource))
        found.append((field, value, scope, resource, told))
    assert found == [*cases]


async def test_an_idle_timeout_below_zero_is_left_to_the_idle_checker(site: Site) -> None:
    await site.execute(update(keypair_resource_policies).values(idle_timeout=-1))
    limits = (await site.run(ExplainPolicyAction(), site.world.alice)).explained.limits
    (line,) = [one for one in limits if one.resource == "idle time"]
    assert line.source.endswith("the idle checker's")
