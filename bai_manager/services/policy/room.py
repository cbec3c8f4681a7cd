"""What limits leave: which is reached first, and how many sessions of one kind there is room for.

The arithmetic of a session that is asked about is that of its creation: waiting sessions count
as used. Limits on waiting bind what waits alone, so they are told apart from what binds a start.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from bai_manager.services.policy.limits import KERNELS
from bai_manager.services.policy.types import Kind, Scope
from bai_manager.sokovan.quota import UNLIMITED, ZERO, Counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.services.policy.types import LimitLine
    from bai_manager.sokovan.snapshot import PendingSession

_OF_OWNER: Final = frozenset({Scope.KEYPAIR, Scope.USER, Scope.PROJECT, Scope.DOMAIN})
_SESSIONS: Final = frozenset({Counted.SESSIONS.value, Counted.SFTP_SESSIONS.value})
_ONE: Final = Decimal(1)


def with_request(lines: Sequence[LimitLine], request: PendingSession) -> list[LimitLine]:
    """Say on each line what a session takes of it, and how many such sessions fit."""
    return [_held_against(line, request) for line in lines]


def allowed_of(lines: Sequence[LimitLine]) -> int | None:
    """How many such sessions the limits allow to run; None is any number."""
    return min((one.fits for one in lines if one.fits is not None and binds(one)), default=None)


def binds(line: LimitLine) -> bool:
    """Whether a session that starts is held against this limit of its owner."""
    return line.scope in _OF_OWNER and line.requested is not None


def marked_by_resource(lines: Sequence[LimitLine]) -> list[LimitLine]:
    """Mark, of each resource that sessions use up, the line that leaves least of it."""
    least: dict[str, Decimal] = {}
    for line in lines:
        if _runs_out(line):
            least[line.resource] = min(line.left, least.get(line.resource, UNLIMITED))
    return [
        replace(line, binds=_runs_out(line) and line.left == least[line.resource]) for line in lines
    ]


def nearest_of(lines: Sequence[LimitLine]) -> LimitLine | None:
    """The limit on the owner, not on agents, of which the smallest part is left."""
    candidates = [
        line
        for line in lines
        if line.limit.is_finite() and line.limit > 0 and line.kind is not Kind.EACH
        if line.scope is not Scope.RESOURCE_GROUP
    ]
    return min(candidates, key=lambda line: line.left / line.limit, default=None)


def _held_against(line: LimitLine, request: PendingSession) -> LimitLine:
    if line.resource == KERNELS:
        kernels = Decimal(len(request.kernels))
        return replace(line, requested=kernels, fits=_all_or_none(line, kernels))
    if line.kind is Kind.COUNT and _counts(line, request):
        return replace(line, requested=_ONE, fits=_times(line.left, _ONE))
    if line.kind is Kind.SLOT:
        asked = request.requested_slots.get(line.resource, ZERO)
        return replace(line, requested=asked, fits=_slot_fits(line, asked, request))
    return line


def _counts(line: LimitLine, request: PendingSession) -> bool:
    """Private (system) sessions are counted apart from the others, except while they wait."""
    own = Counted.SFTP_SESSIONS if request.is_private else Counted.SESSIONS
    return line.resource in {own.value, Counted.PENDING_SESSIONS.value}


def _slot_fits(line: LimitLine, asked: Decimal, request: PendingSession) -> int | None:
    """A private session is held against the limits of its owner, but does not use them up."""
    if line.scope is Scope.RESOURCE_GROUP and not asked:
        return None
    if request.is_private and line.scope in _OF_OWNER:
        return _all_or_none(line, asked)
    return _times(line.left, asked)


def _times(left: Decimal, asked: Decimal) -> int | None:
    """How often an amount fits; where too much is used already, not even nothing does."""
    if left < 0:
        return 0
    if asked <= 0 or left.is_infinite():
        return None
    return int((left / asked).to_integral_value(ROUND_FLOOR))


def _all_or_none(line: LimitLine, asked: Decimal) -> int | None:
    return None if line.left >= asked else 0


def _runs_out(line: LimitLine) -> bool:
    used_up = line.kind is Kind.SLOT or line.resource in _SESSIONS
    return used_up and line.scope is not Scope.QUEUE and line.limit.is_finite()
