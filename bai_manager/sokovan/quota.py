"""Limits against use: which one a request would pass, and by how much.

The same arithmetic serves the scheduler's validators, the explanation of a waiting session and
the check at session creation. Slots are compared one by one, as ``reference/value-types.md``
§2.3 has it: a limit is kept only if no slot of *used + requested* is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bai_manager.sokovan.snapshot import NO_SLOTS

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import Limits, Occupancy, Owner, PendingSession
    from bai_manager.types.resource_slot import ResourceSlot

ZERO: Final = Decimal(0)
UNLIMITED: Final = Decimal("Infinity")


class Level(StrEnum):
    """Where a limit is set."""

    KEYPAIR = "keypair"
    USER = "user"
    PROJECT = "project"
    DOMAIN = "domain"
    QUEUE = "queue"
    """What the sessions of a keypair may ask for while they wait."""


class Counted(StrEnum):
    """What a limit on a number counts; reads well behind the number."""

    SESSIONS = "concurrent sessions"
    SFTP_SESSIONS = "concurrent SFTP sessions"
    PENDING_SESSIONS = "pending sessions"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotBreach:
    """One slot of a limit that would be passed; bytes for memory, counts for the rest."""

    slot: str
    limit: Decimal
    used: Decimal
    requested: Decimal

    @property
    def excess(self) -> Decimal:
        """How much more the limit would have to be."""
        return self.used + self.requested - self.limit

    @property
    def never_fits(self) -> bool:
        """More is asked for than the limit allows to an owner who uses nothing else."""
        return _over(self.requested, self.limit)

    def __str__(self) -> str:
        return (
            f"{self.slot}: limit={plain(self.limit)}, current={plain(self.used)}, "
            f"requested={plain(self.requested)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitBreach:
    """A resource limit that would be passed; ``name`` is the key, e-mail, project or domain."""

    level: Level
    name: str
    slots: tuple[SlotBreach, ...]

    @property
    def never_fits(self) -> bool:
        """Whether the request would not fit even if nothing else were in use."""
        return any(slot.never_fits for slot in self.slots)

    def __str__(self) -> str:
        return "; ".join(str(slot) for slot in self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountBreach:
    """A limit on a number of sessions of one keypair that would be passed by one more."""

    name: str
    counted: Counted
    limit: int
    used: int

    @property
    def excess(self) -> int:
        return self.used + 1 - self.limit

    @property
    def never_fits(self) -> bool:
        return self.limit < 1


def plain(amount: Decimal) -> str:
    """Write a number without exponent or trailing zeros, as rows have it."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def breached_slots(
    limit: ResourceSlot, used: ResourceSlot, requested: ResourceSlot, *, unnamed: Decimal
) -> tuple[SlotBreach, ...]:
    """Slots in which ``used + requested`` is above the limit, by name.

    ``unnamed`` is the limit of a slot that ``limit`` does not name: 0 for policies, Infinity for
    projects, domains and waiting sessions. A slot that is over its limit already counts even if
    none of it is requested.
    """
    over = [
        slot
        for slot in limit.keys() | used.keys() | requested.keys()
        if _over(used.get(slot, ZERO) + requested.get(slot, ZERO), limit.get(slot, unnamed))
    ]
    return tuple(
        SlotBreach(
            slot=slot,
            limit=limit.get(slot, unnamed),
            used=used.get(slot, ZERO),
            requested=requested.get(slot, ZERO),
        )
        for slot in sorted(over)
    )


def _over(amount: Decimal, limit: Decimal) -> bool:
    """Compare; an amount or limit that is no number does not keep."""
    return amount.is_nan() or limit.is_nan() or amount > limit


def _breach(
    level: Level,
    name: str,
    limit: ResourceSlot | None,
    used: ResourceSlot,
    requested: ResourceSlot,
    *,
    unnamed: Decimal = ZERO,
) -> LimitBreach | None:
    if limit is None:
        return None
    slots = breached_slots(limit, used, requested, unnamed=unnamed)
    return LimitBreach(level=level, name=name, slots=slots) if slots else None


def keypair_breach(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    policy = limits.keypairs.get(owner.access_key)
    return _breach(
        Level.KEYPAIR,
        owner.access_key,
        policy.resource_slots if policy else None,
        occupancy.keypairs.get(owner.access_key, NO_SLOTS),
        requested,
    )


def user_breach(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    """Everything the user runs, with whichever keypair, against the main keypair's policy."""
    return _breach(
        Level.USER,
        str(owner.user_id),
        limits.users.get(owner.user_id),
        occupancy.users.get(owner.user_id, NO_SLOTS),
        requested,
    )


def project_breach(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    return _breach(
        Level.PROJECT,
        str(owner.group_id),
        limits.groups.get(owner.group_id),
        occupancy.groups.get(owner.group_id, NO_SLOTS),
        requested,
        unnamed=UNLIMITED,
    )


def domain_breach(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    return _breach(
        Level.DOMAIN,
        owner.domain_name,
        limits.domains.get(owner.domain_name),
        occupancy.domains.get(owner.domain_name, NO_SLOTS),
        requested,
        unnamed=UNLIMITED,
    )


def binding_limit(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    """Find the resource limit that a request for ``requested`` would pass, if any.

    A limit that can *never* hold it is named before one that is only in use at the moment; among
    equals the nearest to the caller is: keypair, user, project, domain.
    """
    checks = (keypair_breach, user_breach, project_breach, domain_breach)
    found = [check(owner, requested, limits, occupancy) for check in checks]
    breaches = [breach for breach in found if breach is not None]
    return min(breaches, key=lambda breach: not breach.never_fits, default=None)


def concurrency_breach(
    access_key: str, limits: Limits, occupancy: Occupancy, *, private: bool
) -> CountBreach | None:
    """Private (system) sessions have their own limit and their own count."""
    policy = limits.keypairs.get(access_key)
    if policy is None:
        return None
    if private:
        counted, limit = Counted.SFTP_SESSIONS, policy.max_concurrent_sftp_sessions
        used = occupancy.sftp_counts.get(access_key, 0)
    else:
        counted, limit = Counted.SESSIONS, policy.max_concurrent_sessions
        used = occupancy.session_counts.get(access_key, 0)
    if limit is None or limit <= 0 or used < limit:
        return None
    return CountBreach(name=access_key, counted=counted, limit=limit, used=used)


def pending_count_breach(
    access_key: str, limits: Limits, occupancy: Occupancy
) -> CountBreach | None:
    """Fewer sessions must wait than the limit; the one in question is not among those counted."""
    policy = limits.keypairs.get(access_key)
    limit = policy.max_pending_session_count if policy else None
    used = occupancy.pending_counts.get(access_key, 0)
    if limit is None or used < limit:
        return None
    return CountBreach(name=access_key, counted=Counted.PENDING_SESSIONS, limit=limit, used=used)


def pending_slots_breach(
    access_key: str, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> LimitBreach | None:
    """Add ``requested`` to what waits; no limit, or one without slots, is unlimited."""
    policy = limits.keypairs.get(access_key)
    return _breach(
        Level.QUEUE,
        access_key,
        (policy.max_pending_session_resource_slots if policy else None) or None,
        occupancy.pending_slots.get(access_key, NO_SLOTS),
        requested,
        unnamed=UNLIMITED,
    )


def queueing_breach(
    session: PendingSession, limits: Limits, occupancy: Occupancy
) -> CountBreach | LimitBreach | None:
    """Find the limit on *waiting* that one more session would pass, if any.

    For the time of creation: ``occupancy`` has the real pending numbers without ``session``.
    """
    return pending_count_breach(session.access_key, limits, occupancy) or pending_slots_breach(
        session.access_key, session.requested_slots, limits, occupancy
    )
