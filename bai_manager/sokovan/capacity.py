"""How many sessions of one kind would start, one after the other, and what stops the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bai_manager.sokovan.scheduling import Allocation, Failure, SchedulingPass

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """``count`` sessions start; ``stopped_by`` is why one more does not, unless nothing did."""

    count: int
    stopped_by: Failure | None


def capacity(snapshot: Snapshot, request: PendingSession, *, most: int) -> Capacity:
    """Start ``request`` again and again, up to ``most`` times, as if nobody else waited.

    The scheduler decides each time, with what the ones before have taken.
    """
    run = SchedulingPass(replace(snapshot, pending=(request,)))
    for count in range(most):
        outcome = run.attempt(request)
        if not isinstance(outcome, Allocation):
            return Capacity(count=count, stopped_by=outcome)
    return Capacity(count=most, stopped_by=None)
