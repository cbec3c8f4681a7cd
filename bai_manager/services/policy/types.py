"""Limits in force, what is used of them, and what a change to a policy would do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID

    from bai_manager.types.resource_slot import ResourceSlot
    from bai_manager.types.vfolder import VFolderHostPermission
    from bai_manager.types.wanted_session import WantedSession


class Scope(StrEnum):
    """Where a limit is set; the nearest to a person first."""

    KEYPAIR = "keypair"
    USER = "user"
    PROJECT = "project"
    DOMAIN = "domain"
    QUEUE = "queue"
    """What the sessions of a key pair may be and ask for while they wait."""
    RESOURCE_GROUP = "resource-group"
    SESSION = "session"
    SERVICE = "service"
    """A model service."""


class Kind(StrEnum):
    """What a limit is held against."""

    SLOT = "slot"
    COUNT = "count"
    EACH = "each"
    """Nothing is added up: each session, or each service, by itself."""


class Unit(StrEnum):
    COUNT = "count"
    BYTES = "bytes"
    SECONDS = "seconds"


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitLine:
    """One limit on one resource.

    ``limit`` and ``left`` are Infinity where there is none, and ``left`` is below zero where too
    much is used already. ``used`` is None where nothing is added up, or where ``unknown`` says
    why it is not known; ``left`` is then all of it. ``source`` is the row and the column that
    says so.

    ``requested`` and ``fits`` tell about a session that was asked about: how much of it it takes,
    and how many of them are left room for (None: any number). ``binds`` marks what is reached
    first: by such sessions where one was asked about, else of its resource.
    """

    scope: Scope
    name: str
    kind: Kind
    resource: str
    unit: Unit
    limit: Decimal
    used: Decimal | None
    left: Decimal
    source: str
    requested: Decimal | None = None
    fits: int | None = None
    binds: bool = False
    unknown: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HostLine:
    """What may be done on a storage host, and which rows grant some of it."""

    host: str
    permissions: frozenset[VFolderHostPermission]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupOutlook:
    """What the scheduler of a resource group would do with sessions of one kind.

    ``fits`` of them start, one after the other, or at least so many where ``more`` says so;
    ``stopped_by`` is why the next one does not. Where not even one does, ``reasons`` are all that
    stands in its way, the most stubborn first, and ``changes`` the ways out, the smallest first.
    """

    name: str
    fits: int
    more: bool
    stopped_by: str | None
    reasons: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecOutlook:
    """What becomes of a session that was asked about.

    ``requested`` is what all its kernels take together. ``allowed`` is how many such sessions the
    limits allow (None: any number), ``fits`` how many would start in the resource group that
    takes most; ``hit`` says which limits are reached first.
    """

    spec: WantedSession
    requested: ResourceSlot
    allowed: int | None
    hit: tuple[str, ...]
    fits: int
    more: bool
    groups: tuple[GroupOutlook, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitsInForce:
    """Everything that binds one key pair in one project.

    ``nearest`` is the limit with the smallest part left, None where nothing is limited.
    """

    access_key: str
    user_email: str
    domain_name: str
    project_name: str
    keypair_policy: str
    user_policy: str
    project_policy: str
    scaling_groups: tuple[str, ...]
    nearest: LimitLine | None
    limits: tuple[LimitLine, ...]
    hosts: tuple[HostLine, ...]
    outlook: SpecOutlook | None


class PolicyKind(StrEnum):
    """Whom a policy binds."""

    KEYPAIR = "keypair"
    USER = "user"
    PROJECT = "project"


@dataclass(frozen=True, kw_only=True, slots=True)
class OverLine:
    """Somebody who has more of a resource than a policy allows, before its change or after it.

    ``excess`` is by how much with the change, ``excess_before`` without it; 0 is not over.
    ``owner`` is the e-mail of whose session or model service it is.
    """

    scope: Scope
    name: str
    resource: str
    unit: Unit
    used: Decimal
    limit_before: Decimal
    limit: Decimal
    excess_before: Decimal
    excess: Decimal
    owner: str | None = None


class Effect(StrEnum):
    """What a change does to a session that waits."""

    STARTS = "would start"
    STOPS = "would no longer start"
    OTHERWISE = "would wait for another reason"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortage:
    """A limit that a session would pass, and by how much."""

    scope: Scope
    name: str
    resource: str
    unit: Unit
    limit: Decimal
    used: Decimal
    requested: Decimal
    excess: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionEffect:
    """A waiting session for which a change makes a difference.

    ``short`` are the limits that keep it from starting: with the change, or without it where it
    would start with it. ``reason`` is what the scheduler would say.
    """

    session_id: UUID
    name: str
    access_key: str
    user_email: str
    scaling_group: str
    effect: Effect
    reason: str
    short: tuple[Shortage, ...]


class Ending(StrEnum):
    """What a change does to a session that runs."""

    ENDED = "would be ended"
    SPARED = "would no longer be ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionEnding:
    """A running session for which a change makes a difference at the next idle check.

    ``reason`` is the checker's. It may live or idle for ``allowed`` seconds, of which ``used``
    are gone: with the change, or without it where it would no longer be ended.
    """

    session_id: UUID
    name: str
    access_key: str
    user_email: str
    ending: Ending
    reason: str
    resource: str
    allowed: Decimal
    used: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderLoss:
    """What somebody could no longer do on a storage host, where ``folders`` are in their reach."""

    access_key: str
    user_email: str
    host: str
    permissions: tuple[VFolderHostPermission, ...]
    folders: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldOutlook:
    """What a changed field means for what is there.

    Where it is not ``judged``, ``meaning`` says why it has no consequence now, or why that
    cannot be told.
    """

    field: str
    judged: bool
    meaning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyRehearsal:
    """What a change to a policy would do; nothing of it was kept.

    ``changed`` names the fields that would have another value, ``fields`` says what each of them
    means, and ``bound`` counts whom the policy binds. ``over`` has everybody who is over a limit
    of it with the change or was without it, the newly over first; ``sessions`` the waiting
    sessions it makes a difference to, ``endings`` the running ones, and ``folders`` who loses
    what on storage hosts.
    """

    kind: PolicyKind
    policy: str
    changed: tuple[str, ...]
    bound: int
    over: tuple[OverLine, ...]
    sessions: tuple[SessionEffect, ...]
    endings: tuple[SessionEnding, ...]
    folders: tuple[FolderLoss, ...]
    fields: tuple[FieldOutlook, ...]
