"""Which waiting sessions a change lets start, or keeps from it: two snapshots of one group.

Every waiting session gets its turn, those of a lower priority after all others: with what it is
for them once their turn comes, were the ones ahead that cannot start not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bai_manager.sokovan import sequencers
from bai_manager.sokovan.scheduling import Allocation, SchedulingPass
from bai_manager.sokovan.validators import VALIDATORS, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from bai_manager.sokovan.snapshot import PendingSession, Snapshot
    from bai_manager.sokovan.validators import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a session's turn ended with; ``causes`` are the facts behind rules that refused it."""

    session: PendingSession
    starts: bool
    message: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A session that starts in one of two snapshots only, or that other rules refuse."""

    before: Turn
    after: Turn


def compare(before: Snapshot, after: Snapshot) -> tuple[Difference, ...]:
    """Give what is different for sessions that wait in both, in the order of their turns."""
    then = turns(after)
    return tuple(
        Difference(before=turn, after=then[session_id])
        for session_id, turn in turns(before).items()
        if session_id in then and not _same(turn, then[session_id])
    )


def turns(snapshot: Snapshot) -> Mapping[UUID, Turn]:
    """Give every waiting session its turn, in order."""
    run = SchedulingPass(snapshot)
    return {session.id: _turn(run, session) for session in _everybody(snapshot)}


def _everybody(snapshot: Snapshot) -> Iterator[PendingSession]:
    for priority in sorted({session.priority for session in snapshot.pending}, reverse=True):
        equals = tuple(one for one in snapshot.pending if one.priority == priority)
        yield from sequencers.queue(replace(snapshot, pending=equals))


def _turn(run: SchedulingPass, session: PendingSession) -> Turn:
    refused = refusals(VALIDATORS, session, run.situation)
    outcome = run.attempt(session)
    starts = isinstance(outcome, Allocation)
    return Turn(
        session=session,
        starts=starts,
        message="" if isinstance(outcome, Allocation) else outcome.message,
        causes=tuple(refusal.cause for refusal in refused),
    )


def _same(one: Turn, other: Turn) -> bool:
    return (one.starts, one.causes) == (other.starts, other.causes)
