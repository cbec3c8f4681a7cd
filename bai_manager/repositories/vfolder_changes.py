"""Other names, settings and owners for folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, select, update

from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.people import resolve_user
from bai_manager.repositories.versions import check_version
from bai_manager.repositories.vfolder_access import allowed_hosts
from bai_manager.repositories.vfolder_limits import check_count, check_name_is_free, lock_owner
from bai_manager.repositories.vfolder_rbac import register_folder, revoke_folder
from bai_manager.repositories.vfolder_rows import check_status, get_folder_row, lock_folder
from bai_manager.services.vfolder.errors import OwnerUnfit, VFolderInvalidParameter
from bai_manager.types.status import (
    VFOLDER_READABLE,
    VFOLDER_UPDATABLE,
    UserStatus,
    VFolderOwnershipType,
)
from bai_manager.types.tristate import set_fields

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.vfolder.types import VFolderChanges, VFolderData
    from bai_manager.types.folder_access import FolderAccess


class VFolderChangesRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(
        self, access: FolderAccess, changes: VFolderChanges, *, if_unchanged: str | None
    ) -> tuple[VFolderData, tuple[str, ...]]:
        """Also says which fields have another value now.

        Raises ``RowChanged`` and ``VFolderFilterStatusFailed``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_version(f"Folder {folder.name!r}", expected=if_unchanged, found=folder.version)
            check_status(folder, VFOLDER_UPDATABLE, "be changed")
            values = {
                name: value
                for name, value in set_fields(changes).items()
                if value != getattr(folder, name)
            }
            if values:
                await connection.execute(
                    update(vfolders).where(vfolders.c.id == folder.id).values(values)
                )
            after = await get_folder_row(connection, folder.id, viewer=access.user_id)
            return after, tuple(values)

    async def rename(self, access: FolderAccess, name: str) -> VFolderData:
        """Raises ``VFolderAlreadyExists`` and ``VFolderFilterStatusFailed``."""
        async with self._database.transaction() as connection:
            before = await get_folder_row(connection, access.id, viewer=access.user_id)
            await _lock_owner_of(connection, before)
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_READABLE, "be renamed")
            await check_name_is_free(
                connection,
                name,
                user_id=folder.owner_id or access.user_id,
                group_id=folder.project_id,
                besides=folder.id,
                whose="you" if access.is_owner else str(folder.owner or folder.project),
            )
            await connection.execute(
                update(vfolders).where(vfolders.c.id == folder.id).values(name=name)
            )
            return await get_folder_row(connection, folder.id, viewer=access.user_id)

    async def change_owner(self, access: FolderAccess, user: str) -> VFolderData:
        """Hand a user's folder to another; its bytes stay in the quota scope they are in.

        Raises ``UserNotFound``, ``OwnerUnfit``, ``VFolderAlreadyExists``, ``TooManyVFolders``,
        ``VFolderInvalidParameter`` and ``VFolderFilterStatusFailed``.
        """
        async with self._database.transaction() as connection:
            owner_id, access_key = await _fit_owner(connection, user)
            owner = await lock_owner(connection, access_key)
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            if folder.ownership_type is not VFolderOwnershipType.USER:
                raise VFolderInvalidParameter(
                    f"Folder {folder.name!r} is a project's.",
                    hint="Only folders of users are given to others.",
                )
            if folder.owner_id == owner_id:
                raise VFolderInvalidParameter(
                    f"Folder {folder.name!r} belongs to {owner.email} already."
                )
            check_status(folder, VFOLDER_UPDATABLE, "change its owner")
            hosts = await allowed_hosts(connection, user_id=owner_id, access_key=access_key)
            if not folder.host.is_noop and str(folder.host) not in hosts:
                raise OwnerUnfit(owner.email, f"may not use storage host {folder.host}")
            await check_count(connection, owner)
            await check_name_is_free(
                connection, folder.name, user_id=owner_id, besides=folder.id, whose=owner.email
            )
            await _hand_over(connection, folder, owner_id, owner.email, owner.domain_name)
            return await get_folder_row(connection, folder.id, viewer=access.user_id)


async def _lock_owner_of(connection: AsyncConnection, folder: VFolderData) -> None:
    """Names of one owner are given one after the other."""
    from bai_manager.models.group import groups  # noqa: PLC0415

    if folder.project_id is not None:
        statement = select(groups.c.id).where(groups.c.id == folder.project_id)
    else:
        statement = select(users.c.uuid).where(users.c.uuid == folder.owner_id)
    await connection.execute(statement.with_for_update(key_share=True))


async def _fit_owner(connection: AsyncConnection, user: str) -> tuple[UUID, str]:
    """The user and a key pair of theirs, the main one if it is there."""
    user_id = await resolve_user(connection, user)
    row = (
        await connection.execute(
            select(users.c.email, cast(users.c.status, Text).label("status"), keypairs.c.access_key)
            .select_from(users.outerjoin(keypairs, keypairs.c.user == users.c.uuid))
            .where(users.c.uuid == user_id)
            .order_by(
                keypairs.c.access_key.is_distinct_from(users.c.main_access_key),
                keypairs.c.access_key,
            )
            .limit(1)
        )
    ).one()
    if row.status != UserStatus.ACTIVE.value:
        raise OwnerUnfit(row.email, f"is {row.status}")
    if row.access_key is None:
        raise OwnerUnfit(row.email, "has no key pair")
    return user_id, row.access_key


async def _hand_over(
    connection: AsyncConnection, folder: VFolderData, owner_id: UUID, email: str, domain: str
) -> None:
    await connection.execute(
        update(vfolders)
        .where(vfolders.c.id == folder.id)
        .values({"user": owner_id, "domain_name": domain})
    )
    await connection.execute(
        delete(vfolder_permissions).where(
            vfolder_permissions.c.vfolder == folder.id, vfolder_permissions.c.user == owner_id
        )
    )
    await connection.execute(
        delete(vfolder_invitations).where(
            vfolder_invitations.c.vfolder == folder.id, vfolder_invitations.c.invitee == email
        )
    )
    for user_id in (folder.owner_id, owner_id):
        if user_id is not None:
            await revoke_folder(connection, folder.id, user_id)
    await register_folder(connection, folder.id, f"user:{owner_id}")
