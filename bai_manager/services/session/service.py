"""Sessions: creating, watching and ending them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.services.session.actions import (
    CreateSessionActionResult,
    DestroySessionActionResult,
    ListSessionsActionResult,
    SessionResult,
)
from bai_manager.services.session.waiting import Waiting
from bai_manager.sokovan.gate import SessionChange
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.actions.base import ActionResult
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.repositories.session_records import SessionRecordRepository
    from bai_manager.services.session.actions import (
        CreateSessionAction,
        DestroySessionAction,
        GetSessionAction,
        ListSessionsAction,
        SessionAction,
        WaitSessionAction,
    )
    from bai_manager.services.session.creation import Creation
    from bai_manager.services.session.types import SessionData
    from bai_manager.sokovan.gate import Scheduler
    from bai_manager.types.clock import Clock


class SessionService:
    """Manages the life of sessions."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        records: SessionRecordRepository,
        creation: Callable[[], Creation],
        scheduler: Scheduler,
        clock: Clock,
    ) -> None:
        """``creation`` is built when it is needed: most commands do not."""
        self._sessions = sessions
        self._records = records
        self._creation = creation
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

    async def _mark(self, session: SessionData, reason: str) -> SessionStatus | None:
        marked = await self._sessions.mark_destroyed(session.id, reason=reason, clock=self._clock)
        if marked is not None:
            await self._tell(replace(session, status=marked), reason=reason)
        return marked

    async def _tell(self, session: SessionData, *, reason: str) -> None:
        await self._scheduler.changed(
            SessionChange(
                session_id=session.id,
                creation_id="",
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
