"""The metrics of kernels: how each is read, in what unit, and as which PromQL expression.

The shapes are those of ``reference/prometheus.md`` §3 without its two mistakes: rates are not
divided by 5 once more, and everything that counts up is shown as its slope, whatever the caller
says about value types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bai_manager.clients.prometheus.promql import seconds, selector, summed
from bai_manager.services.metric.errors import HasNoLimit
from bai_manager.services.metric.types import MetricInfo, MetricKind, MetricUnit, ValueType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FAMILY: Final = "backendai_container_utilization"
NAME_LABEL: Final = "container_metric_name"
CPU: Final = "cpu_util"
CPU_TIME: Final = "cpu_used"
MEMORY: Final = "mem"

_MS_PER_PERCENT: Final = 10
"""A core gives 1000 ms of CPU time a second, so 10 ms a second are one percent of it."""


class Metric(NamedTuple):
    """``divisor`` turns the exported number (or its slope) into ``unit``."""

    kind: MetricKind
    unit: MetricUnit
    description: str
    has_limit: bool = False
    divisor: int = 1


_G, _R, _D = MetricKind.GAUGE, MetricKind.RATE, MetricKind.DIFF
_BYTES, _FLOW, _CORE = MetricUnit.BYTES, MetricUnit.BYTES_PER_SECOND, MetricUnit.CORE_PERCENT

_KNOWN: Final[Mapping[str, Metric]] = {
    CPU: Metric(_D, _CORE, "CPU use", has_limit=True, divisor=_MS_PER_PERCENT),
    CPU_TIME: Metric(_R, _CORE, "CPU time used, as a rate", divisor=_MS_PER_PERCENT),
    MEMORY: Metric(_G, _BYTES, "Memory in use", has_limit=True),
    "io_read": Metric(_R, _FLOW, "Read from storage"),
    "io_write": Metric(_R, _FLOW, "Written to storage"),
    "net_rx": Metric(_R, _FLOW, "Received from the network"),
    "net_tx": Metric(_R, _FLOW, "Sent to the network"),
    "io_scratch_size": Metric(_G, _BYTES, "Size of the work folder"),
}
LOCAL_METRICS: Final = (CPU, CPU_TIME, MEMORY, "io_read", "io_write", "io_scratch_size")
"""What the agent of this machine reports."""


def metric_of(name: str) -> Metric:
    """How a metric is read; names that are not known here are accelerators' or plain levels."""
    if name in _KNOWN:
        return _KNOWN[name]
    device, _, what = name.rpartition("_")
    if device and what == "util":
        return Metric(_G, MetricUnit.PERCENT, f"{device} use", has_limit=True)
    if device and what == "mem":
        return Metric(_G, MetricUnit.BYTES, f"{device} memory in use", has_limit=True)
    return Metric(_G, MetricUnit.NONE, "")


def is_accelerator(name: str) -> bool:
    """Whether the metric is one of an accelerator's two: its use, or its memory."""
    return name not in _KNOWN and metric_of(name).has_limit


def info_of(name: str) -> MetricInfo:
    metric = metric_of(name)
    return MetricInfo(name=name, kind=metric.kind, unit=metric.unit, description=metric.description)


def kind_of(name: str, value_type: ValueType) -> MetricKind:
    """A capacity is a level, whatever the metric."""
    return MetricKind.GAUGE if value_type is ValueType.CAPACITY else metric_of(name).kind


def unit_of(name: str, value_type: ValueType) -> MetricUnit:
    return MetricUnit.LIMIT_PERCENT if value_type is ValueType.PCT else metric_of(name).unit


def series_expression(
    name: str,
    value_type: ValueType,
    *,
    by: Iterable[str],
    where: Mapping[str, Sequence[str]],
    window: float,
) -> str:
    """The value of each group at a moment; what counts up, as its slope over ``window`` seconds.

    Raises ``HasNoLimit``.
    """
    return _expression(name, value_type, by=by, where=where, over=f"rate({{}}[{seconds(window)}])")


def mean_expression(
    name: str, *, by: Iterable[str], where: Mapping[str, Sequence[str]], window: float
) -> str:
    """The mean of each group over the last ``window`` seconds."""
    level = metric_of(name).kind is MetricKind.GAUGE
    function = "avg_over_time" if level else "rate"
    over = f"{function}({{}}[{seconds(window)}])"
    return _expression(name, ValueType.CURRENT, by=by, where=where, over=over, levels_too=level)


def _expression(
    name: str,
    value_type: ValueType,
    *,
    by: Iterable[str],
    where: Mapping[str, Sequence[str]],
    over: str,
    levels_too: bool = False,
) -> str:
    metric = metric_of(name)
    labels = list(by)
    if value_type is not ValueType.CURRENT and not metric.has_limit:
        raise HasNoLimit(name)

    def chosen(which: ValueType) -> str:
        return selector(FAMILY, {NAME_LABEL: [name], "value_type": [which.value], **where})

    capacity = summed(labels, chosen(ValueType.CAPACITY))
    current = chosen(ValueType.CURRENT)
    if levels_too or metric.kind is not MetricKind.GAUGE:
        current = over.format(current)
    current = summed(labels, current)
    match value_type:
        case ValueType.PCT:
            return f"100 * {current} / {capacity}"
        case ValueType.CAPACITY:
            return _divided(capacity, metric.divisor)
        case ValueType.CURRENT:
            return _divided(current, metric.divisor)


def _divided(expression: str, divisor: int) -> str:
    return expression if divisor == 1 else f"{expression} / {divisor}"
