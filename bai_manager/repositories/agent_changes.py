"""What operators change about agents: whether they take kernels, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from bai_manager.models.agent import agents
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import users
from bai_manager.repositories.agent_sums import correct_agents
from bai_manager.services.agent.errors import AgentNotFound
from bai_manager.services.agent.types import AgentSession
from bai_manager.types.status import (
    KERNEL_RESOURCE_OCCUPIED,
    KERNEL_RESOURCE_REQUESTED,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.repositories.database import Database
    from bai_manager.services.agent.types import OccupancyChange


class AgentChangeRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_schedulable(self, agent_id: str, *, schedulable: bool) -> bool:
        """Open or close an agent to new kernels; False when it was so. Raises ``AgentNotFound``."""
        async with self._database.transaction() as connection:
            was = await connection.scalar(
                select(agents.c.schedulable)
                .where(agents.c.id == agent_id)
                .with_for_update(key_share=True)
            )
            if was is None:
                raise AgentNotFound(agent_id)
            if was is schedulable:
                return False
            await connection.execute(
                update(agents).where(agents.c.id == agent_id).values(schedulable=schedulable)
            )
            return True

    async def sessions_on(self, agent_id: str) -> list[AgentSession]:
        """Sessions that hold, or were promised, something on the agent; the oldest first."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(
                    sessions.c.id,
                    sessions.c.name,
                    sessions.c.status,
                    sessions.c.access_key,
                    users.c.email,
                    func.count(kernels.c.id).label("kernel_count"),
                )
                .select_from(
                    kernels.join(sessions, sessions.c.id == kernels.c.session_id).outerjoin(
                        users, users.c.uuid == sessions.c.user_uuid
                    )
                )
                .where(
                    kernels.c.agent == agent_id,
                    kernels.c.status.in_(KERNEL_RESOURCE_OCCUPIED | KERNEL_RESOURCE_REQUESTED),
                )
                .group_by(sessions.c.id, users.c.email)
                .order_by(sessions.c.created_at, sessions.c.id)
            )
            return [
                AgentSession(
                    id=row.id,
                    name=row.name or str(row.id),
                    status=SessionStatus.parse(row.status),
                    access_key=row.access_key or "",
                    user_email=row.email,
                    kernel_count=row.kernel_count,
                )
                for row in rows
            ]

    async def recalculate(self, agent_ids: Sequence[str]) -> list[OccupancyChange]:
        """Correct the agents named, or all; raises ``AgentNotFound`` before anything is changed."""
        async with self._database.transaction() as connection:
            known = set(await connection.scalars(select(agents.c.id)))
            for agent_id in agent_ids:
                if agent_id not in known:
                    raise AgentNotFound(agent_id)
            return await correct_agents(connection, agent_ids or known)
