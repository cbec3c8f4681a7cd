"""The local kernels' samples as a Backend.AI agent would export them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.services.metric.catalogue import CPU, CPU_TIME, MEMORY
from bai_manager.services.metric.live import number
from bai_manager.services.metric.types import ExportedSample, ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.services.metric.types import LiveKernel

_CORE_MS: Final = 1000.0


def samples(
    kernels: Sequence[LiveKernel], stats: Mapping[UUID, KernelStat]
) -> list[ExportedSample]:
    """In the exact form of ``reference/prometheus.md`` §2."""
    return [
        ExportedSample(
            container_metric_name=name,
            agent_id=kernel.agent_id,
            kernel_id=str(kernel.kernel_id),
            session_id=str(kernel.session_id),
            user_id=str(kernel.user_id),
            project_id=str(kernel.project_id),
            value_type=value_type.value,
            value=value,
        )
        for kernel in kernels
        if kernel.kernel_id in stats
        for name, value_type, value in _values(stats[kernel.kernel_id].metrics)
    ]


def _values(
    metrics: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, ValueType, float]]:
    """CPU use is exported as the milliseconds used so far, of which a core gives 1000 a second."""
    for name, values in metrics.items():
        counted = metrics.get(CPU_TIME, {}) if name == CPU else values
        current = number(counted.get("current"))
        if current is None:
            continue
        yield name, ValueType.CURRENT, current
        capacity = _CORE_MS if name == CPU else number(values.get("capacity"))
        if capacity and name in {CPU, MEMORY}:
            yield name, ValueType.CAPACITY, capacity
