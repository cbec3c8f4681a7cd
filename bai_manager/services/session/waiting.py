"""Waiting until a session has a status."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bai_manager.services.session.errors import (
    KernelCreationFailed,
    SessionEnded,
    SessionWaitTimedOut,
)
from bai_manager.types.status import SESSION_DEAD, SESSION_TERMINAL, SessionStatus

if TYPE_CHECKING:
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.session.types import SessionData
    from bai_manager.sokovan.gate import Scheduler

_FIRST_POLL: Final = 0.03
_LONGEST_POLL: Final = 0.5


class Waiting:
    """Moves sessions along while it waits for one of them."""

    def __init__(self, sessions: SessionRepository, scheduler: Scheduler) -> None:
        self._sessions = sessions
        self._scheduler = scheduler

    async def until(
        self, session: SessionData, status: SessionStatus, timeout: float | None
    ) -> SessionData:
        """Move the session along and look, again and again, until it has reached ``status``.

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
            if _has_reached(session, status):
                return session
            if session.status in SESSION_TERMINAL:
                raise _ended(session, status)
            if deadline is not None and loop.time() >= deadline:
                raise _timed_out(session, status, timeout)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)


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
