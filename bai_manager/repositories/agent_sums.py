"""``agents.occupied_slots``: kept equal to the sum of the kernels on each agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from bai_manager.models.agent import agents
from bai_manager.models.session import kernels
from bai_manager.repositories.occupancy import agent_occupancy

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
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
    ordered: Sequence[str] = sorted(agent_ids)
    if not ordered:
        return
    await connection.execute(
        select(agents.c.id)
        .where(agents.c.id.in_(ordered))
        .order_by(agents.c.id)
        .with_for_update(key_share=True)
    )
    for agent_id, occupied in (await agent_occupancy(connection, ordered)).items():
        await connection.execute(
            update(agents).where(agents.c.id == agent_id).values(occupied_slots=occupied.to_json())
        )
