"""Rows of ``users`` as people see them, and the lock under which they are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from bai_manager.models.endpoint import endpoints
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.session import sessions
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.query import Field
from bai_manager.repositories.remains import session_owner
from bai_manager.repositories.versions import version_of
from bai_manager.services.user.errors import UserNotFound
from bai_manager.services.user.types import UserData, UserHoldings
from bai_manager.types.query import ID, INTEGER, NAMES, TEXT, TIME, TRUTH, FieldKind
from bai_manager.types.status import (
    SESSION_DEAD,
    VFOLDER_DEAD,
    EndpointLifecycle,
    UserRole,
    UserStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow

_PROJECTS = (
    select(func.array_agg(aggregate_order_by(groups.c.name, groups.c.name)))
    .join(association_groups_users, association_groups_users.c.group_id == groups.c.id)
    .where(association_groups_users.c.user_id == users.c.uuid)
    .scalar_subquery()
)
_KEYPAIRS = (
    select(func.count()).where(keypairs.c.user == users.c.uuid).correlate(users).scalar_subquery()
)
_HAS_PASSWORD: ColumnElement[Any] = users.c.password.is_not(None)
_STATUS: ColumnElement[Any] = cast(users.c.status, Text)
_ROLE: ColumnElement[Any] = cast(users.c.role, Text)
USER_COLUMNS = (
    users.c.uuid,
    users.c.email,
    users.c.username,
    users.c.full_name,
    users.c.description,
    _STATUS.label("status"),
    users.c.status_info,
    _ROLE.label("role"),
    users.c.domain_name,
    _PROJECTS.label("projects"),
    users.c.resource_policy,
    users.c.main_access_key,
    _KEYPAIRS.label("keypair_count"),
    _HAS_PASSWORD.label("has_password"),
    users.c.need_password_change,
    users.c.password_changed_at,
    users.c.allowed_client_ip,
    users.c.totp_activated,
    users.c.sudo_session_enabled,
    users.c.container_uid,
    users.c.container_main_gid,
    users.c.container_gids,
    users.c.integration_id,
    users.c.created_at,
    users.c.modified_at,
    version_of(users),
)

USER_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, users.c.uuid),
    "email": Field(TEXT, users.c.email),
    "username": Field(TEXT, users.c.username),
    "full_name": Field(TEXT, users.c.full_name),
    "description": Field(TEXT, users.c.description),
    "status": Field(FieldKind.choice(UserStatus), _STATUS),
    "role": Field(FieldKind.choice(UserRole), _ROLE),
    "domain_name": Field(TEXT, users.c.domain_name),
    "projects": Field(NAMES, _PROJECTS),
    "resource_policy": Field(TEXT, users.c.resource_policy),
    "main_access_key": Field(TEXT, users.c.main_access_key),
    "keypair_count": Field(INTEGER, _KEYPAIRS),
    "has_password": Field(TRUTH, _HAS_PASSWORD),
    "need_password_change": Field(TRUTH, users.c.need_password_change),
    "totp_activated": Field(TRUTH, users.c.totp_activated),
    "sudo_session_enabled": Field(TRUTH, users.c.sudo_session_enabled),
    "container_uid": Field(INTEGER, users.c.container_uid),
    "integration_id": Field(TEXT, users.c.integration_id),
    "password_changed_at": Field(TIME, users.c.password_changed_at),
    "created_at": Field(TIME, users.c.created_at),
    "modified_at": Field(TIME, users.c.modified_at),
}


async def lock_user(
    connection: AsyncConnection, user_id: UUID, *, for_deletion: bool = False
) -> UserData:
    """The user as it is while nobody else changes it. Raises ``UserNotFound``."""
    await connection.execute(
        select(users.c.uuid)
        .where(users.c.uuid == user_id)
        .with_for_update(key_share=not for_deletion)
    )
    return await get_user_row(connection, user_id)


async def get_user_row(connection: AsyncConnection, user_id: UUID) -> UserData:
    row = (
        await connection.execute(select(*USER_COLUMNS).where(users.c.uuid == user_id))
    ).one_or_none()
    if row is None:
        raise UserNotFound(str(user_id))
    return read_user(row)


async def holdings_of(connection: AsyncConnection, user_id: UUID) -> UserHoldings:
    counts = (
        select(func.count()).where(keypairs.c.user == user_id, keypairs.c.is_active),
        select(func.count()).where(
            session_owner() == user_id, sessions.c.status.not_in(SESSION_DEAD)
        ),
        select(func.count()).where(
            vfolders.c.user == user_id, vfolders.c.status.not_in(VFOLDER_DEAD)
        ),
        select(func.count()).where(
            endpoints.c.session_owner == user_id,
            endpoints.c.lifecycle_stage != EndpointLifecycle.DESTROYED.value,
        ),
    )
    row = (await connection.execute(select(*(count.scalar_subquery() for count in counts)))).one()
    active_keypairs, live_sessions, folders, services = row
    return UserHoldings(
        active_keypairs=active_keypairs,
        live_sessions=live_sessions,
        vfolders=folders,
        endpoints=services,
    )


def read_user(row: AnyRow) -> UserData:
    return UserData(
        id=row.uuid,
        email=row.email,
        username=row.username or "",
        full_name=row.full_name,
        description=row.description,
        status=UserStatus.parse(row.status),
        status_info=row.status_info,
        role=UserRole.parse(row.role or UserRole.USER),
        domain_name=row.domain_name or "",
        projects=row.projects or [],
        resource_policy=row.resource_policy,
        main_access_key=row.main_access_key,
        keypair_count=row.keypair_count,
        has_password=row.has_password,
        need_password_change=bool(row.need_password_change),
        password_changed_at=row.password_changed_at,
        allowed_client_ip=None
        if row.allowed_client_ip is None
        else [str(network) for network in row.allowed_client_ip],
        totp_activated=bool(row.totp_activated),
        sudo_session_enabled=row.sudo_session_enabled,
        container_uid=row.container_uid,
        container_main_gid=row.container_main_gid,
        container_gids=row.container_gids,
        integration_id=row.integration_id,
        created_at=row.created_at,
        modified_at=row.modified_at,
        version=row.version,
    )
