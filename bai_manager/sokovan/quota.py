"""Limits against use: which one a request would pass, and by how much.

The same arithmetic serves the validators, the explanation and the check at session creation.
Slots are compared one by one (``reference/value-types.md`` §2.3): a limit is kept if no slot of
*used + requested* is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from bai_manager.sokovan.snapshot import NO_SLOTS, KeypairLimits

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
    SESSION = "session"
    SERVICE = "service"


class Counted(StrEnum):
    """What a limit on a number counts; reads well behind the number."""

    SESSIONS = "concurrent sessions"
    SFTP_SESSIONS = "concurrent SFTP sessions"
    PENDING_SESSIONS = "pending sessions"
    FOLDERS = "folders"
    IMAGES = "customized images"
    NETWORKS = "networks"
    KERNELS = "kernels per session"
    REPLICAS = "replicas per model service"


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
    """A limit on a number that would be passed by one more."""

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


def _over(amount: Decimal, limit: Decimal) -> bool:
    """Compare; an amount or limit that is no number does not keep."""
    try:
        return amount > limit
    except InvalidOperation:
        return True


class LimitUse(NamedTuple):
    """A resource limit and what counts against it already.

    ``unnamed`` is the limit of a slot that ``limit`` does not name: 0 for policies, Infinity for
    projects, domains and waiting sessions. No ``limit`` is no limit.
    """

    level: Level
    name: str
    limit: ResourceSlot | None
    used: ResourceSlot
    unnamed: Decimal = ZERO

    def breach(self, requested: ResourceSlot) -> LimitBreach | None:
        """Tell in which slots ``used + requested`` would be above the limit, by name.

        A slot that is over its limit already counts even if none of it is requested.
        """
        limit, used = self.limit, self.used
        if limit is None:
            return None
        over = [
            slot
            for slot in limit.keys() | used.keys() | requested.keys()
            if _over(
                used.get(slot, ZERO) + requested.get(slot, ZERO), limit.get(slot, self.unnamed)
            )
        ]
        slots = tuple(
            SlotBreach(
                slot=slot,
                limit=limit.get(slot, self.unnamed),
                used=used.get(slot, ZERO),
                requested=requested.get(slot, ZERO),
            )
            for slot in sorted(over)
        )
        return LimitBreach(level=self.level, name=self.name, slots=slots) if slots else None

    def headroom(self, slot: str) -> Decimal:
        """Say how much more of the slot may be used; below zero if too much is already."""
        return self.limit_of(slot) - self.used.get(slot, ZERO)

    def limit_of(self, slot: str) -> Decimal:
        """Say how much of the slot may be used in all."""
        return UNLIMITED if self.limit is None else self.limit.get(slot, self.unnamed)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountUse:
    """A limit on a number and what counts against it already; no ``limit`` is no limit.

    ``owner`` is the e-mail of whose session or service it is.
    """

    level: Level
    name: str
    counted: Counted
    limit: int | None
    used: int
    owner: str | None = None

    def breach(self) -> CountBreach | None:
        """Tell whether one more would be above the limit."""
        if self.limit is None or self.used < self.limit:
            return None
        return CountBreach(name=self.name, counted=self.counted, limit=self.limit, used=self.used)

    @property
    def headroom(self) -> Decimal:
        """Say how many more there may be; below zero if there are too many already."""
        return UNLIMITED if self.limit is None else Decimal(self.limit - self.used)


def keypair_use(owner: Owner, limits: Limits, occupancy: Occupancy) -> LimitUse:
    policy = limits.keypairs.get(owner.access_key)
    return LimitUse(
        level=Level.KEYPAIR,
        name=owner.access_key,
        limit=policy.resource_slots if policy else None,
        used=occupancy.keypairs.get(owner.access_key, NO_SLOTS),
    )


def user_use(owner: Owner, limits: Limits, occupancy: Occupancy) -> LimitUse:
    """Everything the user runs, with whichever keypair, against the main keypair's policy."""
    return LimitUse(
        level=Level.USER,
        name=limits.user_emails.get(owner.user_id) or str(owner.user_id),
        limit=limits.users.get(owner.user_id),
        used=occupancy.users.get(owner.user_id, NO_SLOTS),
    )


def project_use(owner: Owner, limits: Limits, occupancy: Occupancy) -> LimitUse:
    return LimitUse(
        level=Level.PROJECT,
        name=limits.group_names.get(owner.group_id) or str(owner.group_id),
        limit=limits.groups.get(owner.group_id),
        used=occupancy.groups.get(owner.group_id, NO_SLOTS),
        unnamed=UNLIMITED,
    )


def domain_use(owner: Owner, limits: Limits, occupancy: Occupancy) -> LimitUse:
    return LimitUse(
        level=Level.DOMAIN,
        name=owner.domain_name,
        limit=limits.domains.get(owner.domain_name),
        used=occupancy.domains.get(owner.domain_name, NO_SLOTS),
        unnamed=UNLIMITED,
    )


def queue_use(owner: Owner, limits: Limits, occupancy: Occupancy) -> LimitUse:
    """Look at what the keypair's waiting sessions ask for; a limit without slots is none."""
    policy = limits.keypairs.get(owner.access_key)
    return LimitUse(
        level=Level.QUEUE,
        name=owner.access_key,
        limit=(policy.max_pending_session_resource_slots if policy else None) or None,
        used=occupancy.pending_slots.get(owner.access_key, NO_SLOTS),
        unnamed=UNLIMITED,
    )


def resource_uses(owner: Owner, limits: Limits, occupancy: Occupancy) -> tuple[LimitUse, ...]:
    """List what limits a running session, the nearest to the caller first."""
    of = (keypair_use, user_use, project_use, domain_use)
    return tuple(use(owner, limits, occupancy) for use in of)


def binding_limits(
    owner: Owner, requested: ResourceSlot, limits: Limits, occupancy: Occupancy
) -> list[LimitBreach]:
    """Find the resource limits that a request for ``requested`` would pass.

    A limit that can *never* hold it is named before one that is only in use at the moment; among
    equals the nearest to the caller is: keypair, user, project, domain.
    """
    found = [use.breach(requested) for use in resource_uses(owner, limits, occupancy)]
    breaches = [breach for breach in found if breach is not None]
    return sorted(breaches, key=lambda breach: not breach.never_fits)


def positive_or_none(limit: int | None) -> int | None:
    """Read a limit of which 0 and less mean the same as none (``value-types.md`` §14)."""
    return limit if limit is not None and limit > 0 else None


def session_count_use(
    access_key: str, limits: Limits, occupancy: Occupancy, *, private: bool
) -> CountUse:
    """Private (system) sessions have their own limit and their own count."""
    policy = limits.keypairs.get(access_key, KeypairLimits())
    counts = occupancy.sftp_counts if private else occupancy.session_counts
    limit = policy.max_concurrent_sftp_sessions if private else policy.max_concurrent_sessions
    return CountUse(
        level=Level.KEYPAIR,
        name=access_key,
        counted=Counted.SFTP_SESSIONS if private else Counted.SESSIONS,
        limit=positive_or_none(limit),
        used=counts.get(access_key, 0),
    )


def pending_count_use(access_key: str, limits: Limits, occupancy: Occupancy) -> CountUse:
    """Look at how many sessions of the keypair wait; a limit of 0 allows none."""
    return CountUse(
        level=Level.QUEUE,
        name=access_key,
        counted=Counted.PENDING_SESSIONS,
        limit=limits.keypairs.get(access_key, KeypairLimits()).max_pending_session_count,
        used=occupancy.pending_counts.get(access_key, 0),
    )


def concurrency_breach(
    access_key: str, limits: Limits, occupancy: Occupancy, *, private: bool
) -> CountBreach | None:
    """Find whether one more session would be too many at a time."""
    return session_count_use(access_key, limits, occupancy, private=private).breach()


def pending_count_breach(
    access_key: str, limits: Limits, occupancy: Occupancy
) -> CountBreach | None:
    """Fewer sessions must wait than the limit; the one in question is not among those counted."""
    return pending_count_use(access_key, limits, occupancy).breach()


def queueing_breaches(
    session: PendingSession, limits: Limits, occupancy: Occupancy
) -> list[CountBreach | LimitBreach]:
    """Find the limits on *waiting* that one more session would pass.

    For the time of creation: ``occupancy`` has the real pending numbers without ``session``.
    """
    found = (
        pending_count_breach(session.access_key, limits, occupancy),
        queue_use(session.owner, limits, occupancy).breach(session.requested_slots),
    )
    return [breach for breach in found if breach is not None]
