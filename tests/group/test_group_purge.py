"""Removing projects for good (``reference/services.md`` §8), in both shapes of the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, update

from bai_manager.models.all import metadata
from bai_manager.models.endpoint import endpoint_tokens, endpoints, routings
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.network import networks
from bai_manager.models.rbac import permission_groups, permissions, roles
from bai_manager.models.scaling_group import sgroups_for_groups
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.rbac import create_project_role
from bai_manager.services.group.actions import (
    GetGroupAction,
    PreviewGroupPurgeAction,
    PurgeGroupAction,
)
from bai_manager.services.group.errors import (
    GroupNotFound,
    GroupPurgeChanged,
    PurgeGroupActionRefused,
)
from bai_manager.services.purging import fingerprint
from tests import seeds
from tests.people import endpoint, folder, mount, one_row, route, token

if TYPE_CHECKING:
    from bai_manager.services.group.types import GroupPurgePlan
    from tests.people import PeopleSite
    from tests.seeds import SeededSession

GROUP = "default/default"


async def _preview(site: PeopleSite, *, destroy: bool = False) -> GroupPurgePlan:
    action = PreviewGroupPurgeAction(group=GROUP, destroy_sessions=destroy)
    return (await site.run(action)).plan


async def _purge(site: PeopleSite, *, destroy: bool = False) -> GroupPurgePlan:
    action = PurgeGroupAction(group=GROUP, destroy_sessions=destroy)
    return (await site.run(action)).plan


async def _session(site: PeopleSite, **given: Any) -> SeededSession:
    async with site.database.transaction() as connection:
        return await seeds.seed_session(connection, site.world.alice, **given)


async def _folder(site: PeopleSite, name: str = "data", **given: Any) -> UUID:
    folder_id = uuid4()
    group = site.world.project_id
    await site.execute(folder(name, site.world.alice, id=folder_id, group=group, **given))
    return folder_id


async def test_a_project_goes_with_its_memberships_and_role(shaped_people: PeopleSite) -> None:
    group_id = shaped_people.world.project_id
    async with shaped_people.database.transaction() as connection:
        await create_project_role(connection, group_id)
    await shaped_people.execute(
        insert(sgroups_for_groups).values(scaling_group="default", group=group_id)
    )
    plan = await _purge(shaped_people)
    assert plan.memberships == 5
    await shaped_people.refused(GetGroupAction(group=str(group_id)), GroupNotFound)
    of_project = association_groups_users.c.group_id == group_id
    for statement in (
        select(association_groups_users).where(of_project),
        select(sgroups_for_groups),
        select(roles),
        select(permission_groups),
        select(permissions),
    ):
        assert await shaped_people.count(statement) == 0
    assert await shaped_people.count(select(users)) == 7


async def test_a_project_that_is_not_there_is_not_found(people: PeopleSite) -> None:
    await people.refused(PurgeGroupAction(group="gone"), GroupNotFound)
    await people.refused(PreviewGroupPurgeAction(group="gone"), GroupNotFound)


async def test_the_history_of_its_sessions_goes_too(shaped_people: PeopleSite) -> None:
    await _session(shaped_people, status="TERMINATED", kernel_count=2)
    async with shaped_people.database.transaction() as connection:
        await seeds.seed_session(connection, shaped_people.world.carol, name="carols-1")
    plan = await _purge(shaped_people)
    assert (plan.sessions, plan.kernels) == (1, 2)
    left = await shaped_people.rows(select(sessions.c.name))
    assert [row.name for row in left] == ["carols-1"]


@pytest.mark.parametrize("status", ["PENDING", "PREPARING", "RUNNING", "TERMINATING", "ERROR"])
async def test_active_kernels_refuse_a_purge_with_counts_and_a_command(
    people: PeopleSite, status: str
) -> None:
    live = await _session(people, status=status)
    error = await people.refused(PurgeGroupAction(group=GROUP), PurgeGroupActionRefused)
    assert error.details == {"live_sessions": 1}
    assert (error.exit_code, error.error_code) == (5, "group_purge_conflict")
    assert f"bai-manager session destroy {live.id}" in (error.hint or "")


async def test_a_kernel_that_lives_on_in_an_ended_session_refuses_too(people: PeopleSite) -> None:
    await _session(people, status="TERMINATED", kernel_status="RUNNING")
    await people.refused(PurgeGroupAction(group=GROUP), PurgeGroupActionRefused)


async def test_sessions_are_destroyed_when_that_was_chosen(shaped_people: PeopleSite) -> None:
    live = await _session(shaped_people)
    await _session(shaped_people, name="stuck-1", status="ERROR")
    plan = await _purge(shaped_people, destroy=True)
    assert {session.name for session in plan.destroyed_sessions} == {"train-1", "stuck-1"}
    assert [action.session for action in shaped_people.destroyer.ended] == [str(live.id)]


async def test_a_folder_in_a_session_refuses_a_purge(shaped_people: PeopleSite) -> None:
    folder_id = await _folder(shaped_people)
    async with shaped_people.database.transaction() as connection:
        live = await seeds.seed_session(connection, shaped_people.world.carol)
    await mount(shaped_people, live.id, folder_id, shaped_people.world.carol)
    error = await shaped_people.refused(PurgeGroupAction(group=GROUP), PurgeGroupActionRefused)
    assert error.details == {"mounted_folders": 1}


async def test_a_user_s_folder_in_a_session_is_not_the_project_s(people: PeopleSite) -> None:
    alices = uuid4()
    await people.execute(folder("own", people.world.alice, id=alices))
    async with people.database.transaction() as connection:
        live = await seeds.seed_session(connection, people.world.carol)
    await mount(people, live.id, alices, people.world.alice)
    assert (await _preview(people)).mounted_folders == []


@pytest.mark.parametrize("stage", ["pending", "created", "scaling", "ready", "destroying"])
async def test_services_that_are_not_destroyed_refuse_a_purge(
    people: PeopleSite, stage: str
) -> None:
    service = endpoint(people.world.alice, people.world.image_id, lifecycle_stage=stage)
    await people.execute(service)
    error = await people.refused(PurgeGroupAction(group=GROUP), PurgeGroupActionRefused)
    assert error.details == {"endpoints": 1}
    assert "chat" in (error.hint or "")


async def test_destroyed_services_go_with_tokens_and_routes(shaped_people: PeopleSite) -> None:
    alice, endpoint_id = shaped_people.world.alice, uuid4()
    ended = await _session(shaped_people, status="TERMINATED")
    await shaped_people.execute(
        endpoint(
            alice,
            shaped_people.world.image_id,
            id=endpoint_id,
            lifecycle_stage="destroyed",
        ),
        route(endpoint_id, alice, ended.id),
        token(endpoint_id, alice),
    )
    await _purge(shaped_people)
    for table in (endpoints, routings, endpoint_tokens, sessions, kernels):
        assert await shaped_people.count(select(table)) == 0


async def test_ready_folders_are_handed_to_deletion(shaped_people: PeopleSite) -> None:
    folder_id = await _folder(shaped_people)
    await _purge(shaped_people)
    row = await one_row(shaped_people, vfolders, vfolders.c.id == folder_id)
    assert row.status == "delete-ongoing"
    assert row.name.startswith("data_deleted_")


@pytest.mark.parametrize("status", ["performing", "cloning", "mounted"])
async def test_folders_that_are_worked_on_refuse_a_purge(people: PeopleSite, status: str) -> None:
    await _folder(people, status=status)
    error = await people.refused(PurgeGroupAction(group=GROUP), PurgeGroupActionRefused)
    assert error.details == {"busy_folders": 1}


async def test_templates_stay_without_the_project_and_networks_go(
    shaped_people: PeopleSite,
) -> None:
    group_id = shaped_people.world.project_id
    await shaped_people.execute(
        insert(session_templates).values(
            id=uuid4(),
            domain_name="default",
            group_id=group_id,
            user_uuid=shaped_people.world.alice.user_id,
            name="mine",
            type="TASK",
            template={},
        ),
        insert(networks).values(
            id=uuid4(),
            name="net",
            ref_name="net",
            driver="overlay",
            project=group_id,
            domain_name="default",
        ),
    )
    plan = await _purge(shaped_people)
    assert (plan.session_templates, plan.networks) == (1, 1)
    template = await one_row(shaped_people, session_templates)
    assert template.group_id is None
    assert await shaped_people.count(select(networks)) == 0


async def _state(site: PeopleSite) -> dict[str, int]:
    """How many rows each table has; the log of what was done is left out."""
    counts = {}
    for table in metadata.tables.values():
        if table.name != "audit_logs":
            (row,) = await site.rows(select(func.count()).select_from(table))
            counts[table.name] = row[0]
    return counts


async def _crowded(site: PeopleSite) -> None:
    await _folder(site)
    await _folder(site, "trash", status="delete-pending")
    await _session(site, name="old-1", status="TERMINATED", kernel_count=2)
    await _session(site, name="train-1")
    await site.execute(endpoint(site.world.alice, site.world.image_id, lifecycle_stage="destroyed"))


async def test_a_preview_is_exactly_what_the_purge_then_does(shaped_people: PeopleSite) -> None:
    await _crowded(shaped_people)
    shown = await _preview(shaped_people, destroy=True)
    assert shown.blockers == []
    before = await _state(shaped_people)
    done = await _purge(shaped_people, destroy=True)
    after = await _state(shaped_people)
    assert done == shown
    lost = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    assert lost == {
        "groups": 1,
        "association_groups_users": shown.memberships,
        "sessions": shown.sessions,
        "kernels": shown.kernels,
        "endpoints": len(shown.deleted_endpoints),
    }
    for one in shown.deleted_folders:
        row = await one_row(shaped_people, vfolders, vfolders.c.id == one.id)
        assert row.status == "delete-ongoing"


async def test_a_preview_changes_nothing(people: PeopleSite) -> None:
    await _crowded(people)
    before = await _state(people)
    await _preview(people, destroy=True)
    assert await _state(people) == before


async def test_a_purge_of_what_was_not_shown_does_nothing(people: PeopleSite) -> None:
    shown = await _preview(people)
    await _folder(people)
    action = PurgeGroupAction(group=GROUP, expected=fingerprint(shown))
    await people.refused(action, GroupPurgeChanged)
    fresh = await _preview(people)
    await people.run(replace(action, expected=fingerprint(fresh)))


async def test_every_reason_not_to_purge_is_told_at_once(people: PeopleSite) -> None:
    await _crowded(people)
    await people.execute(update(endpoints).values(lifecycle_stage="ready"))
    await _folder(people, "busy", status="cloning")
    error = await people.refused(PurgeGroupAction(group=GROUP), PurgeGroupActionRefused)
    assert error.details == {"live_sessions": 1, "endpoints": 1, "busy_folders": 1}


async def test_a_session_that_lives_on_stops_the_purge(people: PeopleSite) -> None:
    await _session(people)

    async def nothing(_action: object) -> None:
        return None

    people.destroyer.destroy_session = nothing  # type: ignore[assignment,method-assign]
    action = PurgeGroupAction(group=GROUP, destroy_sessions=True)
    await people.refused(action, GroupPurgeChanged)
    assert await people.count(select(groups)) == 2
