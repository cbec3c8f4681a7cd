"""What follows from changing a user: key pairs, memberships, the place in the permission store."""

from __future__ import annotations

from enum import Enum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, exists, func, insert, select, update

from bai_manager.models.group import association_groups_users
from bai_manager.models.rbac import association_scopes_entities
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.rbac import register_entity
from bai_manager.services.keypair.errors import KeyPairForbidden, KeyPairNotFound
from bai_manager.services.user.errors import LastSuperadmin
from bai_manager.services.user.types import KeypairEffect
from bai_manager.types.status import UserRole, UserStatus
from bai_manager.types.tristate import set_fields

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow
    from bai_manager.services.user.types import UserChanges, UserData

ADMIN_REQUESTED: Final = "admin-requested"
"""``users.status_info`` of a status that somebody chose."""
_ADMINS: Final = frozenset({UserRole.SUPERADMIN, UserRole.ADMIN})


async def apply_changes(
    connection: AsyncConnection,
    user: UserData,
    changes: UserChanges,
    projects: Collection[UUID] | None,
) -> tuple[tuple[str, ...], list[KeypairEffect]]:
    """Write what differs of a locked user; says which fields, and which key pairs with them.

    ``projects`` are the memberships there shall be, None leaves them. Raises ``KeyPairNotFound``,
    ``KeyPairForbidden`` and ``LastSuperadmin``.
    """
    values = _differing(user, changes)
    if isinstance(key := values.get("main_access_key"), str):
        await _check_main_key(connection, user, key)
    if "role" in values or "status" in values:
        await keep_a_superadmin(connection, user, changes)
    if "status" in values:
        values["status_info"] = ADMIN_REQUESTED
    if values:
        await connection.execute(
            update(users).where(users.c.uuid == user.id).values(**values, modified_at=func.now())
        )
    effects: list[KeypairEffect] = []
    if "role" in values:
        active = values.get("status", user.status.value) == UserStatus.ACTIVE.value
        role = UserRole(str(values["role"]))
        effects = await _follow_role(connection, user, role, active=active)
    if "domain_name" in values:
        await _move_to_domain(connection, user.id, str(values["domain_name"]))
    changed = tuple(name for name in values if name != "status_info")
    if projects is not None and await _replace_projects(connection, user.id, projects):
        changed = (*changed, "projects")
    return changed, effects


async def deactivate(connection: AsyncConnection, user: UserData) -> list[KeypairEffect]:
    """Mark a locked user deleted and its key pairs inactive; says which were active."""
    found = await connection.execute(
        update(keypairs)
        .where(keypairs.c.user == user.id, keypairs.c.is_active)
        .values(is_active=False, modified_at=func.now())
        .returning(keypairs.c.access_key, keypairs.c.is_active, keypairs.c.is_admin)
    )
    if user.status is not UserStatus.DELETED:
        await connection.execute(
            update(users)
            .where(users.c.uuid == user.id)
            .values(
                status=UserStatus.DELETED.value,
                status_info=ADMIN_REQUESTED,
                modified_at=func.now(),
            )
        )
    return [_effect(row) for row in found]


async def keep_a_superadmin(
    connection: AsyncConnection, user: UserData, changes: UserChanges | None = None
) -> None:
    """Raise ``LastSuperadmin`` if nobody else were left who may do everything.

    ``changes`` None is the end of the user.
    """
    after = {} if changes is None else set_fields(changes)
    stays = changes is not None and (
        after.get("role", user.role) is UserRole.SUPERADMIN
        and after.get("status", user.status) is UserStatus.ACTIVE
    )
    if user.role is not UserRole.SUPERADMIN or user.status is not UserStatus.ACTIVE or stays:
        return
    another = exists().where(
        users.c.uuid != user.id,
        users.c.role == UserRole.SUPERADMIN.value,
        users.c.status == UserStatus.ACTIVE.value,
        keypairs.c.access_key == users.c.main_access_key,
        keypairs.c.is_active,
    )
    if not await connection.scalar(select(another)):
        raise LastSuperadmin(user.email)


async def join_projects(
    connection: AsyncConnection, user_id: UUID, projects: Collection[UUID]
) -> None:
    if projects:
        await connection.execute(
            insert(association_groups_users),
            [{"user_id": user_id, "group_id": group_id} for group_id in sorted(projects)],
        )


def _differing(user: UserData, changes: UserChanges) -> dict[str, object]:
    """What is to be set and is not yet, as columns hold it."""
    wanted = {
        name: _stored(name, value)
        for name, value in set_fields(changes).items()
        if name != "projects"
    }
    return {
        name: value for name, value in wanted.items() if value != _stored(name, getattr(user, name))
    }


def _stored(name: str, value: object) -> object:
    match value:
        case Enum():
            return value.value
        case tuple() | list() if name == "allowed_client_ip":
            return [str(ip_network(str(network))) for network in value]
        case tuple() | list():
            return [*value]
    return value


async def _check_main_key(connection: AsyncConnection, user: UserData, access_key: str) -> None:
    owner = await connection.scalar(
        select(keypairs.c.user)
        .where(keypairs.c.access_key == access_key)
        .with_for_update(key_share=True)
    )
    if owner is None:
        raise KeyPairNotFound(access_key)
    if owner != user.id:
        raise KeyPairForbidden(access_key, user.email)


async def _follow_role(
    connection: AsyncConnection, user: UserData, role: UserRole, *, active: bool
) -> list[KeypairEffect]:
    """Give or take the administrator's mark of the user's key pairs.

    Order: administrators' first, then active ones, the main one before its equals. An
    administrator who is active needs the first to be marked and active. Who is none any more
    keeps the first; the others that could have acted as an administrator are switched off.
    """
    rows = (
        await connection.execute(
            select(
                keypairs.c.access_key,
                keypairs.c.is_active,
                keypairs.c.is_admin,
                keypairs.c.created_at,
            )
            .where(keypairs.c.user == user.id)
            .order_by(keypairs.c.access_key)
            .with_for_update(key_share=True)
        )
    ).all()
    if not rows:
        return []
    ordered = sorted(
        rows,
        key=lambda row: (
            not row.is_admin,
            not row.is_active,
            row.access_key != user.main_access_key,
            row.created_at,
        ),
    )
    before = {row.access_key: _effect(row) for row in ordered}
    after = _promoted(ordered, active=active) if role in _ADMINS else _demoted(ordered)
    effects = [effect for effect in after if effect != before[effect.access_key]]
    for effect in effects:
        await connection.execute(
            update(keypairs)
            .where(keypairs.c.access_key == effect.access_key)
            .values(is_active=effect.is_active, is_admin=effect.is_admin, modified_at=func.now())
        )
    return effects


def _promoted(ordered: list[AnyRow], *, active: bool) -> list[KeypairEffect]:
    """Key pairs that were switched off stay off, but for the first of an active user."""
    first = ordered[0]
    return [
        KeypairEffect(
            access_key=row.access_key,
            is_active=bool(row.is_active) or (active and row is first),
            is_admin=bool(row.is_admin) or not first.is_admin,
        )
        for row in ordered
    ]


def _demoted(ordered: list[AnyRow]) -> list[KeypairEffect]:
    """No key pair keeps the mark, so that none brings it back when it is switched on again."""
    return [
        KeypairEffect(
            access_key=row.access_key,
            is_active=bool(row.is_active) and (row is ordered[0] or not row.is_admin),
            is_admin=False,
        )
        for row in ordered
    ]


async def _move_to_domain(connection: AsyncConnection, user_id: UUID, domain_name: str) -> None:
    await connection.execute(
        delete(association_scopes_entities).where(
            association_scopes_entities.c.scope_type == "domain",
            association_scopes_entities.c.entity_type == "user",
            association_scopes_entities.c.entity_id == str(user_id),
        )
    )
    await register_entity(connection, scope=("domain", domain_name), entity=("user", str(user_id)))


async def _replace_projects(
    connection: AsyncConnection, user_id: UUID, projects: Collection[UUID]
) -> bool:
    """Leave and join until the memberships are these; says whether there was anything to do."""
    of_user = association_groups_users.c.user_id == user_id
    present = set(
        await connection.scalars(select(association_groups_users.c.group_id).where(of_user))
    )
    left = present - set(projects)
    await connection.execute(
        delete(association_groups_users).where(
            of_user, association_groups_users.c.group_id.in_(left)
        )
    )
    await join_projects(connection, user_id, set(projects) - present)
    return present != set(projects)


def _effect(row: AnyRow) -> KeypairEffect:
    return KeypairEffect(
        access_key=row.access_key, is_active=bool(row.is_active), is_admin=bool(row.is_admin)
    )
