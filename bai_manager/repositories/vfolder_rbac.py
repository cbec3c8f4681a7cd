"""Folders in the permission store (``reference/actions.md`` §6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, insert, select

from bai_manager.models.rbac import (
    association_scopes_entities,
    object_permissions,
    permission_groups,
)
from bai_manager.repositories.rbac import register_entity
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

_ENTITY: Final = "vfolder"
_MAY_READ: Final = ("read",)
_MAY_WRITE: Final = ("read", "update", "soft-delete")


async def register_folder(connection: AsyncConnection, folder_id: UUID, scope: str) -> None:
    """Place a folder in ``user:<uuid>`` or ``project:<uuid>``, which a quota scope is too."""
    scope_type, _, scope_id = scope.partition(":")
    await register_entity(
        connection, scope=(scope_type, scope_id), entity=(_ENTITY, str(folder_id))
    )


async def grant_folder(
    connection: AsyncConnection, folder_id: UUID, user_id: UUID, permission: VFolderPermission
) -> None:
    """Let a user's own role do what the permission says; earlier grants go."""
    await revoke_folder(connection, folder_id, user_id)
    await register_folder(connection, folder_id, f"user:{user_id}")
    role_id = await connection.scalar(
        select(permission_groups.c.role_id)
        .where(
            permission_groups.c.scope_type == "user", permission_groups.c.scope_id == str(user_id)
        )
        .limit(1)
    )
    if role_id is None:
        return
    operations = _MAY_READ if permission is VFolderPermission.READ_ONLY else _MAY_WRITE
    await connection.execute(
        insert(object_permissions),
        [
            {
                "role_id": role_id,
                "entity_type": _ENTITY,
                "entity_id": str(folder_id),
                "operation": operation,
            }
            for operation in operations
        ],
    )


async def revoke_folder(connection: AsyncConnection, folder_id: UUID, user_id: UUID) -> None:
    """Take the folder out of a user's scope, and from the user's role."""
    places = association_scopes_entities
    roles = select(permission_groups.c.role_id).where(
        permission_groups.c.scope_type == "user", permission_groups.c.scope_id == str(user_id)
    )
    await connection.execute(
        delete(object_permissions).where(
            _is_folder(object_permissions, folder_id), object_permissions.c.role_id.in_(roles)
        )
    )
    await connection.execute(
        delete(places).where(
            _is_folder(places, folder_id),
            places.c.scope_type == "user",
            places.c.scope_id == str(user_id),
        )
    )


async def forget_folder(connection: AsyncConnection, folder_id: UUID) -> None:
    """Remove a folder from every scope and role."""
    for table in (object_permissions, association_scopes_entities):
        await connection.execute(delete(table).where(_is_folder(table, folder_id)))


def _is_folder(table: Table, folder_id: UUID) -> ColumnElement[bool]:
    return and_(table.c.entity_type == _ENTITY, table.c.entity_id == str(folder_id))
