"""Sessions: creating, watching, using and ending them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bai_manager.services.session.actions import (
    CompleteActionResult,
    CreateSessionActionResult,
    DestroySessionActionResult,
    DownloadFilesActionResult,
    ExecuteSessionActionResult,
    GetContainerLogsActionResult,
    GetUsageActionResult,
    ListFilesActionResult,
    ListSessionsActionResult,
    SessionResult,
    TransferResult,
    UpdateSessionActionResult,
)
from bai_manager.services.session.actions_records import (
    CheckAndTransitStatusActionResult,
    CheckAndTransitStatusBatchActionResult,
    CheckedSession,
    DependencyEdge,
    GetAbusingReportActionResult,
    GetDependencyGraphActionResult,
    GetDirectAccessInfoActionResult,
    GetStatusHistoryActionResult,
    GetTimelineActionResult,
    MatchSessionsActionResult,
)
from bai_manager.services.session.errors import (
    InvalidSessionState,
    KernelNotReady,
)
from bai_manager.services.session.files import one_archive, read_whole, write_whole
from bai_manager.services.session.kernels import chosen_kernel, last_lines, ssh_ports
from bai_manager.services.session.waiting import Waiting
from bai_manager.sokovan.gate import SessionChange
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.names import check_session_name
from bai_manager.types.status import (
    PRIVATE_SESSION_TYPES,
    KernelStatus,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.clients.live.abuse import AbuseReports
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.repositories.session_changes import SessionChangeRepository
    from bai_manager.repositories.session_records import SessionRecordRepository
    from bai_manager.services.session.actions import (
        CompleteAction,
        CreateSessionAction,
        DestroySessionAction,
        DownloadFileAction,
        DownloadFilesAction,
        ExecuteSessionAction,
        GetContainerLogsAction,
        GetSessionAction,
        GetUsageAction,
        InterruptSessionAction,
        ListFilesAction,
        ListSessionsAction,
        RenameSessionAction,
        RestartSessionAction,
        SessionAction,
        UpdateSessionAction,
        UploadFileAction,
        WaitSessionAction,
    )
    from bai_manager.services.session.actions_records import (
        CheckAndTransitStatusAction,
        CheckAndTransitStatusBatchAction,
        GetAbusingReportAction,
        GetDependencyGraphAction,
        GetDirectAccessInfoAction,
        GetStatusHistoryAction,
        GetTimelineAction,
        MatchSessionsAction,
    )
    from bai_manager.services.session.console import ConsoleSink
    from bai_manager.services.session.creation import Creation
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
        changes: SessionChangeRepository,
        records: SessionRecordRepository,
        creation: Callable[[], Creation],
        agents: Agents,
        abuse: Callable[[], AbuseReports],
        scheduler: Scheduler,
        console: ConsoleSink,
        clock: Clock,
    ) -> None:
        """``creation`` and ``abuse`` are built when they are needed: most commands do not."""
        self._sessions = sessions
        self._changes = changes
        self._records = records
        self._creation = creation
        self._agents = agents
        self._abuse = abuse
        self._scheduler = scheduler
        self._waiting = Waiting(sessions, scheduler)
        self._console = console
        self._clock = clock

    async def create_session(self, action: CreateSessionAction) -> CreateSessionActionResult:
        """Check, enqueue, schedule, and wait until it runs unless told not to."""
        from bai_manager.services.session.request import (  # noqa: PLC0415 - only creating checks
            SessionRequest,
        )

        session, created = await self._creation().existing_or_new(SessionRequest(action))
        if action.wait:
            session = await self._waiting.until(session, SessionStatus.RUNNING, action.timeout)
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
        return SessionResult(
            session=await self._waiting.until(session, action.until, action.timeout)
        )

    async def destroy_session(self, action: DestroySessionAction) -> DestroySessionActionResult:
        """Cancel a session that waits, terminate one that started; nothing for one that ended."""
        session = await self._get(action)
        reason = Reason.FORCE_TERMINATED if action.forced else Reason.USER_REQUESTED
        dependents = []
        if action.recursive:
            for dependent in await self._records.dependents(session.id, action.owner):
                marked = await self._mark(await self._sessions.get_by_id(dependent), reason.value)
                dependents += [dependent] if marked else []
        marked = await self._mark(session, reason.value)
        ending = SessionStatus.TERMINATING in {marked, session.status}
        if ending and action.wait:
            session = await self._waiting.until(session, SessionStatus.TERMINATED, action.timeout)
        else:
            await self._scheduler.advance()
            session = await self._sessions.get_by_id(session.id)
        return DestroySessionActionResult(
            session_id=session.id,
            name=session.name,
            status=_stats_status(marked, resumed=ending),
            terminated_at=session.terminated_at,
            dependents=dependents,
        )

    async def rename_session(self, action: RenameSessionAction) -> SessionResult:
        """Another name for one that runs."""
        check_session_name(action.new_name)
        await self._scheduler.advance()
        session = await self._get(action)
        return SessionResult(session=await self._changes.rename(session.id, action.new_name))

    async def update_session(self, action: UpdateSessionAction) -> UpdateSessionActionResult:
        """Another name or priority, whatever its status."""
        from bai_manager.services.session.request import check_changes  # noqa: PLC0415 - as above

        check_changes(action.changes)
        session = await self._get(action)
        session, changed = await self._changes.update(
            session.id, action.changes, if_unchanged=action.if_unchanged
        )
        return UpdateSessionActionResult(session=session, changed=changed)

    async def restart_session(self, action: RestartSessionAction) -> SessionResult:
        """Restart every kernel, and note where it listens now."""
        session, main, _agent = await self._running_main(action, "be restarted")
        await self._sessions.count_execution(session.id, main.id)
        infos = await asyncio.gather(
            *(
                self._client(kernel).restart_kernel(kernel.id, session.id)
                for kernel in session.kernels
                if kernel.status is KernelStatus.RUNNING
            )
        )
        await self._changes.record_restart(session.id, infos)
        return SessionResult(session=await self._sessions.get_by_id(session.id))

    async def check_and_transit_status(
        self, action: CheckAndTransitStatusAction
    ) -> CheckAndTransitStatusActionResult:
        """Derive one session's status from its kernels."""
        await self._scheduler.advance()
        session = await self._get(action)
        return CheckAndTransitStatusActionResult(checked=await self._check(session.id))

    async def check_and_transit_status_batch(
        self, action: CheckAndTransitStatusBatchAction
    ) -> CheckAndTransitStatusBatchActionResult:
        """The same for each that the actor may see."""
        await self._scheduler.advance()
        found = await self._changes.visible_ids(action.sessions, action.visible)
        return CheckAndTransitStatusBatchActionResult(
            checked=[await self._check(known) for _name, known in found if known is not None],
            skipped=[name for name, known in found if known is None],
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
        kernel = chosen_kernel(session, action.kernel)
        if kernel.status in {KernelStatus.RUNNING, KernelStatus.TERMINATING}:
            agent = self._client(kernel)
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

    async def download_files(self, action: DownloadFilesAction) -> DownloadFilesActionResult:
        """Copy several files and folders out, as one archive."""
        session, kernel, agent = await self._running_main(action, "give files")
        await self._sessions.count_execution(session.id, kernel.id)
        tars = [await agent.download_file(kernel.id, path) for path in action.sources]
        data, files = await asyncio.to_thread(one_archive, tars, action.destination)
        await asyncio.to_thread(write_whole, action.destination, data, overwrite=action.overwrite)
        return DownloadFilesActionResult(
            sources=[*action.sources], destination=action.destination, size=len(data), files=files
        )

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

    async def match_sessions(self, action: MatchSessionsAction) -> MatchSessionsActionResult:
        """Sessions by the beginning of a name or id."""
        return MatchSessionsActionResult(
            matches=await self._records.match(action.prefix, action.owner)
        )

    async def get_status_history(
        self, action: GetStatusHistoryAction
    ) -> GetStatusHistoryActionResult:
        """When it entered each status."""
        session = await self._get(action)
        return GetStatusHistoryActionResult(
            session_id=session.id, status_history={**session.status_history}
        )

    async def get_timeline(self, action: GetTimelineAction) -> GetTimelineActionResult:
        """All that happened to it."""
        session = await self._get(action)
        return GetTimelineActionResult(
            session_id=session.id, entries=await self._records.timeline(session.id)
        )

    async def get_dependency_graph(
        self, action: GetDependencyGraphAction
    ) -> GetDependencyGraphActionResult:
        """All that it depends on."""
        session = await self._get(action)
        nodes = await self._records.dependency_graph(session.id)
        return GetDependencyGraphActionResult(
            session_id=session.id,
            nodes=nodes,
            edges=[
                DependencyEdge(session_id=node.session_id, depends_on=other)
                for node in nodes
                for other in node.depends_on
            ],
        )

    async def get_direct_access_info(
        self, action: GetDirectAccessInfoAction
    ) -> GetDirectAccessInfoActionResult:
        """Where SSH of a system session listens."""
        session = await self._get(action)
        if session.session_type not in PRIVATE_SESSION_TYPES:
            return GetDirectAccessInfoActionResult(session_id=session.id)
        kernel = chosen_kernel(session, None)
        return GetDirectAccessInfoActionResult(
            session_id=session.id,
            kernel_role=session.session_type.name,
            session_type=session.session_type.name,
            public_host=await self._records.public_host(kernel.agent),
            sshd_ports=ssh_ports(kernel),
        )

    async def get_abusing_report(
        self, action: GetAbusingReportAction
    ) -> GetAbusingReportActionResult:
        """What the watcher of its agent says of its main kernel."""
        session = await self._get(action)
        kernel = chosen_kernel(session, None)
        return GetAbusingReportActionResult(
            session_id=session.id,
            kernel=kernel.id,
            abuse_report=await self._abuse().read(kernel.id),
        )

    async def _mark(self, session: SessionData, reason: str) -> SessionStatus | None:
        marked = await self._sessions.mark_destroyed(session.id, reason=reason, clock=self._clock)
        if marked is not None:
            await self._tell(replace(session, status=marked), reason=reason)
        return marked

    async def _check(self, session_id: UUID) -> CheckedSession:
        transit = await self._changes.transit(session_id)
        changed = transit.status is not transit.was
        if changed:
            session = await self._sessions.get_by_id(session_id)
            await self._tell(session, reason="status-checked")
        return CheckedSession(
            session_id=session_id, name=transit.name, status=transit.status, changed=changed
        )

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


def _stats_status(marked: SessionStatus | None, *, resumed: bool) -> str | None:
    if marked is SessionStatus.CANCELLED:
        return "cancelled"
    return "terminated" if marked is not None or resumed else None
