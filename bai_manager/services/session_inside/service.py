"""What runs in sessions is used: code, files, logs."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from bai_manager.services.session.actions import SessionResult
from bai_manager.services.session.kernels import chosen_kernel, last_lines
from bai_manager.services.session_inside.actions import (
    CompleteActionResult,
    DownloadFilesActionResult,
    ExecuteSessionActionResult,
    GetContainerLogsActionResult,
    GetUsageActionResult,
    ListFilesActionResult,
    TransferResult,
)
from bai_manager.services.session_inside.execution import Execution
from bai_manager.services.session_inside.files import one_archive, read_whole, write_whole
from bai_manager.types.status import KernelStatus

if TYPE_CHECKING:
    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.session.actions import SessionAction
    from bai_manager.services.session.types import KernelData, SessionData
    from bai_manager.services.session_inside.actions import (
        CompleteAction,
        DownloadFileAction,
        DownloadFilesAction,
        ExecuteSessionAction,
        GetContainerLogsAction,
        GetUsageAction,
        InterruptSessionAction,
        ListFilesAction,
        UploadFileAction,
    )
    from bai_manager.services.session_inside.console import ConsoleSink
    from bai_manager.sokovan.gate import Scheduler


class SessionInsideService:
    """Reaches into the kernels of running sessions."""

    def __init__(
        self,
        *,
        running: RunningSessions,
        sessions: SessionRepository,
        scheduler: Scheduler,
        console: ConsoleSink,
    ) -> None:
        self._running = running
        self._sessions = sessions
        self._scheduler = scheduler
        self._console = console

    async def execute_session(self, action: ExecuteSessionAction) -> ExecuteSessionActionResult:
        """Run code in the main kernel and follow its output to the end."""
        session, kernel, agent = await self._main(action, "execute code")
        await self._sessions.count_execution(session.id, kernel.id)
        execution = Execution(
            agent=agent,
            session_id=session.id,
            kernel_id=kernel.id,
            run_id=secrets.token_hex(8),
            console=self._console if action.stream else None,
        )
        result = await execution.run(action.code, shell=action.shell, answers=self._console)
        return ExecuteSessionActionResult(
            session_id=session.id,
            run_id=execution.run_id,
            status=result.status.value,
            exit_code=result.exit_code or 0,
            console=execution.collected,
        )

    async def interrupt_session(self, action: InterruptSessionAction) -> SessionResult:
        """Interrupt what runs in the main kernel."""
        session, kernel, agent = await self._main(action, "be interrupted")
        await agent.interrupt_kernel(kernel.id)
        return SessionResult(session=session)

    async def complete(self, action: CompleteAction) -> CompleteActionResult:
        """Completions of a piece of code."""
        _session, kernel, agent = await self._main(action, "complete code")
        found = await agent.get_completions(kernel.id, action.code, {})
        return CompleteActionResult(suggestions=[*found.suggestions])

    async def get_container_logs(
        self, action: GetContainerLogsAction
    ) -> GetContainerLogsActionResult:
        """The log of one kernel: from its agent while it lives, stored afterwards."""
        await self._scheduler.advance()
        session = await self._sessions.get_session(action.session, action.owner)
        kernel = chosen_kernel(session, action.kernel)
        if kernel.status in {KernelStatus.RUNNING, KernelStatus.TERMINATING}:
            agent = self._running.client(kernel)
            if action.follow:
                tail = action.tail
                async for text in agent.follow_logs(kernel.id):
                    self._console.write("stdout", last_lines(text, tail))
                    tail = None
                logs = ""
            else:
                logs = await agent.get_logs(kernel.id)
        else:
            logs = ((await self._sessions.stored_log(kernel.id)) or b"").decode(errors="replace")
        return GetContainerLogsActionResult(
            session_id=session.id, kernel_id=kernel.id, logs=last_lines(logs, action.tail)
        )

    async def list_files(self, action: ListFilesAction) -> ListFilesActionResult:
        """Files in the main kernel's work folder."""
        _session, kernel, agent = await self._main(action, "list files")
        files = await agent.list_files(kernel.id, action.path)
        return ListFilesActionResult(path=action.path, files=[*files])

    async def upload_file(self, action: UploadFileAction) -> TransferResult:
        """Copy a local file into the main kernel's work folder."""
        data = await asyncio.to_thread(read_whole, action.source)
        _session, kernel, agent = await self._main(action, "take files")
        await agent.upload_file(kernel.id, action.destination, data)
        return TransferResult(source=action.source, destination=action.destination, size=len(data))

    async def download_file(self, action: DownloadFileAction) -> TransferResult:
        """Copy a file out of the main kernel's work folder."""
        _session, kernel, agent = await self._main(action, "give files")
        data = await agent.download_single(kernel.id, action.source)
        await asyncio.to_thread(write_whole, action.destination, data, overwrite=action.overwrite)
        return TransferResult(source=action.source, destination=action.destination, size=len(data))

    async def download_files(self, action: DownloadFilesAction) -> DownloadFilesActionResult:
        """Copy several files and folders out, as one archive."""
        session, kernel, agent = await self._main(action, "give files")
        await self._sessions.count_execution(session.id, kernel.id)
        tars = [await agent.download_file(kernel.id, path) for path in action.sources]
        data, files = await asyncio.to_thread(one_archive, tars, action.destination)
        await asyncio.to_thread(write_whole, action.destination, data, overwrite=action.overwrite)
        return DownloadFilesActionResult(
            sources=[*action.sources], destination=action.destination, size=len(data), files=files
        )

    async def get_usage(self, action: GetUsageAction) -> GetUsageActionResult:
        """What the session's kernels use now; ended ones are left out."""
        session = await self._sessions.get_session(action.session, action.owner)
        usage: dict[str, dict[str, dict[str, str]]] = {}
        for kernel in session.kernels:
            if kernel.status is KernelStatus.RUNNING:
                stats = await self._running.client(kernel).kernel_stats([kernel.id])
                usage |= {
                    str(kernel_id): {name: dict(values) for name, values in stat.metrics.items()}
                    for kernel_id, stat in stats.items()
                }
        return GetUsageActionResult(session_id=session.id, usage=usage)

    async def _main(
        self, action: SessionAction[ActionResult], wanted: str
    ) -> tuple[SessionData, KernelData, AgentClient]:
        return await self._running.main(action.session, action.owner, wanted)
