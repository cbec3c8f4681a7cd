"""Live samples of kernels as rows, and as numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from bai_manager.clients.live.protocol import KernelPlace
from bai_manager.services.metric.catalogue import CPU, metric_of
from bai_manager.services.metric.types import LiveMetric, MetricKind, MetricUnit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.services.metric.types import LiveKernel

_RATE_HINT: Final = "bps"
"""Bytes a second, for all its letters."""


def places(kernels: Sequence[LiveKernel]) -> list[KernelPlace]:
    """Where to ask for each kernel."""
    return [
        KernelPlace(
            kernel_id=kernel.kernel_id, agent_id=kernel.agent_id, agent_addr=kernel.agent_addr
        )
        for kernel in kernels
    ]


def number(text: str | None) -> float | None:
    """A number as agents write it; None for nothing, NaN, or no number at all."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return plain(value) if math.isfinite(value) else None


def plain(value: float) -> float:
    """Whole numbers without a fraction, so that bytes print as integers."""
    return int(value) if value == int(value) else value


def live_metrics(
    kernels: Sequence[LiveKernel], stats: Mapping[UUID, KernelStat]
) -> list[LiveMetric]:
    """Each metric of each kernel that has a sample."""
    return [
        metric
        for kernel in kernels
        if kernel.kernel_id in stats
        for metric in _of_kernel(kernel, stats[kernel.kernel_id])
    ]


def _of_kernel(kernel: LiveKernel, stat: KernelStat) -> Iterator[LiveMetric]:
    for name, values in stat.metrics.items():
        capacity = number(values.get("capacity")) or None
        current = number(values.get("current"))
        yield LiveMetric(
            session_id=kernel.session_id,
            session_name=kernel.session_name,
            kernel_id=kernel.kernel_id,
            cluster_hostname=kernel.cluster_hostname,
            agent_id=kernel.agent_id,
            metric=name,
            current=current,
            capacity=capacity,
            pct=_share(current, capacity),
            peak=number(values.get("stats.max")),
            unit=_unit(name, values),
            collected_at=stat.collected_at,
        )


def _share(current: float | None, capacity: float | None) -> float | None:
    if current is None or capacity is None:
        return None
    return round(100 * current / capacity, 2)


def _unit(name: str, values: Mapping[str, str]) -> MetricUnit:
    """Live totals are totals, but those of rates by hint; what is not known says its own unit."""
    metric = metric_of(name)
    if name == CPU or (metric.kind is MetricKind.GAUGE and metric.unit is not MetricUnit.NONE):
        return metric.unit
    hints = {
        "bytes": MetricUnit.BYTES,
        "msec": MetricUnit.MILLISECONDS,
        _RATE_HINT: MetricUnit.BYTES_PER_SECOND,
    }
    return hints.get(values.get("unit_hint", ""), MetricUnit.NONE)


def level_now(name: str, values: Mapping[str, str]) -> float | None:
    """What one kernel uses at this moment, in the metric's unit.

    CPU use and levels are sampled as such; of a total only its own rate will do, which the
    agents of a cluster keep (``stats.rate``) or give in its stead (network traffic).
    """
    metric = metric_of(name)
    is_rate = values.get("unit_hint") == _RATE_HINT
    if name == CPU or metric.kind is MetricKind.GAUGE or is_rate:
        return number(values.get("current"))
    rate = number(values.get("stats.rate"))
    return None if rate is None else rate / metric.divisor
