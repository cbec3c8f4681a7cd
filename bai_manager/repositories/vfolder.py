"""Virtual folders in the database; bytes are the storage's business."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import insert, select

from bai_manager.models.endpoint import endpoints
from bai_manager.models.group import groups
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.query import Field, apply_query, filters_on
from bai_manager.repositories.rbac import register_entity
from bai_manager.repositories.remains import mounted_folders
from bai_manager.repositories.vfolder_access import (
    allowed_hosts,
    is_of_project_of,
    is_own,
    is_reachable_by,
    is_shared_with,
    is_under,
)
from bai_manager.repositories.vfolder_limits import check_count, check_name_is_free, lock_owner
from bai_manager.repositories.vfolder_rows import (
    OWNERSHIP_TYPE,
    PERMISSION,
    USAGE_MODE,
    check_status,
    folder_of,
    folder_select,
    get_folder_row,
    lock_folder,
    set_status,
)
from bai_manager.services.vfolder.errors import (
    ModelServiceDependencyNotCleared,
    VFolderDeletionNotAllowed,
)
from bai_manager.services.vfolder.rules import NewFolder, check_host, check_model_store
from bai_manager.services.vfolder.types import FolderScope
from bai_manager.types.query import ID, TEXT, TIME, TRUTH, FieldKind
from bai_manager.types.status import (
    VFOLDER_DEAD,
    VFOLDER_DELETABLE,
    VFOLDER_HARD_DELETED,
    VFOLDER_INACCESSIBLE,
    EndpointLifecycle,
    VFolderOwnershipType,
    VFolderStatus,
    VFolderUsageMode,
)
from bai_manager.types.vfolder import (
    QuotaScopeID,
    QuotaScopeType,
    VFolderID,
    VFolderPermission,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.vfolder_limits import FolderOwner
    from bai_manager.services.vfolder.types import VFolderData, VFolderSpec
    from bai_manager.types.clock import Clock
    from bai_manager.types.folder_access import FolderAccess
    from bai_manager.types.query import Query

VFOLDER_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, vfolders.c.id),
    "name": Field(TEXT, vfolders.c.name),
    "host": Field(TEXT, vfolders.c.host),
    "status": Field(FieldKind.choice(VFolderStatus), vfolders.c.status),
    "ownership_type": Field(FieldKind.choice(VFolderOwnershipType), OWNERSHIP_TYPE),
    "owner": Field(TEXT, users.c.email),
    "project": Field(TEXT, groups.c.name),
    "domain_name": Field(TEXT, vfolders.c.domain_name),
    "usage_mode": Field(FieldKind.choice(VFolderUsageMode), USAGE_MODE),
    "permission": Field(FieldKind.choice(VFolderPermission), PERMISSION),
    "cloneable": Field(TRUTH, vfolders.c.cloneable),
    "creator": Field(TEXT, vfolders.c.creator),
    "created_at": Field(TIME, vfolders.c.created_at),
    "last_used": Field(TIME, vfolders.c.last_used),
    "status_changed": Field(TIME, vfolders.c.status_changed),
}


class VFolderRepository:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_folders(
        self,
        query: Query,
        *,
        viewer: UUID,
        scope: FolderScope,
        visible: Visibility,
        trash: bool,
    ) -> list[VFolderData]:
        """Folders by name; deleted ones only with ``trash`` or a filter on the status."""
        statement = folder_select(viewer).where(_within(scope, viewer, visible))
        if trash:
            statement = statement.where(vfolders.c.status.in_(VFOLDER_DEAD - VFOLDER_INACCESSIBLE))
        elif not filters_on(query, "status"):
            statement = statement.where(vfolders.c.status.not_in(VFOLDER_DEAD))
        statement = apply_query(
            statement, query, VFOLDER_FIELDS, default_order=(vfolders.c.name, vfolders.c.id)
        )
        async with self._database.transaction() as connection:
            return [folder_of(row) for row in await connection.execute(statement)]

    async def get_folder(self, folder_id: UUID, *, viewer: UUID) -> VFolderData:
        """Raises ``VFolderNotFound``."""
        async with self._database.transaction() as connection:
            return await get_folder_row(connection, folder_id, viewer=viewer)

    async def create_folder(
        self,
        spec: VFolderSpec,
        *,
        access_key: str,
        group_id: UUID | None,
        default_host: str | None,
        make: Callable[[NewFolder], Awaitable[None]],
    ) -> VFolderData:
        """Insert a folder that ``make`` then makes; the row is there only if it succeeded.

        Raises ``NoStorageHost``, ``InsufficientStoragePermission``, ``TooManyVFolders``,
        ``VFolderAlreadyExists``, ``VFolderInvalidParameter``, and what ``make`` raises.
        """
        async with self._database.transaction() as connection:
            owner = await lock_owner(connection, access_key, group_id)
            hosts = await allowed_hosts(
                connection, user_id=owner.user_id, access_key=access_key, group_id=group_id
            )
            host = check_host(spec, hosts, default_host)
            check_model_store(spec, is_model_store=owner.is_model_store)
            await check_count(connection, owner)
            await check_name_is_free(
                connection, spec.name, user_id=owner.user_id, group_id=group_id
            )
            vfid = VFolderID(_quota_scope(owner), uuid4())
            await self._insert(connection, spec, owner, host, vfid, VFolderStatus.READY)
            folder = await get_folder_row(connection, vfid.folder, viewer=owner.user_id)
            await make(
                NewFolder(
                    host=folder.host,
                    vfid=vfid,
                    unmanaged_path=folder.unmanaged_path,
                    mode=0o775 if owner.container_uid is not None and group_id is None else None,
                    quota_limit=owner.quota_limit,
                )
            )
            return folder

    async def find_own(
        self, name: str, *, access_key: str, group_id: UUID | None
    ) -> VFolderData | None:
        """The folder of that name and owner that is not deleted for good."""
        async with self._database.transaction() as connection:
            owner = await lock_owner(connection, access_key, group_id)
            owned = is_own(owner.user_id) if group_id is None else vfolders.c.group == group_id
            row = (
                await connection.execute(
                    folder_select(owner.user_id)
                    .where(
                        owned,
                        vfolders.c.name == name,
                        vfolders.c.status.not_in(VFOLDER_HARD_DELETED),
                    )
                    .limit(1)
                )
            ).one_or_none()
            return None if row is None else folder_of(row)

    async def move_to_trash(self, access: FolderAccess) -> VFolderData:
        """Ready → delete-pending; shares and invitations stay, to be there after a restore.

        Raises ``VFolderFilterStatusFailed``, ``VFolderDeletionNotAllowed`` and
        ``ModelServiceDependencyNotCleared``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_DELETABLE, "be deleted")
            await check_not_mounted(connection, folder)
            await _check_serves_nothing(connection, folder)
            await set_status(connection, [folder.id], VFolderStatus.DELETE_PENDING, self._clock())
            return await get_folder_row(connection, folder.id, viewer=access.user_id)

    async def _insert(
        self,
        connection: AsyncConnection,
        spec: VFolderSpec,
        owner: FolderOwner,
        host: str,
        vfid: VFolderID,
        status: VFolderStatus,
    ) -> None:
        now = self._clock()
        is_user = owner.group_id is None
        await connection.execute(
            insert(vfolders).values(
                id=vfid.folder,
                name=spec.name,
                host=host,
                domain_name=owner.domain_name,
                quota_scope_id=str(vfid.quota_scope),
                usage_mode=spec.usage_mode.value,
                permission=(
                    VFolderPermission.READ_ONLY if owner.is_model_store else spec.permission
                ).value,
                creator=owner.email,
                unmanaged_path=spec.unmanaged_path,
                ownership_type=(
                    VFolderOwnershipType.USER if is_user else VFolderOwnershipType.GROUP
                ).value,
                user=owner.user_id if is_user else None,
                group=owner.group_id,
                cloneable=spec.cloneable,
                created_at=now,
                status=status.value,
                status_changed=now,
                status_history={status.name: now.isoformat()},
                max_files=0,
                num_files=0,
                cur_size=0,
            )
        )
        await register_entity(
            connection,
            scope=("user", str(owner.user_id)) if is_user else ("project", str(owner.group_id)),
            entity=("vfolder", str(vfid.folder)),
        )


async def check_not_mounted(connection: AsyncConnection, folder: VFolderData) -> None:
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


def _quota_scope(owner: FolderOwner) -> QuotaScopeID:
    if owner.group_id is None:
        return QuotaScopeID(QuotaScopeType.USER, owner.user_id)
    return QuotaScopeID(QuotaScopeType.PROJECT, owner.group_id)


def _within(scope: FolderScope, viewer: UUID, visible: Visibility) -> ColumnElement[bool]:
    match scope:
        case FolderScope.OWN:
            return is_own(viewer)
        case FolderScope.SHARED:
            return is_shared_with(viewer)
        case FolderScope.PROJECT:
            return is_of_project_of(viewer)
        case FolderScope.REACHABLE:
            return is_reachable_by(viewer)
        case FolderScope.ALL if visible.user_id is None:
            return is_reachable_by(viewer) | is_under(visible.domain_name)
        case FolderScope.ALL:
            return is_reachable_by(viewer)
