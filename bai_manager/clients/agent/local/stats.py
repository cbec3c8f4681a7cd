"""What a kernel uses: sampled over everything below its supervisor."""

# ruff: noqa: PTH123 - paths are text here: see state.py
from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from bai_manager.clients.agent.local import process

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.clients.agent.local.limits import Limits
    from bai_manager.types.json import JsonObject

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_BUSY_INTERVAL = 0.1
_IDLE_INTERVAL = 1.0
_SCRATCH_AGE = 5.0
_ENTRIES_A_SLICE = 200


class Sample(NamedTuple):
    """Totals over living and ended processes; ``memory`` of the living ones."""

    cpu_ms: float
    memory: int
    io_read: int
    io_write: int


class Sampler:
    """Watches the processes of a kernel, often while something runs, rarely otherwise."""

    def __init__(self, work: str, limits: Limits, on_excess: Callable[[int, int], None]) -> None:
        """``on_excess(pid, used)`` names the child that holds most when memory is exceeded."""
        self._work = work
        self._limits = limits
        self._on_excess = on_excess
        self._last = Sample(0, 0, 0, 0)
        self._rated_at = time.monotonic(), 0.0
        self._cpu_percent = 0.0
        self._woken = asyncio.Event()
        self._peaks: dict[str, float] = {}
        self._scratch = (0, -_SCRATCH_AGE)

    async def watch(self, is_busy: Callable[[], bool]) -> None:
        """Sample for ever."""
        while True:
            self.sample()
            watchful = self._limits.memory is not None and is_busy()
            with suppress(TimeoutError):
                interval = _BUSY_INTERVAL if watchful else _IDLE_INTERVAL
                await asyncio.wait_for(self._woken.wait(), interval)
            self._woken.clear()

    def wake(self) -> None:
        """Something begins to run: look now, not at the end of a long interval."""
        self._woken.set()

    def sample(self) -> None:
        trees = {pid: _tree(pid) for pid in process.children(os.getpid())}
        used = {pid: sum(_resident(stat) for stat in tree) for pid, tree in trees.items()}
        total = sum(used.values())
        if self._limits.memory is not None and total > self._limits.memory:
            used = {pid: sum(_proportional(stat) for stat in tree) for pid, tree in trees.items()}
            total = sum(used.values())
            if total > self._limits.memory:
                self._on_excess(max(used, key=lambda pid: used[pid]), total)
        self._take([stat for tree in trees.values() for stat in tree], total)

    async def metrics(self) -> JsonObject:
        """Metric name → current, capacity, pct, unit_hint, stats.max, numbers as text."""
        self.sample()
        scratch = await self._scratch_size()
        cores = len(self._limits.cpus) or os.cpu_count() or 1
        values: list[tuple[str, float, float | None, str]] = [
            ("cpu_util", self._cpu_percent, 100.0 * cores, "percent"),
            ("cpu_used", self._last.cpu_ms, None, "msec"),
            ("mem", self._last.memory, self._limits.memory, "bytes"),
            ("io_read", self._last.io_read, None, "bytes"),
            ("io_write", self._last.io_write, None, "bytes"),
            ("io_scratch_size", scratch, None, "bytes"),
        ]
        return {
            name: self._metric(name, value, capacity, unit)
            for name, value, capacity, unit in values
        }

    def _take(self, living: list[process.ProcessStat], memory: int) -> None:
        now = time.monotonic()
        ended = os.times()
        cpu_ms = (ended.children_user + ended.children_system) * 1000
        cpu_ms += sum(stat.ticks for stat in living) * _TICK_MS
        counted = [_io(pid) for pid in (os.getpid(), *(stat.identity.pid for stat in living))]
        # A child that ends between two looks may be missed once; totals never fall.
        self._last = Sample(
            cpu_ms=max(self._last.cpu_ms, cpu_ms),
            memory=memory,
            io_read=max(self._last.io_read, sum(read for read, _ in counted)),
            io_write=max(self._last.io_write, sum(written for _, written in counted)),
        )
        since, before = self._rated_at
        if now - since >= _BUSY_INTERVAL / 2:
            self._cpu_percent = (self._last.cpu_ms - before) / (now - since) / 10
            self._rated_at = now, self._last.cpu_ms
        self._peaks["mem"] = max(self._peaks.get("mem", 0), memory)
        self._peaks["cpu_util"] = max(self._peaks.get("cpu_util", 0), self._cpu_percent)

    def _metric(self, name: str, value: float, capacity: float | None, unit: str) -> JsonObject:
        peak = self._peaks[name] = max(self._peaks.get(name, 0), value)
        share = 100 * value / capacity if capacity else 0
        return {
            "current": _text(value),
            "capacity": _text(capacity or 0),
            "pct": f"{share:.2f}",
            "unit_hint": unit,
            "stats.max": _text(peak),
        }

    async def _scratch_size(self) -> int:
        """Bytes on disk below the work folder; counted anew after some seconds."""
        size, counted_at = self._scratch
        if time.monotonic() - counted_at > _SCRATCH_AGE:
            size = await _disk_usage(self._work)
            self._scratch = size, time.monotonic()
        return size


def _tree(pid: int) -> list[process.ProcessStat]:
    top = process.read_stat(pid)
    return [] if top is None else [top, *process.descendants(pid)]


def _resident(stat: process.ProcessStat) -> int:
    try:
        with open(f"/proc/{stat.identity.pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(stat: process.ProcessStat) -> int:
    """Memory with each shared page divided among those that share it; slower to find out."""
    try:
        with open(f"/proc/{stat.identity.pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def _io(pid: int) -> tuple[int, int]:
    """Bytes read from and written to storage, children that were waited for included."""
    found = {}
    with suppress(OSError), open(f"/proc/{pid}/io", "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            found[name] = int(value)
    return found.get(b"read_bytes", 0), found.get(b"write_bytes", 0)


async def _disk_usage(folder: str) -> int:
    """Walk without following links, giving way to others every some hundred entries."""
    total = seen = 0
    pending = [folder]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                seen += 1
                if seen % _ENTRIES_A_SLICE == 0:
                    await asyncio.sleep(0)
    return total


def _text(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) and value % 1 else f"{value:.0f}"
