"""The rules a waiting session has to pass before an agent is sought for it.

``reference/state-machines.md`` §7.2, *Validators*: nine, in this order, all of them applied,
each under the name that tools read in ``status_data``. A rule sees one session and one
``Situation`` and answers with a ``Refusal`` or with ``None``.

Pending limits. Two of the rules bound what a keypair may have *waiting*. They belong to the
creation of a session (``ADMISSION_VALIDATORS``), where refusing keeps the queue short. In a
scheduling pass they would do the opposite: a queue that is over its limit, because the limit was
lowered or because somebody else did not check it, can only shrink by starting sessions, and
these rules would refuse each of them because of the others, for ever. The reference shows its
rules an empty queue; so does a pass here (``scheduling.Ledger``), with the same decisions: only
a count limit of 0, which allows no waiting at all, refuses. The rules themselves are real, and
given real pending numbers (without the session itself) they enforce them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from bai_manager.sokovan import errors, quota
from bai_manager.sokovan.snapshot import NO_SLOTS
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from bai_manager.sokovan.snapshot import (
        Dependency,
        Limits,
        Occupancy,
        Owner,
        PendingSession,
    )
    from bai_manager.types.resource_slot import ResourceSlot


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the rules look at besides the session."""

    now: datetime
    limits: Limits
    occupancy: Occupancy
    allowed_session_types: frozenset[SessionType] = frozenset(SessionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetDependencies:
    """Sessions that did not end, or did not end well."""

    sessions: tuple[Dependency, ...]

    @property
    def never_fits(self) -> bool:
        return any(session.hopeless for session in self.sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBefore:
    """The time a batch session was reserved for."""

    starts_at: datetime

    @property
    def never_fits(self) -> bool:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeNotAllowed:
    """The resource group does not take sessions of this type."""

    allowed: frozenset[SessionType]

    @property
    def never_fits(self) -> bool:
        return True


Cause: TypeAlias = (
    "quota.LimitBreach | quota.CountBreach | UnmetDependencies | NotBefore | TypeNotAllowed"
)
_Check: TypeAlias = "Callable[[PendingSession, Situation], tuple[Cause, str] | None]"
_UseOf: TypeAlias = "Callable[[Owner, Limits, Occupancy], quota.LimitUse]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Which rule refuses (``predicate``), in words, in facts (``cause``) and as what error."""

    predicate: str
    message: str
    cause: Cause
    error: type[errors.SchedulingValidationError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """A rule; ``passed`` is what is recorded for a session that keeps it."""

    name: str
    passed: str
    error: type[errors.SchedulingValidationError]
    check: _Check

    def validate(self, session: PendingSession, situation: Situation) -> Refusal | None:
        found = self.check(session, situation)
        if found is None:
            return None
        cause, message = found
        return Refusal(predicate=self.name, message=message, cause=cause, error=self.error)


def _concurrency(
    session: PendingSession, situation: Situation
) -> tuple[quota.CountBreach, str] | None:
    breach = quota.concurrency_breach(
        session.access_key, situation.limits, situation.occupancy, private=session.is_private
    )
    if breach is None:
        return None
    return breach, f"You cannot run more than {breach.limit} {breach.counted}"


def _dependencies(
    session: PendingSession, _situation: Situation
) -> tuple[UnmetDependencies, str] | None:
    unmet = tuple(one for one in session.dependencies if not one.satisfied)
    if not unmet:
        return None
    names = ", ".join(f"{one.name} ({one.id})" for one in unmet)
    return (
        UnmetDependencies(sessions=unmet),
        f"Waiting for sessions to end successfully: {names}",
    )


def _within(use_of: _UseOf, whose: str) -> _Check:
    def check(
        session: PendingSession, situation: Situation
    ) -> tuple[quota.LimitBreach, str] | None:
        use = use_of(session.owner, situation.limits, situation.occupancy)
        breach = use.breach(session.requested_slots)
        return (breach, f"{whose} resource quota exceeded ({breach})") if breach else None

    return check


def _pending_count(
    session: PendingSession, situation: Situation
) -> tuple[quota.CountBreach, str] | None:
    breach = quota.pending_count_breach(session.access_key, situation.limits, situation.occupancy)
    return (
        (breach, f"You cannot have more than {breach.limit} {breach.counted}") if breach else None
    )


def _pending_slots(
    session: PendingSession, situation: Situation
) -> tuple[quota.LimitBreach, str] | None:
    return _queue_holds(session, NO_SLOTS, situation)


def _joining_slots(
    session: PendingSession, situation: Situation
) -> tuple[quota.LimitBreach, str] | None:
    return _queue_holds(session, session.requested_slots, situation)


def _queue_holds(
    session: PendingSession, joining: ResourceSlot, situation: Situation
) -> tuple[quota.LimitBreach, str] | None:
    use = quota.queue_use(session.owner, situation.limits, situation.occupancy)
    breach = use.breach(joining)
    return (breach, f"Pending session resource limit exceeded ({breach})") if breach else None


def _session_type(
    session: PendingSession, situation: Situation
) -> tuple[TypeNotAllowed, str] | None:
    allowed = situation.allowed_session_types
    if session.session_type in allowed:
        return None
    return (
        TypeNotAllowed(allowed=allowed),
        f"The resource group takes {', '.join(sorted(allowed))} sessions only",
    )


def _reserved_batch(session: PendingSession, situation: Situation) -> tuple[NotBefore, str] | None:
    if session.session_type is not SessionType.BATCH or session.starts_at is None:
        return None
    if situation.now >= session.starts_at:
        return None
    return (
        NotBefore(starts_at=session.starts_at),
        f"Before start time ({session.starts_at.isoformat()})",
    )


_PENDING_COUNT: Final = Validator(
    name="PendingSessionCountLimitValidator",
    passed="Pending session count is within the allowed limit for the access key",
    error=errors.PendingSessionCountLimitExceeded,
    check=_pending_count,
)
_PENDING_SLOTS: Final = Validator(
    name="PendingSessionResourceLimitValidator",
    passed="Pending session resource usage is within the allowed limit for the access key",
    error=errors.PendingSessionResourceLimitExceeded,
    check=_pending_slots,
)

VALIDATORS: Final = (
    Validator(
        name="ConcurrencyLimitValidator",
        passed=("Session count is within the maximum concurrent session limit for the access key"),
        error=errors.ConcurrencyLimitExceeded,
        check=_concurrency,
    ),
    Validator(
        name="SessionDependenciesValidator",
        passed="All dependent sessions have completed successfully",
        error=errors.DependenciesNotSatisfied,
        check=_dependencies,
    ),
    Validator(
        name="DomainResourceLimitValidator",
        passed="Domain has sufficient resource quota for the requested session",
        error=errors.DomainResourceQuotaExceeded,
        check=_within(quota.domain_use, "Domain"),
    ),
    Validator(
        name="GroupResourceLimitValidator",
        passed="Group has sufficient resource quota for the requested session",
        error=errors.GroupResourceQuotaExceeded,
        check=_within(quota.project_use, "Group"),
    ),
    Validator(
        name="KeypairResourceLimitValidator",
        passed="Keypair has sufficient resource quota for the requested session",
        error=errors.KeypairResourceQuotaExceeded,
        check=_within(quota.keypair_use, "Keypair"),
    ),
    _PENDING_COUNT,
    _PENDING_SLOTS,
    Validator(
        name="ReservedBatchSessionValidator",
        passed="Batch session has reached its scheduled start time",
        error=errors.SchedulingValidationError,
        check=_reserved_batch,
    ),
    Validator(
        name="UserResourceLimitValidator",
        passed="User has sufficient resource quota for the requested session",
        error=errors.UserResourceQuotaExceeded,
        check=_within(quota.user_use, "User main-keypair"),
    ),
)
"""What a waiting session has to pass to start."""

ADMISSION_VALIDATORS: Final = (
    Validator(
        name="SessionTypeValidator",
        passed="The resource group takes sessions of this type",
        error=errors.SchedulingValidationError,
        check=_session_type,
    ),
    _PENDING_COUNT,
    replace(_PENDING_SLOTS, check=_joining_slots),
)
"""What a session has to pass to wait: asked when it is created, with the real pending numbers."""


def refusals(
    validators: Sequence[Validator], session: PendingSession, situation: Situation
) -> tuple[Refusal, ...]:
    """Apply every rule, whatever the others say; what refuses, in their order."""
    found = [validator.validate(session, situation) for validator in validators]
    return tuple(refusal for refusal in found if refusal is not None)
