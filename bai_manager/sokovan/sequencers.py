"""Whose turn it is: the order in which a pass looks at waiting sessions.

``reference/state-machines.md`` §7.2, items 5 and 6. Only the highest priority present takes
part; the others wait for a later pass. First-in order is by creation time, then by id, so it
does not depend on how rows happen to be stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bai_manager.sokovan.snapshot import NO_SLOTS
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from bai_manager.sokovan.snapshot import PendingSession, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequencer:
    """An order; ``passed`` is what is recorded for every session it has put in line."""

    name: str
    passed: str
    order: Callable[[Snapshot, Sequence[PendingSession]], list[PendingSession]]


def _arrival(session: PendingSession) -> tuple[datetime, bytes]:
    return session.created_at, session.id.bytes


def _first_in(_snapshot: Snapshot, sessions: Sequence[PendingSession]) -> list[PendingSession]:
    return sorted(sessions, key=_arrival)


def _last_in(_snapshot: Snapshot, sessions: Sequence[PendingSession]) -> list[PendingSession]:
    return sorted(sessions, key=_arrival, reverse=True)


def _smallest_dominant_share(
    snapshot: Snapshot, sessions: Sequence[PendingSession]
) -> list[PendingSession]:
    capacity = ResourceSlot.total(agent.available for agent in snapshot.agents)
    shares = {
        access_key: dominant_share(snapshot.occupancy.keypairs.get(access_key, NO_SLOTS), capacity)
        for access_key in {session.access_key for session in sessions}
    }
    return sorted(sessions, key=lambda one: (shares[one.access_key], *_arrival(one)))


def dominant_share(occupied: ResourceSlot, capacity: ResourceSlot) -> Fraction:
    """Find the slot used most, as a part of its capacity; endless and empty ones are skipped."""
    return max(
        (
            Fraction(occupied[slot]) / Fraction(total)
            for slot, total in capacity.items()
            if slot in occupied and total > 0 and total.is_finite()
        ),
        default=Fraction(0),
    )


_DRF = Sequencer(
    name="DRFSequencer",
    passed="Sessions sequenced by the dominant share of their keypair, smallest first",
    order=_smallest_dominant_share,
)
_SEQUENCERS = {
    "fifo": Sequencer(
        name="FIFOSequencer",
        passed="Sessions sequenced in first-in-first-out order",
        order=_first_in,
    ),
    "lifo": Sequencer(
        name="LIFOSequencer",
        passed="Sessions sequenced in last-in-first-out order",
        order=_last_in,
    ),
    "drf": _DRF,
}


def sequencer_for(name: str) -> Sequencer:
    """Find the group's sequencer; an unknown name means *drf*."""
    return _SEQUENCERS.get(name, _DRF)


def highest_priority(sessions: Iterable[PendingSession]) -> int | None:
    return max((session.priority for session in sessions), default=None)


def queue(snapshot: Snapshot) -> list[PendingSession]:
    """Line up the sessions of the highest priority present."""
    highest = highest_priority(snapshot.pending)
    candidates = [one for one in snapshot.pending if one.priority == highest]
    return sequencer_for(snapshot.config.scheduler).order(snapshot, candidates)
