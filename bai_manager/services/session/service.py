"""Sessions: creating, watching, changing and ending them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bai_manager.services.session.actions import (
    CreateSessionActionResult,
    DestroySessionActionResult,
    ListSessionsActionResult,
    SessionResult,
    UpdateSessionActionResult,
)
from bai_manager.services.session.waiting import Waiting
from bai_manager.sokovan.gate import SessionChange
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.names import check_session_name
from bai_manager.types.status import KernelStatus, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from bai_manager.actions.base import ActionResult
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.repositories.session_changes import SessionChangeRepository
    from bai_manager.repositories.session_records import SessionRecordRepository
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.session.actions import (
        CreateSessionAction,
        DestroySessionAction,
        GetSessionAction,
        ListSessionsAction,
        RenameSessionAction,
        RestartSessionAction,
        SessionAction,
        UpdateSessionAction,
        WaitSessionAction,
    )
    from bai_manager.services.session.actions_check import (
        CheckAndTransitStatusAction,
        CheckAndTransitStatusActionResult,
        CheckAndTransitStatusBatchAction,
        CheckAndTransitStatusBatchActionResult,
        CheckedSession,
    )
    from bai_manager.services.session.creation import Creation
    from bai_manager.services.session.types import SessionData
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
        running: RunningSessions,
        scheduler: Scheduler,
        clock: Clock,
    ) -> None:
        """``creation`` is built when it is needed: most commands do not."""
        self._sessions = sessions
        self._changes = changes
        self._records = records
        self._creation = creation
        self._running = running
        self._scheduler = scheduler
        self._waiting = Waiting(sessions, scheduler)
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
        session, main, _agent = await self._running.main(
            action.session, action.owner, "be restarted"
        )
        await self._sessions.count_execution(session.id, main.id)
        infos = await asyncio.gather(
            *(
                self._running.client(kernel).restart_kernel(kernel.id, session.id)
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
        from bai_manager.services.session.actions_check import (  # noqa: PLC0415 - only checking
            CheckAndTransitStatusActionResult,
        )

        await self._scheduler.advance()
        session = await self._get(action)
        return CheckAndTransitStatusActionResult(checked=await self._check(session.id))

    async def check_and_transit_status_batch(
        self, action: CheckAndTransitStatusBatchAction
    ) -> CheckAndTransitStatusBatchActionResult:
        """The same for each that the actor may see."""
        from bai_manager.services.session.actions_check import (  # noqa: PLC0415 - as above
            CheckAndTransitStatusBatchActionResult,
        )

        await self._scheduler.advance()
        found = await self._changes.visible_ids(action.sessions, action.visible)
        return CheckAndTransitStatusBatchActionResult(
            checked=[await self._check(known) for _name, known in found if known is not None],
            skipped=[name for name, known in found if known is None],
        )

    async def _mark(self, session: SessionData, reason: str) -> SessionStatus | None:
        marked = await self._sessions.mark_destroyed(session.id, reason=reason, clock=self._clock)
        if marked is not None:
            await self._tell(replace(session, status=marked), reason=reason)
        return marked

    async def _check(self, session_id: UUID) -> CheckedSession:
        from bai_manager.services.session.actions_check import (  # noqa: PLC0415 - as above
            CheckedSession,
        )

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


def _stats_status(marked: SessionStatus | None, *, resumed: bool) -> str | None:
    if marked is SessionStatus.CANCELLED:
        return "cancelled"
    return "terminated" if marked is not None or resumed else None
