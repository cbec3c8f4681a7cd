"""Projects, their members and dotfiles (``reference/services.md`` §8), in both shapes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.rbac import permission_groups, permissions, roles
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.group.actions import (
    AddGroupMemberAction,
    CreateGroupAction,
    CreateGroupDotfileAction,
    DeleteGroupAction,
    DeleteGroupDotfileAction,
    GetGroupAction,
    ListGroupDotfilesAction,
    ListGroupMembersAction,
    ListGroupsAction,
    RemoveGroupMemberAction,
    UpdateGroupAction,
    UpdateGroupDotfileAction,
)
from bai_manager.services.group.errors import (
    GroupAlreadyExists,
    GroupCreationBadRequest,
    GroupHasStrangers,
    GroupMemberOfOtherDomain,
    GroupMembershipNotFound,
    GroupNotFound,
    TooManyGroupsMatched,
)
from bai_manager.services.group.types import GroupChanges, GroupSpec, ProjectRegistry
from bai_manager.types.dotfiles import Dotfile, DotfileNotFound
from bai_manager.types.errors import InvalidName, InvalidValue
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.query import Query, parse_filter
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ProjectType
from bai_manager.types.vfolder import VFolderHostPermission
from tests import seeds
from tests.people import one_row

if TYPE_CHECKING:
    from bai_manager.services.group.types import GroupData
    from tests.seeds import Person
    from tests.tenants import Site

HOSTS = {"local:volume1": frozenset({VFolderHostPermission.CREATE})}
VIMRC = Dotfile(path=".vimrc", permission="644", data="set nu\n")


async def _create(site: Site, name: str = "research", **given: Any) -> GroupData:
    spec = GroupSpec(name=name, **{"domain_name": "default", **given})
    return (await site.run(CreateGroupAction(spec=spec))).group


async def _update(site: Site, group: str, **changes: Any) -> tuple[GroupData, tuple[str, ...]]:
    result = await site.run(UpdateGroupAction(group=group, changes=GroupChanges(**changes)))
    return result.group, result.changed


# Creating


async def test_a_project_has_the_defaults_of_the_reference(shaped_people: Site) -> None:
    made = await _create(shaped_people)
    row = await one_row(shaped_people, groups, groups.c.id == made.id)
    assert (row.type, row.resource_policy, row.is_active) == ("general", "default", True)
    assert (row.total_resource_slots, row.allowed_vfolder_hosts) == ({}, {})
    assert (row.container_registry, row.integration_id, row.dotfiles) == (None, None, b"\x90")


async def test_a_project_keeps_every_field_that_is_given(shaped_people: Site) -> None:
    registry = ProjectRegistry(registry="cr.example.com", project="research")
    made = await _create(
        shaped_people,
        type=ProjectType.MODEL_STORE,
        description="Ours.",
        is_active=False,
        total_resource_slots=ResourceSlot({"cpu": 8, "mem": "1g"}),
        allowed_vfolder_hosts=HOSTS,
        integration_id="crm-17",
        container_registry=registry,
    )
    assert (made.type, made.description, made.is_active) == (
        ProjectType.MODEL_STORE,
        "Ours.",
        False,
    )
    assert made.total_resource_slots == ResourceSlot({"cpu": 8, "mem": 1 << 30})
    assert made.allowed_vfolder_hosts == HOSTS
    assert (made.integration_id, made.container_registry) == ("crm-17", registry)
    row = await one_row(shaped_people, groups, groups.c.id == made.id)
    assert row.container_registry == {"registry": "cr.example.com", "project": "research"}


async def test_a_project_comes_with_the_role_of_its_administrators(shaped_people: Site) -> None:
    made = await _create(shaped_people)
    found = await shaped_people.rows(
        select(roles.c.name, permissions.c.entity_type, permissions.c.operation)
        .join(permission_groups, permission_groups.c.role_id == roles.c.id)
        .join(permissions, permissions.c.permission_group_id == permission_groups.c.id)
        .where(permission_groups.c.scope_id == str(made.id))
    )
    assert {row.name for row in found} == {f"project-{str(made.id)[:8]}-admin"}
    assert len(found) == 40


async def test_a_name_is_unique_in_its_domain(shaped_people: Site) -> None:
    await _create(shaped_people)
    again = CreateGroupAction(spec=GroupSpec(name="research", domain_name="default"))
    await shaped_people.refused(again, GroupAlreadyExists)
    await _create(shaped_people, domain_name="other")


async def test_a_project_that_may_be_there_is_left_as_it_is(people: Site) -> None:
    spec = GroupSpec(name="default", domain_name="default", description="Mine.")
    result = await people.run(CreateGroupAction(spec=spec, if_not_exists=True))
    assert (result.created, result.group.description) == (False, None)
    assert result.group.id == people.world.project_id
    assert await people.count(select(roles)) == 0


@pytest.mark.parametrize(
    ("given", "noun"),
    [({"domain_name": "gone"}, "domain"), ({"resource_policy": "gone"}, "project policy")],
)
async def test_a_domain_or_policy_that_is_not_there_is_named(
    shaped_people: Site, given: dict[str, Any], noun: str
) -> None:
    spec = GroupSpec(name="research", **{"domain_name": "default", **given})
    error = await shaped_people.refused(CreateGroupAction(spec=spec), GroupCreationBadRequest)
    assert error.details["noun"] == noun


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": "-x"}, InvalidName),
        ({"name": "a--b"}, InvalidName),
        ({"name": "a/b"}, InvalidName),
        ({"name": "x" * 65}, InvalidName),
        ({"description": "x" * 513}, InvalidValue),
        ({"integration_id": "x" * 513}, InvalidName),
        ({"container_registry": ProjectRegistry(registry="cr", project="A")}, InvalidName),
        ({"total_resource_slots": ResourceSlot({"cpu": -1})}, InvalidValue),
        ({"allowed_vfolder_hosts": {"nohost": frozenset()}}, InvalidValue),
    ],
    ids=str,
)
async def test_what_a_column_would_not_take_is_refused(
    people: Site, given: dict[str, Any], error: type[InvalidValue]
) -> None:
    spec = GroupSpec(**{"name": "research", "domain_name": "default", **given})
    await people.refused(CreateGroupAction(spec=spec), error)


# Which one is meant


async def test_a_project_is_meant_by_name_domain_and_name_id_and_prefix(people: Site) -> None:
    made = await _create(people)
    for text in ("research", "default/research", str(made.id), str(made.id)[:13]):
        assert (await people.run(GetGroupAction(group=text))).group.id == made.id


async def test_a_name_of_two_domains_is_refused_unless_only_one_may_be_seen(
    shaped_people: Site,
) -> None:
    world = shaped_people.world
    await shaped_people.refused(GetGroupAction(group="default"), TooManyGroupsMatched)
    named = await shaped_people.run(GetGroupAction(group="other/default"))
    assert named.group.id == world.other_project_id
    own = await shaped_people.run(GetGroupAction(group="default"), world.other_admin)
    assert own.group.id == world.other_project_id


async def test_a_project_of_another_domain_is_not_found(people: Site) -> None:
    world = people.world
    for text in ("other/default", str(world.other_project_id)):
        for who in (world.admin, world.alice):
            await people.refused(GetGroupAction(group=text), GroupNotFound, who)


# Updating


async def test_an_update_sets_what_is_given_and_nothing_else(shaped_people: Site) -> None:
    before = await _create(shaped_people, description="Ours.", integration_id="x")
    after, changed = await _update(shaped_people, "research", name="lab", description=None)
    assert changed == ("name", "description")
    assert (after.name, after.description) == ("lab", None)
    assert (after.integration_id, after.is_active, after.id) == ("x", True, before.id)


async def test_slots_and_hosts_are_changed_one_by_one(shaped_people: Site) -> None:
    await _create(
        shaped_people,
        total_resource_slots=ResourceSlot({"cpu": 8, "mem": 1024}),
        allowed_vfolder_hosts=HOSTS,
    )
    mount = frozenset({VFolderHostPermission.MOUNT_IN_SESSION})
    after, _ = await _update(
        shaped_people,
        "research",
        total_resource_slots=SlotsPatch(put=ResourceSlot({"cuda.device": 2}), drop=("mem",)),
        allowed_vfolder_hosts=HostsPatch(put={"local:volume2": mount}),
    )
    assert after.total_resource_slots == ResourceSlot({"cpu": 8, "cuda.device": 2})
    assert after.allowed_vfolder_hosts == {**HOSTS, "local:volume2": mount}


@pytest.mark.parametrize("field", ["description", "integration_id", "container_registry"])
async def test_null_clears_what_may_be_null(people: Site, field: str) -> None:
    registry = ProjectRegistry(registry="cr", project="x")
    await _create(people, description="x", integration_id="x", container_registry=registry)
    after, changed = await _update(people, "research", **{field: None})
    assert (changed, getattr(after, field)) == ((field,), None)


async def test_an_update_that_changes_nothing_says_so(people: Site) -> None:
    before = await _create(people)
    after, changed = await _update(people, "research", is_active=True, name="research")
    assert (changed, after.version) == ((), before.version)


async def test_an_update_that_fails_is_no_success(shaped_people: Site) -> None:
    await _create(shaped_people)
    taken = UpdateGroupAction(group="research", changes=GroupChanges(name="default"))
    await shaped_people.refused(taken, GroupAlreadyExists)
    gone = UpdateGroupAction(group="research", changes=GroupChanges(resource_policy="gone"))
    await shaped_people.refused(gone, GroupCreationBadRequest)
    unknown = UpdateGroupAction(group="gone", changes=GroupChanges())
    await shaped_people.refused(unknown, GroupNotFound)


async def test_a_project_that_changed_since_it_was_shown_is_left_alone(people: Site) -> None:
    version = (await _create(people)).version
    await _update(people, "research", description="first")
    late = UpdateGroupAction(
        group="research", changes=GroupChanges(description="second"), if_unchanged=version
    )
    await people.refused(late, RowChanged)


async def test_updates_at_the_same_time_lose_nothing(own_site: Site) -> None:
    await _create(own_site)
    await asyncio.gather(
        *(
            _update(
                own_site,
                "research",
                total_resource_slots=SlotsPatch(put=ResourceSlot({f"gpu{index}.device": 1})),
            )
            for index in range(4)
        )
    )
    shown = await own_site.run(GetGroupAction(group="research"))
    assert len(shown.group.total_resource_slots) == 4


async def test_a_project_without_people_and_sessions_moves_to_another_domain(people: Site) -> None:
    await _create(people)
    moved, changed = await _update(people, "research", domain_name="other")
    assert (moved.domain_name, changed) == ("other", ("domain_name",))


async def test_people_and_sessions_keep_a_project_in_its_domain(people: Site) -> None:
    async with people.database.transaction() as connection:
        await seeds.seed_session(connection, people.world.alice)
    changes = GroupChanges(domain_name="other")
    action = UpdateGroupAction(group="default/default", changes=changes)
    error = await people.refused(action, GroupHasStrangers)
    assert (error.details["members"], error.details["sessions"]) == (5, 1)


# Deactivating


async def test_deleting_deactivates_and_lets_go_of_the_id_elsewhere(shaped_people: Site) -> None:
    await _create(shaped_people, integration_id="crm-17")
    gone = (await shaped_people.run(DeleteGroupAction(group="research"))).group
    assert (gone.is_active, gone.integration_id) == (False, None)
    back, _ = await _update(shaped_people, "research", is_active=True)
    assert back.is_active


async def test_deleting_what_is_not_there_is_an_error(people: Site) -> None:
    await people.refused(DeleteGroupAction(group="gone"), GroupNotFound)


# Members


async def _members(site: Site, group: str, who: Person | None = None) -> list[str]:
    found = await site.run(ListGroupMembersAction(group=group), who)
    return [member.username for member in found.members]


async def test_members_are_added_and_removed(shaped_people: Site) -> None:
    await _create(shaped_people)
    for user in ("alice@example.com", "bob"):
        added = await shaped_people.run(AddGroupMemberAction(group="research", user=user))
        assert added.changed
    assert await _members(shaped_people, "research") == ["alice", "bob"]
    await shaped_people.run(RemoveGroupMemberAction(group="research", user="alice"))
    assert await _members(shaped_people, "research") == ["bob"]


async def test_adding_a_member_again_changes_nothing(shaped_people: Site) -> None:
    again = AddGroupMemberAction(group="default/default", user="alice")
    assert not (await shaped_people.run(again)).changed
    of_alice = association_groups_users.c.user_id == shaped_people.world.alice.user_id
    assert await shaped_people.count(select(association_groups_users).where(of_alice)) == 1


@pytest.mark.parametrize("user", ["carol", "nobody"])
async def test_only_users_of_the_domain_become_members(people: Site, user: str) -> None:
    action = AddGroupMemberAction(group="default/default", user=user)
    error = await people.refused(action, GroupMemberOfOtherDomain)
    assert error.details["domain"] == "default"


@pytest.mark.parametrize("user", ["alice", "carol", "nobody"])
async def test_who_is_no_member_is_not_removed(people: Site, user: str) -> None:
    await _create(people)
    action = RemoveGroupMemberAction(group="research", user=user)
    await people.refused(action, GroupMembershipNotFound)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("role=admin", ["admin"]),
        ("email~bob", ["bob"]),
        ("status=inactive", []),
        ("username=alice,bob", ["alice", "bob"]),
    ],
)
async def test_members_are_found_by_what_is_shown(
    shaped_people: Site, text: str, names: list[str]
) -> None:
    query = Query(filters=(parse_filter(text),))
    action = ListGroupMembersAction(group="default/default", query=query)
    found = await shaped_people.run(action)
    assert [member.username for member in found.members] == names


# Lists


async def test_one_lists_what_one_may_see(shaped_people: Site) -> None:
    world = shaped_people.world
    await _create(shaped_people)

    async def seen(who: Person) -> list[str]:
        listed = await shaped_people.run(ListGroupsAction(), who)
        return [f"{group.domain_name}/{group.name}" for group in listed.groups]

    assert await seen(world.alice) == ["default/default"]
    assert await seen(world.admin) == ["default/default", "default/research"]
    assert await seen(world.other_admin) == ["other/default"]
    everything = ["default/default", "default/research", "other/default"]
    assert await seen(world.root) == everything
    assert await seen(world.monitor) == everything


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("member_count>2", ["default"]),
        ("domain_name=other", ["default"]),
        ("type=model-store", []),
        ("is_active=true", ["default", "default"]),
        ("created_at>1h", ["default", "default"]),
    ],
)
async def test_projects_are_found_by_what_is_shown(
    shaped_people: Site, text: str, names: list[str]
) -> None:
    query = Query(filters=(parse_filter(text),))
    listed = await shaped_people.run(ListGroupsAction(query=query))
    assert [group.name for group in listed.groups] == names


async def test_showing_counts_what_a_project_has(people: Site) -> None:
    async with people.database.transaction() as connection:
        await seeds.seed_session(connection, people.world.alice)
    shown = await people.run(GetGroupAction(group="default"), people.world.alice)
    assert (shown.group.member_count, shown.holdings.live_sessions) == (5, 1)


# Dotfiles


async def test_dotfiles_of_a_project_are_written_by_its_admin_and_read_by_members(
    shaped_people: Site,
) -> None:
    admin, alice = shaped_people.world.admin, shaped_people.world.alice
    create = CreateGroupDotfileAction(group="default", dotfile=VIMRC)
    await shaped_people.run(create, admin)
    listing = ListGroupDotfilesAction(group="default")
    assert (await shaped_people.run(listing, alice)).dotfiles == (VIMRC,)
    update = UpdateGroupDotfileAction(group="default", path=".vimrc", data="set ai\n")
    changed = await shaped_people.run(update, admin)
    assert [one.data for one in changed.dotfiles] == ["set ai\n"]
    delete = DeleteGroupDotfileAction(group="default", path=".vimrc")
    assert (await shaped_people.run(delete, admin)).dotfiles == ()
    await shaped_people.refused(delete, DotfileNotFound, admin)
