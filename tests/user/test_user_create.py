"""Creating users (``reference/services.md`` §7), in both shapes of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.rbac import (
    association_scopes_entities,
    permission_groups,
    permissions,
    roles,
    user_roles,
)
from bai_manager.models.user import keypairs, users
from bai_manager.services.group.errors import GroupNotFound
from bai_manager.services.user.actions import CreateUserAction, GetUserAction
from bai_manager.services.user.errors import UserConflict, UserCreationBadRequest, UserNotFound
from bai_manager.services.user.types import InvalidClientAddress, UserSpec
from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidName, InvalidValue
from bai_manager.types.limits import InvalidLimitValue
from bai_manager.types.password import verify
from bai_manager.types.status import UserRole, UserStatus
from tests import seeds
from tests.people import one_row

if TYPE_CHECKING:
    from bai_manager.services.user.actions import CreateUserActionResult
    from tests.tenants import Site

EMAIL = "eve@example.com"


def _spec(**given: object) -> UserSpec:
    values = {"email": EMAIL, "username": "eve", "domain_name": "default", **given}
    return UserSpec(**values)  # type: ignore[arg-type]


async def _create(
    site: Site, *, password: str | None = None, **given: object
) -> CreateUserActionResult:
    secret = None if password is None else Secret(password)
    return await site.run(CreateUserAction(spec=_spec(**given), password=secret))


async def test_a_user_has_the_defaults_of_the_reference(shaped_people: Site) -> None:
    await _create(shaped_people)
    row = await one_row(shaped_people, users, users.c.email == EMAIL)
    assert (row.role, row.status, row.resource_policy) == ("user", "active", "default")
    assert row.status_info is None
    flags = (row.need_password_change, row.totp_activated, row.sudo_session_enabled)
    assert flags == (False, False, False)
    assert row.domain_name == "default"


async def test_a_user_has_one_key_pair_which_is_the_main_one(shaped_people: Site) -> None:
    made = await _create(shaped_people)
    key = await one_row(shaped_people, keypairs, keypairs.c.user == made.user.id)
    assert (key.user_id, key.access_key) == (EMAIL, made.user.main_access_key)
    assert made.secret_key == Secret(key.secret_key)
    assert (key.is_active, key.is_admin) == (True, False)
    assert (key.resource_policy, key.rate_limit, key.num_queries) == ("default", 10000, 0)
    assert (key.bootstrap_script, key.dotfiles) == ("", b"\x90")
    assert key.ssh_public_key.startswith("ssh-rsa ")
    assert key.ssh_private_key.endswith("\n")


@pytest.mark.parametrize(
    ("role", "is_admin"),
    [
        (UserRole.SUPERADMIN, True),
        (UserRole.ADMIN, True),
        (UserRole.USER, False),
        (UserRole.MONITOR, False),
    ],
)
async def test_the_key_pair_is_an_administrator_s_when_the_user_is_one(
    people: Site, role: UserRole, is_admin: bool
) -> None:
    made = await _create(people, role=role)
    key = await one_row(people, keypairs, keypairs.c.user == made.user.id)
    assert key.is_admin is is_admin


@pytest.mark.parametrize("status", UserStatus)
async def test_the_key_pair_is_active_when_the_user_is(people: Site, status: UserStatus) -> None:
    made = await _create(people, status=status)
    key = await one_row(people, keypairs, keypairs.c.user == made.user.id)
    assert key.is_active is (status is UserStatus.ACTIVE)


async def test_the_password_is_stored_as_a_hash_that_login_knows(people: Site) -> None:
    made = await _create(people, password="correct horse")
    row = await one_row(people, users, users.c.uuid == made.user.id)
    assert row.password.startswith("pbkdf2_sha256$")
    assert verify(Secret("correct horse"), row.password)
    assert made.user.has_password


async def test_without_a_password_none_is_stored(people: Site) -> None:
    made = await _create(people)
    row = await one_row(people, users, users.c.uuid == made.user.id)
    assert (row.password, made.user.has_password) == (None, False)


async def test_every_field_that_is_given_is_kept(shaped_people: Site) -> None:
    made = await _create(
        shaped_people,
        full_name="Eve Kim",
        description="Tries things.",
        role=UserRole.MONITOR,
        need_password_change=True,
        totp_activated=True,
        sudo_session_enabled=True,
        allowed_client_ip=("10.1.0.0/16", "192.0.2.7"),
        container_uid=1001,
        container_main_gid=1002,
        container_gids=(1003, 1004),
        rate_limit=5,
    )
    user = made.user
    assert (user.full_name, user.description) == ("Eve Kim", "Tries things.")
    assert (user.role, user.need_password_change) == (UserRole.MONITOR, True)
    assert (user.totp_activated, user.sudo_session_enabled) == (True, True)
    assert user.allowed_client_ip == ["10.1.0.0/16", "192.0.2.7/32"]
    assert (user.container_uid, user.container_main_gid) == (1001, 1002)
    assert user.container_gids == [1003, 1004]


async def test_projects_are_those_named_and_the_domain_s_model_store(shaped_people: Site) -> None:
    async with shaped_people.database.transaction() as connection:
        research = await seeds.seed_project(connection, "research")
        store = await seeds.seed_project(connection, "model-store")
        elsewhere = await seeds.seed_project(connection, "model-store", domain="other")
    for group_id in (store, elsewhere):
        await shaped_people.execute(
            update(groups).where(groups.c.id == group_id).values(type="model-store")
        )
    made = await _create(shaped_people, projects=("default", str(research)))
    assert made.user.projects == ["default", "model-store", "research"]
    joined = await shaped_people.rows(
        select(association_groups_users.c.group_id).where(
            association_groups_users.c.user_id == made.user.id
        )
    )
    assert {row.group_id for row in joined} == {
        shaped_people.world.project_id,
        research,
        store,
    }


async def test_a_project_of_another_domain_is_refused_and_nothing_is_left(people: Site) -> None:
    other = str(people.world.other_project_id)
    await people.refused(CreateUserAction(spec=_spec(projects=(other,))), GroupNotFound)
    await people.refused(GetUserAction(user=EMAIL), UserNotFound)


async def test_the_user_holds_a_role_of_its_own_in_the_domain(shaped_people: Site) -> None:
    made = await _create(shaped_people)
    user_id = str(made.user.id)
    found = await shaped_people.rows(
        select(roles.c.name, permissions.c.entity_type, permissions.c.operation)
        .join(permission_groups, permission_groups.c.role_id == roles.c.id)
        .join(permissions, permissions.c.permission_group_id == permission_groups.c.id)
        .join(user_roles, user_roles.c.role_id == roles.c.id)
        .where(user_roles.c.user_id == made.user.id, permission_groups.c.scope_id == user_id)
    )
    assert {row.name for row in found} == {f"user-{user_id[:8]}"}
    granted = {(row.entity_type, row.operation) for row in found}
    assert ("vfolder", "create") in granted
    assert ("user", "create") not in granted
    place = await one_row(
        shaped_people,
        association_scopes_entities,
        association_scopes_entities.c.entity_id == user_id,
    )
    assert (place.scope_type, place.scope_id, place.entity_type) == ("domain", "default", "user")


async def test_a_domain_that_is_not_there_is_named(people: Site) -> None:
    action = CreateUserAction(spec=_spec(domain_name="nowhere"))
    error = await people.refused(action, UserCreationBadRequest)
    assert error.details == {"noun": "domain", "name": "nowhere"}


@pytest.mark.parametrize(
    ("given", "noun"),
    [
        ({"resource_policy": "gone"}, "user policy"),
        ({"keypair_resource_policy": "gone"}, "key pair policy"),
    ],
)
async def test_a_policy_that_is_not_there_is_named_and_nothing_is_left(
    shaped_people: Site, given: dict[str, object], noun: str
) -> None:
    action = CreateUserAction(spec=_spec(**given))
    error = await shaped_people.refused(action, UserCreationBadRequest)
    assert error.details["noun"] == noun
    await shaped_people.refused(GetUserAction(user=EMAIL), UserNotFound)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"email": "alice@example.com"}, "e-mail"), ({"username": "alice"}, "user name")],
)
async def test_an_e_mail_or_name_that_is_taken_is_a_conflict(
    people: Site, given: dict[str, object], field: str
) -> None:
    error = await people.refused(CreateUserAction(spec=_spec(**given)), UserConflict)
    assert error.details["field"] == field


async def test_a_user_that_may_be_there_is_left_as_it_is(people: Site) -> None:
    before = (await people.run(GetUserAction(user="alice@example.com"))).user
    spec = _spec(email="alice@example.com", role=UserRole.SUPERADMIN)
    result = await people.run(CreateUserAction(spec=spec, if_not_exists=True))
    assert (result.created, result.secret_key, result.user) == (False, None, before)


async def test_if_not_exists_does_not_excuse_another_s_user_name(people: Site) -> None:
    action = CreateUserAction(spec=_spec(username="alice"), if_not_exists=True)
    await people.refused(action, UserConflict)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"email": "eve"}, InvalidName),
        ({"email": f"{'x' * 60}@example.com"}, InvalidName),
        ({"username": "x" * 65}, InvalidName),
        ({"username": "e\x1bve"}, InvalidName),
        ({"full_name": "x" * 65}, InvalidName),
        ({"description": "x" * 501}, InvalidValue),
        ({"allowed_client_ip": ("10.0.0.7/8",)}, InvalidClientAddress),
        ({"container_uid": -1}, InvalidLimitValue),
        ({"container_gids": (1, 2**31)}, InvalidLimitValue),
        ({"rate_limit": -1}, InvalidLimitValue),
    ],
)
async def test_what_a_column_would_not_take_is_refused(
    people: Site, given: dict[str, object], error: type[InvalidValue]
) -> None:
    await people.refused(CreateUserAction(spec=_spec(**given)), error)


async def test_users_can_be_made_where_the_key_pair_policy_is_not_called_default(
    people: Site,
) -> None:
    async with people.database.transaction() as connection:
        await seeds.seed_keypair_policy(connection, "large")
    made = await _create(people, keypair_resource_policy="large")
    key = await one_row(people, keypairs, keypairs.c.user == made.user.id)
    assert key.resource_policy == "large"


async def test_a_new_user_can_act_with_the_key_pair_at_once(people: Site) -> None:
    made = await _create(people, projects=("default",))
    assert made.secret_key is not None
    eve = seeds.Person(
        user_id=made.user.id,
        email=EMAIL,
        username="eve",
        role=UserRole.USER,
        domain_name="default",
        access_key=made.user.main_access_key or "",
        secret_key=made.secret_key,
    )
    assert (await people.run(GetUserAction(user=EMAIL), eve)).user.id == made.user.id
