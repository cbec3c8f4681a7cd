"""Live statistics by asking the agents."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from bai_manager.clients.live.protocol import LiveReading
from bai_manager.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.clients.live.protocol import KernelPlace


class AgentLiveStats:
    """Asks every agent once for all of its kernels, all agents at the same time."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def read(self, kernels: Sequence[KernelPlace]) -> LiveReading:
        """Samples as of now. Raises ``AgentUnreachable`` when no agent answers."""
        kernels_of: defaultdict[tuple[str, str], list[UUID]] = defaultdict(list)
        for kernel in kernels:
            kernels_of[kernel.agent_id, kernel.agent_addr].append(kernel.kernel_id)
        answers = await asyncio.gather(
            *(self._ask(*agent, kernel_ids) for agent, kernel_ids in kernels_of.items())
        )
        failures = [answer for answer in answers if isinstance(answer, Unreachable)]
        if failures and len(failures) == len(answers):
            raise failures[0]
        stats: dict[UUID, KernelStat] = {}
        silent: dict[str, str] = {}
        for (agent_id, _), answer in zip(kernels_of, answers, strict=True):
            if isinstance(answer, Unreachable):
                silent[agent_id] = answer.message
            else:
                stats |= answer
        return LiveReading(stats=stats, silent=silent)

    async def _ask(
        self, agent_id: str, addr: str, kernel_ids: Sequence[UUID]
    ) -> Mapping[UUID, KernelStat] | Unreachable:
        try:
            return await self._agents.client(agent_id, addr).kernel_stats(kernel_ids)
        except Unreachable as error:
            return error
