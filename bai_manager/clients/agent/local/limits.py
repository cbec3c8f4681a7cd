"""What a kernel may use, as far as a process without privileges can say so."""

from __future__ import annotations

import math
import os
import resource
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HEADROOM = 64 * 2**20
"""An interpreter reserves more than it touches; below this a limit would hinder its start."""


class Limits(NamedTuple):
    cpus: tuple[int, ...]
    """Empty for all."""
    memory: int | None
    """Bytes of resident memory that all processes of the kernel may have together."""


def choose_cpus(wanted: float, taken: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Pick the CPUs that fewest of the ``taken`` sets hold; at least one, at most all."""
    usable = sorted(os.sched_getaffinity(0))
    load = Counter(cpu for cpus in taken for cpu in cpus)
    count = len(usable) if math.isinf(wanted) else max(1, math.ceil(wanted))
    return tuple(sorted(sorted(usable, key=lambda cpu: (load[cpu], cpu))[:count]))


def apply(limits: Limits) -> None:
    """Bind the calling process, and with it what it starts.

    The memory limit of a process is on its private writable memory (``RLIMIT_DATA``), not on
    its address space, which counts mapped files and reserved ranges. It is twice the kernel's
    limit: it stops one huge request with a MemoryError, while the supervisor watches what all
    processes really occupy.
    """
    if limits.cpus:
        usable = os.sched_getaffinity(0).intersection(limits.cpus)
        if usable:
            os.sched_setaffinity(0, usable)
    if limits.memory is not None:
        _lower(resource.RLIMIT_DATA, max(2 * limits.memory, limits.memory + _HEADROOM))
    _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, limit: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, limit))
