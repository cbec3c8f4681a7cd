"""Allocated against used: what is held without being used, for how long, and what that wastes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.services.metric.catalogue import CPU_TIME, MEMORY
from bai_manager.services.metric.live import number
from bai_manager.services.metric.ordering import in_order
from bai_manager.services.metric.types import IdleDimension, IdleUsage
from bai_manager.types.resource_slot import INTRINSIC_SLOTS, ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.clients.prometheus.matrix import Series
    from bai_manager.services.metric.ordering import SortValue
    from bai_manager.services.metric.types import LiveKernel
    from bai_manager.types.query import Query

WHOLE: Final = 100.0
_MS_PER_CORE_SECOND: Final = 1000
_HOUR: Final = 3600
_DIGITS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What the running kernels of one session hold: cores, bytes and devices by slot."""

    session_id: UUID
    kernels: tuple[LiveKernel, ...]
    started_at: datetime
    slots: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """The mean use of each slot over ``observed``; ``idle_for`` None when it is not known."""

    amounts: Mapping[str, float]
    observed: timedelta
    idle_for: timedelta | None


def held_by_session(kernels: Sequence[LiveKernel]) -> list[Held]:
    """Sessions in the order of their first kernel; held since the first of them ran."""
    members: dict[UUID, list[LiveKernel]] = {}
    for kernel in kernels:
        members.setdefault(kernel.session_id, []).append(kernel)
    return [
        Held(
            session_id=session_id,
            kernels=tuple(of_session),
            started_at=min(kernel.started_at for kernel in of_session),
            slots={
                slot: float(amount)
                for slot, amount in ResourceSlot.total(
                    kernel.occupied_slots for kernel in of_session
                ).items()
                if amount > 0
            },
        )
        for session_id, of_session in members.items()
    ]


def metric_of_slot(slot: str) -> str:
    """``cuda.device`` and ``cuda.shares`` → ``cuda_util``; of CPU and memory their own."""
    if slot in INTRINSIC_SLOTS:
        return MEMORY if slot == MEMORY else "cpu_util"
    return f"{slot.partition('.')[0]}_util"


def used_since_start(held: Held, stats: Mapping[UUID, KernelStat], now: datetime) -> Used | None:
    """From live samples: CPU time since the start, the rest as it is now; None without samples."""
    known = [kernel for kernel in held.kernels if kernel.kernel_id in stats]
    if not known:
        return None
    amounts = dict.fromkeys(held.slots, 0.0)
    for kernel in known:
        metrics = stats[kernel.kernel_id].metrics
        for slot in held.slots:
            amounts[slot] += _used_by_kernel(kernel, slot, metrics, now)
    return Used(amounts=amounts, observed=_since(held.started_at, now), idle_for=None)


def _used_by_kernel(
    kernel: LiveKernel, slot: str, metrics: Mapping[str, Mapping[str, str]], now: datetime
) -> float:
    def value(metric: str) -> float:
        return number(metrics.get(metric, {}).get("current")) or 0.0

    if slot == MEMORY:
        return value(MEMORY)
    if slot in INTRINSIC_SLOTS:
        lived = max(_since(kernel.started_at, now).total_seconds(), 1.0)
        return value(CPU_TIME) / _MS_PER_CORE_SECOND / lived
    return value(metric_of_slot(slot)) / WHOLE


def used_over(
    held: Held, series: Mapping[str, Series], over: timedelta, below: float, now: datetime
) -> Used | None:
    """From the past: ``series`` by slot, in percent of a core or device, of memory in bytes.

    Points from before the session ran are another's and are left out. None without points.
    """
    begin = max(held.started_at, now - over)
    points = {slot: _points(series[slot], begin) for slot in held.slots if slot in series}
    if not any(points.values()):
        return None
    amounts = {
        slot: _mean(found.values()) / (1 if slot == MEMORY else WHOLE)
        for slot, found in points.items()
    }
    return Used(
        amounts={slot: amounts.get(slot, 0.0) for slot in held.slots},
        observed=_since(begin, now),
        idle_for=_idle_for(held, points, below, begin, now),
    )


def _points(series: Series, begin: datetime) -> dict[float, float]:
    first = begin.timestamp()
    return {
        time: value
        for time, value in zip(series.times, series.values, strict=True)
        if time >= first and math.isfinite(value)
    }


def _idle_for(
    held: Held,
    points: Mapping[str, Mapping[float, float]],
    below: float,
    begin: datetime,
    now: datetime,
) -> timedelta:
    """Since the last moment when a core or device was used enough; since ``begin`` if never."""
    busy = [
        time
        for slot, found in points.items()
        if slot != MEMORY
        for time, value in found.items()
        if value / held.slots[slot] >= below
    ]
    idle_since = max(busy, default=begin.timestamp())
    return timedelta(seconds=round(max(now.timestamp() - idle_since, 0)))


def listed(
    all_held: Iterable[Held],
    used: Mapping[UUID, Used],
    *,
    by: IdleDimension,
    below: float,
    query: Query,
    now: datetime,
) -> list[IdleUsage]:
    """Those that use less than ``below`` percent; without a sort key, what wastes most first.

    Waste of accelerators counts before that of cores, and that before memory's.
    """
    rows = [
        row
        for held in all_held
        if held.session_id in used
        and (row := _of_session(held, used[held.session_id], now)).used_share < below
    ]
    if by is IdleDimension.USER:
        rows = _of_users(rows)
    slots = {slot for row in rows for slot in row.wasted} | set(INTRINSIC_SLOTS)
    return in_order(rows, query, _sort_keys(slots), default=_most_wasted_first, now=now)


def _of_session(held: Held, used: Used, now: datetime) -> IdleUsage:
    first = held.kernels[0]
    hours = used.observed.total_seconds() / _HOUR
    return IdleUsage(
        id=held.session_id,
        name=first.session_name,
        user_id=first.user_id,
        user_email=first.user_email,
        project_name=first.project_name,
        sessions=1,
        kernels=len(held.kernels),
        held_for=_since(held.started_at, now),
        observed=used.observed,
        idle_for=used.idle_for,
        allocated=dict(held.slots),
        used={slot: round(amount, _DIGITS) for slot, amount in used.amounts.items()},
        used_share=_share(held.slots, used.amounts),
        wasted={
            slot: round(max(amount - used.amounts.get(slot, 0), 0) * hours, _DIGITS)
            for slot, amount in held.slots.items()
        },
    )


def _of_users(rows: Iterable[IdleUsage]) -> list[IdleUsage]:
    members: dict[UUID, list[IdleUsage]] = {}
    for row in rows:
        members.setdefault(row.user_id, []).append(row)
    return [_of_user(user_id, of_user) for user_id, of_user in members.items()]


def _of_user(user_id: UUID, rows: Sequence[IdleUsage]) -> IdleUsage:
    allocated, used = _summed(row.allocated for row in rows), _summed(row.used for row in rows)
    idle_for = [row.idle_for for row in rows if row.idle_for is not None]
    projects = {row.project_name for row in rows}
    return IdleUsage(
        id=user_id,
        name=rows[0].user_email,
        user_id=user_id,
        user_email=rows[0].user_email,
        project_name=projects.pop() if len(projects) == 1 else None,
        sessions=len(rows),
        kernels=sum(row.kernels for row in rows),
        held_for=max(row.held_for for row in rows),
        observed=max(row.observed for row in rows),
        idle_for=max(idle_for, default=None),
        allocated=allocated,
        used=used,
        used_share=_share(allocated, used),
        wasted=_summed(row.wasted for row in rows),
    )


def _share(allocated: Mapping[str, float], used: Mapping[str, float]) -> float:
    """Of the cores, or of the accelerator that is used most, in percent."""
    shares = [
        WHOLE * used.get(slot, 0) / amount for slot, amount in allocated.items() if slot != MEMORY
    ]
    return round(max(shares, default=0.0), _DIGITS)


def _summed(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for part in parts:
        for slot, amount in part.items():
            sums[slot] = round(sums.get(slot, 0) + amount, _DIGITS)
    return sums


def _most_wasted_first(row: IdleUsage) -> tuple[float | str, ...]:
    others = sum(amount for slot, amount in row.wasted.items() if slot not in INTRINSIC_SLOTS)
    return (-others, -row.wasted.get("cpu", 0), -row.wasted.get(MEMORY, 0), row.name)


def _sort_keys(slots: Iterable[str]) -> dict[str, Callable[[IdleUsage], SortValue]]:
    """Names of columns, and ``wasted_`` with a slot's name."""
    keys: dict[str, Callable[[IdleUsage], SortValue]] = {
        "name": lambda row: row.name,
        "user_email": lambda row: row.user_email,
        "sessions": lambda row: row.sessions,
        "kernels": lambda row: row.kernels,
        "held_for": lambda row: row.held_for.total_seconds(),
        "idle_for": lambda row: None if row.idle_for is None else row.idle_for.total_seconds(),
        "used_share": lambda row: row.used_share,
    }
    return keys | {f"wasted_{slot}": _wasted(slot) for slot in slots}


def _wasted(slot: str) -> Callable[[IdleUsage], SortValue]:
    return lambda row: row.wasted.get(slot)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _since(moment: datetime, now: datetime) -> timedelta:
    return timedelta(seconds=max(round((now - moment).total_seconds()), 0))
