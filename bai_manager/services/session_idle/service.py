"""Idle checks are told, and carried out where no manager does it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bai_manager.errors import ConfigurationError, Unreachable
from bai_manager.services.session.errors import InvalidSessionState
from bai_manager.services.session_idle.actions import (
    EndIdleSessionsActionResult,
    GetIdleChecksActionResult,
    ListIdleChecksActionResult,
)
from bai_manager.services.session_idle.errors import ManagerLeads
from bai_manager.services.session_idle.types import EndedSession, IdleSession
from bai_manager.sokovan.gate import SessionChange
from bai_manager.sokovan.idle import IdleRules
from bai_manager.sokovan.idle_facts import IdleReading
from bai_manager.sokovan.idle_report import idle_checks
from bai_manager.types.idle import CHECKERS, NETWORK, UTILIZATION
from bai_manager.types.query import Filter, Op, Query
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bai_manager.repositories.idle import IdleRepository
    from bai_manager.repositories.session import SessionRepository
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_idle.actions import (
        EndIdleSessionsAction,
        GetIdleChecksAction,
        ListIdleChecksAction,
    )
    from bai_manager.sokovan.gate import Scheduler
    from bai_manager.sokovan.idle import RunningSession
    from bai_manager.sokovan.idle_facts import IdleFacts
    from bai_manager.sokovan.idle_step import IdleStep

_RUNNING: Final = Query(filters=(Filter("status", Op.EQ, (SessionStatus.RUNNING.value,)),))


class SessionIdleService:
    """Reads rules and evidence; what cannot be read is a warning, and unknown.

    ``leader`` names the manager that leads, None where there is none.
    """

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        rows: IdleRepository,
        facts: IdleFacts,
        step: IdleStep,
        leader: Callable[[], Awaitable[str | None]],
        scheduler: Scheduler,
        warn: Callable[[str], None],
    ) -> None:
        self._sessions = sessions
        self._rows = rows
        self._facts = facts
        self._step = step
        self._leader = leader
        self._scheduler = scheduler
        self._warn = warn

    async def get_idle_checks(self, action: GetIdleChecksAction) -> GetIdleChecksActionResult:
        """Raise ``SessionNotFound``, and ``InvalidSessionState`` unless it runs."""
        await self._scheduler.advance()
        session = await self._sessions.get_session(action.session, action.owner)
        checked = await self._checked([session])
        if not checked:
            raise InvalidSessionState(session.name, session.status, "be idle")
        return GetIdleChecksActionResult(session=checked[0])

    async def list_idle_checks(self, action: ListIdleChecksAction) -> ListIdleChecksActionResult:
        """Oldest first."""
        await self._scheduler.advance()
        owner = None if action.everybody else action.owner
        found = await self._sessions.list_sessions(_RUNNING, owner=owner, include_ended=False)
        return ListIdleChecksActionResult(sessions=await self._checked(found))

    async def end_idle_sessions(self, action: EndIdleSessionsAction) -> EndIdleSessionsActionResult:
        """Look again, and end what is idle still.

        Raises ``ManagerLeads``, and what is out of reach; then nothing is ended.
        """
        leader = await self._leader()
        if leader is not None:
            raise ManagerLeads(leader)
        ended = []
        for session, verdict in await self._step.run(only=action.sessions):
            now = await self._sessions.get_by_id(session.session_id)
            ended.append(
                EndedSession(
                    session_id=now.id,
                    name=now.name,
                    user_email=now.user_email,
                    reason=verdict.reason,
                )
            )
            await self._scheduler.changed(
                SessionChange(
                    session_id=now.id,
                    creation_id="",
                    access_key=now.access_key,
                    status=now.status,
                    reason=verdict.reason,
                )
            )
        await self._scheduler.advance()
        return EndIdleSessionsActionResult(sessions=ended)

    async def _checked(self, found: Sequence[SessionData]) -> list[IdleSession]:
        running = {one.session_id: one for one in await self._rows.running(with_inference=True)}
        judged = [running[session.id] for session in found if session.id in running]
        if not judged:
            return []
        rules = await self._rules()
        rules, reading = await self._reading(judged, rules)
        return [
            _told(session, running[session.id], rules, reading)
            for session in found
            if session.id in running
        ]

    async def _rules(self) -> IdleRules:
        try:
            return await self._facts.rules()
        except (Unreachable, ConfigurationError) as error:
            self._warn(f"The rules of idle checks are not known: {error.message}")
            why = "its rule cannot be read"
            return IdleRules(unclear=dict.fromkeys(CHECKERS, why))

    async def _reading(
        self, sessions: Sequence[RunningSession], rules: IdleRules
    ) -> tuple[IdleRules, IdleReading]:
        """Without evidence the lifetime alone is known: it follows from rows and rules."""
        try:
            return rules, await self._facts.read(sessions, rules)
        except (Unreachable, ConfigurationError) as error:
            self._warn(f"How sessions are used is not known: {error.message}")
        unclear = {**_without_evidence(rules), **rules.unclear}
        now = await self._rows.time()
        reading = IdleReading(now=now, age_now=now, evidence={})
        return replace(rules, unclear=unclear), reading


def _without_evidence(rules: IdleRules) -> Mapping[str, str]:
    enabled = {NETWORK: rules.network_timeout, UTILIZATION: rules.utilization}
    return {
        checker: "how the session is used cannot be read"
        for checker, rule in enabled.items()
        if rule is not None
    }


def _told(
    session: SessionData, running: RunningSession, rules: IdleRules, reading: IdleReading
) -> IdleSession:
    evidence = reading.of(running)
    return IdleSession(
        session_id=session.id,
        name=session.name,
        user_email=session.user_email,
        last_access=evidence.last_access,
        idle_checks=idle_checks(running, rules, evidence, now=reading.now, age_now=reading.age_now),
    )
