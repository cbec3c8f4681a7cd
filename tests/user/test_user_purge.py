"""Removing users for good (``reference/services.md`` §7), in both shapes of the database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, update

from bai_manager.models.all import metadata
from bai_manager.models.audit import error_logs
from bai_manager.models.endpoint import endpoint_tokens, endpoints, routings
from bai_manager.models.rbac import (
    association_scopes_entities,
    permission_groups,
    permissions,
    roles,
    user_roles,
)
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.rbac import create_user_role, register_entity
from bai_manager.services.purging import fingerprint
from bai_manager.services.user.actions import (
    GetUserAction,
    PreviewUserPurgeAction,
    PurgeUserAction,
    UpdateUserAction,
)
from bai_manager.services.user.errors import (
    LastSuperadmin,
    NoHeir,
    UserNotFound,
    UserPurgeChanged,
    UserPurgeFailure,
)
from bai_manager.services.user.types import (
    Endpoints,
    SharedFolders,
    UserChanges,
    UserPurgeChoices,
)
from bai_manager.types.credentials import new_access_key
from bai_manager.types.status import UserStatus
from tests import seeds
from tests.people import (
    endpoint,
    folder,
    invited,
    mount,
    one_row,
    route,
    shared,
    token,
)

if TYPE_CHECKING:
    from bai_manager.services.user.types import UserPurgePlan
    from tests.people import PeopleSite
    from tests.seeds import Person, SeededSession

ALICE = "alice@example.com"
MIGRATE = UserPurgeChoices(shared_folders=SharedFolders.MIGRATE)
DELETE_FOLDERS = UserPurgeChoices(shared_folders=SharedFolders.DELETE)
DELEGATE = UserPurgeChoices(endpoints=Endpoints.DELEGATE)
DELETE_ENDPOINTS = UserPurgeChoices(endpoints=Endpoints.DELETE)
DESTROY = UserPurgeChoices(destroy_sessions=True)


async def _preview(
    site: PeopleSite, choices: UserPurgeChoices | None = None, user: str = ALICE
) -> UserPurgePlan:
    action = PreviewUserPurgeAction(user=user, choices=choices or UserPurgeChoices())
    return (await site.run(action)).plan


async def _purge(
    site: PeopleSite, choices: UserPurgeChoices | None = None, user: str = ALICE
) -> UserPurgePlan:
    return (await site.run(_action(choices, user))).plan


def _action(choices: UserPurgeChoices | None = None, user: str = ALICE) -> PurgeUserAction:
    return PurgeUserAction(user=user, choices=choices or UserPurgeChoices())


async def _session(site: PeopleSite, owner: Person, **given: Any) -> SeededSession:
    async with site.database.transaction() as connection:
        return await seeds.seed_session(connection, owner, **given)


async def _folder(site: PeopleSite, name: str = "data", **given: Any) -> UUID:
    folder_id = uuid4()
    await site.execute(folder(name, site.world.alice, id=folder_id, **given))
    return folder_id


async def _service(site: PeopleSite, **given: Any) -> UUID:
    endpoint_id = uuid4()
    await site.execute(endpoint(site.world.alice, site.world.image_id, id=endpoint_id, **given))
    return endpoint_id


# What goes


async def test_a_user_with_nothing_goes_with_key_pairs_memberships_and_rows(
    shaped_people: PeopleSite,
) -> None:
    alice = shaped_people.world.alice
    async with shaped_people.database.transaction() as connection:
        await seeds.seed_keypair(connection, replace(alice, access_key=new_access_key()))
    plan = await _purge(shaped_people)
    assert len(plan.keypairs) == 2
    await shaped_people.refused(GetUserAction(user=ALICE), UserNotFound)
    assert await shaped_people.count(select(users).where(users.c.uuid == alice.user_id)) == 0
    assert await shaped_people.count(select(keypairs).where(keypairs.c.user == alice.user_id)) == 0


async def test_an_unknown_user_is_not_found(people: PeopleSite) -> None:
    await people.refused(_action(user="nobody"), UserNotFound)
    await people.refused(PreviewUserPurgeAction(user="nobody"), UserNotFound)


async def test_rows_that_would_block_the_deletion_go_too(shaped_people: PeopleSite) -> None:
    alice, bob = shaped_people.world.alice, shaped_people.world.bob
    bobs = uuid4()
    await shaped_people.execute(
        insert(session_templates).values(
            id=uuid4(),
            domain_name="default",
            user_uuid=alice.user_id,
            name="mine",
            type="TASK",
            template={},
        ),
        insert(error_logs).values(id=uuid4(), user=alice.user_id, severity="error"),
        folder("bobs", bob, id=bobs),
        shared(bobs, alice),
        invited(bobs, bob, alice),
    )
    plan = await _purge(shaped_people)
    assert (plan.session_templates, plan.error_logs) == (1, 1)
    assert (plan.folder_permissions, plan.invitations, plan.memberships) == (1, 1, 1)
    assert (await one_row(shaped_people, vfolders, vfolders.c.id == bobs)).name == "bobs"


async def test_the_role_and_its_grants_go_too(shaped_people: PeopleSite) -> None:
    alice = shaped_people.world.alice
    async with shaped_people.database.transaction() as connection:
        await create_user_role(connection, alice.user_id, "default")
        await create_user_role(connection, shaped_people.world.bob.user_id, "default")
    await _purge(shaped_people)
    for table, count in (
        (roles, 1),
        (user_roles, 1),
        (permission_groups, 1),
        (permissions, 39),
        (association_scopes_entities, 1),
    ):
        assert await shaped_people.count(select(table)) == count


async def test_the_history_of_sessions_stays(people: PeopleSite) -> None:
    ended = await _session(people, people.world.alice, status="TERMINATED")
    await _purge(people)
    assert (await one_row(people, sessions, sessions.c.id == ended.id)).status == "TERMINATED"


# Sessions


@pytest.mark.parametrize("status", ["PENDING", "PREPARING", "RUNNING", "TERMINATING", "ERROR"])
async def test_sessions_that_have_not_ended_refuse_a_purge_with_counts_and_a_command(
    people: PeopleSite, status: str
) -> None:
    live = await _session(people, people.world.alice, status=status)
    error = await people.refused(_action(), UserPurgeFailure)
    assert error.details == {"live_sessions": 1}
    assert f"bai-manager session destroy {live.id}" in (error.hint or "")
    assert (await people.run(GetUserAction(user=ALICE))).user.email == ALICE


async def test_sessions_are_destroyed_when_that_was_chosen(shaped_people: PeopleSite) -> None:
    live = await _session(shaped_people, shaped_people.world.alice)
    plan = await _purge(shaped_people, DESTROY)
    assert [session.id for session in plan.destroyed_sessions] == [live.id]
    (action,) = shaped_people.destroyer.ended
    assert (action.session, action.forced, action.wait) == (str(live.id), True, True)


async def test_a_session_in_error_is_ended_by_the_purge_itself(shaped_people: PeopleSite) -> None:
    stuck = await _session(shaped_people, shaped_people.world.alice, status="ERROR")
    await _purge(shaped_people, DESTROY)
    assert shaped_people.destroyer.ended == []
    row = await one_row(shaped_people, sessions, sessions.c.id == stuck.id)
    assert (row.status, row.status_info) == ("TERMINATED", "user-purged")
    assert "TERMINATED" in row.status_history
    assert row.terminated_at is not None
    kernel = await one_row(shaped_people, kernels, kernels.c.session_id == stuck.id)
    assert kernel.status == "TERMINATED"


async def test_a_session_that_lives_on_stops_the_purge(people: PeopleSite) -> None:
    await _session(people, people.world.alice)

    async def nothing(_action: object) -> None:
        return None

    people.destroyer.destroy_session = nothing  # type: ignore[assignment,method-assign]
    await people.refused(_action(DESTROY), UserPurgeChanged)
    assert (await people.run(GetUserAction(user=ALICE))).user.email == ALICE


async def test_a_session_made_on_another_s_behalf_is_not_the_asker_s(people: PeopleSite) -> None:
    bobs = await _session(people, people.world.bob)
    await people.execute(
        update(sessions)
        .where(sessions.c.id == bobs.id)
        .values(user_uuid=people.world.alice.user_id)
    )
    assert (await _preview(people)).blockers == []
    bob_plan = await _preview(people, user="bob@example.com")
    assert [blocker.what for blocker in bob_plan.blockers] == ["live_sessions"]


# Folders


async def test_a_folder_in_another_s_session_refuses_a_purge(shaped_people: PeopleSite) -> None:
    alice, bob = shaped_people.world.alice, shaped_people.world.bob
    folder_id = await _folder(shaped_people)
    live = await _session(shaped_people, bob)
    await mount(shaped_people, live.id, folder_id, alice)
    error = await shaped_people.refused(_action(DESTROY), UserPurgeFailure)
    assert error.details == {"mounted_folders": 1}
    assert f"session destroy {live.id}" in (error.hint or "")


async def test_a_folder_in_a_session_that_ended_is_not_mounted(people: PeopleSite) -> None:
    folder_id = await _folder(people)
    ended = await _session(people, people.world.bob, status="TERMINATED")
    await mount(people, ended.id, folder_id, people.world.alice)
    assert (await _preview(people)).mounted_folders == []


async def test_a_folder_in_the_user_s_own_session_goes_with_it(people: PeopleSite) -> None:
    folder_id = await _folder(people)
    live = await _session(people, people.world.alice)
    await mount(people, live.id, folder_id, people.world.alice)
    refused = await _preview(people)
    assert {blocker.what for blocker in refused.blockers} == {"live_sessions", "mounted_folders"}
    plan = await _purge(people, DESTROY)
    assert [one.id for one in plan.deleted_folders] == [folder_id]


async def test_ready_folders_are_handed_to_deletion(shaped_people: PeopleSite) -> None:
    folder_id = await _folder(shaped_people)
    await _purge(shaped_people)
    row = await one_row(shaped_people, vfolders, vfolders.c.id == folder_id)
    assert row.status == "delete-ongoing"
    assert row.name.startswith("data_deleted_")
    assert set(row.status_history) == {"DELETE_ONGOING"}
    assert row.status_changed is not None


async def test_a_long_folder_name_makes_room_for_the_suffix(people: PeopleSite) -> None:
    folder_id = await _folder(people, "x" * 128)
    await _purge(people)
    name = (await one_row(people, vfolders, vfolders.c.id == folder_id)).name
    assert len(name) == 128
    assert "_deleted_" in name


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("delete-pending", "delete-ongoing"),
        ("error", "delete-ongoing"),
        ("delete-ongoing", "delete-ongoing"),
        ("delete-complete", "delete-complete"),
        ("delete-error", "delete-error"),
    ],
)
async def test_folders_that_are_gone_or_going_stay_so(
    people: PeopleSite, status: str, after: str
) -> None:
    folder_id = await _folder(people, status=status)
    await _purge(people)
    assert (await one_row(people, vfolders, vfolders.c.id == folder_id)).status == after


@pytest.mark.parametrize("status", ["performing", "cloning", "mounted"])
async def test_folders_that_are_worked_on_refuse_a_purge(people: PeopleSite, status: str) -> None:
    await _folder(people, status=status)
    error = await people.refused(_action(DELETE_FOLDERS), UserPurgeFailure)
    assert error.details == {"busy_folders": 1}


async def test_shared_folders_refuse_a_purge_until_somebody_chose(people: PeopleSite) -> None:
    folder_id = await _folder(people)
    await people.execute(shared(folder_id, people.world.bob))
    error = await people.refused(_action(), UserPurgeFailure)
    assert error.details == {"shared_folders": 1}
    assert "--migrate-shared-folders" in (error.hint or "")
    assert "--delete-shared-folders" in (error.hint or "")


async def test_shared_folders_are_deleted_with_their_sharing(shaped_people: PeopleSite) -> None:
    bob = shaped_people.world.bob
    folder_id = await _folder(shaped_people)
    await shaped_people.execute(
        shared(folder_id, bob), invited(folder_id, shaped_people.world.alice, bob)
    )
    plan = await _purge(shaped_people, DELETE_FOLDERS)
    (deleted,) = plan.deleted_folders
    assert (deleted.shared_with, deleted.invitations) == (1, 1)
    row = await one_row(shaped_people, vfolders, vfolders.c.id == folder_id)
    assert row.status == "delete-ongoing"
    for table in (vfolder_permissions, vfolder_invitations):
        assert await shaped_people.count(select(table)) == 0


async def test_shared_folders_are_migrated_to_who_asks(shaped_people: PeopleSite) -> None:
    root, bob = shaped_people.world.root, shaped_people.world.bob
    folder_id = await _folder(shaped_people)
    other = await _folder(shaped_people, "own")
    await shaped_people.execute(
        shared(folder_id, bob),
        shared(folder_id, root),
        invited(folder_id, shaped_people.world.alice, root),
    )
    plan = await _purge(shaped_people, MIGRATE)
    assert plan.heir == root.email
    row = await one_row(shaped_people, vfolders, vfolders.c.id == folder_id)
    assert (row.user, row.name, row.status) == (root.user_id, "data", "ready")
    assert row.quota_scope_id == f"user:{shaped_people.world.alice.user_id}"
    left = await shaped_people.rows(
        select(vfolder_permissions.c.user).where(vfolder_permissions.c.vfolder == folder_id)
    )
    assert [one.user for one in left] == [bob.user_id]
    assert await shaped_people.count(select(vfolder_invitations)) == 0
    assert (await one_row(shaped_people, vfolders, vfolders.c.id == other)).status != "ready"


async def test_a_migrated_folder_whose_name_is_taken_gets_another(people: PeopleSite) -> None:
    folder_id = await _folder(people)
    await people.execute(shared(folder_id, people.world.bob), folder("data", people.world.root))
    plan = await _purge(people, MIGRATE)
    row = await one_row(people, vfolders, vfolders.c.id == folder_id)
    assert row.name == f"data-{folder_id.hex[:10]}" == plan.migrated_folders[0].new_name


async def test_a_migrated_folder_changes_its_place_in_the_permission_store(
    people: PeopleSite,
) -> None:
    alice, root = people.world.alice, people.world.root
    folder_id = await _folder(people)
    async with people.database.transaction() as connection:
        await register_entity(
            connection,
            scope=("user", str(alice.user_id)),
            entity=("vfolder", str(folder_id)),
        )
    await people.execute(shared(folder_id, people.world.bob))
    await _purge(people, MIGRATE)
    place = await one_row(
        people,
        association_scopes_entities,
        association_scopes_entities.c.entity_id == str(folder_id),
    )
    assert place.scope_id == str(root.user_id)


async def test_a_shared_folder_in_the_trash_is_not_worth_inheriting(people: PeopleSite) -> None:
    folder_id = await _folder(people, status="delete-pending")
    await people.execute(shared(folder_id, people.world.bob))
    plan = await _purge(people, MIGRATE)
    assert (plan.migrated_folders, len(plan.deleted_folders)) == ([], 1)


# The heir


async def test_the_heir_may_be_another(people: PeopleSite) -> None:
    folder_id = await _folder(people)
    await people.execute(shared(folder_id, people.world.bob))
    plan = await _purge(people, replace(MIGRATE, heir="bob@example.com"))
    assert plan.heir == "bob@example.com"
    row = await one_row(people, vfolders, vfolders.c.id == folder_id)
    assert row.user == people.world.bob.user_id


async def test_nobody_inherits_from_oneself(people: PeopleSite) -> None:
    await people.refused(_action(replace(MIGRATE, heir=ALICE)), NoHeir)


async def test_who_is_inactive_inherits_nothing(people: PeopleSite) -> None:
    changes = UserChanges(status=UserStatus.INACTIVE)
    await people.run(UpdateUserAction(user="bob", changes=changes))
    await people.refused(_action(replace(MIGRATE, heir="bob")), NoHeir)


async def test_who_has_no_main_key_pair_inherits_no_services(people: PeopleSite) -> None:
    changes = UserChanges(main_access_key=None)
    await people.run(UpdateUserAction(user="bob", changes=changes))
    await people.refused(_action(replace(DELEGATE, heir="bob")), NoHeir)


# Model services


async def test_services_refuse_a_purge_until_somebody_chose(people: PeopleSite) -> None:
    await _service(people)
    error = await people.refused(_action(), UserPurgeFailure)
    assert error.details == {"endpoints": 1}
    assert "--delegate-endpoints" in (error.hint or "")


async def test_destroyed_services_go_without_a_word(shaped_people: PeopleSite) -> None:
    await _service(shaped_people, lifecycle_stage="destroyed")
    plan = await _purge(shaped_people)
    assert len(plan.deleted_endpoints) == 1
    assert await shaped_people.count(select(endpoints)) == 0


async def test_services_are_deleted_with_tokens_and_routes(shaped_people: PeopleSite) -> None:
    alice = shaped_people.world.alice
    endpoint_id = await _service(shaped_people)
    await shaped_people.execute(token(endpoint_id, alice), route(endpoint_id, alice, None))
    await _purge(shaped_people, DELETE_ENDPOINTS)
    for table in (endpoints, endpoint_tokens, routings):
        assert await shaped_people.count(select(table)) == 0


@pytest.mark.parametrize("stage", ["pending", "created", "scaling", "ready", "destroying"])
async def test_services_are_delegated_with_tokens_routes_and_sessions(
    people: PeopleSite, stage: str
) -> None:
    alice, root = people.world.alice, people.world.root
    endpoint_id = await _service(people, lifecycle_stage=stage)
    live = await _session(people, alice)
    await people.execute(token(endpoint_id, alice), route(endpoint_id, alice, live.id))
    plan = await _purge(people, DELEGATE)
    assert ([one.id for one in plan.delegated_endpoints], plan.destroyed_sessions) == (
        [endpoint_id],
        [],
    )
    service = await one_row(people, endpoints)
    assert (service.session_owner, service.created_user) == (root.user_id, root.user_id)
    for table in (endpoint_tokens, routings):
        assert (await one_row(people, table)).session_owner == root.user_id
    for table, key in ((sessions, sessions.c.id), (kernels, kernels.c.session_id)):
        row = await one_row(people, table, key == live.id)
        assert (row.user_uuid, row.access_key) == (root.user_id, root.access_key)


async def test_a_service_that_somebody_else_created_keeps_its_creator(people: PeopleSite) -> None:
    await _service(people, created_user=people.world.bob.user_id)
    await _purge(people, DELEGATE)
    assert (await one_row(people, endpoints)).created_user == people.world.bob.user_id


async def test_delegating_deletes_what_is_destroyed(people: PeopleSite) -> None:
    await _service(people, lifecycle_stage="destroyed")
    ready = await _service(people, name="other")
    await _purge(people, DELEGATE)
    assert (await one_row(people, endpoints)).id == ready


async def test_a_route_of_another_s_service_goes_to_the_service_s_owner(people: PeopleSite) -> None:
    alice, bob = people.world.alice, people.world.bob
    endpoint_id = uuid4()
    await people.execute(
        endpoint(bob, people.world.image_id, id=endpoint_id), route(endpoint_id, alice, None)
    )
    await _purge(people)
    assert (await one_row(people, routings)).session_owner == bob.user_id


# Preview and purge


async def _crowded(site: PeopleSite) -> UserPurgeChoices:
    """Something of everything, and a choice about all of it."""
    alice, bob = site.world.alice, site.world.bob
    given = await _folder(site, "given")
    await _folder(site, "own")
    await site.execute(
        shared(given, bob), invited(given, alice, bob), folder("given", site.world.root)
    )
    ready = await _service(site)
    await _service(site, name="gone", lifecycle_stage="destroyed")
    served = await _session(site, alice, name="served-1")
    await site.execute(route(ready, alice, served.id), token(ready, alice))
    await _session(site, alice, name="train-1")
    await _session(site, alice, name="stuck-1", status="ERROR")
    return UserPurgeChoices(
        destroy_sessions=True,
        shared_folders=SharedFolders.MIGRATE,
        endpoints=Endpoints.DELEGATE,
    )


async def test_a_preview_is_exactly_what_the_purge_then_does(shaped_people: PeopleSite) -> None:
    choices = await _crowded(shaped_people)
    shown = await _preview(shaped_people, choices)
    assert shown.blockers == []
    before = await _state(shaped_people)
    done = await _purge(shaped_people, choices)
    after = await _state(shaped_people)
    assert done == shown
    assert before["keypairs"] - after["keypairs"] == len(shown.keypairs)
    assert before["endpoints"] - after["endpoints"] == len(shown.deleted_endpoints) == 1
    assert before["association_groups_users"] - after["association_groups_users"] == 1
    assert before["vfolders"] == after["vfolders"]
    for one in shown.migrated_folders:
        assert (
            await one_row(shaped_people, vfolders, vfolders.c.id == one.id)
        ).name == one.new_name
    for one in shown.deleted_folders:
        row = await one_row(shaped_people, vfolders, vfolders.c.id == one.id)
        assert row.status == "delete-ongoing"
    ended = {session.name for session in shown.destroyed_sessions}
    assert ended == {"train-1", "stuck-1"}
    living = await shaped_people.rows(select(sessions.c.name).where(sessions.c.status == "RUNNING"))
    assert {row.name for row in living} == {"served-1"}


async def test_a_preview_changes_nothing(people: PeopleSite) -> None:
    choices = await _crowded(people)
    before = await _state(people)
    await _preview(people, choices)
    assert await _state(people) == before


async def test_a_purge_of_what_was_not_shown_does_nothing(people: PeopleSite) -> None:
    shown = await _preview(people)
    await _folder(people)
    action = replace(_action(), expected=fingerprint(shown))
    await people.refused(action, UserPurgeChanged)
    fresh = await _preview(people)
    await people.run(replace(action, expected=fingerprint(fresh)))


async def test_every_reason_not_to_purge_is_told_at_once(people: PeopleSite) -> None:
    await _crowded(people)
    error = await people.refused(_action(), UserPurgeFailure)
    assert error.details == {"live_sessions": 3, "shared_folders": 1, "endpoints": 1}


async def test_the_last_superadmin_is_not_purged(people: PeopleSite) -> None:
    await people.refused(_action(user=people.world.root.email), LastSuperadmin)


async def _state(site: PeopleSite) -> dict[str, int]:
    """How many rows each table has; the log of what was done is left out."""
    counts = {}
    for table in metadata.tables.values():
        if table.name != "audit_logs":
            (row,) = await site.rows(select(func.count()).select_from(table))
            counts[table.name] = row[0]
    return counts
