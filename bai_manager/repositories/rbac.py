"""The rows of the permission store that people and projects also have (§6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import String, Uuid, and_, cast, delete, func, insert, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
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
    from collections.abc import Collection, Mapping, Sequence

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
    """As ``create_user_roles``, for one user."""
    await create_user_roles(connection, {user_id: domain_name})


async def create_user_roles(connection: AsyncConnection, people: Mapping[UUID, str]) -> None:
    """Each user's own role, held by the user, and the user's place in the domain.

    ``people`` maps ids of users to the names of their domains.
    """
    role_ids = await _create_roles(
        connection,
        [(f"user-{str(user_id)[:8]}", ("user", str(user_id))) for user_id in people],
        granted=[(entity, operation) for entity in _RESOURCES for operation in _OPERATIONS]
        + [("user", operation) for operation in _OPERATIONS if operation != "create"],
    )
    await connection.execute(
        insert(user_roles),
        [
            {"user_id": user_id, "role_id": role_id}
            for user_id, role_id in zip(people, role_ids, strict=True)
        ],
    )
    await register_entities(
        connection,
        [(("domain", domain), ("user", str(user_id))) for user_id, domain in people.items()],
    )


async def create_project_role(connection: AsyncConnection, project_id: UUID) -> None:
    """The role of the project's administrators."""
    await _create_roles(
        connection,
        [(f"project-{str(project_id)[:8]}-admin", ("project", str(project_id)))],
        granted=_admin_grants(),
    )


async def create_domain_role(connection: AsyncConnection, domain_name: str) -> None:
    """The role of the domain's administrators."""
    await _create_roles(
        connection,
        [(f"domain-{domain_name}-admin"[:64], ("domain", domain_name))],
        granted=_admin_grants(),
    )


async def register_entity(
    connection: AsyncConnection, *, scope: tuple[str, str], entity: tuple[str, str]
) -> None:
    """Place an entity in a scope; placing it twice is one place."""
    await register_entities(connection, [(scope, entity)])


async def register_entities(
    connection: AsyncConnection, places: Sequence[tuple[tuple[str, str], tuple[str, str]]]
) -> None:
    """Place entities in scopes, each a pair of type and id."""
    await connection.execute(
        upsert(association_scopes_entities).on_conflict_do_nothing(),
        [
            {
                "scope_type": scope_type,
                "scope_id": scope_id,
                "entity_type": entity_type,
                "entity_id": entity_id,
            }
            for (scope_type, scope_id), (entity_type, entity_id) in places
        ],
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


async def _create_roles(
    connection: AsyncConnection,
    scopes: Sequence[tuple[str, tuple[str, str]]],
    *,
    granted: Collection[tuple[str, str]],
) -> list[UUID]:
    """A role for each name and scope, all with the same grants: pairs of entity and operation."""
    role_ids, group_ids = ([uuid4() for _ in scopes] for _ in range(2))
    await connection.execute(
        insert(roles),
        [
            {"id": role_id, "name": name}
            for role_id, (name, _) in zip(role_ids, scopes, strict=True)
        ],
    )
    await connection.execute(
        insert(permission_groups),
        [
            {"id": group_id, "role_id": role_id, "scope_type": scope_type, "scope_id": scope_id}
            for group_id, role_id, (_, (scope_type, scope_id)) in zip(
                group_ids, role_ids, scopes, strict=True
            )
        ],
    )
    entities, operations = zip(*granted, strict=True)
    groups = func.unnest(cast(group_ids, ARRAY(Uuid))).table_valued("id").render_derived()
    grants = (
        func.unnest(cast([*entities], ARRAY(String)), cast([*operations], ARRAY(String)))
        .table_valued("entity_type", "operation")
        .render_derived()
    )
    await connection.execute(
        insert(permissions).from_select(
            ["permission_group_id", "entity_type", "operation"],
            select(groups.c.id, grants.c.entity_type, grants.c.operation).select_from(
                groups.join(grants, true())
            ),
        )
    )
    return role_ids
