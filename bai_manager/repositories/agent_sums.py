"""``agents.occupied_slots``: kept equal to the sum of the kernels on each agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from bai_manager.models.agent import agents
from bai_manager.models.session import kernels
from bai_manager.repositories.occupancy import agent_occupancy
from bai_manager.services.agent.types import OccupancyChange
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection


async def resync_agents_of(connection: AsyncConnection, session_ids: Collection[UUID]) -> None:
    if not session_ids:
        return
    used = await connection.scalars(
        select(kernels.c.agent)
        .where(kernels.c.session_id.in_(session_ids), kernels.c.agent.is_not(None))
        .distinct()
    )
    await resync_agents(connection, list(used))


async def resync_agents(connection: AsyncConnection, agent_ids: Collection[str]) -> None:
    """Set ``agents.occupied_slots`` to the sum of the kernels on each agent."""
    if agent_ids:
        await correct_agents(connection, agent_ids)


async def correct_agents(
    connection: AsyncConnection, agent_ids: Collection[str]
) -> list[OccupancyChange]:
    """The same, telling what was recorded and what is so; agents are locked in order of id.

    Whoever moves a kernel corrects its agent in the same transaction, after waiting for this.
    """
    recorded = (
        await connection.execute(
            select(agents.c.id, agents.c.occupied_slots)
            .where(agents.c.id.in_(agent_ids))
            .order_by(agents.c.id)
            .with_for_update(key_share=True)
        )
    ).all()
    counted = await agent_occupancy(connection, [row.id for row in recorded])
    changes = []
    for row in recorded:
        before, after = ResourceSlot.from_json(row.occupied_slots), counted[row.id]
        changes.append(
            OccupancyChange(agent=row.id, recorded=before, counted=after, changed=before != after)
        )
        if before != after:
            await connection.execute(
                update(agents).where(agents.c.id == row.id).values(occupied_slots=after.to_json())
            )
    return changes
