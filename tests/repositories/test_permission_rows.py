"""The permission store after somebody or something was created (``reference/actions.md`` §6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select

from bai_manager.models.rbac import (
    association_scopes_entities,
    permission_groups,
    permissions,
    roles,
    user_roles,
)
from bai_manager.repositories.rbac import (
    create_domain_role,
    create_project_role,
    create_user_role,
    register_entity,
)

if TYPE_CHECKING:
    from bai_manager.repositories.database import Database

OPERATIONS = {
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
}


def _all_on(*entities: str) -> set[tuple[str, str]]:
    return {(entity, operation) for entity in entities for operation in OPERATIONS}


async def _role(db: Database) -> dict[str, object]:
    """The only role, with its scope and what it allows."""
    async with db.transaction() as connection:
        row = (
            await connection.execute(
                select(
                    roles.c.id,
                    roles.c.name,
                    roles.c.source,
                    roles.c.status,
                    permission_groups.c.id.label("group_id"),
                    permission_groups.c.scope_type,
                    permission_groups.c.scope_id,
                ).join(permission_groups, permission_groups.c.role_id == roles.c.id)
            )
        ).one()
        granted = (
            await connection.execute(
                select(permissions.c.entity_type, permissions.c.operation).where(
                    permissions.c.permission_group_id == row.group_id
                )
            )
        ).all()
    assert len(granted) == len(set(granted))
    return {
        "id": row.id,
        "name": row.name,
        "source": row.source,
        "status": row.status,
        "scope": (row.scope_type, row.scope_id),
        "granted": {(grant.entity_type, grant.operation) for grant in granted},
    }


async def test_a_user_gets_a_role_over_what_is_theirs(shaped_db: Database) -> None:
    user_id = uuid4()
    async with shaped_db.transaction() as connection:
        await create_user_role(connection, user_id, "default")
    role = await _role(shaped_db)
    assert role == {
        "id": role["id"],
        "name": f"user-{str(user_id)[:8]}",
        "source": "system",
        "status": "active",
        "scope": ("user", str(user_id)),
        "granted": _all_on("vfolder", "image", "session", "user") - {("user", "create")},
    }
    async with shaped_db.transaction() as connection:
        held = (await connection.execute(select(user_roles.c.user_id, user_roles.c.role_id))).one()
        placed = (
            await connection.execute(
                select(
                    association_scopes_entities.c.scope_type,
                    association_scopes_entities.c.scope_id,
                    association_scopes_entities.c.entity_type,
                    association_scopes_entities.c.entity_id,
                )
            )
        ).one()
    assert tuple(held) == (user_id, role["id"])
    assert tuple(placed) == ("domain", "default", "user", str(user_id))


async def test_a_project_gets_a_role_for_its_admins_that_nobody_holds(shaped_db: Database) -> None:
    project_id = uuid4()
    async with shaped_db.transaction() as connection:
        await create_project_role(connection, project_id)
        assert (await connection.execute(select(user_roles))).all() == []
    role = await _role(shaped_db)
    assert role["name"] == f"project-{str(project_id)[:8]}-admin"
    assert role["scope"] == ("project", str(project_id))
    assert role["granted"] == _all_on("vfolder", "image", "session", "user")


async def test_a_domain_gets_a_role_for_its_admins(shaped_db: Database) -> None:
    async with shaped_db.transaction() as connection:
        await create_domain_role(connection, "research")
    role = await _role(shaped_db)
    assert role["name"] == "domain-research-admin"
    assert role["scope"] == ("domain", "research")
    assert role["granted"] == _all_on("vfolder", "image", "session", "user")


async def test_the_role_of_a_domain_with_the_longest_name_fits(db: Database) -> None:
    async with db.transaction() as connection:
        await create_domain_role(connection, "d" * 64)
    assert (await _role(db))["scope"] == ("domain", "d" * 64)


async def test_placing_an_entity_twice_is_one_place(db: Database) -> None:
    async with db.transaction() as connection:
        for _ in range(2):
            await register_entity(
                connection, scope=("domain", "default"), entity=("user", "somebody")
            )
        placed = (await connection.execute(select(association_scopes_entities))).all()
    assert len(placed) == 1
