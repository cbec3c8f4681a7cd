"""What fits now, and what is left (``reference/services.md`` §10, *check_presets*)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, update

from bai_manager.models.agent import agents
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.resource_preset import resource_presets
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.user import keypairs, users
from bai_manager.services.resource_preset.actions import CheckResourcePresetsAction
from bai_manager.services.resource_preset.errors import NoKeypair
from bai_manager.services.resource_preset.types import Level, Outlook
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.services.session.errors import ProjectNotFound
from bai_manager.types.credentials import new_access_key
from bai_manager.types.status import SessionType
from tests import seeds
from tests.seeds import GIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.services.resource_preset.types import LimitRoom, PresetCheck, PresetFit
    from tests.seeds import Person
    from tests.tenants import Site

INF = Decimal("Infinity")


async def _preset(
    site: Site, name: str, cpu: int, mem: int = GIB, group: str | None = None, gpus: int = 0
) -> None:
    slots = {"cpu": str(cpu), "mem": str(mem)}
    if gpus:
        slots["cuda.device"] = str(gpus)
    await site.execute(
        insert(resource_presets).values(name=name, resource_slots=slots, scaling_group_name=group)
    )


async def _check(site: Site, who: Person | None = None, **asked: str) -> PresetCheck:
    action = CheckResourcePresetsAction(**asked)
    return (await site.run(action, who or site.world.alice)).check


def _fit(check: PresetCheck, name: str) -> PresetFit:
    (found,) = [preset for preset in check.presets if preset.name == name]
    return found


def _level(check: PresetCheck, level: Level) -> LimitRoom:
    (found,) = [limit for limit in check.limits if limit.level is level]
    return found


async def _policy(site: Site, default: str = "UNLIMITED", **slots: str) -> None:
    await site.execute(
        update(keypair_resource_policies).values(
            total_resource_slots=slots, default_for_unspecified=default
        )
    )


async def _session(site: Site, who: Person, **given: object) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_session(connection, who, **given)  # type: ignore[arg-type]


async def test_an_unlimited_owner_may_have_what_an_agent_has(shaped_site: Site) -> None:
    await _preset(shaped_site, "fits", 4, 8 * GIB)
    await _preset(shaped_site, "too-large", 5)
    check = await _check(shaped_site)
    fits, large = _fit(check, "fits"), _fit(check, "too-large")
    assert (fits.allocatable, fits.outlook, fits.scaling_groups) == (
        True,
        Outlook.NOW,
        ("default",),
    )
    assert (large.allocatable, large.outlook, large.scaling_groups) == (False, Outlook.NEVER, ())
    assert "requested=5, available=4" in (large.reason or "")


async def test_the_limits_of_key_pair_user_project_and_domain_are_told(shaped_site: Site) -> None:
    await _policy(shaped_site, cpu="8")
    await shaped_site.execute(
        update(groups)
        .where(groups.c.id == shaped_site.world.project_id)
        .values(total_resource_slots={"cpu": "6"}),
        update(domains)
        .where(domains.c.name == "default")
        .values(total_resource_slots={"cpu": "7"}),
    )
    await _session(shaped_site, shaped_site.world.alice)
    check = await _check(shaped_site)
    said = {
        one.level: [int(one.limit["cpu"]), int(one.used["cpu"]), int(one.remaining["cpu"])]
        for one in check.limits
    }
    assert said == {
        Level.KEYPAIR: [8, 1, 7],
        Level.USER: [8, 1, 7],
        Level.PROJECT: [6, 1, 5],
        Level.DOMAIN: [7, 1, 6],
    }
    assert check.remaining["cpu"] == 5
    assert [one.name for one in check.limits] == [
        shaped_site.world.alice.access_key,
        "alice@example.com",
        "default",
        "default",
    ]


@pytest.mark.parametrize(("default", "left"), [("LIMITED", Decimal(0)), ("UNLIMITED", INF)])
async def test_a_slot_the_policy_does_not_name_is_what_its_default_says(
    shaped_site: Site, default: str, left: Decimal
) -> None:
    await _policy(shaped_site, default, cpu="8")
    check = await _check(shaped_site)
    assert _level(check, Level.KEYPAIR).remaining["mem"] == left


async def test_a_slot_that_project_and_domain_do_not_name_is_unlimited(site: Site) -> None:
    check = await _check(site)
    for level in (Level.PROJECT, Level.DOMAIN):
        assert _level(check, level).remaining["cpu"] == INF


async def test_what_others_run_counts_for_project_and_domain_only(site: Site) -> None:
    await _session(site, site.world.bob)
    used = {one.level: one.used["cpu"] for one in (await _check(site)).limits}
    assert used == {Level.KEYPAIR: 0, Level.USER: 0, Level.PROJECT: 1, Level.DOMAIN: 1}


async def test_another_key_pair_of_the_user_counts_for_the_user(site: Site) -> None:
    second = replace(site.world.alice, access_key=new_access_key())
    async with site.database.transaction() as connection:
        await seeds.seed_keypair(connection, second)
    await _session(site, second)
    used = {one.level: one.used["cpu"] for one in (await _check(site)).limits}
    assert {level: used[level] for level in (Level.KEYPAIR, Level.USER)} == {
        Level.KEYPAIR: 0,
        Level.USER: 1,
    }


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ("RUNNING", 1),
        ("TERMINATING", 1),
        ("PREPARING", 1),
        ("PENDING", 1),
        ("TERMINATED", 0),
        ("CANCELLED", 0),
    ],
)
async def test_sessions_count_as_at_the_creation_of_another(
    site: Site, status: str, counted: int
) -> None:
    await _session(site, site.world.alice, status=status)
    assert _level(await _check(site), Level.KEYPAIR).used["cpu"] == counted


async def test_private_sessions_count_for_agents_only(site: Site) -> None:
    await _session(site, site.world.alice, session_type=SessionType.SYSTEM)
    check = await _check(site)
    assert _level(check, Level.KEYPAIR).used["cpu"] == 0
    assert check.scaling_groups[0].free["cpu"] == 3


@pytest.mark.parametrize(
    "limit", ["keypair", "project", "domain"], ids=lambda level: f"limit of the {level}"
)
async def test_a_preset_beyond_a_limit_does_not_fit_and_says_which(
    shaped_site: Site, limit: str
) -> None:
    await _preset(shaped_site, "two", 2)
    one = {"cpu": "1"}
    if limit == "keypair":
        await _policy(shaped_site, **one)
    else:
        table = {"project": groups, "domain": domains}[limit]
        await shaped_site.execute(update(table).values(total_resource_slots=one))
    two = _fit(await _check(shaped_site), "two")
    assert (two.allocatable, two.outlook) == (False, Outlook.NEVER)
    assert "limit=1, current=0, requested=2" in (two.reason or "")


async def test_a_limit_that_is_used_up_gives_way_when_others_end(site: Site) -> None:
    await _preset(site, "two", 2)
    await _policy(site, cpu="2")
    await _session(site, site.world.alice)
    assert _fit(await _check(site), "two").outlook is Outlook.LATER


async def test_a_limit_on_the_number_of_sessions_counts_too(site: Site) -> None:
    await _preset(site, "one", 1)
    await site.execute(update(keypair_resource_policies).values(max_concurrent_sessions=1))
    await _session(site, site.world.alice)
    assert _fit(await _check(site), "one").outlook is Outlook.LATER


async def test_what_a_group_leaves_is_the_least_of_limits_and_agents(shaped_site: Site) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-second", slots={"cpu": "2", "mem": str(GIB)})
    await _policy(shaped_site, mem=str(3 * GIB))
    await _session(shaped_site, shaped_site.world.alice)
    (group,) = (await _check(shaped_site)).scaling_groups
    assert (group.name, group.agents) == ("default", 2)
    assert [group.using["cpu"], group.free["cpu"], group.largest["cpu"]] == [1, 5, 3]
    assert [group.remaining["cpu"], group.remaining["mem"]] == [5, 2 * GIB]


async def test_one_agent_has_to_hold_it_all(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-second")
    await _preset(site, "five", 5)
    check = await _check(site)
    assert check.scaling_groups[0].free["cpu"] == 8
    assert not _fit(check, "five").allocatable


@pytest.mark.parametrize("values", [{"status": "LOST"}, {"schedulable": False}])
async def test_agents_that_take_no_kernels_do_not_count(
    shaped_site: Site, values: Mapping[str, object]
) -> None:
    """A manager does not look at their status."""
    await _preset(shaped_site, "one", 1)
    await shaped_site.execute(update(agents).values(**values))
    check = await _check(shaped_site)
    assert (check.scaling_groups[0].agents, _fit(check, "one").allocatable) == (0, False)


async def test_an_agent_of_any_architecture_is_enough(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_agent(
            connection, "i-arm", architecture="aarch64", slots={"cpu": "9", "mem": str(9 * GIB)}
        )
    await _preset(site, "nine", 9)
    assert _fit(await _check(site), "nine").allocatable


async def test_a_preset_for_a_group_is_held_against_that_group_alone(shaped_site: Site) -> None:
    """For a manager, agents of any group will do."""
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_scaling_group(connection, "gpu")
        await seeds.seed_agent(
            connection, "i-gpu", scaling_group="gpu", slots={"cpu": "9", "mem": str(9 * GIB)}
        )
    await _preset(shaped_site, "here", 9, group="default")
    await _preset(shaped_site, "there", 9, group="gpu")
    await _preset(shaped_site, "anywhere", 9)
    check = await _check(shaped_site)
    fitting = {preset.name: preset.scaling_groups for preset in check.presets}
    assert fitting == {"anywhere": ("gpu",), "here": (), "there": ("gpu",)}
    there = await _check(shaped_site, scaling_group="gpu")
    assert [preset.name for preset in there.presets] == ["anywhere", "there"]
    assert [group.name for group in there.scaling_groups] == ["gpu"]


async def test_a_slot_that_no_agent_reports_never_fits(site: Site) -> None:
    await _preset(site, "gpu", 1, gpus=1)
    gpu = _fit(await _check(site), "gpu")
    assert (gpu.outlook, gpu.reason) == (Outlook.NEVER, "no agent reports cuda.device")


async def test_a_group_for_batch_sessions_alone_takes_presets_as_well(site: Site) -> None:
    await _preset(site, "one", 1)
    options = {"allowed_session_types": ["batch"]}
    await site.execute(update(scaling_groups).values(scheduler_opts=options))
    assert _fit(await _check(site), "one").allocatable


async def test_a_group_that_is_not_open_is_not_found(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_scaling_group(connection, "gpu", domains=())
        await seeds.seed_scaling_group(connection, "sftp", is_public=False)
        await seeds.seed_scaling_group(connection, "old", is_active=False)
    for name in ("gpu", "sftp", "old", "none"):
        action = CheckResourcePresetsAction(scaling_group=name)
        await site.refused(action, ScalingGroupNotFound, site.world.alice)
    assert [group.name for group in (await _check(site)).scaling_groups] == ["default"]


async def test_without_a_group_nothing_fits_and_that_is_said(site: Site) -> None:
    await _preset(site, "one", 1)
    await site.execute(update(scaling_groups).values(is_active=False))
    one = _fit(await _check(site), "one")
    assert (one.outlook, one.reason) == (
        Outlook.NEVER,
        "no resource group is open to this project",
    )


async def test_the_project_must_have_the_user_as_a_member(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_project(connection, "vision")
    action = CheckResourcePresetsAction(project="vision")
    await site.refused(action, ProjectNotFound, site.world.alice)


async def test_an_inactive_domain_has_no_project_to_check_in(site: Site) -> None:
    await site.execute(update(domains).values(is_active=False))
    await site.refused(CheckResourcePresetsAction(), ProjectNotFound, site.world.alice)


async def test_superadmins_check_for_a_user_and_for_a_key_pair(site: Site) -> None:
    alice, root = site.world.alice, site.world.root
    for asked in ({"user": alice.email}, {"user": str(alice.user_id)}, {"owner": alice.access_key}):
        check = await _check(site, root, **asked)
        assert (check.user_email, check.access_key) == (alice.email, alice.access_key)


async def test_a_user_is_checked_with_the_main_key_pair(site: Site) -> None:
    second = replace(site.world.alice, access_key=new_access_key())
    async with site.database.transaction() as connection:
        await seeds.seed_keypair(connection, second)
        await connection.execute(
            update(users)
            .where(users.c.uuid == second.user_id)
            .values(main_access_key=second.access_key)
        )
    check = await _check(site, site.world.root, user=second.email)
    assert check.access_key == second.access_key


async def test_a_user_without_an_active_key_pair_cannot_create_anything(site: Site) -> None:
    alice = site.world.alice
    await site.execute(
        update(keypairs).where(keypairs.c.access_key == alice.access_key).values(is_active=False)
    )
    await site.refused(CheckResourcePresetsAction(user=alice.email), NoKeypair)
