"""Who uses most: samples and means added up, and put in order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from bai_manager.services.metric import catalogue
from bai_manager.services.metric.live import level_now, plain
from bai_manager.services.metric.ordering import in_order
from bai_manager.services.metric.types import Dimension, MetricUnit, UsageRank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.services.metric.ordering import SortValue
    from bai_manager.services.metric.types import LiveKernel
    from bai_manager.types.query import Query

_DIGITS: Final = 3


def default_metrics(known: Iterable[str]) -> list[str]:
    """CPU, memory, and what accelerators report."""
    accelerators = sorted({name for name in known if catalogue.is_accelerator(name)})
    return [catalogue.CPU, catalogue.MEMORY, *accelerators]


def of_now(
    kernels: Sequence[LiveKernel],
    stats: Mapping[UUID, KernelStat],
    by: Dimension,
    metrics: Sequence[str],
) -> list[UsageRank]:
    """The sums of live samples; kernels without one count as kernels."""
    amounts: dict[str, dict[str, float]] = {}
    for kernel in kernels:
        sums = amounts.setdefault(id_of(kernel, by), {})
        stat = stats.get(kernel.kernel_id)
        for name in metrics if stat else ():
            level = level_now(name, stat.metrics.get(name, {}))  # type: ignore[union-attr]
            if level is not None:
                sums[name] = sums.get(name, 0) + level
    names = {id_of(kernel, by): name_of(kernel, by) for kernel in kernels}
    return _ranks(kernels, amounts, by, names)


def of_window(
    kernels: Sequence[LiveKernel],
    amounts: Mapping[str, Mapping[str, float]],
    by: Dimension,
    names: Mapping[str, str],
) -> list[UsageRank]:
    """Means of a window by id; what has ended meanwhile is among them, without kernels."""
    known = {id_of(kernel, by): name_of(kernel, by) for kernel in kernels}
    return _ranks(kernels, amounts, by, {**names, **known})


def ordered(
    ranks: Iterable[UsageRank], metrics: Sequence[str], query: Query, now: datetime
) -> list[UsageRank]:
    """By a metric, ``name`` or ``kernels``; without a sort key by the first metric, most first."""
    keys: dict[str, Callable[[UsageRank], SortValue]] = {
        "name": lambda rank: rank.name,
        "kernels": lambda rank: rank.kernels,
    }
    keys |= {metric: _amount_of(metric) for metric in metrics}
    return in_order(
        ranks,
        query,
        keys,
        default=lambda rank: (*(-rank.usage.get(metric, 0) for metric in metrics), rank.name),
        now=now,
    )


def id_of(kernel: LiveKernel, by: Dimension) -> str:
    match by:
        case Dimension.SESSION:
            return str(kernel.session_id)
        case Dimension.KERNEL:
            return str(kernel.kernel_id)
        case Dimension.USER:
            return str(kernel.user_id)
        case Dimension.GROUP:
            return str(kernel.project_id)
        case Dimension.AGENT:
            return kernel.agent_id


def name_of(kernel: LiveKernel, by: Dimension) -> str:
    match by:
        case Dimension.SESSION:
            return kernel.session_name
        case Dimension.KERNEL:
            return f"{kernel.session_name}/{kernel.cluster_hostname}"
        case Dimension.USER:
            return kernel.user_email
        case Dimension.GROUP:
            return kernel.project_name
        case Dimension.AGENT:
            return kernel.agent_id


def _ranks(
    kernels: Sequence[LiveKernel],
    amounts: Mapping[str, Mapping[str, float]],
    by: Dimension,
    names: Mapping[str, str],
) -> list[UsageRank]:
    counts = Counter(id_of(kernel, by) for kernel in kernels)
    owned = by in {Dimension.SESSION, Dimension.KERNEL}
    owners = {id_of(kernel, by): kernel.user_email for kernel in kernels if owned}
    return [
        UsageRank(
            id=id_,
            name=names.get(id_, id_),
            user_email=owners.get(id_),
            kernels=counts[id_],
            usage={name: _rounded(name, amount) for name, amount in sums.items()},
        )
        for id_, sums in amounts.items()
    ]


def _rounded(metric: str, amount: float) -> float:
    whole = catalogue.metric_of(metric).unit is MetricUnit.BYTES
    return round(amount) if whole else plain(round(amount, _DIGITS))


def _amount_of(metric: str) -> Callable[[UsageRank], SortValue]:
    return lambda rank: rank.usage.get(metric)
