"""Agents: which there are, how they are, and whether they take new kernels."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bai_manager.errors import Unreachable
from bai_manager.services.agent.actions import (
    DrainAgentActionResult,
    GetAgentActionResult,
    ListAgentsActionResult,
    RecalculateUsageActionResult,
    UndrainAgentActionResult,
)
from bai_manager.services.agent.errors import AgentNotDrained

if TYPE_CHECKING:
    from bai_manager.clients.agent.pool import Agents
    from bai_manager.repositories.agent import AgentRepository
    from bai_manager.repositories.agent_changes import AgentChangeRepository
    from bai_manager.services.agent.actions import (
        DrainAgentAction,
        GetAgentAction,
        ListAgentsAction,
        RecalculateUsageAction,
        UndrainAgentAction,
    )
    from bai_manager.services.agent.types import AgentSession
    from bai_manager.sokovan.gate import Scheduler

_FIRST_POLL: Final = 0.05
_LONGEST_POLL: Final = 2.0


class AgentService:
    """Reads agents, and opens and closes them to new kernels."""

    def __init__(
        self,
        *,
        agents: AgentRepository,
        changes: AgentChangeRepository,
        clients: Agents,
        scheduler: Scheduler,
    ) -> None:
        self._agents = agents
        self._changes = changes
        self._clients = clients
        self._scheduler = scheduler

    async def list_agents(self, action: ListAgentsAction) -> ListAgentsActionResult:
        """Every agent, as the database knows it."""
        return ListAgentsActionResult(agents=await self._agents.list_agents(action.query))

    async def get_agent(self, action: GetAgentAction) -> GetAgentActionResult:
        """One agent, with its own answer about health and hardware where it gives one."""
        agent = await self._agents.get_agent(action.agent)
        try:
            client = self._clients.client(agent.id, agent.addr)
            health = await client.health()
            hardware = await client.gather_hwinfo()
        except Unreachable:
            return GetAgentActionResult(agent=agent, health=None, hardware=None)
        return GetAgentActionResult(agent=agent, health=health.status, hardware=hardware)

    async def drain_agent(self, action: DrainAgentAction) -> DrainAgentActionResult:
        """Close it, and tell what is left on it: nothing once it was waited for."""
        changed = await self._changes.set_schedulable(action.agent, schedulable=False)
        await self._scheduler.advance()
        if action.wait:
            await self._until_empty(action.agent, action.timeout)
        return DrainAgentActionResult(
            agent=await self._agents.get_agent(action.agent),
            changed=changed,
            sessions=await self._changes.sessions_on(action.agent),
        )

    async def undrain_agent(self, action: UndrainAgentAction) -> UndrainAgentActionResult:
        """Open it, and let those start that waited for it."""
        changed = await self._changes.set_schedulable(action.agent, schedulable=True)
        await self._scheduler.advance()
        return UndrainAgentActionResult(
            agent=await self._agents.get_agent(action.agent), changed=changed
        )

    async def recalculate_usage(
        self, action: RecalculateUsageAction
    ) -> RecalculateUsageActionResult:
        """Under lock, so that no kernel comes or goes unseen meanwhile."""
        return RecalculateUsageActionResult(agents=await self._changes.recalculate(action.agents))

    async def _until_empty(self, agent_id: str, timeout: float | None) -> None:
        """Raises ``AgentNotDrained``."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        pause = _FIRST_POLL
        while left := await self._left_on(agent_id):
            if deadline is not None and loop.time() >= deadline:
                raise AgentNotDrained(agent_id, [one.name for one in left], timeout)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    async def _left_on(self, agent_id: str) -> list[AgentSession]:
        await self._scheduler.advance()
        return await self._changes.sessions_on(agent_id)
