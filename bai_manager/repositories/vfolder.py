"""Virtual folders in the database; bytes are the storage's business."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.models.group import groups
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.people import resolve_group
from bai_manager.repositories.query import Field, apply_query, filters_on
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
    folder_of,
    folder_select,
    get_folder_row,
    insert_folder,
)
from bai_manager.services.vfolder.rules import NewFolder, check_host, check_model_store
from bai_manager.services.vfolder.types import FolderScope
from bai_manager.types.query import ID, TEXT, TIME, TRUTH, FieldKind
from bai_manager.types.status import (
    VFOLDER_DEAD,
    VFOLDER_HARD_DELETED,
    VFOLDER_INACCESSIBLE,
    VFolderOwnershipType,
    VFolderStatus,
    VFolderUsageMode,
)
from bai_manager.types.vfolder import VFolderID, VFolderPermission

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

    async def resolve_group(self, group: str) -> UUID:
        """The id of a project of any domain. Raises ``GroupNotFound``."""
        async with self._database.transaction() as connection:
            return await resolve_group(connection, group)

    async def create_folder(
        self,
        spec: VFolderSpec,
        *,
        access_key: str,
        group_id: UUID | None,
        default_host: str | None,
        if_not_exists: bool,
        make: Callable[[NewFolder], Awaitable[None]],
    ) -> tuple[VFolderData, bool]:
        """Insert a folder that ``make`` then makes, and say whether it is new.

        The row is there only if ``make`` succeeded.

        Raises ``NoStorageHost``, ``InsufficientStoragePermission``, ``TooManyVFolders``,
        ``VFolderAlreadyExists``, ``VFolderInvalidParameter``, and what ``make`` raises.
        """
        async with self._database.transaction() as connection:
            owner = await lock_owner(connection, access_key, group_id)
            found = await _own_of_name(connection, spec.name, owner) if if_not_exists else None
            if found is not None:
                return found, False
            hosts = await allowed_hosts(
                connection, user_id=owner.user_id, access_key=access_key, group_id=group_id
            )
            host = check_host(spec, hosts, default_host)
            check_model_store(spec, is_model_store=owner.is_model_store)
            await check_count(connection, owner)
            await check_name_is_free(
                connection, spec.name, user_id=owner.user_id, group_id=group_id
            )
            vfid = VFolderID(owner.quota_scope, uuid4())
            await insert_folder(
                connection, spec, owner, host, vfid, VFolderStatus.READY, self._clock()
            )
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
            return folder, True


async def _own_of_name(
    connection: AsyncConnection, name: str, owner: FolderOwner
) -> VFolderData | None:
    """The owner's folder of that name that is not deleted for good."""
    owned = is_own(owner.user_id) if owner.group_id is None else vfolders.c.group == owner.group_id
    row = (
        await connection.execute(
            folder_select(owner.user_id)
            .where(owned, vfolders.c.name == name, vfolders.c.status.not_in(VFOLDER_HARD_DELETED))
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else folder_of(row)


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
