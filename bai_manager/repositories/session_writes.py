"""``sessions`` and ``kernels`` written: inserting a request, cancelling and marking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, insert, update

from bai_manager.models.session import kernels, session_dependencies, sessions
from bai_manager.repositories.history import with_history
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    KERNEL_TERMINATABLE,
    SESSION_TERMINATABLE,
    KernelStatus,
    SessionResult,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.services.session.types_request import SessionSpec


async def insert_session(connection: AsyncConnection, spec: SessionSpec) -> None:
    """A PENDING session with its kernels."""
    await connection.execute(insert(sessions).values(_session_values(spec)))
    await connection.execute(
        insert(kernels), [_kernel_values(spec, index) for index in range(len(spec.kernels))]
    )


async def insert_dependencies(
    connection: AsyncConnection, session_id: UUID, depends_on: Collection[UUID]
) -> None:
    """The sessions that have to succeed before this one is scheduled."""
    if depends_on:
        await connection.execute(
            insert(session_dependencies),
            [{"session_id": session_id, "depends_on": other} for other in {*depends_on}],
        )


async def cancel_pending(
    connection: AsyncConnection, session_id: UUID, reason: str, now: datetime
) -> bool:
    """PENDING → CANCELLED with all kernels; False when it was not PENDING."""
    pending = and_(sessions.c.id == session_id, sessions.c.status == SessionStatus.PENDING)
    cancelled = await connection.execute(
        update(sessions)
        .where(pending)
        .values(
            status=SessionStatus.CANCELLED,
            status_info=reason,
            status_history=with_history(sessions, SessionStatus.CANCELLED, now),
            terminated_at=now,
        )
    )
    if cancelled.rowcount == 0:
        return False
    await connection.execute(
        update(kernels)
        .where(kernels.c.session_id == session_id)
        .values(
            status=KernelStatus.CANCELLED,
            status_info=reason,
            status_changed=now,
            status_history=with_history(kernels, KernelStatus.CANCELLED, now),
            terminated_at=now,
        )
    )
    return True


async def mark_terminating(
    connection: AsyncConnection, session_id: UUID, reason: str, now: datetime
) -> bool:
    """Terminatable → TERMINATING with the kernels that run; False when it was not."""
    marked = await connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.status.in_(SESSION_TERMINATABLE))
        .values(
            status=SessionStatus.TERMINATING,
            status_info=reason,
            status_history=with_history(sessions, SessionStatus.TERMINATING, now),
        )
    )
    if marked.rowcount == 0:
        return False
    await connection.execute(
        update(kernels)
        .where(kernels.c.session_id == session_id, kernels.c.status.in_(KERNEL_TERMINATABLE))
        .values(
            status=KernelStatus.TERMINATING,
            status_info=reason,
            status_history=with_history(kernels, KernelStatus.TERMINATING, now),
        )
    )
    return True


def _session_values(spec: SessionSpec) -> dict[str, object]:
    requested = sum((kernel.requested_slots for kernel in spec.kernels), ResourceSlot({}))
    return {
        "id": spec.id,
        "creation_id": spec.creation_id,
        "name": spec.name,
        "session_type": spec.session_type.name,
        "priority": spec.priority,
        "cluster_mode": spec.cluster_mode.value,
        "cluster_size": len(spec.kernels),
        "scaling_group_name": spec.scaling_group,
        "domain_name": spec.domain_name,
        "group_id": spec.group_id,
        "user_uuid": spec.user_id,
        "access_key": spec.access_key,
        "images": [spec.image],
        "tag": spec.tag,
        "occupying_slots": {},
        "requested_slots": requested.to_json(),
        "vfolder_mounts": [mount.to_json() for mount in spec.mounts],
        "environ": dict(spec.environ),
        "bootstrap_script": spec.bootstrap_script,
        "use_host_network": False,
        "batch_timeout": spec.batch_timeout,
        "created_at": spec.created_at,
        "starts_at": spec.starts_at,
        "status": SessionStatus.PENDING,
        "status_history": {SessionStatus.PENDING.name: spec.created_at.isoformat()},
        "result": SessionResult.UNDEFINED.name,
        "num_queries": 0,
        "network_type": "volatile",
    }


def _kernel_values(spec: SessionSpec, index: int) -> dict[str, object]:
    kernel = spec.kernels[index]
    return {
        "session_id": spec.id,
        "session_creation_id": spec.creation_id,
        "session_name": spec.name,
        "session_type": spec.session_type.name,
        "cluster_mode": spec.cluster_mode.value,
        "cluster_size": len(spec.kernels),
        "cluster_role": kernel.cluster_role,
        "cluster_idx": kernel.cluster_idx,
        "local_rank": kernel.local_rank,
        "cluster_hostname": kernel.cluster_hostname,
        "scaling_group": spec.scaling_group,
        "domain_name": spec.domain_name,
        "group_id": spec.group_id,
        "user_uuid": spec.user_id,
        "access_key": spec.access_key,
        "image": spec.image,
        "architecture": spec.architecture,
        "registry": spec.registry,
        "tag": spec.tag,
        "occupied_slots": {},
        "requested_slots": kernel.requested_slots.to_json(),
        "occupied_shares": {},
        "environ": [],
        "mounts": [mount.name for mount in spec.mounts],
        "mount_map": {},
        "vfolder_mounts": [mount.to_json() for mount in spec.mounts],
        "attached_devices": {},
        "resource_opts": spec.resource_opts,
        "bootstrap_script": spec.bootstrap_script or "",
        "repl_in_port": 0,
        "repl_out_port": 0,
        "stdin_port": 0,
        "stdout_port": 0,
        "preopen_ports": [],
        "use_host_network": False,
        "created_at": spec.created_at,
        "starts_at": spec.starts_at,
        "status": KernelStatus.PENDING,
        "status_history": {KernelStatus.PENDING.name: spec.created_at.isoformat()},
        "startup_command": spec.startup_command,
        "result": SessionResult.UNDEFINED.name,
        "internal_data": spec.internal_data,
        "num_queries": 0,
    }
