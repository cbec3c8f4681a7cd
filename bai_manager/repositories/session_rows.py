"""``sessions`` and ``kernels`` as dataclasses: their columns, and what lists may ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.models.group import groups
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import users
from bai_manager.repositories.query import Field
from bai_manager.repositories.versions import version_of
from bai_manager.services.session.errors import SessionNotFound
from bai_manager.services.session.types import KernelData, SessionData
from bai_manager.types.query import ID, INTEGER, TEXT, TIME, FieldKind
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    ClusterMode,
    KernelStatus,
    SessionResult,
    SessionStatus,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.mounts import VFolderMount

_SESSION_COLUMNS = (
    sessions.c.id,
    sessions.c.name,
    sessions.c.status,
    sessions.c.status_info,
    sessions.c.status_data,
    sessions.c.status_history,
    sessions.c.result,
    sessions.c.session_type,
    sessions.c.priority,
    sessions.c.cluster_mode,
    sessions.c.cluster_size,
    sessions.c.domain_name,
    sessions.c.group_id,
    groups.c.name.label("group_name"),
    sessions.c.user_uuid,
    users.c.email.label("user_email"),
    sessions.c.access_key,
    sessions.c.scaling_group_name,
    sessions.c.agent_ids,
    sessions.c.images,
    sessions.c.tag,
    sessions.c.requested_slots,
    sessions.c.occupying_slots,
    sessions.c.environ,
    sessions.c.vfolder_mounts,
    sessions.c.startup_command,
    sessions.c.starts_at,
    sessions.c.batch_timeout,
    sessions.c.created_at,
    sessions.c.terminated_at,
    version_of(sessions),
)
SESSIONS_WITH_OWNERS = sessions.outerjoin(groups, groups.c.id == sessions.c.group_id).outerjoin(
    users, users.c.uuid == sessions.c.user_uuid
)

_KERNEL_COLUMNS = (
    kernels.c.id,
    kernels.c.session_id,
    kernels.c.session_name,
    kernels.c.status,
    kernels.c.status_info,
    kernels.c.status_data,
    kernels.c.status_history,
    kernels.c.status_changed,
    kernels.c.result,
    kernels.c.cluster_role,
    kernels.c.cluster_idx,
    kernels.c.cluster_hostname,
    kernels.c.local_rank,
    kernels.c.image,
    kernels.c.architecture,
    kernels.c.agent,
    kernels.c.agent_addr,
    kernels.c.container_id,
    kernels.c.requested_slots,
    kernels.c.occupied_slots,
    kernels.c.resource_opts,
    kernels.c.service_ports,
    kernels.c.startup_command,
    kernels.c.access_key,
    users.c.email.label("owner_email"),
    kernels.c.created_at,
    kernels.c.terminated_at,
)
_KERNELS = kernels.outerjoin(users, users.c.uuid == kernels.c.user_uuid)

SESSION_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, sessions.c.id),
    "name": Field(TEXT, sessions.c.name),
    "status": Field(FieldKind.choice(SessionStatus), sessions.c.status),
    "status_info": Field(TEXT, sessions.c.status_info),
    "session_type": Field(FieldKind.choice(SessionType), sessions.c.session_type, by_name=True),
    "result": Field(FieldKind.choice(SessionResult), sessions.c.result, by_name=True),
    "priority": Field(INTEGER, sessions.c.priority),
    "cluster_size": Field(INTEGER, sessions.c.cluster_size),
    "domain_name": Field(TEXT, sessions.c.domain_name),
    "group_name": Field(TEXT, groups.c.name),
    "user_email": Field(TEXT, users.c.email),
    "access_key": Field(TEXT, sessions.c.access_key),
    "scaling_group": Field(TEXT, sessions.c.scaling_group_name),
    "tag": Field(TEXT, sessions.c.tag),
    "created_at": Field(TIME, sessions.c.created_at),
    "terminated_at": Field(TIME, sessions.c.terminated_at),
    "starts_at": Field(TIME, sessions.c.starts_at),
}

KERNEL_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, kernels.c.id),
    "session_id": Field(ID, kernels.c.session_id),
    "session_name": Field(TEXT, kernels.c.session_name),
    "status": Field(FieldKind.choice(KernelStatus), kernels.c.status),
    "cluster_role": Field(TEXT, kernels.c.cluster_role),
    "agent": Field(TEXT, kernels.c.agent),
    "image": Field(TEXT, kernels.c.image),
    "created_at": Field(TIME, kernels.c.created_at),
    "terminated_at": Field(TIME, kernels.c.terminated_at),
}


def session_select() -> AnySelect:
    return select(*_SESSION_COLUMNS).select_from(SESSIONS_WITH_OWNERS)


def kernel_select() -> AnySelect:
    return select(*_KERNEL_COLUMNS).select_from(_KERNELS)


async def session_with_kernels(connection: AsyncConnection, session_id: UUID) -> SessionData:
    """Raises ``SessionNotFound``."""
    row = (
        await connection.execute(session_select().where(sessions.c.id == session_id))
    ).one_or_none()
    if row is None:
        raise SessionNotFound(str(session_id))
    found = await connection.execute(
        kernel_select()
        .where(kernels.c.session_id == session_id)
        .order_by(kernels.c.cluster_role, kernels.c.cluster_idx)
    )
    return session_of(row, [kernel_of(kernel) for kernel in found])


def _mounts(stored: JsonValue) -> list[VFolderMount]:
    if not stored:
        return []
    from bai_manager.types.mounts import stored_mounts  # noqa: PLC0415 - few sessions have some

    return stored_mounts(stored)


def session_of(row: AnyRow, found: list[KernelData] | None = None) -> SessionData:
    status_data: JsonObject = row.status_data or {}
    return SessionData(
        id=row.id,
        name=row.name or "",
        status=SessionStatus.parse(row.status),
        status_info=row.status_info,
        status_data=status_data,
        status_history=row.status_history or {},
        result=SessionResult.parse(row.result),
        session_type=SessionType.parse(row.session_type),
        priority=row.priority,
        cluster_mode=ClusterMode.parse(row.cluster_mode),
        cluster_size=row.cluster_size,
        domain_name=row.domain_name,
        group_id=row.group_id,
        group_name=row.group_name,
        user_id=row.user_uuid,
        user_email=row.user_email,
        access_key=row.access_key or "",
        scaling_group=row.scaling_group_name,
        agent_ids=row.agent_ids or [],
        images=row.images or [],
        tag=row.tag,
        requested_slots=ResourceSlot.from_json(row.requested_slots),
        occupying_slots=ResourceSlot.from_json(row.occupying_slots),
        environ=row.environ or {},
        mounts=_mounts(row.vfolder_mounts),
        startup_command=row.startup_command
        or next((kernel.startup_command for kernel in found or [] if kernel.startup_command), None),
        starts_at=row.starts_at,
        batch_timeout=row.batch_timeout,
        created_at=row.created_at,
        terminated_at=row.terminated_at,
        kernels=found or [],
        version=row.version,
    )


def kernel_of(row: AnyRow) -> KernelData:
    ended = (row.status_data or {}).get("kernel") or {}
    return KernelData(
        id=row.id,
        session_id=row.session_id,
        session_name=row.session_name or "",
        status=KernelStatus.parse(row.status),
        status_info=row.status_info,
        status_history=row.status_history or {},
        status_changed=row.status_changed,
        result=SessionResult.parse(row.result),
        exit_code=ended.get("exit_code"),
        cluster_role=row.cluster_role,
        cluster_idx=row.cluster_idx,
        cluster_hostname=row.cluster_hostname,
        local_rank=row.local_rank,
        image=row.image or "",
        architecture=row.architecture or "",
        agent=row.agent,
        agent_addr=row.agent_addr,
        container_id=row.container_id,
        requested_slots=ResourceSlot.from_json(row.requested_slots),
        occupied_slots=ResourceSlot.from_json(row.occupied_slots),
        resource_opts=row.resource_opts or {},
        service_ports=row.service_ports or [],
        startup_command=row.startup_command,
        owner_access_key=row.access_key or "",
        owner_email=row.owner_email,
        created_at=row.created_at,
        terminated_at=row.terminated_at,
    )
