"""What kernels had, quarter of an hour by quarter of an hour (``reference/services.md`` §7)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from bai_manager.services.user.types import UsageBin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bai_manager.types.period import Period
    from bai_manager.types.usage import KernelUsage

BIN: Final = timedelta(minutes=15)
RECENT: Final = timedelta(days=30)
"""What is looked at when no month is named: 2880 bins."""
_FIGURES: Final = 7


def usage_bins(kernels: Iterable[KernelUsage], period: Period, now: datetime) -> list[UsageBin]:
    """Every bin of the period, empty ones too; kernels that run count until ``now``.

    A kernel counts from the bin of its creation through that of its end. What it has is added
    where it begins and taken away behind its end, and the sums of that are the bins.
    """
    count = -((period.start - period.end) // BIN)
    changes = [[Decimal(0)] * _FIGURES for _ in range(count + 1)]
    for kernel in kernels:
        first = max(0, (kernel.created_at - period.start) // BIN)
        last = min(count - 1, ((kernel.terminated_at or now) - period.start) // BIN)
        if first <= last:
            for index, figure in enumerate(_figures(kernel)):
                changes[first][index] += figure
                changes[last + 1][index] -= figure
    sums = accumulate(changes[:count], _added)
    return [_bin(period.start + index * BIN, total) for index, total in enumerate(sums)]


def _added(total: list[Decimal], change: list[Decimal]) -> list[Decimal]:
    return [one + other for one, other in zip(total, change, strict=True)]


def _figures(kernel: KernelUsage) -> tuple[int | Decimal, ...]:
    return (
        1,
        int(kernel.cpu_allocated),
        kernel.mem_allocated,
        kernel.gpu_allocated,
        kernel.io_read,
        kernel.io_write,
        kernel.disk_used,
    )


def _bin(date: datetime, total: list[Decimal]) -> UsageBin:
    sessions, cpu, mem, gpu, read, written, disk = total
    return UsageBin(
        date=date,
        num_sessions=int(sessions),
        cpu_allocated=int(cpu),
        mem_allocated=int(mem),
        gpu_allocated=gpu,
        io_read_bytes=int(read),
        io_write_bytes=int(written),
        disk_used=int(disk),
    )
