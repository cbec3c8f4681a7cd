"""What the scheduler decides on: one resource group at one moment, as plain values.

A snapshot holds everything a pass needs, the time included, so that the same snapshot always
gives the same outcome. Who loads it keeps to ``reference/state-machines.md`` §7.2: pending
sessions of the group, its ALIVE and schedulable agents, and sums over its occupying kernels,
in which private (system) sessions count for agents only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    PRIVATE_SESSION_TYPES,
    ClusterMode,
    SessionResult,
    SessionStatus,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

NO_SLOTS: Final = ResourceSlot()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingKernel:
    kernel_id: UUID
    architecture: str
    requested_slots: ResourceSlot
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A session that has to end well before the one that names it starts."""

    id: UUID
    name: str
    status: SessionStatus
    result: SessionResult

    @property
    def satisfied(self) -> bool:
        return self.status is SessionStatus.TERMINATED and self.result is SessionResult.SUCCESS

    @property
    def hopeless(self) -> bool:
        """It is over and did not succeed, so that waiting is in vain."""
        if self.result is SessionResult.FAILURE:
            return True
        over = self.status in {SessionStatus.TERMINATED, SessionStatus.CANCELLED}
        return over and not self.satisfied


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose limits a session counts against."""

    access_key: str
    user_id: UUID
    group_id: UUID
    domain_name: str


@dataclass(frozen=True, kw_only=True)
class PendingSession:
    """A session that waits, or one that is about to be created.

    ``retries`` is what ``status_data.scheduler.retries`` says so far; ``designated_agent_ids``
    are tried in their order and nothing else is.
    """

    id: UUID
    creation_id: str
    name: str
    access_key: str
    user_id: UUID
    group_id: UUID
    domain_name: str
    scaling_group: str
    session_type: SessionType
    cluster_mode: ClusterMode
    created_at: datetime
    kernels: tuple[PendingKernel, ...]
    cluster_size: int = 1
    priority: int = 10
    starts_at: datetime | None = None
    designated_agent_ids: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    endpoint_id: UUID | None = None
    retries: int = 0

    @property
    def is_private(self) -> bool:
        """SFTP sessions: counted apart from the others and left out of resource sums."""
        return self.session_type in PRIVATE_SESSION_TYPES

    @cached_property
    def owner(self) -> Owner:
        return Owner(
            access_key=self.access_key,
            user_id=self.user_id,
            group_id=self.group_id,
            domain_name=self.domain_name,
        )

    @cached_property
    def requested_slots(self) -> ResourceSlot:
        """The sum over its kernels."""
        return ResourceSlot.total(kernel.requested_slots for kernel in self.kernels)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSnapshot:
    """An agent that may take kernels; ``occupied`` includes those of private sessions.

    ``endpoint_replicas`` counts the kernels of each model-service endpoint on it.
    """

    id: str
    addr: str
    architecture: str
    available: ResourceSlot
    occupied: ResourceSlot = NO_SLOTS
    container_count: int = 0
    scaling_group: str = "default"
    endpoint_replicas: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingConfig:
    """How the group schedules.

    ``agent_selection_strategy`` is the one of the nested ``scheduler_opts.config`` object
    (``reference/value-types.md`` §13); an unknown one means *concentrated*, an unknown
    ``scheduler`` means *drf*. ``resource_priority`` names slots (``cuda.device``) or devices
    (``cuda``), the scarcest first. ``round_robin_after`` is the agent that was given a kernel
    last: *roundrobin* goes on with the next one.
    """

    scheduler: str = "fifo"
    agent_selection_strategy: str = "concentrated"
    enforce_spreading_endpoint_replica: bool = False
    allowed_session_types: frozenset[SessionType] = frozenset(SessionType)
    pending_timeout: float = 0
    max_container_count: int | None = None
    resource_priority: tuple[str, ...] = ()
    round_robin_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypairLimits:
    """A keypair's policy, resolved.

    ``resource_slots`` is the policy's total with every known slot filled in (0 or Infinity, by
    ``default_for_unspecified``), so a slot it does not name is not allowed at all; ``None``
    means no policy. Session limits of ``None``, 0 or less mean unlimited
    (``reference/value-types.md`` §14); pending limits only where they are ``None``.
    """

    resource_slots: ResourceSlot | None = None
    max_concurrent_sessions: int | None = None
    max_concurrent_sftp_sessions: int | None = None
    max_pending_session_count: int | None = None
    max_pending_session_resource_slots: ResourceSlot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Who may use how much; who is missing, or ``None``, is unlimited.

    ``users`` holds the resolved policy of each user's main keypair. For projects and domains a
    slot that is not named is unlimited. ``user_emails`` and ``group_names`` are what a person
    calls those that rows know by id.
    """

    keypairs: Mapping[str, KeypairLimits] = field(default_factory=dict)
    users: Mapping[UUID, ResourceSlot | None] = field(default_factory=dict)
    groups: Mapping[UUID, ResourceSlot | None] = field(default_factory=dict)
    domains: Mapping[str, ResourceSlot | None] = field(default_factory=dict)
    user_emails: Mapping[UUID, str] = field(default_factory=dict)
    group_names: Mapping[UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Who uses how much; who is missing uses nothing.

    Session counts and pending numbers are per keypair; a pending session counts in the pending
    numbers and nowhere else.
    """

    keypairs: Mapping[str, ResourceSlot] = field(default_factory=dict)
    users: Mapping[UUID, ResourceSlot] = field(default_factory=dict)
    groups: Mapping[UUID, ResourceSlot] = field(default_factory=dict)
    domains: Mapping[str, ResourceSlot] = field(default_factory=dict)
    session_counts: Mapping[str, int] = field(default_factory=dict)
    sftp_counts: Mapping[str, int] = field(default_factory=dict)
    pending_counts: Mapping[str, int] = field(default_factory=dict)
    pending_slots: Mapping[str, ResourceSlot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One resource group at the time ``now``."""

    now: datetime
    scaling_group: str
    config: SchedulingConfig = field(default_factory=SchedulingConfig)
    pending: tuple[PendingSession, ...] = ()
    agents: tuple[AgentSnapshot, ...] = ()
    limits: Limits = field(default_factory=Limits)
    occupancy: Occupancy = field(default_factory=Occupancy)
