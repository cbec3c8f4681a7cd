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
    from bai_manager.clients.cluster.memory import ManagerMemory
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
        memory: ManagerMemory,
    ) -> None:
        self._agents = agents
        self._changes = changes
        self._clients = clients
        self._scheduler = scheduler
        self._memory = memory

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
        changed = await self._set_schedulable(action.agent, schedulable=False)
        if action.wait:
            await self._until_empty(action.agent, action.timeout)
        return DrainAgentActionResult(
            agent=await self._agents.get_agent(action.agent),
            changed=changed,
            sessions=await self._changes.sessions_on(action.agent),
        )

    async def undrain_agent(self, action: UndrainAgentAction) -> UndrainAgentActionResult:
        """Open it, and let those start that waited for it."""
        changed = await self._set_schedulable(action.agent, schedulable=True)
        return UndrainAgentActionResult(
            agent=await self._agents.get_agent(action.agent), changed=changed
        )

    async def recalculate_usage(
        self, action: RecalculateUsageAction
    ) -> RecalculateUsageActionResult:
        """Under lock, so that no kernel comes or goes unseen meanwhile."""
        recounted = await self._changes.recalculate(action.agents)
        await self._memory.forget_usage()
        return RecalculateUsageActionResult(agents=recounted)

    async def _set_schedulable(self, agent_id: str, *, schedulable: bool) -> bool:
        changed = await self._changes.set_schedulable(agent_id, schedulable=schedulable)
        await self._memory.forget_room()
        await self._scheduler.advance()
        return changed

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
