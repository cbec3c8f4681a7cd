"""``users``: who may do what, and what belongs to them (``reference/services.md`` §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import exists, func, select, update
from sqlalchemy.exc import IntegrityError

from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.user import users
from bai_manager.repositories.people import resolve_group, resolve_user
from bai_manager.repositories.query import apply_query
from bai_manager.repositories.user_changes import (
    apply_changes,
    deactivate,
    keep_a_superadmin,
)
from bai_manager.repositories.user_creation import NewUser, insert_users
from bai_manager.repositories.user_rows import (
    USER_COLUMNS,
    USER_FIELDS,
    get_user_row,
    holdings_of,
    lock_user,
    read_user,
)
from bai_manager.repositories.versions import check_version
from bai_manager.services.user.errors import (
    UserConflict,
    UserCreationBadRequest,
    UserModificationBadRequest,
)
from bai_manager.types.status import ProjectType
from bai_manager.types.tristate import given

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnySelect
    from bai_manager.services.user.types import (
        KeypairEffect,
        NewUserSecrets,
        UserChanges,
        UserData,
        UserHoldings,
        UserSpec,
    )
    from bai_manager.types.query import Query


class UserRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_users(self, query: Query, *, visible: Visibility | None) -> list[UserData]:
        """Users by e-mail, within what may be seen."""
        statement: AnySelect = select(*USER_COLUMNS)
        if visible is not None and visible.domain_name is not None:
            statement = statement.where(users.c.domain_name == visible.domain_name)
        if visible is not None and visible.user_id is not None:
            statement = statement.where(users.c.uuid == visible.user_id)
        statement = apply_query(statement, query, USER_FIELDS, default_order=(users.c.email,))
        async with self._database.transaction() as connection:
            return [read_user(row) for row in await connection.execute(statement)]

    async def get_user(self, user: str) -> tuple[UserData, UserHoldings]:
        """One user and what it has. Raises ``UserNotFound`` and ``TooManyUsersMatched``."""
        async with self._database.transaction() as connection:
            found = await get_user_row(connection, await resolve_user(connection, user))
            return found, await holdings_of(connection, found.id)

    async def create_user(self, spec: UserSpec, secrets: NewUserSecrets) -> UserData:
        """Insert a user with a key pair, memberships and the role of its own.

        Raises ``UserCreationBadRequest``, ``UserConflict`` and ``GroupNotFound``.
        """
        try:
            async with self._database.transaction() as connection:
                await _check_domain(connection, spec.domain_name, UserCreationBadRequest)
                await _refuse_taken(connection, email=spec.email, username=spec.username)
                projects = await _projects(connection, spec.projects, spec.domain_name)
                projects |= await _model_store(connection, spec.domain_name)
                new = NewUser(id=uuid4(), spec=spec, secrets=secrets, projects=frozenset(projects))
                await insert_users(connection, [new])
                return await get_user_row(connection, new.id)
        except IntegrityError as error:
            named = _named(error, spec.email, spec.username, spec.resource_policy, spec)
            raise named or error from error

    async def find_user(self, email: str) -> UserData | None:
        """The user of exactly that e-mail, if there is one."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(select(*USER_COLUMNS).where(users.c.email == email))
            ).one_or_none()
            return None if row is None else read_user(row)

    async def update_user(
        self, user: str, changes: UserChanges, *, if_unchanged: str | None
    ) -> tuple[UserData, tuple[str, ...], list[KeypairEffect]]:
        """Change a user under its lock; also says what else changed.

        Raises ``UserNotFound``, ``RowChanged``, ``UserConflict``, ``KeyPairNotFound``,
        ``KeyPairForbidden``, ``GroupNotFound``, ``LastSuperadmin`` and
        ``UserModificationBadRequest``.
        """
        try:
            async with self._database.transaction() as connection:
                found = await lock_user(connection, await resolve_user(connection, user))
                check_version(f"User {found.email}", expected=if_unchanged, found=found.version)
                domain_name = given(changes.domain_name, found.domain_name)
                await _check_domain(connection, domain_name, UserModificationBadRequest)
                projects = await _new_projects(connection, changes, found, domain_name)
                changed, effects = await apply_changes(connection, found, changes, projects)
                return await get_user_row(connection, found.id), changed, effects
        except IntegrityError as error:
            policy = given(changes.resource_policy, "")
            raise _named(error, "", given(changes.username, ""), policy) or error from error

    async def delete_user(self, user: str) -> tuple[UserData, list[KeypairEffect]]:
        """Deactivate a user and all its key pairs.

        Raises ``UserNotFound``, ``TooManyUsersMatched`` and ``LastSuperadmin``.
        """
        async with self._database.transaction() as connection:
            found = await lock_user(connection, await resolve_user(connection, user))
            await keep_a_superadmin(connection, found)
            effects = await deactivate(connection, found)
            return await get_user_row(connection, found.id), effects

    async def set_password(
        self, user: str, password_hash: str, *, need_change: bool | None
    ) -> UserData:
        """Store another password. Raises ``UserNotFound`` and ``TooManyUsersMatched``."""
        async with self._database.transaction() as connection:
            found = await lock_user(connection, await resolve_user(connection, user))
            values = {} if need_change is None else {"need_password_change": need_change}
            await connection.execute(
                update(users)
                .where(users.c.uuid == found.id)
                .values(
                    password=password_hash,
                    password_changed_at=func.now(),
                    modified_at=func.now(),
                    **values,
                )
            )
            return await get_user_row(connection, found.id)


async def _check_domain(
    connection: AsyncConnection, name: str, error: type[UserCreationBadRequest]
) -> None:
    if not await connection.scalar(select(exists().where(domains.c.name == name))):
        raise error("domain", name, "List domains with 'bai-manager domain list'.")


async def _refuse_taken(connection: AsyncConnection, *, email: str, username: str) -> None:
    if await connection.scalar(select(exists().where(users.c.email == email))):
        raise UserConflict("e-mail", email)
    if await connection.scalar(select(exists().where(users.c.username == username))):
        raise UserConflict("user name", username)


async def _projects(
    connection: AsyncConnection, named: Sequence[str], domain_name: str
) -> set[UUID]:
    """The projects of the domain that are named; raises ``GroupNotFound`` for any other."""
    return {await resolve_group(connection, group, domain=domain_name) for group in named}


async def _model_store(connection: AsyncConnection, domain_name: str) -> set[UUID]:
    """The first model store of the domain, which every new user joins."""
    found = await connection.scalar(
        select(groups.c.id)
        .where(groups.c.domain_name == domain_name, groups.c.type == ProjectType.MODEL_STORE.value)
        .order_by(groups.c.created_at, groups.c.id)
        .limit(1)
    )
    return set() if found is None else {found}


async def _new_projects(
    connection: AsyncConnection, changes: UserChanges, user: UserData, domain_name: str
) -> set[UUID] | None:
    """What the memberships become; None where they stay.

    They are those of the domain: who moves leaves the projects of the old one, and joins the new
    one's model store as new users do.
    """
    named = given(changes.projects, None)
    if named is not None:
        return await _projects(connection, named, domain_name)
    if domain_name != user.domain_name:
        return await _model_store(connection, domain_name)
    return None


def _named(
    error: IntegrityError, email: str, username: str, policy: str, spec: UserSpec | None = None
) -> Exception | None:
    """What a violated constraint means; None for one that says nothing to a person."""
    text = str(error.orig)
    refused = UserModificationBadRequest if spec is None else UserCreationBadRequest
    if "ix_users_email" in text:
        return UserConflict("e-mail", email)
    if "uq_users_username" in text:
        return UserConflict("user name", username)
    if "fk_users_resource_policy" in text:
        return refused("user policy", policy, "List them with 'bai-manager policy user list'.")
    if "fk_keypairs_resource_policy" in text and spec is not None:
        return refused(
            "key pair policy",
            spec.keypair_resource_policy,
            "List them with 'bai-manager policy keypair list'.",
        )
    return None
