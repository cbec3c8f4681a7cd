"""Rows of folders: read, locked, and moved from one status to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, cast, insert, select, update

from bai_manager.models.group import groups
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.history import with_history
from bai_manager.repositories.versions import version_of
from bai_manager.repositories.vfolder_access import (
    access_columns,
    grants_to,
    permission_of,
    vfid_of,
)
from bai_manager.repositories.vfolder_rbac import register_folder
from bai_manager.services.vfolder.errors import VFolderFilterStatusFailed, VFolderNotFound
from bai_manager.services.vfolder.types import VFolderData
from bai_manager.types.folder_access import FolderReach
from bai_manager.types.status import VFolderOwnershipType, VFolderStatus, VFolderUsageMode
from bai_manager.types.vfolder import StorageHost, VFolderPermission

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.repositories.vfolder_limits import FolderOwner
    from bai_manager.services.vfolder.types import VFolderSpec
    from bai_manager.types.vfolder import VFolderID

USAGE_MODE: Final[ColumnElement[Any]] = cast(vfolders.c.usage_mode, Text)
PERMISSION: Final[ColumnElement[Any]] = cast(vfolders.c.permission, Text)
OWNERSHIP_TYPE: Final[ColumnElement[Any]] = cast(vfolders.c.ownership_type, Text)
_MAX_FILES: Final = 1000
"""What the system writes for every folder, and nobody holds anybody to."""


def folder_select(viewer: UUID) -> AnySelect:
    """Folders with their owners, as ``folder_of`` reads them."""
    grants = grants_to(viewer)
    return select(
        vfolders.c.id,
        vfolders.c.name,
        vfolders.c.host,
        vfolders.c.status,
        OWNERSHIP_TYPE.label("ownership_type"),
        vfolders.c.user,
        users.c.email,
        vfolders.c.group,
        groups.c.name.label("project"),
        vfolders.c.domain_name,
        USAGE_MODE.label("usage_mode"),
        PERMISSION.label("permission"),
        vfolders.c.cloneable,
        vfolders.c.quota_scope_id,
        vfolders.c.creator,
        vfolders.c.unmanaged_path,
        vfolders.c.max_files,
        vfolders.c.max_size,
        vfolders.c.created_at,
        vfolders.c.last_used,
        vfolders.c.status_changed,
        vfolders.c.status_history,
        version_of(vfolders),
        *access_columns(viewer, grants),
    ).select_from(
        vfolders.outerjoin(users, users.c.uuid == vfolders.c.user)
        .outerjoin(groups, groups.c.id == vfolders.c.group)
        .outerjoin(grants, grants.c.vfolder == vfolders.c.id)
    )


def folder_of(row: AnyRow) -> VFolderData:
    return VFolderData(
        id=row.id,
        name=row.name,
        host=StorageHost.parse(row.host),
        status=VFolderStatus.parse(row.status),
        ownership_type=VFolderOwnershipType.parse(row.ownership_type),
        owner=row.email,
        owner_id=row.user,
        project=row.project,
        project_id=row.group,
        domain_name=row.domain_name,
        usage_mode=VFolderUsageMode.parse(row.usage_mode),
        permission=None if row.permission is None else VFolderPermission.parse(row.permission),
        my_permission=permission_of(row),
        reach=FolderReach(row.reach),
        cloneable=bool(row.cloneable),
        vfid=vfid_of(row),
        creator=row.creator,
        unmanaged_path=row.unmanaged_path or None,
        max_files=row.max_files,
        max_size=row.max_size,
        created_at=row.created_at,
        last_used=row.last_used,
        status_changed=row.status_changed,
        status_history=row.status_history or {},
        version=row.version,
    )


async def get_folder_row(
    connection: AsyncConnection, folder_id: UUID, *, viewer: UUID
) -> VFolderData:
    """Raises ``VFolderNotFound``."""
    row = (
        await connection.execute(folder_select(viewer).where(vfolders.c.id == folder_id))
    ).one_or_none()
    if row is None:
        raise VFolderNotFound(str(folder_id))
    return folder_of(row)


async def lock_folder(
    connection: AsyncConnection, folder_id: UUID, *, viewer: UUID, for_deletion: bool = False
) -> VFolderData:
    """The folder as it is while nobody else changes it. Raises ``VFolderNotFound``."""
    await connection.execute(
        select(vfolders.c.id)
        .where(vfolders.c.id == folder_id)
        .with_for_update(key_share=not for_deletion)
    )
    return await get_folder_row(connection, folder_id, viewer=viewer)


def check_status(folder: VFolderData, allowed: Collection[VFolderStatus], wanted: str) -> None:
    """Raise ``VFolderFilterStatusFailed`` unless the folder's status is one of these.

    ``wanted`` completes "so it cannot …".
    """
    if folder.status not in allowed:
        raise VFolderFilterStatusFailed(folder.name, folder.status, wanted, allowed)


async def set_status(
    connection: AsyncConnection,
    folder_ids: Collection[UUID],
    status: VFolderStatus,
    now: datetime,
    *,
    only_from: Collection[VFolderStatus] | None = None,
) -> None:
    """Move folders to a status, with history (``reference/state-machines.md`` §4)."""
    statement = (
        update(vfolders)
        .where(vfolders.c.id.in_(folder_ids))
        .values(
            status=status.value,
            status_changed=now,
            status_history=with_history(vfolders, status, now),
        )
    )
    if only_from is not None:
        statement = statement.where(vfolders.c.status.in_([one.value for one in only_from]))
    await connection.execute(statement)


async def insert_folder(
    connection: AsyncConnection,
    spec: VFolderSpec,
    owner: FolderOwner,
    host: str,
    vfid: VFolderID,
    status: VFolderStatus,
    now: datetime,
) -> None:
    """A new row in its owner's scope; folders of a model store are read-only from then on."""
    is_user = owner.group_id is None
    kind = VFolderOwnershipType.USER if is_user else VFolderOwnershipType.GROUP
    permission = VFolderPermission.READ_ONLY if owner.is_model_store else spec.permission
    await connection.execute(
        insert(vfolders).values(
            id=vfid.folder,
            name=spec.name,
            host=host,
            domain_name=owner.domain_name,
            quota_scope_id=str(owner.quota_scope),
            usage_mode=spec.usage_mode.value,
            permission=permission.value,
            max_files=_MAX_FILES,
            num_files=0,
            cur_size=0,
            creator=owner.email,
            unmanaged_path=spec.unmanaged_path,
            ownership_type=kind.value,
            user=owner.user_id if is_user else None,
            group=owner.group_id,
            cloneable=spec.cloneable,
            created_at=now,
            status=status.value,
            status_changed=now,
            status_history={status.name: now.isoformat()},
        )
    )
    await register_folder(connection, vfid.folder, str(owner.quota_scope))
