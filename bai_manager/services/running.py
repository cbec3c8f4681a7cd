"""Sessions that run, for services that use what runs in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.session.errors import InvalidSessionState, KernelNotReady
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.session.types import KernelData, SessionData
    from bai_manager.sokovan.gate import Scheduler


class RunningSessions:
    """Finds a session with its main kernel, and the agents of kernels."""

    def __init__(
        self, *, sessions: SessionRepository, agents: Agents, scheduler: Scheduler
    ) -> None:
        self._sessions = sessions
        self._agents = agents
        self._scheduler = scheduler

    async def main(
        self, session: str, owner: str | None, wanted: str
    ) -> tuple[SessionData, KernelData, AgentClient]:
        """Raise ``SessionNotFound``, ``InvalidSessionState`` ("cannot WANTED"), ``KernelNotReady``.

        One that is about to run is moved along first.
        """
        found = await self._sessions.get_session(session, owner)
        if found.status is not SessionStatus.RUNNING:
            await self._scheduler.advance()
            found = await self._sessions.get_by_id(found.id)
        kernel = found.main_kernel
        if found.status is not SessionStatus.RUNNING or kernel is None:
            raise InvalidSessionState(found.name, found.status, wanted)
        return found, kernel, self.client(kernel)

    def client(self, kernel: KernelData) -> AgentClient:
        """The agent of a kernel; raises ``KernelNotReady`` when it has none."""
        if kernel.agent is None or kernel.agent_addr is None:
            raise KernelNotReady(
                f"Kernel {kernel.id} has no agent yet.",
                hint=f"Wait for it with 'bai-manager session wait {kernel.session_name}'.",
            )
        return self._agents.client(kernel.agent, kernel.agent_addr)
