"""Sessions: creating, watching, using and ending them."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bai_manager.services.session.actions import (
    CompleteActionResult,
    CreateSessionActionResult,
    DestroySessionActionResult,
    ExecuteSessionActionResult,
    GetContainerLogsActionResult,
    GetUsageActionResult,
    ListFilesActionResult,
    ListSessionsActionResult,
    SessionResult,
    TransferResult,
)
from bai_manager.services.session.errors import (
    InvalidSessionState,
    KernelCreationFailed,
    KernelNotReady,
    SessionAlreadyExists,
    SessionEnded,
    SessionWaitTimedOut,
)
from bai_manager.services.session.files import read_whole, write_whole
from bai_manager.sokovan.gate import SessionChange
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.status import (
    SESSION_DEAD,
    SESSION_TERMINAL,
    KernelStatus,
    SessionStatus,
)

if TYPE_CHECKING:
    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.repositories.image import ImageRepository
    from bai_manager.repositories.open_groups import OpenGroupRepository
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.session.actions import (
        CompleteAction,
        CreateSessionAction,
        DestroySessionAction,
        DownloadFileAction,
        ExecuteSessionAction,
        GetContainerLogsAction,
        GetSessionAction,
        GetUsageAction,
        InterruptSessionAction,
        ListFilesAction,
        ListSessionsAction,
        SessionAction,
        UploadFileAction,
        WaitSessionAction,
    )
    from bai_manager.services.session.console import ConsoleSink
    from bai_manager.services.session.planning import Mounts
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.types import KernelData, SessionData
    from bai_manager.sokovan.gate import Scheduler
    from bai_manager.types.clock import Clock

_FIRST_POLL: Final = 0.03
_LONGEST_POLL: Final = 0.5


class SessionService:
    """Manages the life of sessions."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        images: ImageRepository,
        owners: OwnerRepository,
        scaling_groups: OpenGroupRepository,
        agents: Agents,
        scheduler: Scheduler,
        mounts: Mounts,
        console: ConsoleSink,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._images = images
        self._owners = owners
        self._scaling_groups = scaling_groups
        self._agents = agents
        self._scheduler = scheduler
        self._mounts = mounts
        self._console = console
        self._clock = clock

    async def create_session(self, action: CreateSessionAction) -> CreateSessionActionResult:
        """Check, enqueue, schedule, and wait until it runs unless told not to."""
        from bai_manager.services.session.request import (  # noqa: PLC0415 - only creating checks
            SessionRequest,
        )

        session, created = await self._existing_or_new(SessionRequest(action))
        if action.wait:
            session = await self._wait(session, SessionStatus.RUNNING, action.timeout)
        else:
            await self._scheduler.advance()
            session = await self._sessions.get_by_id(session.id)
        return CreateSessionActionResult(session=session, created=created)

    async def list_sessions(self, action: ListSessionsAction) -> ListSessionsActionResult:
        """Sessions of one key pair or of everybody."""
        await self._scheduler.advance()
        return ListSessionsActionResult(
            sessions=await self._sessions.list_sessions(
                action.query, owner=action.owner, include_ended=action.include_ended
            )
        )

    async def get_session(self, action: GetSessionAction) -> SessionResult:
        """One session as it is now."""
        await self._scheduler.advance()
        return SessionResult(session=await self._get(action))

    async def wait_session(self, action: WaitSessionAction) -> SessionResult:
        """Wait for a status."""
        session = await self._get(action)
        return SessionResult(session=await self._wait(session, action.until, action.timeout))

    async def destroy_session(self, action: DestroySessionAction) -> DestroySessionActionResult:
        """Cancel a session that waits, terminate one that started; nothing for one that ended."""
        session = await self._get(action)
        reason = Reason.FORCE_TERMINATED if action.forced else Reason.USER_REQUESTED
        marked = await self._sessions.mark_destroyed(
            session.id, reason=reason.value, clock=self._clock
        )
        if marked is not None:
            await self._tell(replace(session, status=marked), reason=reason.value)
        ending = SessionStatus.TERMINATING in {marked, session.status}
        if ending and action.wait:
            session = await self._wait(session, SessionStatus.TERMINATED, action.timeout)
        else:
            await self._scheduler.advance()
            session = await self._sessions.get_by_id(session.id)
        return DestroySessionActionResult(
            session_id=session.id,
            name=session.name,
            status=_stats_status(marked, resumed=ending),
            terminated_at=session.terminated_at,
        )

    async def execute_session(self, action: ExecuteSessionAction) -> ExecuteSessionActionResult:
        """Run code in the main kernel and follow its output to the end."""
        from bai_manager.services.session.execution import (  # noqa: PLC0415 - only here
            Execution,
        )

        session, kernel, agent = await self._running_main(action, "execute code")
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
        session, kernel, agent = await self._running_main(action, "be interrupted")
        await agent.interrupt_kernel(kernel.id)
        return SessionResult(session=session)

    async def complete(self, action: CompleteAction) -> CompleteActionResult:
        """Completions of a piece of code."""
        _session, kernel, agent = await self._running_main(action, "complete code")
        found = await agent.get_completions(kernel.id, action.code, {})
        return CompleteActionResult(suggestions=[*found.suggestions])

    async def get_container_logs(
        self, action: GetContainerLogsAction
    ) -> GetContainerLogsActionResult:
        """The log of one kernel: from its agent while it lives, stored afterwards."""
        await self._scheduler.advance()
        session = await self._get(action)
        kernel = _chosen_kernel(session, action.kernel)
        if kernel.status in {KernelStatus.RUNNING, KernelStatus.TERMINATING}:
            agent = self._client(kernel)
            if action.follow:
                async for text in agent.follow_logs(kernel.id):
                    self._console.write("stdout", text)
                logs = ""
            else:
                logs = await agent.get_logs(kernel.id)
        else:
            logs = ((await self._sessions.stored_log(kernel.id)) or b"").decode(errors="replace")
        return GetContainerLogsActionResult(
            session_id=session.id, kernel_id=kernel.id, logs=_tail(logs, action.tail)
        )

    async def list_files(self, action: ListFilesAction) -> ListFilesActionResult:
        """Files in the main kernel's work folder."""
        _session, kernel, agent = await self._running_main(action, "list files")
        files = await agent.list_files(kernel.id, action.path)
        return ListFilesActionResult(path=action.path, files=[*files])

    async def upload_file(self, action: UploadFileAction) -> TransferResult:
        """Copy a local file into the main kernel's work folder."""
        data = await asyncio.to_thread(read_whole, action.source)
        _session, kernel, agent = await self._running_main(action, "take files")
        await agent.upload_file(kernel.id, action.destination, data)
        return TransferResult(source=action.source, destination=action.destination, size=len(data))

    async def download_file(self, action: DownloadFileAction) -> TransferResult:
        """Copy a file out of the main kernel's work folder."""
        _session, kernel, agent = await self._running_main(action, "give files")
        data = await agent.download_single(kernel.id, action.source)
        await asyncio.to_thread(write_whole, action.destination, data, overwrite=action.overwrite)
        return TransferResult(source=action.source, destination=action.destination, size=len(data))

    async def get_usage(self, action: GetUsageAction) -> GetUsageActionResult:
        """What the session's kernels use now; ended ones are left out."""
        session = await self._get(action)
        usage: dict[str, dict[str, dict[str, str]]] = {}
        for kernel in session.kernels:
            if kernel.status is KernelStatus.RUNNING:
                stats = await self._client(kernel).kernel_stats([kernel.id])
                usage |= {
                    str(kernel_id): {name: dict(values) for name, values in stat.metrics.items()}
                    for kernel_id, stat in stats.items()
                }
        return GetUsageActionResult(session_id=session.id, usage=usage)

    async def _existing_or_new(self, request: SessionRequest) -> tuple[SessionData, bool]:
        """The session to wait for, and whether it is new."""
        existing = await self._existing(request.action)
        if existing is not None:
            return existing, False
        await self._scheduler.advance()
        try:
            return await self._enqueue(request), True
        except SessionAlreadyExists:
            existing = await self._existing(request.action)
            if existing is None:
                raise
            return existing, False

    async def _existing(self, action: CreateSessionAction) -> SessionData | None:
        """A session to reuse; raises ``SessionAlreadyExists`` when reuse was not asked for.

        One that is ending is no session to reuse, but brought to its end first.
        """
        existing = await self._sessions.find_live(action.name, action.owner or "")
        if existing is None:
            return None
        if action.reuse_if_exists and existing.status is not SessionStatus.TERMINATING:
            image = await self._images.resolve(action.image, action.architecture)
            if image.name in existing.images:
                return existing
        await self._scheduler.advance()
        if (await self._sessions.get_by_id(existing.id)).status in SESSION_TERMINAL:
            return None
        raise SessionAlreadyExists(action.name)

    async def _enqueue(self, request: SessionRequest) -> SessionData:
        from bai_manager.services.session.planning import (  # noqa: PLC0415 - only creating plans
            plan_session,
        )

        spec = await plan_session(
            request,
            images=self._images,
            owners=self._owners,
            scaling_groups=self._scaling_groups,
            clock=self._clock,
            mounts=self._mounts,
        )
        session = await self._sessions.enqueue(spec, request.check_quota(spec))
        await self._tell(session, creation_id=spec.creation_id, reason="user-requested")
        return session

    async def _tell(self, session: SessionData, *, reason: str, creation_id: str = "") -> None:
        await self._scheduler.changed(
            SessionChange(
                session_id=session.id,
                creation_id=creation_id,
                access_key=session.access_key,
                status=session.status,
                reason=reason,
            )
        )

    async def _get(self, action: SessionAction[ActionResult]) -> SessionData:
        return await self._sessions.get_session(action.session, action.owner)

    async def _wait(
        self, session: SessionData, until: SessionStatus, timeout: float | None
    ) -> SessionData:
        """Move the session along and look, again and again, until it has reached ``until``.

        Raises ``SessionWaitTimedOut``, and what says why it never will.
        """
        pause = _FIRST_POLL
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._scheduler.advance()
            session = await self._sessions.get_by_id(session.id)
            if _has_reached(session, until):
                return session
            if session.status in SESSION_TERMINAL:
                raise _ended(session, until)
            if deadline is not None and loop.time() >= deadline:
                raise _timed_out(session, until, timeout)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    async def _running_main(
        self, action: SessionAction[ActionResult], wanted: str
    ) -> tuple[SessionData, KernelData, AgentClient]:
        session = await self._get(action)
        if session.status is not SessionStatus.RUNNING:
            await self._scheduler.advance()
            session = await self._sessions.get_by_id(session.id)
        kernel = session.main_kernel
        if session.status is not SessionStatus.RUNNING or kernel is None:
            raise InvalidSessionState(session.name, session.status, wanted)
        return session, kernel, self._client(kernel)

    def _client(self, kernel: KernelData) -> AgentClient:
        if kernel.agent is None or kernel.agent_addr is None:
            raise KernelNotReady(
                f"Kernel {kernel.id} has no agent yet.",
                hint=f"Wait for it with 'bai-manager session wait {kernel.session_name}'.",
            )
        return self._agents.client(kernel.agent, kernel.agent_addr)


def _has_reached(session: SessionData, until: SessionStatus) -> bool:
    if session.status is until:
        return True
    if until is SessionStatus.TERMINATED:
        return session.status in SESSION_DEAD
    return until.name in session.status_history and session.status is not SessionStatus.PENDING


def _ended(session: SessionData, until: SessionStatus) -> KernelCreationFailed | SessionEnded:
    error = session.status_data.get("error")
    if isinstance(error, dict) and error:
        return KernelCreationFailed(
            f"Session {session.name!r} could not start: {error.get('repr')}",
            hint=f"See 'bai-manager session show {session.id}'.",
            details={"session": str(session.id), "error": error},
        )
    return SessionEnded(
        f"Session {session.name!r} is {session.status.value}"
        f" ({session.status_info or 'no reason given'}), so it will not be {until.value}.",
        hint=f"See 'bai-manager session show {session.id}'.",
        details={"session": str(session.id), "status": session.status.value},
    )


def _timed_out(
    session: SessionData, until: SessionStatus, timeout: float | None
) -> SessionWaitTimedOut:
    waits_for = f" It waits: {session.status_info}" if session.status_info else ""
    return SessionWaitTimedOut(
        f"Session {session.name!r} is still {session.status.value} after {timeout:g} s, not"
        f" {until.value}.{waits_for}",
        hint=f"It goes on. Wait again with 'bai-manager session wait {session.name}', or end it"
        f" with 'bai-manager session destroy {session.name}'.",
        details={
            "session": str(session.id),
            "status": session.status.value,
            "status_info": session.status_info,
        },
    )


def _stats_status(marked: SessionStatus | None, *, resumed: bool) -> str | None:
    if marked is SessionStatus.CANCELLED:
        return "cancelled"
    return "terminated" if marked is not None or resumed else None


def _chosen_kernel(session: SessionData, wanted: str | None) -> KernelData:
    if wanted is None:
        chosen = session.main_kernel
    else:
        matches = [
            kernel
            for kernel in session.kernels
            if wanted in {kernel.cluster_hostname, str(kernel.id)}
            or str(kernel.id).startswith(wanted)
        ]
        chosen = matches[0] if len(matches) == 1 else None
    if chosen is None:
        names = ", ".join(kernel.cluster_hostname for kernel in session.kernels)
        raise KernelNotReady(
            f"Session {session.name!r} has no kernel {wanted or 'main'!r}.",
            hint=f"Its kernels: {names or 'none'}.",
        )
    return chosen


def _tail(logs: str, lines: int | None) -> str:
    if lines is None:
        return logs
    return "".join(logs.splitlines(keepends=True)[-lines:]) if lines else ""
