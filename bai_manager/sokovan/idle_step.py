"""The step that ends idle sessions: asks for what the rules look at, and marks what they end."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable
from bai_manager.clients.live.idle import last_accesses
from bai_manager.sokovan.idle import Sample, device_of, idle_verdict, kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.sokovan.idle import IdleRules, RunningSession
    from bai_manager.types.clock import Clock

Series = dict["UUID", tuple[Sample, ...]]


class IdleStore(Protocol):
    """The rows; ``repositories/idle.py``."""

    async def running(self, *, with_lifetime_only: bool) -> list[RunningSession]: ...
    async def end_idle(self, session_id: UUID, *, reason: str, clock: Clock) -> bool: ...


class SeriesKeeper(Protocol):
    """Keeps samples between passes."""

    def load(self) -> Mapping[UUID, Sequence[Sample]]: ...
    def save(self, series: Mapping[UUID, Sequence[Sample]]) -> None: ...


class IdleStep:
    """One look at all running sessions of this machine."""

    def __init__(
        self,
        *,
        store: IdleStore,
        agents: Agents,
        series: SeriesKeeper,
        rules: IdleRules,
        clock: Clock,
    ) -> None:
        self._store = store
        self._agents = agents
        self._series = series
        self._rules = rules
        self._clock = clock

    async def run(self) -> bool:
        """Mark every idle session TERMINATING; True if there were any."""
        rules = self._rules
        only_lifetime = rules.network_timeout is None and rules.utilization is None
        sessions = await self._store.running(with_lifetime_only=only_lifetime)
        if not sessions:
            return False
        now = self._clock()
        accesses = await last_accesses(self._agents) if rules.network_timeout is not None else {}
        series = await self._sampled(sessions, now)
        ended = False
        for session in sessions:
            verdict = idle_verdict(
                session,
                rules,
                now=now,
                last_access=accesses.get(session.main_kernel),
                series=series.get(session.session_id, ()),
            )
            if verdict is not None:
                ended |= await self._store.end_idle(
                    session.session_id, reason=verdict.reason, clock=self._clock
                )
        return ended

    async def _sampled(self, sessions: Sequence[RunningSession], now: datetime) -> Series:
        """The series of every session, with a sample of now where it is time for one."""
        if self._rules.utilization is None:
            return {}
        window = self._rules.utilization.window
        known = self._series.load()
        stats = await self._stats(sessions)
        series: Series = {}
        for session in sessions:
            sample = Sample(now, _mean_use(session, stats))
            before = known.get(session.session_id, ())
            series[session.session_id] = kept(before, sample, _window_of(session, window))
        self._series.save(series)
        return series

    async def _stats(self, sessions: Sequence[RunningSession]) -> dict[UUID, KernelStat]:
        kernels: defaultdict[tuple[str, str], list[UUID]] = defaultdict(list)
        for session in sessions:
            for kernel_id, place in session.places.items():
                kernels[place].append(kernel_id)
        found: dict[UUID, KernelStat] = {}
        for place, kernel_ids in kernels.items():
            try:
                found |= await self._agents.client(*place).kernel_stats(kernel_ids)
            except (AgentUnreachable, AgentError):
                continue
        return found


def _window_of(session: RunningSession, window: timedelta) -> timedelta:
    """As the policy says, where it says something."""
    return timedelta(seconds=session.idle_timeout) if session.idle_timeout > 0 else window


def _mean_use(session: RunningSession, stats: Mapping[UUID, KernelStat]) -> dict[str, float]:
    """Percentages by metric over the kernels that have a sample; memory of what they occupy."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for kernel_id in session.places:
        if kernel_id not in stats:
            continue
        for metric, numbers in stats[kernel_id].metrics.items():
            if device_of(metric) not in session.devices:
                continue
            share = _share(metric, numbers, session.memory.get(kernel_id, 0))
            if share is not None:
                values[metric].append(share)
    return {metric: sum(found) / len(found) for metric, found in values.items()}


def _share(metric: str, numbers: Mapping[str, str], memory: float) -> float | None:
    try:
        if metric == "mem" and memory:
            return float(numbers["current"]) / memory * 100
        return float(numbers["pct"])
    except (KeyError, ValueError):
        return None
