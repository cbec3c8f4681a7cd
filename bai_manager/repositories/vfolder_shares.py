"""Who may use a folder besides its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, delete, exists, insert, select, update

from bai_manager.models.group import association_groups_users
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.remains import mounted_folders
from bai_manager.repositories.vfolder_rbac import grant_folder, revoke_folder
from bai_manager.repositories.vfolder_rows import check_status, get_folder_row, lock_folder
from bai_manager.services.vfolder.errors import (
    NotSharedWith,
    ShareTargetNotFound,
    VFolderInvalidParameter,
)
from bai_manager.services.vfolder.types import FolderSharer, SharerKind, VFolderHoldings
from bai_manager.types.folder_access import FolderReach
from bai_manager.types.status import (
    VFOLDER_UPDATABLE,
    UserStatus,
    VFolderInvitationState,
    VFolderOwnershipType,
)
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnySelect
    from bai_manager.services.vfolder.types import VFolderData
    from bai_manager.types.folder_access import FolderAccess

_GRANTS = vfolder_permissions


class VFolderSharesRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def holdings(self, access: FolderAccess) -> VFolderHoldings:
        """Who can reach the folder, as far as the actor may know, and where it is mounted.

        With whom else it is shared, and who was invited, is nothing for those it is shared with.
        """
        async with self._database.transaction() as connection:
            folder = await get_folder_row(connection, access.id, viewer=access.user_id)
            guest = access.reach is FolderReach.SHARED
            return VFolderHoldings(
                shared_with=[
                    *_owners(folder),
                    *await _shared(connection, folder, access.user_id if guest else None),
                    *([] if guest else await _invited(connection, folder)),
                ],
                mounted_in=await mounted_folders(connection, vfolders.c.id == folder.id),
            )

    async def share(
        self, access: FolderAccess, emails: Sequence[str], permission: VFolderPermission
    ) -> list[FolderSharer]:
        """Give members of a project a permission of their own on its folder.

        On a user's folder it changes what people have who were invited. Raises
        ``ShareTargetNotFound`` naming all others, and ``VFolderFilterStatusFailed``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_UPDATABLE, "be shared")
            targets = await _targets(connection, folder, access.user_id, emails)
            for user_id in targets.values():
                await put_permission(connection, folder.id, user_id, permission)
                if folder.ownership_type is VFolderOwnershipType.USER:
                    await grant_folder(connection, folder.id, user_id, permission)
            return [
                FolderSharer(kind=SharerKind.USER, name=email, permission=permission)
                for email in targets
            ]

    async def unshare(self, access: FolderAccess, emails: Sequence[str]) -> None:
        """Take back what was given to people. Raises ``NotSharedWith`` naming the others."""
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            granted = await _by_email(connection, _holders(folder.id), emails)
            if missing := sorted({*emails} - granted.keys()):
                raise NotSharedWith(folder.name, missing)
            for user_id in granted.values():
                await _take_back(connection, folder.id, user_id)

    async def leave(self, access: FolderAccess) -> VFolderData:
        """Give up a folder that was shared. Raises ``VFolderInvalidParameter`` for any other."""
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            if access.reach is not FolderReach.SHARED:
                raise VFolderInvalidParameter(
                    f"Folder {folder.name!r} was not shared with you: it is"
                    f" {_BY_RIGHT[access.reach]}.",
                    hint="See which were with 'bai-manager vfolder list --shared'.",
                )
            await _take_back(connection, folder.id, access.user_id)
            return folder


_BY_RIGHT = {
    FolderReach.OWN: "your own",
    FolderReach.PROJECT: "a project's",
    FolderReach.OFFICE: "another's, which you only administer",
}


async def put_permission(
    connection: AsyncConnection, folder_id: UUID, user_id: UUID, permission: VFolderPermission
) -> None:
    """Give or change a permission; the folder's row is locked."""
    changed = await connection.execute(
        update(_GRANTS)
        .where(_GRANTS.c.vfolder == folder_id, _GRANTS.c.user == user_id)
        .values(permission=permission.value)
    )
    if changed.rowcount == 0:
        await connection.execute(
            insert(_GRANTS).values(
                {"vfolder": folder_id, "user": user_id, "permission": permission.value}
            )
        )


async def _take_back(connection: AsyncConnection, folder_id: UUID, user_id: UUID) -> None:
    await connection.execute(
        delete(_GRANTS).where(_GRANTS.c.vfolder == folder_id, _GRANTS.c.user == user_id)
    )
    await revoke_folder(connection, folder_id, user_id)


async def _targets(
    connection: AsyncConnection, folder: VFolderData, actor_id: UUID, emails: Sequence[str]
) -> dict[str, UUID]:
    """Active members of the project but the actor; of a user's folder, who has it already."""
    fit = (
        select(users.c.uuid, users.c.email).where(
            users.c.status == UserStatus.ACTIVE.value,
            users.c.uuid != actor_id,
            exists().where(
                association_groups_users.c.user_id == users.c.uuid,
                association_groups_users.c.group_id == folder.project_id,
            ),
        )
        if folder.ownership_type is VFolderOwnershipType.GROUP
        else _holders(folder.id)
    )
    found = await _by_email(connection, fit, emails)
    if missing := sorted({*emails} - found.keys()):
        raise ShareTargetNotFound(folder.name, folder.ownership_type, missing)
    return found


def _holders(folder_id: UUID) -> AnySelect:
    return (
        select(users.c.uuid, users.c.email)
        .join(_GRANTS, _GRANTS.c.user == users.c.uuid)
        .where(_GRANTS.c.vfolder == folder_id)
    )


async def _by_email(
    connection: AsyncConnection, statement: AnySelect, emails: Sequence[str]
) -> dict[str, UUID]:
    rows = await connection.execute(
        statement.where(users.c.email.in_(emails)).order_by(users.c.email)
    )
    return {row.email: row.uuid for row in rows}


def _owners(folder: VFolderData) -> list[FolderSharer]:
    if folder.project_id is None:
        return [
            FolderSharer(
                kind=SharerKind.OWNER,
                name=folder.owner or str(folder.owner_id),
                permission=folder.permission,
            )
        ]
    return [
        FolderSharer(
            kind=SharerKind.PROJECT,
            name=folder.project or str(folder.project_id),
            permission=folder.permission,
        )
    ]


async def _shared(
    connection: AsyncConnection, folder: VFolderData, only: UUID | None
) -> list[FolderSharer]:
    statement = (
        select(users.c.email, cast(_GRANTS.c.permission, Text).label("permission"))
        .join(users, users.c.uuid == _GRANTS.c.user)
        .where(_GRANTS.c.vfolder == folder.id)
        .order_by(users.c.email)
    )
    if only is not None:
        statement = statement.where(users.c.uuid == only)
    return [
        FolderSharer(
            kind=SharerKind.USER,
            name=row.email,
            permission=VFolderPermission.parse(row.permission) if row.permission else None,
        )
        for row in await connection.execute(statement)
    ]


async def _invited(connection: AsyncConnection, folder: VFolderData) -> list[FolderSharer]:
    found = vfolder_invitations
    rows = await connection.execute(
        select(found.c.invitee, cast(found.c.permission, Text).label("permission"))
        .where(
            found.c.vfolder == folder.id,
            found.c.state == VFolderInvitationState.PENDING.value,
        )
        .order_by(found.c.invitee)
    )
    return [
        FolderSharer(
            kind=SharerKind.INVITED,
            name=row.invitee,
            permission=VFolderPermission.parse(row.permission) if row.permission else None,
        )
        for row in rows
    ]
