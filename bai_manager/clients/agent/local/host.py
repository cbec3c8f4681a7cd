"""What this machine offers as an agent."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from bai_manager.types.resource_slot import ResourceSlot

_MEMINFO = Path("/proc/meminfo")
_KIB = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFacts:
    """``available_slots``: CPUs this process may use, and all memory in bytes."""

    name: str
    architecture: str
    available_slots: ResourceSlot
    python_version: str
    shell: str | None


def describe_host() -> HostFacts:
    """Look at the machine, without privileges."""
    return HostFacts(
        name=platform.node() or "localhost",
        architecture=platform.machine(),
        available_slots=ResourceSlot({"cpu": len(os.sched_getaffinity(0)), "mem": _total_memory()}),
        python_version=".".join(platform.python_version_tuple()[:2]),
        shell=shutil.which("bash"),
    )


def _total_memory() -> int:
    for line in _MEMINFO.read_text().splitlines():
        key, _, rest = line.partition(":")
        if key == "MemTotal":
            return int(rest.split()[0]) * _KIB
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
