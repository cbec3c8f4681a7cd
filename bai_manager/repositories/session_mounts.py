"""Folders that a session could mount, and that stay while it is enqueued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.vfolder_access import allowed_hosts, is_reachable_by
from bai_manager.repositories.vfolder_rows import folder_of, folder_select
from bai_manager.services.vfolder.errors import VFolderFilterStatusFailed, VFolderNotFound
from bai_manager.types.status import VFOLDER_DEAD, VFOLDER_MOUNTABLE, VFolderStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.vfolder.types import VFolderData
    from bai_manager.types.mounts import VFolderMount
    from bai_manager.types.vfolder import HostPermissions


class SessionMountRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def candidates(
        self, user_id: UUID, *, names: Collection[str], ids: Collection[UUID]
    ) -> list[VFolderData]:
        """Folders the user reaches with these names or ids, and all whose names begin with a dot.

        The user's own come first, then shared ones (``reference/value-types.md`` §6.1).
        """
        wanted = or_(
            vfolders.c.name.in_(names), vfolders.c.id.in_(ids), vfolders.c.name.startswith(".")
        )
        statement = (
            folder_select(user_id)
            .where(is_reachable_by(user_id), vfolders.c.status.not_in(VFOLDER_DEAD), wanted)
            .order_by(
                vfolders.c.user.is_distinct_from(user_id),
                vfolders.c.group.is_not(None),
                vfolders.c.name,
                vfolders.c.id,
            )
        )
        async with self._database.transaction() as connection:
            return [folder_of(row) for row in await connection.execute(statement)]

    async def allowed_hosts(
        self, user_id: UUID, *, access_key: str, group_id: UUID
    ) -> HostPermissions:
        """What the user may do on storage hosts in a session of that project."""
        async with self._database.transaction() as connection:
            return await allowed_hosts(
                connection, user_id=user_id, access_key=access_key, group_id=group_id
            )


async def hold_folders(connection: AsyncConnection, mounts: Sequence[VFolderMount]) -> None:
    """Keep folders from being deleted until the session that mounts them is committed.

    Raises ``VFolderNotFound`` and ``VFolderFilterStatusFailed`` for one that was meanwhile.
    """
    if not mounts:
        return
    rows = await connection.execute(
        select(vfolders.c.id, vfolders.c.status)
        .where(vfolders.c.id.in_({mount.vfid.folder for mount in mounts}))
        .order_by(vfolders.c.id)
        .with_for_update(read=True)
    )
    found = {row.id: VFolderStatus.parse(row.status) for row in rows}
    for mount in mounts:
        status = found.get(mount.vfid.folder)
        if status is None:
            raise VFolderNotFound(mount.name)
        if status not in VFOLDER_MOUNTABLE:
            raise VFolderFilterStatusFailed(mount.name, status, "be mounted", VFOLDER_MOUNTABLE)
