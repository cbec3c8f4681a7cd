"""``keypairs``: what users sign requests with (``reference/services.md`` §17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, false, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from bai_manager.models.group import association_groups_users
from bai_manager.models.session import sessions
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolder_permissions, vfolders
from bai_manager.repositories.people import resolve_user
from bai_manager.repositories.query import Field, apply_query
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.keypair.errors import (
    KeyPairInUse,
    KeyPairNotFound,
    UnknownKeypairPolicy,
)
from bai_manager.services.keypair.types import KeypairData
from bai_manager.types.dotfiles import NO_DOTFILES, DotfileVFolderPathConflict, pack, unpack
from bai_manager.types.query import ID, INTEGER, TEXT, TIME, TRUTH
from bai_manager.types.status import SESSION_DEAD, VFOLDER_DEAD
from bai_manager.types.tristate import set_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.services.keypair.types import KeypairChanges, KeypairSpec
    from bai_manager.types.credentials import Secret
    from bai_manager.types.dotfiles import Dotfile
    from bai_manager.types.query import Query
    from bai_manager.types.ssh_keys import SSHKeypair

_KEYPAIRS = keypairs.join(users, users.c.uuid == keypairs.c.user)
_HAS_SSH_KEYPAIR: ColumnElement[Any] = func.coalesce(keypairs.c.ssh_public_key != "", false())
_HAS_BOOTSTRAP_SCRIPT: ColumnElement[Any] = keypairs.c.bootstrap_script != ""
_IS_MAIN: ColumnElement[Any] = func.coalesce(
    users.c.main_access_key == keypairs.c.access_key, false()
)
_COLUMNS = (
    keypairs.c.access_key,
    keypairs.c.user,
    users.c.email,
    keypairs.c.is_active,
    keypairs.c.is_admin,
    _IS_MAIN.label("is_main"),
    keypairs.c.resource_policy,
    keypairs.c.rate_limit,
    keypairs.c.num_queries,
    _HAS_SSH_KEYPAIR.label("has_ssh_keypair"),
    _HAS_BOOTSTRAP_SCRIPT.label("has_bootstrap_script"),
    keypairs.c.last_used,
    keypairs.c.created_at,
    keypairs.c.modified_at,
    version_of(keypairs),
)

KEYPAIR_FIELDS: Mapping[str, Field] = {
    "access_key": Field(TEXT, keypairs.c.access_key),
    "user_id": Field(ID, keypairs.c.user),
    "user_email": Field(TEXT, users.c.email),
    "is_active": Field(TRUTH, keypairs.c.is_active),
    "is_admin": Field(TRUTH, keypairs.c.is_admin),
    "is_main": Field(TRUTH, _IS_MAIN),
    "resource_policy": Field(TEXT, keypairs.c.resource_policy),
    "rate_limit": Field(INTEGER, keypairs.c.rate_limit),
    "num_queries": Field(INTEGER, keypairs.c.num_queries),
    "has_ssh_keypair": Field(TRUTH, _HAS_SSH_KEYPAIR),
    "has_bootstrap_script": Field(TRUTH, _HAS_BOOTSTRAP_SCRIPT),
    "last_used": Field(TIME, keypairs.c.last_used),
    "created_at": Field(TIME, keypairs.c.created_at),
    "modified_at": Field(TIME, keypairs.c.modified_at),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NewKeypair:
    """A key pair to be inserted; ``email`` is its user's."""

    user_id: UUID
    email: str
    access_key: str
    secret_key: Secret
    ssh_keypair: SSHKeypair
    spec: KeypairSpec


class KeypairRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_keypairs(
        self, query: Query, *, user: str | None, visible: Visibility | None
    ) -> list[KeypairData]:
        """Key pairs by owner, oldest first, within what may be seen; of one user if named."""
        statement: AnySelect = select(*_COLUMNS).select_from(_KEYPAIRS)
        if visible is not None and visible.domain_name is not None:
            statement = statement.where(users.c.domain_name == visible.domain_name)
        if visible is not None and visible.user_id is not None:
            statement = statement.where(users.c.uuid == visible.user_id)
        order = (users.c.email, keypairs.c.created_at, keypairs.c.access_key)
        async with self._database.transaction() as connection:
            if user is not None:
                user_id = await resolve_user(connection, user)
                statement = statement.where(users.c.uuid == user_id)
            statement = apply_query(statement, query, KEYPAIR_FIELDS, default_order=order)
            return [_keypair(row) for row in await connection.execute(statement)]

    async def get_keypair(self, access_key: str) -> tuple[KeypairData, int]:
        """One key pair, and its sessions that have not ended. Raises ``KeyPairNotFound``."""
        async with self._database.transaction() as connection:
            found = await _one(connection, access_key)
            live = await connection.scalar(
                select(func.count()).where(
                    sessions.c.access_key == access_key, sessions.c.status.not_in(SESSION_DEAD)
                )
            )
            return found, live or 0

    async def create_keypair(
        self,
        user: str,
        spec: KeypairSpec,
        *,
        access_key: str,
        secret_key: Secret,
        ssh_keypair: SSHKeypair,
    ) -> KeypairData:
        """Insert another key pair of a user. Raises ``UserNotFound``, ``UnknownKeypairPolicy``."""
        try:
            async with self._database.transaction() as connection:
                user_id = await resolve_user(connection, user)
                email = await connection.scalar(
                    select(users.c.email)
                    .where(users.c.uuid == user_id)
                    .with_for_update(read=True, key_share=True)
                )
                new = NewKeypair(
                    user_id=user_id,
                    email=email or "",
                    access_key=access_key,
                    secret_key=secret_key,
                    ssh_keypair=ssh_keypair,
                    spec=spec,
                )
                await insert_keypairs(connection, [new])
                return await _one(connection, access_key)
        except IntegrityError as error:
            raise _named(error, spec.resource_policy) from error

    async def update_keypair(
        self, access_key: str, changes: KeypairChanges, *, if_unchanged: str | None
    ) -> tuple[KeypairData, tuple[str, ...]]:
        """Change a key pair under its lock; also says which fields have another value now.

        Raises ``KeyPairNotFound``, ``RowChanged`` and ``UnknownKeypairPolicy``.
        """
        values = set_fields(changes)
        try:
            async with self._database.transaction() as connection:
                found = await _locked(connection, access_key)
                check_version(f"Key pair {access_key}", expected=if_unchanged, found=found.version)
                values = {
                    name: value for name, value in values.items() if value != getattr(found, name)
                }
                if not values:
                    return found, ()
                await _set(connection, access_key, values)
                return await _one(connection, access_key), tuple(values)
        except IntegrityError as error:
            raise _named(error, str(values.get("resource_policy"))) from error

    async def replace_secret(self, access_key: str, secret_key: Secret) -> KeypairData:
        """Store another secret key. Raises ``KeyPairNotFound``."""
        return await self._replace(access_key, {"secret_key": secret_key.reveal()})

    async def delete_keypair(self, access_key: str) -> KeypairData:
        """Delete a key pair. Raises ``KeyPairNotFound``, and ``KeyPairInUse`` for a main one."""
        async with self._database.transaction() as connection:
            found = await _locked(connection, access_key, for_deletion=True)
            email = await connection.scalar(
                select(users.c.email).where(users.c.main_access_key == access_key).limit(1)
            )
            if email is not None:
                raise KeyPairInUse(access_key, email)
            await connection.execute(delete(keypairs).where(keypairs.c.access_key == access_key))
            return found

    async def ssh_public_key(self, access_key: str) -> str:
        """Empty where there is none. Raises ``KeyPairNotFound``."""
        return str(await self._column(access_key, "ssh_public_key") or "")

    async def replace_ssh_keypair(self, access_key: str, ssh_keypair: SSHKeypair) -> None:
        """Raises ``KeyPairNotFound``."""
        await self._replace(
            access_key,
            {
                "ssh_public_key": ssh_keypair.public_key,
                "ssh_private_key": ssh_keypair.private_key.reveal(),
            },
        )

    async def bootstrap_script(self, access_key: str) -> str:
        """Empty where there is none. Raises ``KeyPairNotFound``."""
        return str(await self._column(access_key, "bootstrap_script") or "")

    async def replace_bootstrap_script(self, access_key: str, script: str) -> None:
        """Raises ``KeyPairNotFound``."""
        await self._replace(access_key, {"bootstrap_script": script})

    async def dotfiles(self, access_key: str) -> tuple[Dotfile, ...]:
        """Raises ``KeyPairNotFound`` and ``UnreadableDotfiles``."""
        async with self._database.transaction() as connection:
            await _one(connection, access_key)
            return await _dotfiles(connection, access_key)

    async def change_dotfiles(
        self,
        access_key: str,
        change: Callable[[Sequence[Dotfile]], tuple[Dotfile, ...]],
        *,
        new_path: str | None = None,
    ) -> tuple[Dotfile, ...]:
        """Store what ``change`` makes of the dotfiles, while nobody else changes them.

        Raises what it raises, ``KeyPairNotFound``, and ``DotfileVFolderPathConflict`` where a
        folder that the owner may mount is called like ``new_path``.
        """
        async with self._database.transaction() as connection:
            found = await _locked(connection, access_key)
            if new_path is not None and await _is_folder(connection, found.user_id, new_path):
                raise DotfileVFolderPathConflict(new_path)
            dotfiles = change(await _dotfiles(connection, access_key))
            await _set(connection, access_key, {"dotfiles": pack(dotfiles)})
            return dotfiles

    async def _replace(self, access_key: str, values: Mapping[str, object]) -> KeypairData:
        async with self._database.transaction() as connection:
            await _locked(connection, access_key)
            await _set(connection, access_key, values)
            return await _one(connection, access_key)

    async def _column(self, access_key: str, column: str) -> object:
        async with self._database.transaction() as connection:
            await _one(connection, access_key)
            found: object = await connection.scalar(
                select(keypairs.c[column]).where(keypairs.c.access_key == access_key)
            )
            return found


async def insert_keypairs(connection: AsyncConnection, rows: Sequence[NewKeypair]) -> None:
    """Rows with what every new key pair has (``reference/value-types.md`` §9)."""
    await connection.execute(
        insert(keypairs),
        [
            {
                "user_id": row.email,
                "user": row.user_id,
                "access_key": row.access_key,
                "secret_key": row.secret_key.reveal(),
                "is_active": row.spec.is_active,
                "is_admin": row.spec.is_admin,
                "resource_policy": row.spec.resource_policy,
                "rate_limit": row.spec.rate_limit,
                "num_queries": 0,
                "ssh_public_key": row.ssh_keypair.public_key,
                "ssh_private_key": row.ssh_keypair.private_key.reveal(),
                "dotfiles": NO_DOTFILES,
                "bootstrap_script": "",
            }
            for row in rows
        ],
    )


async def _locked(
    connection: AsyncConnection, access_key: str, *, for_deletion: bool = False
) -> KeypairData:
    await connection.execute(
        select(keypairs.c.access_key)
        .where(keypairs.c.access_key == access_key)
        .with_for_update(key_share=not for_deletion)
    )
    return await _one(connection, access_key)


async def _one(connection: AsyncConnection, access_key: str) -> KeypairData:
    row = (
        await connection.execute(
            select(*_COLUMNS).select_from(_KEYPAIRS).where(keypairs.c.access_key == access_key)
        )
    ).one_or_none()
    if row is None:
        raise KeyPairNotFound(access_key)
    return _keypair(row)


async def _set(connection: AsyncConnection, access_key: str, values: Mapping[str, object]) -> None:
    await connection.execute(
        update(keypairs)
        .where(keypairs.c.access_key == access_key)
        .values(**values, modified_at=func.now())
    )


async def _dotfiles(connection: AsyncConnection, access_key: str) -> tuple[Dotfile, ...]:
    packed = await connection.scalar(
        select(keypairs.c.dotfiles).where(keypairs.c.access_key == access_key)
    )
    return unpack(packed)


async def _is_folder(connection: AsyncConnection, user_id: UUID, name: str) -> bool:
    """Whether a folder of that name is the user's, shared with them, or a project's of theirs."""
    shared = select(vfolder_permissions.c.vfolder).where(vfolder_permissions.c.user == user_id)
    projects = select(association_groups_users.c.group_id).where(
        association_groups_users.c.user_id == user_id
    )
    accessible = or_(
        vfolders.c.user == user_id,
        vfolders.c.id.in_(shared),
        vfolders.c.group.in_(projects),
    )
    found = exists().where(
        vfolders.c.name == name, vfolders.c.status.not_in(VFOLDER_DEAD), accessible
    )
    return bool(await connection.scalar(select(found)))


def _named(error: IntegrityError, policy: str) -> Exception:
    if "fk_keypairs_resource_policy" in str(error.orig):
        return UnknownKeypairPolicy(policy)
    return error


def _keypair(row: AnyRow) -> KeypairData:
    return KeypairData(
        access_key=row.access_key,
        user_id=row.user,
        user_email=row.email,
        is_active=bool(row.is_active),
        is_admin=bool(row.is_admin),
        is_main=row.is_main,
        resource_policy=row.resource_policy,
        rate_limit=row.rate_limit,
        num_queries=row.num_queries or 0,
        has_ssh_keypair=row.has_ssh_keypair,
        has_bootstrap_script=row.has_bootstrap_script,
        last_used=row.last_used,
        created_at=row.created_at,
        modified_at=row.modified_at,
        version=row.version,
    )
