"""What Prometheus knows, in the terms of metrics."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.clients.prometheus.grid import Grid, nice_step
from bai_manager.services.metric import catalogue
from bai_manager.services.metric.types import MetricInfo, ValueType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bai_manager.clients.prometheus.client import PrometheusClient
    from bai_manager.clients.prometheus.matrix import Series

TIME_WINDOW: Final = 60.0
"""Seconds a rate is taken over: ``config/metric/timewindow`` (``reference/prometheus.md`` §1)."""

_POINTS: Final = 288
_PREFIX: Final = "backendai_"


async def metric_names(prometheus: PrometheusClient) -> list[str]:
    """Names of the metrics of kernels."""
    return await prometheus.label_values(catalogue.NAME_LABEL, catalogue.FAMILY)


async def families(prometheus: PrometheusClient) -> list[MetricInfo]:
    """Whatever the parts of a cluster export, with its own type and help text."""
    found = await prometheus.metadata()
    return [
        MetricInfo(name=name, kind=kind, unit="", description=text)
        for name, (kind, text) in sorted(found.items())
        if name.startswith(_PREFIX)
    ]


async def means(
    prometheus: PrometheusClient,
    metrics: Sequence[str],
    *,
    label: str,
    where: Mapping[str, Sequence[str]],
    over: timedelta,
    now: datetime,
) -> dict[str, dict[str, float]]:
    """Value of the label → metric → mean over the time that ends now."""
    amounts: dict[str, dict[str, float]] = {}
    for name in metrics:
        promql = catalogue.mean_expression(
            name, by=[label], where=where, window=over.total_seconds()
        )
        for series in await prometheus.query(promql, now):
            if label in series.labels and math.isfinite(series.values[0]):
                amounts.setdefault(series.labels[label], {})[name] = series.values[0]
    return amounts


async def by_session(
    prometheus: PrometheusClient,
    metric: str,
    *,
    where: Mapping[str, Sequence[str]],
    over: timedelta,
    now: datetime,
) -> dict[str, Series]:
    """Session id → some hundred points of the time that ends now; rates over the whole step."""
    step = nice_step(over.total_seconds(), _POINTS, shortest=TIME_WINDOW)
    label = "session_id"
    promql = catalogue.series_expression(
        metric, ValueType.CURRENT, by=[label], where=where, window=step
    )
    grid = Grid.between(now - over, now, timedelta(seconds=step))
    found = await prometheus.query_range_joined(promql, grid)
    return {series.labels[label]: series for series in found if label in series.labels}
