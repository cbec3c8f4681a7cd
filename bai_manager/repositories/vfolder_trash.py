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
    VFolderFilesMissing,
)
from bai_manager.services.vfolder.rules import is_unfinished_copy
from bai_manager.services.vfolder.types import Recovery
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

TRASHABLE: Final = VFOLDER_DELETABLE | {VFolderStatus.ERROR}
"""Also what something went wrong with: nobody works on it (``reference/state-machines.md`` §4)."""
STUCK: Final = frozenset(
    {
        VFolderStatus.ERROR,
        VFolderStatus.CLONING,
        VFolderStatus.PERFORMING,
        VFolderStatus.MOUNTED,
    }
)
"""Nothing leads out of these once whoever set them is gone."""
PURGABLE: Final = VFOLDER_DEAD
"""Also what an interrupted purge left behind, and what the system itself gave up on."""


class VFolderTrashRepository:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def move_to_trash(self, access: FolderAccess) -> VFolderData:
        """Ready or error → delete-pending; shares and invitations stay for a restore.

        Raises ``VFolderFilterStatusFailed``, ``VFolderDeletionNotAllowed`` and
        ``ModelServiceDependencyNotCleared``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, TRASHABLE, "be deleted")
            await _check_not_mounted(connection, folder)
            await _check_serves_nothing(connection, folder)
            return await self._moved(connection, folder, VFolderStatus.DELETE_PENDING, access)

    async def restore(self, access: FolderAccess) -> VFolderData:
        """delete-pending → ready. Raises ``VFolderFilterStatusFailed``, ``VFolderFilesMissing``."""
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_RECOVERABLE, "be restored")
            if is_unfinished_copy(folder):
                raise VFolderFilesMissing(folder.name, "it is a clone that was not completed")
            return await self._moved(connection, folder, VFolderStatus.READY, access)

    async def recover(
        self, access: FolderAccess, *, has_files: bool
    ) -> tuple[VFolderData, Recovery]:
        """A stuck folder → ready where its files are there, else → delete-pending.

        Raises ``VFolderFilterStatusFailed`` and ``VFolderDeletionNotAllowed``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            if folder.status is VFolderStatus.READY:
                return folder, Recovery.NOT_NEEDED
            check_status(folder, STUCK, "be recovered")
            recovery = _recovery(folder, has_files=has_files)
            kept = recovery is Recovery.FILES_THERE
            if not kept or folder.status is VFolderStatus.MOUNTED:
                await _check_not_mounted(connection, folder)
            status = VFolderStatus.READY if kept else VFolderStatus.DELETE_PENDING
            return await self._moved(connection, folder, status, access), recovery

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


def _recovery(folder: VFolderData, *, has_files: bool) -> Recovery:
    if is_unfinished_copy(folder):
        return Recovery.UNFINISHED_COPY
    return Recovery.FILES_THERE if has_files else Recovery.FILES_MISSING


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
