"""Agents: which there are and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Unreachable
from bai_manager.services.agent.actions import GetAgentActionResult, ListAgentsActionResult

if TYPE_CHECKING:
    from bai_manager.clients.agent.pool import Agents
    from bai_manager.repositories.agent import AgentRepository
    from bai_manager.services.agent.actions import GetAgentAction, ListAgentsAction


class AgentService:
    """Reads agents."""

    def __init__(self, *, agents: AgentRepository, clients: Agents) -> None:
        self._agents = agents
        self._clients = clients

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
