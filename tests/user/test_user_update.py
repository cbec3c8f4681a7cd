"""Changing and deactivating users (``reference/services.md`` §7)."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bai_manager.models.group import groups
from bai_manager.models.rbac import association_scopes_entities
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.group.errors import GroupNotFound
from bai_manager.services.keypair.errors import KeyPairForbidden, KeyPairNotFound
from bai_manager.services.user.actions import DeleteUserAction, GetUserAction, UpdateUserAction
from bai_manager.services.user.errors import (
    LastSuperadmin,
    TooManyUsersMatched,
    UserConflict,
    UserModificationBadRequest,
    UserNotFound,
)
from bai_manager.services.user.types import UserChanges
from bai_manager.types.credentials import new_access_key
from bai_manager.types.status import UserRole, UserStatus
from tests import seeds
from tests.people import one_row

if TYPE_CHECKING:
    from bai_manager.services.user.actions import UpdateUserActionResult
    from bai_manager.services.user.types import UserData
    from tests.seeds import Person
    from tests.tenants import Site

ALICE = "alice@example.com"


async def _update(site: Site, user: str = ALICE, **changes: Any) -> UpdateUserActionResult:
    return await site.run(UpdateUserAction(user=user, changes=UserChanges(**changes)))


async def _show(site: Site, user: str = ALICE) -> UserData:
    return (await site.run(GetUserAction(user=user))).user


async def _key(site: Site, person: Person, **flags: bool) -> Person:
    """Another key pair of somebody."""
    second = replace(person, access_key=new_access_key())
    async with site.database.transaction() as connection:
        await seeds.seed_keypair(connection, second)
    if flags:
        await _flags(site, second.access_key, **flags)
    return second


async def _flags(site: Site, access_key: str, **flags: bool) -> None:
    await site.execute(update(keypairs).where(keypairs.c.access_key == access_key).values(**flags))


async def _of(site: Site, person: Person) -> dict[str, tuple[bool, bool]]:
    """Access key → (active, administrator's)."""
    rows = await site.rows(select(keypairs).where(keypairs.c.user == person.user_id))
    return {row.access_key: (row.is_active, row.is_admin) for row in rows}


# What is given, and what stays


async def test_an_update_never_touches_the_status_unless_it_is_given(shaped_people: Site) -> None:
    updated = await _update(shaped_people, full_name="Alice Kim")
    assert updated.changed == ("full_name",)
    assert (updated.user.status, updated.user.status_info) == (UserStatus.ACTIVE, None)


async def test_an_update_sets_what_is_given_and_nothing_else(shaped_people: Site) -> None:
    before = await _show(shaped_people)
    updated = await _update(
        shaped_people,
        username="alice2",
        description="New.",
        need_password_change=True,
        totp_activated=True,
        sudo_session_enabled=True,
        allowed_client_ip=("10.0.0.0/8",),
        container_uid=1,
        container_main_gid=2,
        container_gids=(3,),
    )
    changed = set(updated.changed)
    assert changed == {
        "username",
        "description",
        "need_password_change",
        "totp_activated",
        "sudo_session_enabled",
        "allowed_client_ip",
        "container_uid",
        "container_main_gid",
        "container_gids",
    }
    same = {field.name for field in fields(before)} - changed - {"version", "modified_at"}
    assert {n: getattr(before, n) for n in same} == {n: getattr(updated.user, n) for n in same}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_name", "Alice"),
        ("description", "x"),
        ("allowed_client_ip", ("10.0.0.0/8",)),
        ("container_uid", 7),
        ("container_main_gid", 7),
        ("container_gids", (7,)),
        ("main_access_key", None),
    ],
)
async def test_null_clears_what_may_be_null(people: Site, field: str, value: Any) -> None:
    if value is not None:
        await _update(people, ALICE, **{field: value})
    cleared = await _update(people, ALICE, **{field: None})
    assert cleared.changed == (field,)
    assert getattr(cleared.user, field) is None


async def test_an_update_that_changes_nothing_says_so_and_leaves_the_version(people: Site) -> None:
    before = await _show(people)
    again = await _update(people, username="alice", role=UserRole.USER, status=UserStatus.ACTIVE)
    assert (again.changed, again.user.version) == ((), before.version)


@pytest.mark.parametrize("status", [UserStatus.INACTIVE, UserStatus.DELETED])
async def test_a_status_that_changes_was_requested_by_an_administrator(
    people: Site, status: UserStatus
) -> None:
    updated = await _update(people, status=status)
    assert (updated.user.status, updated.user.status_info) == (status, "admin-requested")


async def test_a_status_alone_leaves_key_pairs_as_they_are(people: Site) -> None:
    alice = people.world.alice
    await _update(people, status=UserStatus.INACTIVE)
    assert await _of(people, alice) == {alice.access_key: (True, False)}


async def test_a_user_is_meant_by_e_mail_name_id_and_unique_prefix(people: Site) -> None:
    alice = people.world.alice
    for text in (ALICE, "alice", str(alice.user_id), str(alice.user_id)[:13]):
        assert (await _show(people, text)).id == alice.user_id


async def test_a_prefix_of_several_ids_is_refused(people: Site) -> None:
    ids = ("aaaa1111-0000-4000-8000-000000000001", "aaaa1111-0000-4000-8000-000000000002")
    for index, user_id in enumerate(ids):
        await people.execute(
            users.insert().values(
                uuid=user_id,
                email=f"twin{index}@example.com",
                status="active",
                resource_policy="default",
                sudo_session_enabled=False,
                totp_activated=False,
            )
        )
    await people.refused(GetUserAction(user="aaaa1111"), TooManyUsersMatched)


async def test_an_unknown_user_is_not_found(people: Site) -> None:
    for action in (
        UpdateUserAction(user="nobody@example.com", changes=UserChanges()),
        DeleteUserAction(user="nobody@example.com"),
        GetUserAction(user="nobody@example.com"),
    ):
        await people.refused(action, UserNotFound)


async def test_a_user_name_that_is_taken_is_a_conflict(shaped_people: Site) -> None:
    action = UpdateUserAction(user=ALICE, changes=UserChanges(username="bob"))
    await shaped_people.refused(action, UserConflict)


@pytest.mark.parametrize(
    ("changes", "noun"),
    [({"resource_policy": "gone"}, "user policy"), ({"domain_name": "gone"}, "domain")],
)
async def test_a_policy_or_domain_that_is_not_there_is_named(
    shaped_people: Site, changes: dict[str, Any], noun: str
) -> None:
    action = UpdateUserAction(user=ALICE, changes=UserChanges(**changes))
    error = await shaped_people.refused(action, UserModificationBadRequest)
    assert error.details["noun"] == noun


async def test_a_user_that_changed_since_it_was_shown_is_left_alone(people: Site) -> None:
    version = (await _show(people)).version
    await _update(people, description="first")
    late = UpdateUserAction(
        user=ALICE, changes=UserChanges(description="second"), if_unchanged=version
    )
    await people.refused(late, RowChanged)
    assert (await _show(people)).description == "first"


async def test_updates_at_the_same_time_lose_nothing(own_site: Site) -> None:
    await asyncio.gather(
        _update(own_site, description="both"),
        _update(own_site, full_name="Alice Kim"),
        _update(own_site, container_uid=7),
    )
    user = await _show(own_site)
    assert (user.description, user.full_name, user.container_uid) == ("both", "Alice Kim", 7)


async def test_of_two_updates_of_one_version_one_is_refused(own_site: Site) -> None:
    version = (await _show(own_site)).version
    done = await asyncio.gather(
        *(
            own_site.run(
                UpdateUserAction(
                    user=ALICE, changes=UserChanges(description=text), if_unchanged=version
                )
            )
            for text in ("one", "two")
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["RowChanged", "UpdateUserActionResult"]


# The main key pair


async def test_the_main_key_pair_may_be_another_of_the_user_s(people: Site) -> None:
    second = await _key(people, people.world.alice)
    updated = await _update(people, main_access_key=second.access_key)
    assert updated.user.main_access_key == second.access_key


async def test_a_main_key_pair_that_is_not_there_is_not_found(people: Site) -> None:
    changes = UserChanges(main_access_key="AKIANOBODY")
    await people.refused(UpdateUserAction(user=ALICE, changes=changes), KeyPairNotFound)


async def test_another_s_key_pair_is_forbidden(people: Site) -> None:
    changes = UserChanges(main_access_key=people.world.bob.access_key)
    error = await people.refused(UpdateUserAction(user=ALICE, changes=changes), KeyPairForbidden)
    assert error.exit_code == 4


# Roles and key pairs


@pytest.mark.parametrize("role", [UserRole.ADMIN, UserRole.SUPERADMIN])
async def test_becoming_an_administrator_marks_all_key_pairs(
    shaped_people: Site, role: UserRole
) -> None:
    alice = shaped_people.world.alice
    second = await _key(shaped_people, alice)
    updated = await _update(shaped_people, role=role)
    assert await _of(shaped_people, alice) == {
        alice.access_key: (True, True),
        second.access_key: (True, True),
    }
    assert {effect.access_key for effect in updated.keypairs} == {
        alice.access_key,
        second.access_key,
    }


async def test_becoming_an_administrator_changes_nothing_where_one_is_marked_and_active(
    people: Site,
) -> None:
    alice = people.world.alice
    second = await _key(people, alice, is_admin=True, is_active=True)
    updated = await _update(people, role=UserRole.ADMIN)
    assert updated.keypairs == []
    assert await _of(people, alice) == {
        alice.access_key: (True, False),
        second.access_key: (True, True),
    }


async def test_becoming_an_administrator_brings_back_only_the_first_key_pair(people: Site) -> None:
    alice = people.world.alice
    await _flags(people, alice.access_key, is_active=False)
    revoked = await _key(people, alice, is_active=False)
    await _update(people, role=UserRole.ADMIN)
    assert await _of(people, alice) == {
        alice.access_key: (True, True),
        revoked.access_key: (False, True),
    }


async def test_becoming_an_administrator_brings_back_no_key_pair_of_an_inactive_user(
    people: Site,
) -> None:
    alice = people.world.alice
    await _flags(people, alice.access_key, is_active=False)
    await _update(people, role=UserRole.ADMIN, status=UserStatus.INACTIVE)
    assert await _of(people, alice) == {alice.access_key: (False, True)}


@pytest.mark.parametrize("role", [UserRole.USER, UserRole.MONITOR])
async def test_losing_the_role_keeps_the_first_key_pair_and_switches_off_the_others(
    shaped_people: Site, role: UserRole
) -> None:
    admin = shaped_people.world.admin
    second = await _key(shaped_people, admin, is_admin=True, is_active=True)
    plain = await _key(shaped_people, admin, is_admin=False, is_active=True)
    await _update(shaped_people, admin.email, role=role)
    assert await _of(shaped_people, admin) == {
        admin.access_key: (True, False),
        second.access_key: (False, False),
        plain.access_key: (True, False),
    }


async def test_a_mark_that_was_lost_does_not_come_back_with_the_key_pair(people: Site) -> None:
    admin = people.world.admin
    second = await _key(people, admin, is_admin=True, is_active=True)
    await _update(people, admin.email, role=UserRole.USER)
    await _flags(people, second.access_key, is_active=True)
    assert (await _of(people, admin))[second.access_key] == (True, False)


async def test_memberships_stay_when_the_role_changes(shaped_people: Site) -> None:
    assert (await _update(shaped_people, role=UserRole.ADMIN)).user.projects == ["default"]


# Memberships and domains


async def test_projects_that_are_given_replace_all_memberships(shaped_people: Site) -> None:
    async with shaped_people.database.transaction() as connection:
        await seeds.seed_project(connection, "research")
    updated = await _update(shaped_people, projects=("research",))
    assert (updated.changed, updated.user.projects) == (("projects",), ["research"])
    left = await _update(shaped_people, projects=())
    assert left.user.projects == []


async def test_a_project_of_another_domain_is_refused(people: Site) -> None:
    changes = UserChanges(projects=(str(people.world.other_project_id),))
    await people.refused(UpdateUserAction(user=ALICE, changes=changes), GroupNotFound)
    assert (await _show(people)).projects == ["default"]


async def test_who_moves_to_another_domain_leaves_its_projects_for_the_new_model_store(
    shaped_people: Site,
) -> None:
    async with shaped_people.database.transaction() as connection:
        store = await seeds.seed_project(connection, "model-store", domain="other")
    await shaped_people.execute(
        update(groups).where(groups.c.id == store).values(type="model-store")
    )
    updated = await _update(shaped_people, domain_name="other")
    assert (updated.user.domain_name, updated.user.projects) == ("other", ["model-store"])
    place = await one_row(
        shaped_people,
        association_scopes_entities,
        association_scopes_entities.c.entity_id == str(updated.user.id),
    )
    assert (place.scope_type, place.scope_id) == ("domain", "other")


async def test_projects_are_those_of_the_new_domain(people: Site) -> None:
    updated = await _update(people, domain_name="other", projects=("default",))
    assert updated.user.projects == ["default"]
    row = await one_row(people, groups, groups.c.id == people.world.other_project_id)
    assert row.domain_name == updated.user.domain_name


# The last superadmin


@pytest.mark.parametrize(
    "changes", [{"role": UserRole.ADMIN}, {"status": UserStatus.INACTIVE}], ids=str
)
async def test_the_last_superadmin_stays_one(people: Site, changes: dict[str, Any]) -> None:
    root = people.world.root.email
    await people.refused(
        UpdateUserAction(user=root, changes=UserChanges(**changes)), LastSuperadmin
    )
    await people.refused(DeleteUserAction(user=root), LastSuperadmin)
    await _update(people, role=UserRole.SUPERADMIN)
    assert (await _update(people, root, **changes)).changed


async def test_a_superadmin_whose_key_pair_is_inactive_is_none_to_rely_on(people: Site) -> None:
    await _update(people, role=UserRole.SUPERADMIN)
    await _flags(people, people.world.alice.access_key, is_active=False)
    await people.refused(DeleteUserAction(user=people.world.root.email), LastSuperadmin)


# Deactivating


async def test_deleting_deactivates_the_user_and_all_key_pairs(shaped_people: Site) -> None:
    alice = shaped_people.world.alice
    second = await _key(shaped_people, alice)
    off = await _key(shaped_people, alice, is_active=False)
    deleted = await shaped_people.run(DeleteUserAction(user=ALICE))
    assert deleted.user is not None
    assert deleted.user.status is UserStatus.DELETED
    assert deleted.user.status_info == "admin-requested"
    assert {effect.access_key for effect in deleted.keypairs} == {
        alice.access_key,
        second.access_key,
    }
    assert set((await _of(shaped_people, alice)).values()) == {(False, False)}
    assert off.access_key in await _of(shaped_people, alice)


async def test_deleting_leaves_everything_else(people: Site) -> None:
    await people.run(DeleteUserAction(user=ALICE))
    user = await _show(people)
    assert (user.projects, user.keypair_count) == (["default"], 1)
    assert user.main_access_key == people.world.alice.access_key


async def test_deleting_again_changes_nothing(people: Site) -> None:
    first = await people.run(DeleteUserAction(user=ALICE))
    again = await people.run(DeleteUserAction(user=ALICE))
    assert first.user is not None
    assert again.user is not None
    assert (again.keypairs, again.user.version) == ([], first.user.version)


async def test_deleting_nobody_is_not_found_unless_ignored(people: Site) -> None:
    ignored = await people.run(DeleteUserAction(user="nobody", ignore_not_found=True))
    assert (ignored.user, ignored.keypairs) == (None, [])
