"""What metrics look like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.types.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from decimal import Decimal
    from uuid import UUID

    from bai_manager.types.resource_slot import ResourceSlot


class MetricKind(Choice):
    """How a series is read (``reference/prometheus.md`` §3).

    A gauge is a level. The others count up, and their slope is what is meant: of ``rate`` in
    the metric's unit a second, of ``diff`` (CPU milliseconds) as the share of one core.
    """

    GAUGE = "gauge"
    RATE = "rate"
    DIFF = "diff"


class MetricUnit(Choice):
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes/s"
    CORE_PERCENT = "% of a core"
    PERCENT = "%"
    LIMIT_PERCENT = "% of the limit"
    MILLISECONDS = "ms"
    NONE = ""


class ValueType(Choice):
    """``pct`` is not exported by agents: it is current divided by capacity."""

    CURRENT = "current"
    CAPACITY = "capacity"
    PCT = "pct"


class Dimension(Choice):
    """What usage is added up by."""

    SESSION = "session"
    KERNEL = "kernel"
    USER = "user"
    GROUP = "group"
    AGENT = "agent"

    @property
    def label(self) -> str:
        """The label of the exported series (``reference/prometheus.md`` §2)."""
        return _LABELS[self]


_LABELS: Final = {
    Dimension.SESSION: "session_id",
    Dimension.KERNEL: "kernel_id",
    Dimension.USER: "user_id",
    Dimension.GROUP: "project_id",
    Dimension.AGENT: "agent_id",
}


class UsageDimension(Choice):
    """What slot-hours are added up by."""

    USER = "user"
    GROUP = "group"
    DOMAIN = "domain"


class IdleDimension(Choice):
    """Whose unused resources are added up."""

    SESSION = "session"
    USER = "user"


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricInfo:
    """A metric that can be queried, or a family of Prometheus with its own type as ``kind``."""

    name: str
    kind: str
    unit: str
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """What a series is about; None is what it was not grouped by."""

    agent_id: str | None = None
    kernel_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    project_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesData:
    """One series: Unix seconds, and values, which are NaN where Prometheus had no number.

    ``name`` is for people: names of sessions, e-mail addresses of users, names of projects.
    """

    labels: Labels
    name: str
    times: list[float]
    values: list[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesPoint:
    """One value of one series, as ``metric query`` prints it; ``value`` None is no number."""

    time: datetime
    value: float | None
    metric: str
    value_type: ValueType
    unit: MetricUnit
    agent_id: str | None
    kernel_id: str | None
    session_id: str | None
    user_id: str | None
    project_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveKernel:
    """A running kernel and whose it is; ``started_at`` is when it began to run."""

    kernel_id: UUID
    session_id: UUID
    session_name: str
    cluster_hostname: str
    agent_id: str
    agent_addr: str
    user_id: UUID
    user_email: str
    project_id: UUID
    project_name: str
    occupied_slots: ResourceSlot
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveMetric:
    """What one kernel uses of one thing now; None where nothing is known or nothing limits it."""

    session_id: UUID
    session_name: str
    kernel_id: UUID
    cluster_hostname: str
    agent_id: str
    metric: str
    current: float | None
    capacity: float | None
    pct: float | None
    peak: float | None
    unit: MetricUnit
    collected_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageRank:
    """How much one session, user, project or agent uses: metric name → amount in its unit.

    ``kernels`` are those that run now.
    """

    id: str
    name: str
    user_email: str | None
    kernels: int
    usage: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleUsage:
    """What a session (or a user's sessions) holds, uses, and has held without using it.

    ``allocated`` and ``used`` are by slot: cores, bytes, devices; ``used`` is the mean over
    ``observed``. ``used_share`` is that of the slot used most, of cores and devices; ``idle_for``
    is how long it has stayed below the threshold (None when it is not known), never longer than
    ``observed``. ``wasted`` is slot-hours: what was allocated and not used while observed.
    """

    id: UUID
    name: str
    user_id: UUID
    user_email: str
    project_name: str | None
    sessions: int
    kernels: int
    held_for: timedelta
    observed: timedelta
    idle_for: timedelta | None
    allocated: Mapping[str, float]
    used: Mapping[str, float]
    used_share: float
    wasted: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotHours:
    """What somebody's kernels held in a period, in slot-hours (of ``mem``: byte-hours)."""

    id: str
    name: str
    domain_name: str
    sessions: int
    kernels: int
    kernel_hours: Decimal
    slot_hours: ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedSample:
    """One sample of ``backendai_container_utilization`` (``reference/prometheus.md`` §2)."""

    container_metric_name: str
    agent_id: str
    kernel_id: str
    session_id: str
    user_id: str
    project_id: str
    value_type: str
    value: float
