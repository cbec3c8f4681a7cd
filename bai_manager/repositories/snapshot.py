"""Loads what the scheduler decides on: one resource group, one moment, one transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from bai_manager.models.agent import agents
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels, session_dependencies, sessions
from bai_manager.repositories.occupancy import (
    agent_occupancy,
    known_slots,
    load_limits,
    load_occupancy,
)
from bai_manager.repositories.placing import with_history_of_places
from bai_manager.sokovan.snapshot import (
    AgentSnapshot,
    Dependency,
    PendingKernel,
    PendingSession,
    SchedulingConfig,
    Snapshot,
)
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.scaling_group_options import ScalingGroupOptions
from bai_manager.types.status import (
    KERNEL_RESOURCE_OCCUPIED,
    KERNEL_RESOURCE_REQUESTED,
    AgentStatus,
    ClusterMode,
    KernelStatus,
    SessionResult,
    SessionStatus,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.sokovan.snapshot import Limits, Occupancy


def _may_take_kernels() -> ColumnElement[bool]:
    return and_(agents.c.status == AgentStatus.ALIVE.name, agents.c.schedulable)


async def schedulable_groups(connection: AsyncConnection) -> list[str]:
    """Resource groups with at least one agent that may take kernels."""
    return list(
        await connection.scalars(
            select(agents.c.scaling_group)
            .where(_may_take_kernels())
            .distinct()
            .order_by(agents.c.scaling_group)
        )
    )


async def load_snapshot(connection: AsyncConnection, group: str, *, now: datetime) -> Snapshot:
    """Everything the scheduler looks at for one group; cheap when nothing waits."""
    config = await load_config(connection, group)
    pending = await _pending(connection, group)
    if not pending:
        return Snapshot(now=now, scaling_group=group, config=config)
    snapshot = Snapshot(
        now=now,
        scaling_group=group,
        config=config,
        pending=pending,
        agents=await load_agents(connection, group),
        limits=await limits_of(connection, pending),
        occupancy=await load_occupancy_of(connection, group),
    )
    return await with_history_of_places(connection, snapshot)


async def load_occupancy_of(connection: AsyncConnection, group: str) -> Occupancy:
    """Sums and counts within one resource group alone (``reference/state-machines.md`` §7.2)."""
    return await load_occupancy(connection, where=kernels.c.scaling_group == group)


async def limits_of(connection: AsyncConnection, pending: Collection[PendingSession]) -> Limits:
    """What binds the owners of sessions that wait."""
    return await load_limits(
        connection,
        await known_slots(connection),
        access_keys=sorted({session.access_key for session in pending}),
        user_ids=sorted({session.user_id for session in pending}),
        group_ids=sorted({session.group_id for session in pending}),
        domain_names=sorted({session.domain_name for session in pending}),
    )


async def load_agents(connection: AsyncConnection, group: str) -> tuple[AgentSnapshot, ...]:
    """The group's agents that may take kernels, with what they hold now."""
    rows = (
        await connection.execute(
            select(agents.c.id, agents.c.addr, agents.c.architecture, agents.c.available_slots)
            .where(_may_take_kernels(), agents.c.scaling_group == group)
            .order_by(agents.c.id)
        )
    ).all()
    ids = [row.id for row in rows]
    occupied = await agent_occupancy(connection, ids)
    containers = await _container_counts(connection, ids)
    return tuple(
        AgentSnapshot(
            id=row.id,
            addr=row.addr,
            architecture=row.architecture,
            available=ResourceSlot.from_json(row.available_slots),
            occupied=occupied[row.id],
            container_count=containers.get(row.id, 0),
            scaling_group=group,
        )
        for row in rows
    )


async def _container_counts(
    connection: AsyncConnection, agent_ids: Collection[str]
) -> Mapping[str, int]:
    rows = await connection.execute(
        select(kernels.c.agent, func.count().label("amount"))
        .where(
            kernels.c.agent.in_(agent_ids),
            kernels.c.status.in_(KERNEL_RESOURCE_OCCUPIED | KERNEL_RESOURCE_REQUESTED),
        )
        .group_by(kernels.c.agent)
    )
    return {row.agent: row.amount for row in rows}


async def load_config(connection: AsyncConnection, group: str) -> SchedulingConfig:
    row = (
        await connection.execute(
            select(scaling_groups.c.scheduler, scaling_groups.c.scheduler_opts).where(
                scaling_groups.c.name == group
            )
        )
    ).one()
    options = ScalingGroupOptions.from_json(row.scheduler_opts or {})
    return SchedulingConfig(
        scheduler=row.scheduler,
        agent_selection_strategy=options.effective_strategy.value,
        enforce_spreading_endpoint_replica=options.enforce_spreading_endpoint_replica,
        allowed_session_types=frozenset(options.allowed_session_types),
        pending_timeout=options.pending_timeout.total_seconds(),
    )


async def _pending(connection: AsyncConnection, group: str) -> tuple[PendingSession, ...]:
    rows = (
        await connection.execute(
            select(
                sessions.c.id,
                sessions.c.creation_id,
                sessions.c.name,
                sessions.c.access_key,
                sessions.c.user_uuid,
                sessions.c.group_id,
                sessions.c.domain_name,
                sessions.c.session_type,
                sessions.c.cluster_mode,
                sessions.c.cluster_size,
                sessions.c.priority,
                sessions.c.created_at,
                sessions.c.starts_at,
                sessions.c.designated_agent_ids,
                sessions.c.status_data,
            )
            .where(
                sessions.c.scaling_group_name == group,
                sessions.c.status == SessionStatus.PENDING,
            )
            .order_by(sessions.c.created_at, sessions.c.id)
        )
    ).all()
    if not rows:
        return ()
    ids = [row.id for row in rows]
    waiting = await _pending_kernels(connection, ids)
    dependencies = await _dependencies(connection, ids)
    return tuple(
        PendingSession(
            id=row.id,
            creation_id=row.creation_id or "",
            name=row.name or "",
            access_key=row.access_key or "",
            user_id=row.user_uuid,
            group_id=row.group_id,
            domain_name=row.domain_name,
            scaling_group=group,
            session_type=SessionType.parse(row.session_type),
            cluster_mode=ClusterMode.parse(row.cluster_mode),
            cluster_size=row.cluster_size,
            priority=row.priority,
            created_at=row.created_at,
            starts_at=row.starts_at,
            designated_agent_ids=tuple(row.designated_agent_ids or ()),
            kernels=tuple(waiting[row.id]),
            dependencies=tuple(dependencies[row.id]),
            retries=((row.status_data or {}).get("scheduler") or {}).get("retries", 0),
        )
        for row in rows
        if row.id in waiting
    )


async def _pending_kernels(
    connection: AsyncConnection, session_ids: Collection[UUID]
) -> Mapping[UUID, list[PendingKernel]]:
    rows = await connection.execute(
        select(
            kernels.c.id,
            kernels.c.session_id,
            kernels.c.architecture,
            kernels.c.requested_slots,
            kernels.c.image,
        )
        .where(kernels.c.session_id.in_(session_ids), kernels.c.status == KernelStatus.PENDING)
        .order_by(kernels.c.cluster_role, kernels.c.cluster_idx)
    )
    found: defaultdict[UUID, list[PendingKernel]] = defaultdict(list)
    for row in rows:
        found[row.session_id].append(
            PendingKernel(
                kernel_id=row.id,
                architecture=row.architecture or "",
                requested_slots=ResourceSlot.from_json(row.requested_slots),
                image=row.image or "",
            )
        )
    return found


async def _dependencies(
    connection: AsyncConnection, session_ids: Collection[UUID]
) -> Mapping[UUID, list[Dependency]]:
    rows = await connection.execute(
        select(
            session_dependencies.c.session_id,
            sessions.c.id,
            sessions.c.name,
            sessions.c.status,
            sessions.c.result,
        )
        .join(sessions, sessions.c.id == session_dependencies.c.depends_on)
        .where(session_dependencies.c.session_id.in_(session_ids))
    )
    found: defaultdict[UUID, list[Dependency]] = defaultdict(list)
    for row in rows:
        found[row.session_id].append(
            Dependency(
                id=row.id,
                name=row.name or "",
                status=SessionStatus.parse(row.status),
                result=SessionResult.parse(row.result),
            )
        )
    return found
