"""Kernels: the processes or containers that sessions are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.kernel.actions import (
    GetKernelActionResult,
    GetKernelLogsActionResult,
    ListKernelsActionResult,
)
from bai_manager.types.status import KernelStatus

if TYPE_CHECKING:
    from bai_manager.clients.agent.pool import Agents
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.kernel.actions import (
        GetKernelAction,
        GetKernelLogsAction,
        ListKernelsAction,
    )
    from bai_manager.sokovan.gate import Scheduler


class KernelService:
    """Reads kernels."""

    def __init__(
        self, *, sessions: SessionRepository, agents: Agents, scheduler: Scheduler
    ) -> None:
        self._sessions = sessions
        self._agents = agents
        self._scheduler = scheduler

    async def list_kernels(self, action: ListKernelsAction) -> ListKernelsActionResult:
        """Kernels of one key pair or of everybody."""
        await self._scheduler.advance()
        return ListKernelsActionResult(
            kernels=await self._sessions.list_kernels(
                action.query, owner=action.owner, include_ended=action.include_ended
            )
        )

    async def get_kernel(self, action: GetKernelAction) -> GetKernelActionResult:
        """One kernel as its row says."""
        await self._scheduler.advance()
        return GetKernelActionResult(kernel=await self._sessions.get_kernel(action.kernel))

    async def get_kernel_logs(self, action: GetKernelLogsAction) -> GetKernelLogsActionResult:
        """From the agent while the kernel lives, from its row afterwards."""
        kernel = await self._sessions.get_kernel(action.kernel)
        lives = kernel.status in {KernelStatus.RUNNING, KernelStatus.TERMINATING}
        if lives and kernel.agent and kernel.agent_addr:
            logs = await self._agents.client(kernel.agent, kernel.agent_addr).get_logs(kernel.id)
        else:
            logs = ((await self._sessions.stored_log(kernel.id)) or b"").decode(errors="replace")
        return GetKernelLogsActionResult(kernel_id=kernel.id, logs=logs)
