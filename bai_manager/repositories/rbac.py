"""The rows of the permission store that people and projects also have (§6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from bai_manager.models.rbac import (
    association_scopes_entities,
    object_permissions,
    permission_groups,
    permissions,
    roles,
    user_roles,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

_OPERATIONS = (
    "create",
    "read",
    "update",
    "soft-delete",
    "hard-delete",
    "grant:all",
    "grant:read",
    "grant:update",
    "grant:soft-delete",
    "grant:hard-delete",
)
_RESOURCES = ("vfolder", "image", "session")


async def create_user_role(connection: AsyncConnection, user_id: UUID, domain_name: str) -> None:
    """The user's own role, held by the user, and the user's place in the domain."""
    role_id = await _create_role(
        connection,
        f"user-{str(user_id)[:8]}",
        scope=("user", str(user_id)),
        granted=[(entity, operation) for entity in _RESOURCES for operation in _OPERATIONS]
        + [("user", operation) for operation in _OPERATIONS if operation != "create"],
    )
    await connection.execute(insert(user_roles).values(user_id=user_id, role_id=role_id))
    await register_entity(connection, scope=("domain", domain_name), entity=("user", str(user_id)))


async def create_project_role(connection: AsyncConnection, project_id: UUID) -> None:
    """The role of the project's administrators."""
    await _create_role(
        connection,
        f"project-{str(project_id)[:8]}-admin",
        scope=("project", str(project_id)),
        granted=_admin_grants(),
    )


async def create_domain_role(connection: AsyncConnection, domain_name: str) -> None:
    """The role of the domain's administrators."""
    await _create_role(
        connection,
        f"domain-{domain_name}-admin"[:64],
        scope=("domain", domain_name),
        granted=_admin_grants(),
    )


async def register_entity(
    connection: AsyncConnection, *, scope: tuple[str, str], entity: tuple[str, str]
) -> None:
    """Place an entity in a scope; placing it twice is one place."""
    scope_type, scope_id = scope
    entity_type, entity_id = entity
    await connection.execute(
        upsert(association_scopes_entities)
        .values(
            scope_type=scope_type,
            scope_id=scope_id,
            entity_type=entity_type,
            entity_id=entity_id,
        )
        .on_conflict_do_nothing()
    )


async def remove_scope(connection: AsyncConnection, scope_type: str, scope_id: str) -> None:
    """Forget a scope and the entity it is: its grants, what was placed in it, and its own places.

    Roles that grant nothing any more go too, with whoever held them.
    """
    in_scope = and_(
        permission_groups.c.scope_type == scope_type, permission_groups.c.scope_id == scope_id
    )
    found = (
        await connection.execute(
            select(permission_groups.c.id, permission_groups.c.role_id).where(in_scope)
        )
    ).all()
    await connection.execute(
        delete(permissions).where(permissions.c.permission_group_id.in_([row.id for row in found]))
    )
    await connection.execute(delete(permission_groups).where(in_scope))
    elsewhere = select(permission_groups.c.role_id)
    role_ids = (
        await connection.scalars(
            delete(roles)
            .where(roles.c.id.in_([row.role_id for row in found]), roles.c.id.not_in(elsewhere))
            .returning(roles.c.id)
        )
    ).all()
    for table in (object_permissions, user_roles):
        await connection.execute(delete(table).where(table.c.role_id.in_(role_ids)))
    if scope_type == "user":
        await connection.execute(delete(user_roles).where(user_roles.c.user_id == UUID(scope_id)))
    places = association_scopes_entities
    await connection.execute(
        delete(places).where(
            or_(
                and_(places.c.scope_type == scope_type, places.c.scope_id == scope_id),
                and_(places.c.entity_type == scope_type, places.c.entity_id == scope_id),
            )
        )
    )


def _admin_grants() -> list[tuple[str, str]]:
    return [(entity, operation) for entity in (*_RESOURCES, "user") for operation in _OPERATIONS]


async def _create_role(
    connection: AsyncConnection,
    name: str,
    *,
    scope: tuple[str, str],
    granted: Collection[tuple[str, str]],
) -> UUID:
    role_id, group_id = uuid4(), uuid4()
    await connection.execute(insert(roles).values(id=role_id, name=name))
    await connection.execute(
        insert(permission_groups).values(
            id=group_id, role_id=role_id, scope_type=scope[0], scope_id=scope[1]
        )
    )
    await connection.execute(
        insert(permissions),
        [
            {"permission_group_id": group_id, "entity_type": entity, "operation": operation}
            for entity, operation in granted
        ],
    )
    return role_id
