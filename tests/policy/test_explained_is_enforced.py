"""What ``policy explain`` says is left is what creating things then gets, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from bai_manager.models.agent import agents
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies, user_resource_policies
from bai_manager.repositories.vfolder_access import allowed_hosts
from bai_manager.repositories.vfolder_limits import check_count, lock_owner
from bai_manager.services.policy.actions import ExplainPolicyAction
from bai_manager.services.policy.types import Scope
from bai_manager.services.session.actions import CreateSessionAction
from bai_manager.services.session.errors import QuotaExceeded
from bai_manager.services.vfolder.errors import TooManyVFolders
from bai_manager.types.wanted_session import WantedSession
from tests.people import folder
from tests.seeds import GIB

if TYPE_CHECKING:
    from bai_manager.services.policy.types import LimitsInForce
    from tests.tenants import Site


async def _explained(site: Site, spec: str | None = None) -> LimitsInForce:
    action = ExplainPolicyAction(spec=WantedSession.parse(spec) if spec else None)
    return (await site.run(action, site.world.alice)).explained


async def _created(site: Site, resources: dict[str, str], size: int) -> int:
    """How many sessions are let in before the quota refuses one."""
    for number in range(20):
        action = CreateSessionAction(
            name=f"train-{number:02}",
            image="python",
            resources=resources,
            cluster_size=size,
            wait=False,
        )
        try:
            await site.run(action, site.world.alice)
        except QuotaExceeded:
            return number
    raise AssertionError("the quota refuses nothing")


@pytest.mark.parametrize(
    ("keypair", "project", "size"),
    [
        ({"total_resource_slots": {"cpu": "7"}}, {}, 1),
        ({"max_concurrent_sessions": 3}, {"mem": str(9 * GIB)}, 1),
        ({}, {"cpu": "9", "mem": str(5 * GIB)}, 2),
    ],
)
async def test_as_many_sessions_are_let_in_as_were_said_to_be_allowed(
    site: Site, keypair: dict[str, Any], project: dict[str, str], size: int
) -> None:
    await site.execute(
        update(keypair_resource_policies).values(**{"max_concurrent_sessions": 30, **keypair}),
        update(groups).values(total_resource_slots=project),
        update(agents).values(available_slots={"cpu": "99", "mem": str(99 * GIB)}),
    )
    found = await _explained(site, f"cpu=2,mem=1g,cluster-size={size}")
    assert found.outlook is not None
    created = await _created(site, {"cpu": "2", "mem": "1g"}, size)
    assert found.outlook.allowed == created
    left = (await _explained(site, f"cpu=2,mem=1g,cluster-size={size}")).outlook
    assert left is not None
    assert left.allowed == 0


@pytest.mark.parametrize("there", [1, 2])
async def test_a_folder_is_let_in_exactly_where_one_was_said_to_be_left(
    site: Site, there: int
) -> None:
    alice = site.world.alice
    await site.execute(
        update(user_resource_policies).values(max_vfolder_count=2),
        folder("gone", alice, status="delete-complete"),
        *(folder(f"kept-{n}", alice, status="delete-pending") for n in range(there)),
    )
    (line,) = [
        one
        for one in (await _explained(site)).limits
        if (one.scope, one.resource) == (Scope.USER, "folders")
    ]
    assert line.left == 2 - there
    async with site.database.transaction() as connection:
        owner = await lock_owner(connection, alice.access_key)
        if line.left > 0:
            await check_count(connection, owner)
        else:
            with pytest.raises(TooManyVFolders):
                await check_count(connection, owner)


async def test_storage_hosts_are_those_that_folders_may_be_on(site: Site) -> None:
    alice = site.world.alice
    await site.execute(
        update(keypair_resource_policies).values(allowed_vfolder_hosts={"a:v": ["upload-file"]}),
        update(domains).values(allowed_vfolder_hosts={"a:v": ["mount-in-session"], "b:v": []}),
        update(groups).values(allowed_vfolder_hosts={"c:v": ["create-vfolder"]}),
    )
    said = {one.host: one.permissions for one in (await _explained(site)).hosts}
    async with site.database.transaction() as connection:
        allowed = await allowed_hosts(
            connection, user_id=alice.user_id, access_key=alice.access_key
        )
    assert said == dict(allowed)
