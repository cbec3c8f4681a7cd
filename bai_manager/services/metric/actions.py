"""What can be asked about metrics. All of it only reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import (
    SessionTarget,
    SystemTarget,
    Target,
    Visibility,
    VisibleTarget,
)
from bai_manager.services.metric.types import (
    Dimension,
    IdleDimension,
    UsageDimension,
    ValueType,
)
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bai_manager.services.metric.types import (
        ExportedSample,
        IdleUsage,
        LiveMetric,
        MetricInfo,
        MetricKind,
        MetricUnit,
        SeriesData,
        SlotHours,
        UsageRank,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerMetricMetadataActionResult(ActionResult):
    metrics: list[MetricInfo]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerMetricMetadataAction(Action[ContainerMetricMetadataActionResult]):
    """Names of the metrics of kernels; with ``families``, whatever the cluster's parts export."""

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.LIST

    families: bool = False

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerMetricOptionalLabel:
    """Which series; of several values of one label any will do, all labels must fit.

    Sessions, users and projects by name or id, kernels by id.
    """

    agents: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerMetricActionResult(ActionResult):
    """``result`` is empty when the series went to the sink; times are of the points asked for."""

    metric_name: str
    value_type: ValueType
    kind: MetricKind
    unit: MetricUnit
    start: datetime
    end: datetime
    step: timedelta
    result: list[SeriesData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerMetricAction(Action[ContainerMetricActionResult]):
    """A metric over time, filtered and grouped.

    ``step`` None is chosen for about ``points`` points; ``window`` is what a rate is taken over,
    at least (default: the longer of one minute and the step). With ``stream`` the series go to
    the service's sink as they arrive, by id.
    """

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.GET

    metric_name: str
    labels: ContainerMetricOptionalLabel = field(default_factory=ContainerMetricOptionalLabel)
    value_type: ValueType = ValueType.CURRENT
    by: tuple[Dimension, ...] = (Dimension.SESSION,)
    start: datetime
    end: datetime
    step: timedelta | None = None
    points: int = 240
    window: timedelta | None = None
    stream: bool = False
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.metric_name


@dataclass(frozen=True, kw_only=True, slots=True)
class GetLiveMetricsActionResult(ActionResult):
    """``silent`` says of agents that gave no answer why."""

    metrics: list[LiveMetric]
    silent: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetLiveMetricsAction(Action[GetLiveMetricsActionResult]):
    """What the kernels of one session use now."""

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.GET_LIVE

    session: str
    owner: str | None = None

    def target(self) -> Target:
        return SessionTarget(self.session, self.owner)

    def entity_id(self) -> str | None:
        return self.session


@dataclass(frozen=True, kw_only=True, slots=True)
class RankUsageActionResult(ActionResult):
    """``ranks``, most first; ``units`` by metric."""

    ranks: list[UsageRank]
    units: Mapping[str, MetricUnit]
    silent: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankUsageAction(Action[RankUsageActionResult]):
    """Who uses most: now, or on average over the time ``over``.

    Without ``metrics``, those of CPU, memory and accelerators. ``query`` may sort (by a metric,
    ``name`` or ``kernels``) and limit; by default the first metric decides.
    """

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.RANK

    by: Dimension = Dimension.SESSION
    metrics: tuple[str, ...] = ()
    over: timedelta | None = None
    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class ListIdleActionResult(ActionResult):
    """``unmeasured`` counts sessions that run and of which no sample was found."""

    idle: list[IdleUsage]
    unmeasured: int
    silent: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListIdleAction(Action[ListIdleActionResult]):
    """Who holds cores and accelerators without using them.

    Listed are sessions that on average use less than ``below`` percent of what they hold: over
    the time ``over`` where there is a Prometheus, else since their kernels began to run.
    """

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.LIST_IDLE

    by: IdleDimension = IdleDimension.SESSION
    below: float = 10.0
    over: timedelta = timedelta(days=1)
    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSlotHoursActionResult(ActionResult):
    """``rows`` by name; kernels that run are counted up to ``until``."""

    start: datetime
    end: datetime
    until: datetime
    rows: list[SlotHours]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSlotHoursAction(Action[GetSlotHoursActionResult]):
    """What was held from ``start`` to before ``end``, in slot-hours, from the kernel rows."""

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.GET_USAGE

    start: datetime
    end: datetime
    by: UsageDimension = UsageDimension.GROUP
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportMetricsActionResult(ActionResult):
    samples: list[ExportedSample]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportMetricsAction(Action[ExportMetricsActionResult]):
    """What the kernels of this machine use, in the form that agents export."""

    entity_type: ClassVar[EntityType] = EntityType.METRIC
    operation: ClassVar[Operation] = Operation.EXPORT

    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()
