"""Why a session waits: every reason at once, and what would have to change.

The scheduler records the first obstacle it meets; a person wants all of them. ``explain`` runs
the same pass up to the session's turn and then asks every rule and every agent, so what it says
is what the scheduler does. ``fits`` asks the same about a session that does not exist yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from bai_manager.sokovan.errors import NoCompatibleAgentError, SessionNotPending
from bai_manager.sokovan.quota import CountBreach, Counted, Level, LimitBreach
from bai_manager.sokovan.remedies import Change, changes, obstacles, shortfall_size
from bai_manager.sokovan.scheduling import Allocation, SchedulingPass
from bai_manager.sokovan.sequencers import highest_priority
from bai_manager.sokovan.steps import RaisePriority
from bai_manager.sokovan.validators import NotBefore, TypeNotAllowed, UnmetDependencies

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.sokovan.remedies import Obstacles
    from bai_manager.sokovan.selectors import AgentVerdict, Diagnosis, NoPlacement
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot
    from bai_manager.sokovan.validators import Cause, Refusal

_NAMED_SESSIONS: Final = 3


class ReasonKind(StrEnum):
    """What stands in the way; of equal outlook, reasons are told in this order."""

    SESSION_TYPE = "session-type"
    REQUEST = "request"
    NO_AGENTS = "no-agents"
    ARCHITECTURE = "architecture"
    LIMIT = "limit"
    SESSION_LIMIT = "session-limit"
    QUEUE_LIMIT = "queue-limit"
    AGENTS = "agents"
    DEPENDENCY = "dependency"
    START_TIME = "start-time"
    PRIORITY = "priority"
    QUEUE = "queue"


class Outlook(IntEnum):
    """How a reason goes away, the worst first."""

    NEVER = 0
    """Not by waiting: something has to be changed."""
    WHEN_OTHERS_END = 1
    IN_TURN = 2
    """By itself, at a known time or when those before it have started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing in the way; ``cause`` has its numbers, ``predicate`` is the scheduler's name."""

    kind: ReasonKind
    outlook: Outlook
    predicate: str
    message: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Either where the session starts in the next pass, or all reasons why it does not.

    ``reasons`` are ranked, the most stubborn first. ``agents`` tells what every agent lacks for
    the first kernel (or single-node session) without one, the nearest agent first; it is empty
    if agents are not what is missing. ``changes`` are ways out, the smallest first.
    ``expires_at`` is when the resource group gives the session up.
    """

    session_id: UUID
    allocation: Allocation | None
    reasons: tuple[Reason, ...]
    agents: tuple[AgentVerdict, ...]
    changes: tuple[Change, ...]
    expires_at: datetime | None

    @property
    def smallest_change(self) -> Change | None:
        return self.changes[0] if self.changes else None


def explain(snapshot: Snapshot, session_id: UUID) -> Explanation:
    """Say why a waiting session is not started. Raises ``SessionNotPending``."""
    for session in snapshot.pending:
        if session.id == session_id:
            return _explained(snapshot, session, joining=False)
    raise SessionNotPending(session_id, snapshot.scaling_group)


def fits(snapshot: Snapshot, request: PendingSession) -> Explanation:
    """Say what would become of a session if it were created now, at the end of the queue.

    Applies also what is asked at creation: session types of the group, limits on waiting.
    """
    joined = replace(snapshot, pending=(*snapshot.pending, request))
    return _explained(joined, request, joining=True)


def _explained(snapshot: Snapshot, session: PendingSession, *, joining: bool) -> Explanation:
    run = SchedulingPass(snapshot)
    started = _run_until(run, session)
    world = run.world_for(session)
    found = obstacles(world, joining=joining)
    top = highest_priority(snapshot.pending)
    raised = [RaisePriority(to=top)] if top is not None and top > session.priority else []
    reasons = [_refused(one) for one in found.refusals]
    if found.no_placement is not None:
        reasons.append(_not_placed(world, found.no_placement, found.diagnosis))
    if raised:
        reasons.append(_shadowed(snapshot, session))
    if started and found:
        alone = obstacles(replace(snapshot, pending=(session,)), joining=joining)
        if _predicates(found) - _predicates(alone):
            reasons.append(_overtaken(started))
    starts = not reasons
    kinds = list(ReasonKind)
    return Explanation(
        session_id=session.id,
        allocation=_allocation(run, session) if starts else None,
        reasons=tuple(sorted(reasons, key=lambda one: (one.outlook, kinds.index(one.kind)))),
        agents=_nearest_first(found.diagnosis),
        changes=() if starts else changes(world, found, raised, joining=joining),
        expires_at=_expiry(snapshot, session),
    )


def _run_until(run: SchedulingPass, session: PendingSession) -> int:
    """Give everybody ahead their turn; how many of them start."""
    started = 0
    for ahead in run.queue:
        if ahead.id == session.id:
            break
        started += isinstance(run.attempt(ahead), Allocation)
    return started


def _allocation(run: SchedulingPass, session: PendingSession) -> Allocation | None:
    outcome = run.attempt(session)
    return outcome if isinstance(outcome, Allocation) else None


def _refused(refusal: Refusal) -> Reason:
    cause = refusal.cause
    return Reason(
        kind=_kind_of(cause),
        outlook=_outlook_of(cause),
        predicate=refusal.predicate,
        message=refusal.message,
        cause=cause,
    )


def _kind_of(cause: Cause) -> ReasonKind:
    match cause:
        case TypeNotAllowed():
            return ReasonKind.SESSION_TYPE
        case UnmetDependencies():
            return ReasonKind.DEPENDENCY
        case NotBefore():
            return ReasonKind.START_TIME
        case LimitBreach(level=Level.QUEUE) | CountBreach(counted=Counted.PENDING_SESSIONS):
            return ReasonKind.QUEUE_LIMIT
        case LimitBreach():
            return ReasonKind.LIMIT
        case CountBreach():
            return ReasonKind.SESSION_LIMIT


def _outlook_of(cause: Cause) -> Outlook:
    if cause.never_fits:
        return Outlook.NEVER
    return Outlook.IN_TURN if isinstance(cause, NotBefore) else Outlook.WHEN_OTHERS_END


def _not_placed(world: Snapshot, refusal: NoPlacement, diagnosis: Diagnosis | None) -> Reason:
    kind, outlook = ReasonKind.AGENTS, Outlook.NEVER
    if diagnosis is None:
        kind = ReasonKind.REQUEST
    elif not world.agents:
        kind = ReasonKind.NO_AGENTS
    elif refusal.error is NoCompatibleAgentError:
        kind = ReasonKind.ARCHITECTURE
    elif any(verdict.could_hold for verdict in diagnosis.verdicts):
        outlook = Outlook.WHEN_OTHERS_END
    return Reason(kind=kind, outlook=outlook, predicate=refusal.predicate, message=refusal.message)


def _shadowed(snapshot: Snapshot, session: PendingSession) -> Reason:
    first = [one for one in snapshot.pending if one.priority > session.priority]
    first.sort(key=lambda one: (-one.priority, one.created_at))
    named = ", ".join(
        f"{one.name} ({one.id}, priority {one.priority})" for one in first[:_NAMED_SESSIONS]
    )
    more = f" and {len(first) - _NAMED_SESSIONS} more" if len(first) > _NAMED_SESSIONS else ""
    return Reason(
        kind=ReasonKind.PRIORITY,
        outlook=Outlook.IN_TURN,
        predicate="Priority",
        message=f"Sessions of a higher priority than {session.priority} wait: {named}{more}",
    )


def _overtaken(started: int) -> Reason:
    return Reason(
        kind=ReasonKind.QUEUE,
        outlook=Outlook.IN_TURN,
        predicate="Queue",
        message=f"{started} sessions ahead of it start first and take what it needs",
    )


def _predicates(found: Obstacles) -> set[str]:
    names = {one.predicate for one in found.refusals}
    return names | {found.no_placement.predicate} if found.no_placement else names


def _nearest_first(diagnosis: Diagnosis | None) -> tuple[AgentVerdict, ...]:
    if diagnosis is None:
        return ()
    return tuple(
        sorted(
            diagnosis.verdicts,
            key=lambda one: (
                one.shortfall.wrong_architecture is not None,
                not one.could_hold,
                shortfall_size(one.shortfall),
                one.shortfall.agent_id,
            ),
        )
    )


def _expiry(snapshot: Snapshot, session: PendingSession) -> datetime | None:
    seconds = snapshot.config.pending_timeout
    return session.created_at + timedelta(seconds=seconds) if seconds > 0 else None
