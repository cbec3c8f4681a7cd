"""Deleting folders, in steps that can each be the last before a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from bai_manager.models.endpoint import endpoints
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.remains import mounted_folders
from bai_manager.repositories.vfolder_rbac import forget_folder
from bai_manager.repositories.vfolder_rows import (
    check_status,
    get_folder_row,
    lock_folder,
    set_status,
)
from bai_manager.services.vfolder.errors import (
    ModelServiceDependencyNotCleared,
    VFolderDeletionNotAllowed,
)
from bai_manager.types.status import (
    VFOLDER_DEAD,
    VFOLDER_DELETABLE,
    VFOLDER_RECOVERABLE,
    EndpointLifecycle,
    VFolderStatus,
    VFolderUsageMode,
)

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.vfolder.types import VFolderData
    from bai_manager.types.clock import Clock
    from bai_manager.types.folder_access import FolderAccess

PURGABLE: Final = VFOLDER_DEAD
"""Also what an interrupted purge left behind, and what the system itself gave up on."""


class VFolderTrashRepository:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def move_to_trash(self, access: FolderAccess) -> VFolderData:
        """Ready → delete-pending; shares and invitations stay, to be there after a restore.

        Raises ``VFolderFilterStatusFailed``, ``VFolderDeletionNotAllowed`` and
        ``ModelServiceDependencyNotCleared``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_DELETABLE, "be deleted")
            await _check_not_mounted(connection, folder)
            await _check_serves_nothing(connection, folder)
            return await self._moved(connection, folder, VFolderStatus.DELETE_PENDING, access)

    async def restore(self, access: FolderAccess) -> VFolderData:
        """delete-pending → ready. Raises ``VFolderFilterStatusFailed``."""
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_RECOVERABLE, "be restored")
            return await self._moved(connection, folder, VFolderStatus.READY, access)

    async def begin_purge(self, access: FolderAccess) -> VFolderData:
        """→ delete-ongoing, shared with nobody any more.

        Raises ``VFolderFilterStatusFailed`` for a folder that is not in the trash, and
        ``VFolderDeletionNotAllowed``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, PURGABLE, "be purged")
            await _check_not_mounted(connection, folder)
            for table in (vfolder_permissions, vfolder_invitations):
                await connection.execute(delete(table).where(table.c.vfolder == folder.id))
            if folder.status is VFolderStatus.DELETE_ONGOING:
                return folder
            return await self._moved(connection, folder, VFolderStatus.DELETE_ONGOING, access)

    async def finish_purge(self, folder_id: UUID) -> None:
        """Remove the row of a folder whose bytes are gone; one that is gone already is well."""
        async with self._database.transaction() as connection:
            await connection.execute(
                delete(vfolders).where(vfolders.c.id == folder_id, vfolders.c.status.in_(PURGABLE))
            )
            await forget_folder(connection, folder_id)

    async def _moved(
        self,
        connection: AsyncConnection,
        folder: VFolderData,
        status: VFolderStatus,
        access: FolderAccess,
    ) -> VFolderData:
        await set_status(connection, [folder.id], status, self._clock())
        return await get_folder_row(connection, folder.id, viewer=access.user_id)


async def _check_not_mounted(connection: AsyncConnection, folder: VFolderData) -> None:
    """Raise ``VFolderDeletionNotAllowed`` while a session that has not ended has the folder.

    The folder's row is locked, so that no session can mount it meanwhile.
    """
    mounts = await mounted_folders(connection, vfolders.c.id == folder.id)
    if mounts:
        raise VFolderDeletionNotAllowed(folder.name, mounts)


async def _check_serves_nothing(connection: AsyncConnection, folder: VFolderData) -> None:
    if folder.usage_mode is not VFolderUsageMode.MODEL:
        return
    names = await connection.scalars(
        select(endpoints.c.name).where(
            endpoints.c.model == folder.id,
            endpoints.c.lifecycle_stage == EndpointLifecycle.CREATED.value,
        )
    )
    if found := names.all():
        raise ModelServiceDependencyNotCleared(folder.name, found)
