"""Clones of folders: what is written before the bytes are copied, and after."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import delete, select

from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.vfolder_access import allowed_hosts, is_own
from bai_manager.repositories.vfolder_limits import check_count, check_name_is_free, lock_owner
from bai_manager.repositories.vfolder_rbac import forget_folder
from bai_manager.repositories.vfolder_rows import (
    check_status,
    get_folder_row,
    insert_folder,
    lock_folder,
    set_status,
)
from bai_manager.services.vfolder.rules import CloneJob, check_clone, check_host
from bai_manager.types.status import VFOLDER_UPDATABLE, VFolderStatus
from bai_manager.types.vfolder import VFolderID

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.vfolder.types import VFolderData, VFolderSpec
    from bai_manager.types.clock import Clock
    from bai_manager.types.folder_access import FolderAccess

_CLONING = frozenset({VFolderStatus.CLONING})


class VFolderCloneRepository:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, access: FolderAccess, spec: VFolderSpec, *, access_key: str) -> CloneJob:
        """Source and a new row are ``cloning``; or a clone of that name that was interrupted.

        The clone is the requester's own, in the requester's quota scope. Raises what creating
        raises, ``VFolderForbidden``, ``VFolderInvalidParameter`` and
        ``VFolderFilterStatusFailed``.
        """
        async with self._database.transaction() as connection:
            owner = await lock_owner(connection, access_key)
            source = await lock_folder(connection, access.id, viewer=access.user_id)
            begun = await _interrupted(connection, spec.name, owner.user_id)
            if begun is not None:
                check_status(source, VFOLDER_UPDATABLE | _CLONING, "be cloned")
                target = await get_folder_row(connection, begun, viewer=owner.user_id)
                return CloneJob(
                    source=source, target=target, quota_limit=owner.quota_limit, resumed=True
                )
            check_status(source, VFOLDER_UPDATABLE, "be cloned")
            hosts = await allowed_hosts(connection, user_id=owner.user_id, access_key=access_key)
            host = check_host(spec, hosts, str(source.host))
            check_clone(source, host)
            await check_count(connection, owner)
            await check_name_is_free(connection, spec.name, user_id=owner.user_id)
            vfid, now = VFolderID(owner.quota_scope, uuid4()), self._clock()
            await insert_folder(connection, spec, owner, host, vfid, VFolderStatus.CLONING, now)
            await set_status(connection, [source.id], VFolderStatus.CLONING, now)
            target = await get_folder_row(connection, vfid.folder, viewer=owner.user_id)
            return CloneJob(
                source=source, target=target, quota_limit=owner.quota_limit, resumed=False
            )

    async def finish(self, job: CloneJob) -> VFolderData:
        """Both are ready; a manager that heard of it may have said so before."""
        async with self._database.transaction() as connection:
            await set_status(
                connection,
                [job.source.id, job.target.id],
                VFolderStatus.READY,
                self._clock(),
                only_from=_CLONING,
            )
            viewer = job.target.owner_id or job.target.id
            return await get_folder_row(connection, job.target.id, viewer=viewer)

    async def abandon(self, job: CloneJob) -> None:
        """The source is as it was, and nothing tells of the clone."""
        async with self._database.transaction() as connection:
            await set_status(
                connection,
                [job.source.id],
                VFolderStatus.READY,
                self._clock(),
                only_from=_CLONING,
            )
            await connection.execute(
                delete(vfolders).where(
                    vfolders.c.id == job.target.id, vfolders.c.status.in_(_CLONING)
                )
            )
            await forget_folder(connection, job.target.id)


async def _interrupted(connection: AsyncConnection, name: str, user_id: UUID) -> UUID | None:
    found: UUID | None = await connection.scalar(
        select(vfolders.c.id)
        .where(is_own(user_id), vfolders.c.name == name, vfolders.c.status.in_(_CLONING))
        .limit(1)
    )
    return found
