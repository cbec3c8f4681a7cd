"""``policy explain``: every limit, its source, what is left, and which one binds first."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, update

from bai_manager.models.agent import agents
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.image import images
from bai_manager.models.network import networks
from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.user import users
from bai_manager.services.policy.actions import ExplainPolicyAction
from bai_manager.services.policy.outlook import MOST, NO_GROUP, ONE_BY_ONE
from bai_manager.services.policy.types import LimitsInForce, Scope
from bai_manager.services.resource_preset.errors import NoKeypair
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.services.session.errors import ProjectNotFound
from bai_manager.types.errors import UnknownResourceSlot
from bai_manager.types.status import SessionType
from bai_manager.types.vfolder import VFolderHostPermission
from bai_manager.types.wanted_session import WantedSession
from tests import seeds
from tests.people import folder
from tests.seeds import GIB

if TYPE_CHECKING:
    from bai_manager.services.policy.types import LimitLine, SpecOutlook
    from tests.seeds import Person
    from tests.tenants import Site

INF = Decimal("Infinity")


async def _explained(
    site: Site, spec: str | None = None, who: Person | None = None, **asked: Any
) -> LimitsInForce:
    wanted = WantedSession.parse(spec) if spec else None
    action = ExplainPolicyAction(spec=wanted, **asked)
    return (await site.run(action, who or site.world.alice)).explained


async def _outlook(site: Site, spec: str, **asked: Any) -> SpecOutlook:
    found = (await _explained(site, spec, **asked)).outlook
    assert found is not None
    return found


def _line(found: LimitsInForce, scope: Scope, resource: str) -> LimitLine:
    (line,) = [one for one in found.limits if (one.scope, one.resource) == (scope, resource)]
    return line


def _told(line: LimitLine) -> tuple[object, ...]:
    """Limit, use and what is left."""
    return line.limit, line.used, line.left


async def _policy(site: Site, **values: object) -> None:
    await site.execute(update(keypair_resource_policies).values(**values))


async def _slots(site: Site, **slots: str) -> None:
    await _policy(site, total_resource_slots=slots)


async def _session(site: Site, who: Person | None = None, **given: Any) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_session(connection, who or site.world.alice, **given)


async def _large_agent(site: Site) -> None:
    await site.execute(update(agents).values(available_slots={"cpu": "900", "mem": str(900 * GIB)}))


async def test_every_level_is_told_with_its_limit_use_and_source(shaped_site: Site) -> None:
    site = shaped_site
    await _slots(site, cpu="8")
    await site.execute(
        update(groups)
        .where(groups.c.id == site.world.project_id)
        .values(total_resource_slots={"cpu": "6"}),
        update(domains).values(total_resource_slots={"cpu": "7"}),
    )
    await _session(site)
    await _session(site, site.world.bob, name="bobs")
    await _session(site, name="waiting", status="PENDING")
    found = await _explained(site)
    told = {
        one.scope: (one.name, *_told(one), one.source, one.binds)
        for one in found.limits
        if one.resource == "cpu"
    }
    alice = site.world.alice
    assert told == {
        Scope.KEYPAIR: (
            alice.access_key,
            *(8, 2, 6),
            "key pair policy default: total_resource_slots",
            False,
        ),
        Scope.USER: (
            alice.email,
            *(8, 2, 6),
            "key pair policy default, of the main key pair",
            False,
        ),
        Scope.PROJECT: ("default", *(6, 3, 3), "project default: total_resource_slots", False),
        Scope.DOMAIN: ("default", *(7, 3, 4), "domain default: total_resource_slots", False),
        Scope.RESOURCE_GROUP: ("default", *(4, 2, 2), "1 schedulable agent", True),
    }
    assert (found.keypair_policy, found.user_policy, found.project_policy) == 3 * ("default",)


async def test_a_slot_that_a_policy_does_not_name_is_limited_by_its_default(site: Site) -> None:
    await _policy(site, total_resource_slots={"cpu": "4"}, default_for_unspecified="LIMITED")
    line = _line(await _explained(site), Scope.KEYPAIR, "mem")
    assert _told(line) == (0, 0, 0)
    assert line.source == "key pair policy default: default_for_unspecified LIMITED"


async def test_the_policy_of_the_main_key_pair_binds_the_user(site: Site) -> None:
    await site.execute(
        update(users).where(users.c.uuid == site.world.alice.user_id).values(main_access_key=None)
    )
    line = _line(await _explained(site), Scope.USER, "cpu")
    assert (line.limit, line.source) == (INF, "the user has no main key pair")


async def test_sessions_that_run_and_wait_are_counted_system_ones_apart(site: Site) -> None:
    await _policy(site, max_pending_session_count=5, max_concurrent_sftp_sessions=0)
    await _session(site)
    await _session(site, name="waiting", status="PENDING")
    await _session(site, name="sftp", session_type=SessionType.SYSTEM)
    found = await _explained(site)
    assert _told(_line(found, Scope.KEYPAIR, "concurrent sessions")) == (30, 2, 28)
    assert _told(_line(found, Scope.KEYPAIR, "concurrent SFTP sessions")) == (INF, 1, INF)
    assert _told(_line(found, Scope.QUEUE, "pending sessions")) == (5, 1, 4)


async def test_what_waiting_sessions_may_ask_for_is_a_limit_of_the_queue(site: Site) -> None:
    await _policy(site, max_pending_session_resource_slots={"cpu": "3"})
    await _session(site, name="waiting", status="PENDING")
    found = await _explained(site)
    assert _told(_line(found, Scope.QUEUE, "cpu")) == (3, 1, 2)
    assert [one for one in found.limits if (one.scope, one.resource) == (Scope.QUEUE, "mem")] == []


async def test_folders_images_and_networks_are_counted(shaped_site: Site) -> None:
    site, alice = shaped_site, shaped_site.world.alice
    owner = f"user:{alice.user_id}"
    await site.execute(
        update(user_resource_policies).values(max_vfolder_count=4),
        update(project_resource_policies).values(max_vfolder_count=9, max_network_count=-1),
        folder("kept", alice),
        folder("trash", alice, status="delete-pending"),
        folder("gone", alice, status="delete-complete"),
        folder("failed", alice, status="delete-error"),
        folder("common", alice, group=site.world.project_id),
        insert(networks).values(
            id=uuid4(),
            name="net",
            ref_name="net",
            driver="overlay",
            project=site.world.project_id,
            domain_name="default",
        ),
        update(images).values(labels={"ai.backend.customized-image.owner": owner}),
    )
    found = await _explained(site)
    assert _told(_line(found, Scope.USER, "folders")) == (4, 2, 2)
    assert _told(_line(found, Scope.PROJECT, "folders")) == (9, 1, 8)
    assert _told(_line(found, Scope.USER, "customized images")) == (3, 1, 2)
    assert _told(_line(found, Scope.PROJECT, "networks")) == (INF, 1, INF)


async def test_what_each_session_is_held_against_has_no_use(site: Site) -> None:
    await _policy(site, max_session_lifetime=3600, idle_timeout=0, max_containers_per_session=2)
    await site.execute(update(user_resource_policies).values(max_quota_scope_size=10 * GIB))
    found = await _explained(site)
    told: dict[str, object] = {one.resource: one.limit for one in found.limits if one.used is None}
    assert told == {
        "kernels per session": 2,
        "session lifetime": 3600,
        "idle time": INF,
        "replicas per model service": 10,
    }


async def test_storage_hosts_are_what_policy_domain_and_projects_allow_together(
    shaped_site: Site,
) -> None:
    site = shaped_site
    await _policy(site, allowed_vfolder_hosts={"a:v": ["mount-in-session"]})
    await site.execute(
        update(domains).values(allowed_vfolder_hosts={"a:v": ["upload-file"], "b:v": []}),
        update(groups).values(allowed_vfolder_hosts={"b:v": ["create-vfolder"]}),
    )
    found: dict[str, object] = {
        one.host: (one.permissions, one.sources) for one in (await _explained(site)).hosts
    }
    both = {VFolderHostPermission.MOUNT_IN_SESSION, VFolderHostPermission.UPLOAD_FILE}
    assert found == {
        "a:v": (both, ("key pair policy default", "domain default")),
        "b:v": ({VFolderHostPermission.CREATE}, ("project default",)),
    }


async def test_the_nearest_limit_is_the_one_with_the_smallest_part_left(site: Site) -> None:
    assert (await _explained(site)).nearest is not None
    await _slots(site, cpu="4", mem=str(2 * GIB))
    await _session(site)
    nearest = (await _explained(site)).nearest
    assert nearest is not None
    assert (nearest.scope, nearest.resource) == (Scope.KEYPAIR, "mem")


async def test_what_is_used_beyond_a_limit_leaves_less_than_nothing(site: Site) -> None:
    await _session(site)
    await _slots(site, cpu="0")
    assert _told(_line(await _explained(site), Scope.KEYPAIR, "cpu")) == (0, 1, -1)
    assert (await _outlook(site, "mem=1g")).allowed == 0


@pytest.mark.parametrize(
    ("limits", "spec", "allowed", "hit"),
    [
        ({"total_resource_slots": {"cpu": "8"}}, "cpu=2", 4, ["keypair", "user"]),
        ({"total_resource_slots": {"cpu": "8"}}, "cpu=2,cluster-size=3", 1, ["keypair", "user"]),
        (
            {"total_resource_slots": {"cpu": "8", "mem": "3g"}},
            "cpu=2,mem=1g",
            3,
            ["keypair", "user"],
        ),
        ({"max_concurrent_sessions": 2}, "cpu=2", 2, ["keypair"]),
        ({"max_concurrent_sftp_sessions": 1}, "cpu=2,type=system", 1, ["keypair"]),
        ({"max_containers_per_session": 2}, "cpu=1,cluster-size=3", 0, ["keypair"]),
    ],
)
async def test_as_many_sessions_start_as_the_limits_allow(
    site: Site, limits: dict[str, Any], spec: str, allowed: int, hit: list[str]
) -> None:
    """The arithmetic of the lines and the scheduler's own turns come to the same number."""
    await _policy(site, **limits)
    await _large_agent(site)
    every_type = {"allowed_session_types": ["interactive", "batch", "inference", "system"]}
    await site.execute(update(scaling_groups).values(scheduler_opts=every_type))
    found = await _outlook(site, spec)
    assert (found.allowed, found.fits, found.more) == (allowed, allowed, False)
    assert [one.partition(" ")[0] for one in found.hit] == hit


async def test_agents_bind_where_limits_allow_more(site: Site) -> None:
    found = await _explained(site, "cpu=3,mem=1g")
    outlook = found.outlook
    assert outlook is not None
    assert (outlook.allowed, outlook.fits) == (30, 1)
    assert outlook.hit == ("resource-group default: cpu",)
    bound = [(one.scope, one.resource) for one in found.limits if one.binds]
    assert bound == [(Scope.RESOURCE_GROUP, "cpu")]


async def test_agents_that_have_enough_only_together_are_said_to(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-second")
    found = await _outlook(site, "cpu=3")
    assert (found.fits, found.hit) == (2, ("resource-group default: cpu",))
    async with site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-third")
        await seeds.seed_agent(connection, "i-fourth")
    found = await _outlook(site, "cpu=3")
    assert (found.fits, found.hit) == (4, (f"resource-group default: {ONE_BY_ONE}",))
    found = await _outlook(site, "cpu=5")
    assert found.fits == 0
    assert "insufficient resources" in found.hit[0]


async def test_a_session_that_does_not_start_is_told_every_reason_and_a_way_out(site: Site) -> None:
    await _slots(site, cpu="2")
    (group,) = (await _outlook(site, "cpu=5")).groups
    assert (group.fits, len(group.reasons)) == (0, 3)
    assert group.changes


async def test_nothing_binds_where_there_is_room_for_any_number(site: Site) -> None:
    await _policy(site, max_concurrent_sessions=0)
    await site.execute(update(agents).values(available_slots={"cpu": "9999", "mem": "9999"}))
    found = await _outlook(site, "cpu=1")
    assert (found.allowed, found.fits, found.more, found.hit) == (None, MOST, True, ())


async def test_limits_on_waiting_do_not_bind_what_starts(site: Site) -> None:
    await _policy(site, max_pending_session_count=1)
    await _session(site, name="waiting", status="PENDING")
    found = await _explained(site, "cpu=1")
    assert found.outlook is not None
    assert found.outlook.fits == 4
    assert _line(found, Scope.QUEUE, "pending sessions").fits == 0


async def test_a_queue_that_takes_nobody_lets_nobody_start(site: Site) -> None:
    """So the scheduler has it: what starts has waited."""
    await _policy(site, max_pending_session_count=0)
    found = await _outlook(site, "cpu=1")
    assert (found.fits, found.allowed) == (0, 30)
    assert "more than 0 pending sessions" in found.hit[0]


@pytest.mark.parametrize(
    ("values", "spec", "said"),
    [
        ({"scheduler_opts": {"allowed_session_types": ["batch"]}}, "cpu=1", "batch sessions only"),
        ({"is_public": False}, "cpu=1", "it is for system sessions"),
        ({"is_active": False}, "cpu=1", NO_GROUP),
    ],
)
async def test_a_resource_group_that_is_not_for_it_takes_none(
    site: Site, values: dict[str, object], spec: str, said: str
) -> None:
    await site.execute(update(scaling_groups).values(**values))
    found = await _outlook(site, spec)
    assert found.fits == 0
    assert said in found.hit[0]


async def test_whose_limits_are_told(site: Site) -> None:
    world = site.world
    for asked in (
        {"user": "alice@example.com"},
        {"user": "alice"},
        {"owner": world.alice.access_key},
    ):
        found = await _explained(site, None, world.root, **asked)
        assert (found.user_email, found.access_key) == (world.alice.email, world.alice.access_key)
    assert (await _explained(site)).user_email == world.alice.email


async def test_what_cannot_be_explained_is_refused(site: Site) -> None:
    await site.refused(ExplainPolicyAction(project="none"), ProjectNotFound, site.world.alice)
    await site.refused(ExplainPolicyAction(scaling_group="none"), ScalingGroupNotFound)
    spec = WantedSession.parse("tpu.device=1")
    await site.refused(ExplainPolicyAction(spec=spec), UnknownResourceSlot)
    async with site.database.transaction() as connection:
        idle = await seeds.seed_user(connection, "idle", keypair_active=False)
    await site.refused(ExplainPolicyAction(user=idle.email), NoKeypair)
