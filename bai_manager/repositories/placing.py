"""What strategies look at besides slots: whose turn it is, and where replicas run already."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bai_manager.models.endpoint import routings
from bai_manager.models.session import kernels
from bai_manager.types.scaling_group_options import AgentSelectionStrategy
from bai_manager.types.status import KERNEL_RESOURCE_OCCUPIED, KERNEL_RESOURCE_REQUESTED

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.sokovan.snapshot import AgentSnapshot, PendingSession, Snapshot


async def with_history_of_places(connection: AsyncConnection, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what its group's strategy asks for; cheap for those that ask nothing."""
    config = snapshot.config
    if config.agent_selection_strategy == AgentSelectionStrategy.ROUNDROBIN.value:
        last = await _last_given(connection, snapshot.scaling_group)
        snapshot = replace(snapshot, config=replace(config, round_robin_after=last))
    if config.enforce_spreading_endpoint_replica:
        endpoints = await _endpoints_of(connection, snapshot.pending)
        replicas = await _replicas_on(connection, snapshot.agents)
        snapshot = replace(
            snapshot,
            pending=tuple(
                replace(one, endpoint_id=endpoints.get(one.id)) for one in snapshot.pending
            ),
            agents=tuple(
                replace(one, endpoint_replicas=replicas[one.id]) for one in snapshot.agents
            ),
        )
    return snapshot


async def _last_given(connection: AsyncConnection, group: str) -> str | None:
    """The agent of the newest kernel that has one: *roundrobin* goes on after it."""
    given: str | None = await connection.scalar(
        select(kernels.c.agent)
        .where(kernels.c.scaling_group == group, kernels.c.agent.is_not(None))
        .order_by(kernels.c.created_at.desc(), kernels.c.cluster_idx.desc())
        .limit(1)
    )
    return given


async def _endpoints_of(
    connection: AsyncConnection, pending: tuple[PendingSession, ...]
) -> dict[UUID, UUID]:
    """Which endpoint each session is a replica of."""
    rows = await connection.execute(
        select(routings.c.session, routings.c.endpoint).where(
            routings.c.session.in_([one.id for one in pending])
        )
    )
    return {row.session: row.endpoint for row in rows}


async def _replicas_on(
    connection: AsyncConnection, machines: tuple[AgentSnapshot, ...]
) -> defaultdict[str, dict[UUID, int]]:
    """How many kernels of each endpoint each agent has."""
    rows = await connection.execute(
        select(kernels.c.agent, routings.c.endpoint, func.count().label("amount"))
        .join(routings, routings.c.session == kernels.c.session_id)
        .where(
            kernels.c.agent.in_([one.id for one in machines]),
            kernels.c.status.in_(KERNEL_RESOURCE_OCCUPIED | KERNEL_RESOURCE_REQUESTED),
        )
        .group_by(kernels.c.agent, routings.c.endpoint)
    )
    found: defaultdict[str, dict[UUID, int]] = defaultdict(dict)
    for row in rows:
        found[row.agent][row.endpoint] = row.amount
    return found
