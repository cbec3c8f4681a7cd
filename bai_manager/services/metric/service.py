"""Metrics: history from Prometheus, live values from agents or Valkey, slot-hours from rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.clients.prometheus.grid import Grid, nice_step
from bai_manager.services.metric import catalogue, export, history, idle, ranking
from bai_manager.services.metric.actions import (
    ContainerMetricActionResult,
    ContainerMetricMetadataActionResult,
    ContainerMetricOptionalLabel,
    ExportMetricsActionResult,
    GetLiveMetricsActionResult,
    GetSlotHoursActionResult,
    ListIdleActionResult,
    RankUsageActionResult,
)
from bai_manager.services.metric.errors import (
    InvalidRange,
    MetricNotFound,
    NoSamples,
    NothingToExport,
    PrometheusNotConfigured,
)
from bai_manager.services.metric.live import live_metrics, places
from bai_manager.services.metric.types import Labels, SeriesData, ValueType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.clients.live.protocol import LiveReading, LiveStats
    from bai_manager.clients.prometheus.client import PrometheusClient
    from bai_manager.clients.prometheus.matrix import Series
    from bai_manager.repositories.metric import MetricRepository
    from bai_manager.services.metric.actions import (
        ContainerMetricAction,
        ContainerMetricMetadataAction,
        ExportMetricsAction,
        GetLiveMetricsAction,
        GetSlotHoursAction,
        ListIdleAction,
        RankUsageAction,
    )
    from bai_manager.services.metric.idle import Held, Used
    from bai_manager.services.metric.sink import SeriesSink
    from bai_manager.services.metric.types import Dimension, LiveKernel, UsageRank
    from bai_manager.types.clock import Clock

_SHORTEST_STEP: Final = 5.0
"""Seconds; agents refresh their values that often (``reference/prometheus.md`` §2)."""
_LEAST_STEP: Final = timedelta(seconds=1)
_ANY: Final = ContainerMetricOptionalLabel()


class MetricService:
    """Answers who uses what.

    ``prometheus`` is None where the profile names none; ``has_local_agent`` tells the machine's
    own profile from that of a cluster.
    """

    def __init__(
        self,
        *,
        metrics: MetricRepository,
        prometheus: PrometheusClient | None,
        live: LiveStats,
        sink: SeriesSink,
        has_local_agent: bool,
        clock: Clock,
    ) -> None:
        self._metrics = metrics
        self._configured = prometheus
        self._live = live
        self._sink = sink
        self._has_local_agent = has_local_agent
        self._clock = clock

    async def list_metrics(
        self, action: ContainerMetricMetadataAction
    ) -> ContainerMetricMetadataActionResult:
        """Metric names in alphabetical order; without Prometheus, those of the local agent."""
        if action.families:
            return ContainerMetricMetadataActionResult(
                metrics=await history.families(self._prometheus)
            )
        names: Sequence[str] = catalogue.LOCAL_METRICS
        if self._configured is not None or not self._has_local_agent:
            names = await history.metric_names(self._prometheus)
        return ContainerMetricMetadataActionResult(
            metrics=[catalogue.info_of(name) for name in sorted(names)]
        )

    async def query(self, action: ContainerMetricAction) -> ContainerMetricActionResult:
        """A metric over time.

        Raises ``InvalidRange``, and ``MetricNotFound`` or ``NoSamples`` when there is nothing.
        """
        prometheus = self._prometheus
        grid, step = self._grid(action)
        window = action.window.total_seconds() if action.window else history.TIME_WINDOW
        promql = catalogue.series_expression(
            action.metric_name,
            action.value_type,
            by=[dimension.label for dimension in action.by],
            where=await self._metrics.label_values(action.labels, _visible(action.visible)),
            window=max(window, step.total_seconds()),
        )
        result = _empty_result(action, grid, step)
        if action.stream:
            found = False
            async for series in prometheus.query_range(promql, grid):
                found = True
                self._sink.take(result, _series(series, ""))
        else:
            whole = await prometheus.query_range_joined(promql, grid)
            found = any(math.isfinite(value) for series in whole for value in series.values)
            result.result.extend(await self._named(whole, action.by))
        if not found:
            raise await self._nothing_found(result)
        return result

    async def live_metrics(self, action: GetLiveMetricsAction) -> GetLiveMetricsActionResult:
        """What each kernel of a session uses now, of each metric."""
        kernels = await self._metrics.kernels_of(action.session, action.owner)
        reading = await self._read(kernels)
        return GetLiveMetricsActionResult(
            metrics=live_metrics(kernels, reading.stats), silent=reading.silent
        )

    async def rank_usage(self, action: RankUsageAction) -> RankUsageActionResult:
        """Who uses most, now or over a window. Raises ``MetricNotFound``."""
        kernels = await self._metrics.running_kernels(_visible(action.visible))
        silent: Mapping[str, str] = {}
        if action.over is None:
            reading = await self._read(kernels)
            silent = reading.silent
            sampled = {name for stat in reading.stats.values() for name in stat.metrics}
            wanted = action.metrics or ranking.default_metrics(sampled)
            ranks = ranking.of_now(kernels, reading.stats, action.by, wanted)
        else:
            known = await history.metric_names(self._prometheus)
            _must_be_known(action.metrics, known)
            wanted = action.metrics or ranking.default_metrics(known)
            ranks = await self._ranks_over(action.over, action, wanted, kernels)
        return RankUsageActionResult(
            ranks=ranking.ordered(ranks, wanted, action.query, self._clock()),
            units={name: catalogue.unit_of(name, ValueType.CURRENT) for name in wanted},
            silent=silent,
        )

    async def list_idle(self, action: ListIdleAction) -> ListIdleActionResult:
        """Who holds what they do not use."""
        if not 0 < action.below <= idle.WHOLE:
            raise InvalidRange(f"{action.below:g} is no percentage from 0 to 100.")
        held = idle.held_by_session(await self._metrics.running_kernels(_visible(action.visible)))
        now = self._clock()
        silent: Mapping[str, str] = {}
        if self._configured is None:
            reading = await self._read([kernel for one in held for kernel in one.kernels])
            silent = reading.silent
            found = {one.session_id: idle.used_since_start(one, reading.stats, now) for one in held}
        else:
            found = await self._used_over(held, action, now)
        used = {session_id: known for session_id, known in found.items() if known is not None}
        return ListIdleActionResult(
            idle=idle.listed(
                held, used, by=action.by, below=action.below, query=action.query, now=now
            ),
            unmeasured=len(held) - len(used),
            silent=silent,
        )

    async def get_slot_hours(self, action: GetSlotHoursAction) -> GetSlotHoursActionResult:
        """What was held in a period. Raises ``InvalidRange``."""
        if action.end <= action.start:
            raise InvalidRange("The period ends before it begins.")
        now = self._clock()
        return GetSlotHoursActionResult(
            start=action.start,
            end=action.end,
            until=max(action.start, min(action.end, now)),
            rows=await self._metrics.slot_hours(
                start=action.start,
                end=action.end,
                now=now,
                by=action.by,
                visible=_visible(action.visible),
            ),
        )

    async def export(self, action: ExportMetricsAction) -> ExportMetricsActionResult:
        """The local kernels' samples. Raises ``NothingToExport`` for a cluster's profile."""
        if not self._has_local_agent:
            raise NothingToExport
        kernels = await self._metrics.running_kernels(_visible(action.visible))
        reading = await self._read(kernels)
        return ExportMetricsActionResult(samples=export.samples(kernels, reading.stats))

    @property
    def _prometheus(self) -> PrometheusClient:
        if self._configured is None:
            raise PrometheusNotConfigured
        return self._configured

    async def _read(self, kernels: Sequence[LiveKernel]) -> LiveReading:
        return await self._live.read(places(kernels))

    def _grid(self, action: ContainerMetricAction) -> tuple[Grid, timedelta]:
        """The points asked for, none of them in the future."""
        now = self._clock()
        end = min(action.end, now)
        if action.start >= now:
            raise InvalidRange(
                f"The range begins at {_text(action.start)}, which is not over yet.",
                hint="Begin it in the past, such as 6h (ago) or yesterday.",
            )
        if action.start >= end:
            raise InvalidRange(
                f"The range ends at {_text(end)}, not after its beginning {_text(action.start)}."
            )
        if action.step is not None and action.step < _LEAST_STEP:
            raise InvalidRange("A step shorter than a second is finer than any sample.")
        length = (end - action.start).total_seconds()
        step = action.step or timedelta(
            seconds=nice_step(length, action.points, shortest=_SHORTEST_STEP)
        )
        return Grid.between(action.start, end, step), step

    async def _nothing_found(
        self, result: ContainerMetricActionResult
    ) -> MetricNotFound | NoSamples:
        known = await history.metric_names(self._prometheus)
        if result.metric_name not in known:
            return MetricNotFound(result.metric_name, known)
        return NoSamples(result.metric_name, _text(result.start), _text(result.end))

    async def _named(self, whole: Sequence[Series], by: Sequence[Dimension]) -> list[SeriesData]:
        labels = [dimension.label for dimension in by]
        names = await self._metrics.names(
            {label: {series.labels.get(label, "") for series in whole} for label in labels}
        )

        def name(series: Series) -> str:
            ids = [(label, series.labels.get(label, "")) for label in labels]
            return "  ".join(names.get(id_, id_[1] or "-") for id_ in ids) or "all"

        return [_series(series, name(series)) for series in whole]

    async def _ranks_over(
        self,
        over: timedelta,
        action: RankUsageAction,
        metrics: Sequence[str],
        kernels: Sequence[LiveKernel],
    ) -> list[UsageRank]:
        label = action.by.label
        amounts = await history.means(
            self._prometheus,
            metrics,
            label=label,
            where=await self._metrics.label_values(_ANY, _visible(action.visible)),
            over=over,
            now=self._clock(),
        )
        names = await self._metrics.names({label: amounts})
        return ranking.of_window(
            kernels, amounts, action.by, {id_: name for (_, id_), name in names.items()}
        )

    async def _used_over(
        self, held: Sequence[Held], action: ListIdleAction, now: datetime
    ) -> dict[UUID, Used | None]:
        where = await self._metrics.label_values(_ANY, _visible(action.visible))
        series = {
            slot: await history.by_session(
                self._prometheus,
                idle.metric_of_slot(slot),
                where=where,
                over=action.over,
                now=now,
            )
            for slot in sorted({slot for one in held for slot in one.slots})
        }
        return {
            one.session_id: idle.used_over(
                one,
                {
                    slot: found[str(one.session_id)]
                    for slot, found in series.items()
                    if str(one.session_id) in found
                },
                action.over,
                action.below,
                now,
            )
            for one in held
        }


def _empty_result(
    action: ContainerMetricAction, grid: Grid, step: timedelta
) -> ContainerMetricActionResult:
    return ContainerMetricActionResult(
        metric_name=action.metric_name,
        value_type=action.value_type,
        kind=catalogue.kind_of(action.metric_name, action.value_type),
        unit=catalogue.unit_of(action.metric_name, action.value_type),
        start=_moment(grid.start),
        end=_moment(grid.end),
        step=step,
        result=[],
    )


def _must_be_known(metrics: Iterable[str], known: Sequence[str]) -> None:
    for name in metrics:
        if name not in known:
            raise MetricNotFound(name, known)


def _visible(visible: Visibility | None) -> Visibility:
    """What the processor filled in; an action that did not pass it may see nothing at all."""
    if visible is None:
        raise TypeError("the action did not pass the processor")
    return visible


def _series(series: Series, name: str) -> SeriesData:
    labels = series.labels
    return SeriesData(
        labels=Labels(
            agent_id=labels.get("agent_id"),
            kernel_id=labels.get("kernel_id"),
            session_id=labels.get("session_id"),
            user_id=labels.get("user_id"),
            project_id=labels.get("project_id"),
        ),
        name=name,
        times=series.times,
        values=series.values,
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
