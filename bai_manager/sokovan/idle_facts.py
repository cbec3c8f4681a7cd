"""What idle checks look at, on one machine and on a cluster."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable
from bai_manager.errors import BackendAIError
from bai_manager.sokovan.idle import Evidence, IdleRules, Sample, device_of, idle_verdict, kept

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.clients.agent.pool import Agents
    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.sokovan.idle import LiveEvidence, RunningSession, Verdict
    from bai_manager.types.clock import Clock

_NOTHING = Evidence()


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleReading:
    """``now`` by the clock that keeps the evidence; ``age_now`` by that of the rows."""

    now: datetime
    age_now: datetime
    evidence: Mapping[UUID, Evidence]

    def of(self, session: RunningSession) -> Evidence:
        return self.evidence.get(session.session_id, _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleView:
    """What the checkers go by at one moment.

    Without a ``reading`` only ages are judged; ``unknown`` says in words what could not be learnt.
    """

    rules: IdleRules = field(default_factory=IdleRules)
    reading: IdleReading | None = None
    unknown: tuple[str, ...] = ()

    def verdict(self, session: RunningSession, now: datetime) -> Verdict | None:
        """The verdict that ends the session, if one does; ``now`` is for its age."""
        if self.reading is None:
            return idle_verdict(session, self.rules, now=now, evidence=_NOTHING)
        return judged(session, self.rules, self.reading)


class IdleFacts(Protocol):
    async def rules(self) -> IdleRules:
        """Raises ``Unreachable`` and ``ConfigurationError``."""

    async def read(self, sessions: Sequence[RunningSession], rules: IdleRules) -> IdleReading:
        """Raises as ``rules``."""


async def idle_view(facts: IdleFacts, sessions: Sequence[RunningSession]) -> IdleView:
    """What is known for these sessions; never fails, but says what is unknown."""
    try:
        rules = await facts.rules()
    except BackendAIError as error:
        return IdleView(unknown=(f"the rules of idle checks are unknown: {error.message}",))
    unclear = tuple(f"{checker}: {why}" for checker, why in rules.unclear.items())
    if not sessions or (rules.network_timeout is None and rules.utilization is None):
        return IdleView(rules=rules, unknown=unclear)
    try:
        reading = await facts.read(sessions, rules)
    except BackendAIError as error:
        return IdleView(
            rules=rules,
            unknown=(*unclear, f"how sessions are used is unknown: {error.message}"),
        )
    return IdleView(rules=rules, reading=reading, unknown=unclear)


def judged(session: RunningSession, rules: IdleRules, reading: IdleReading) -> Verdict | None:
    """The verdict that ends the session, from what was read."""
    return idle_verdict(
        session, rules, now=reading.now, age_now=reading.age_now, evidence=reading.of(session)
    )


class SeriesKeeper(Protocol):
    """Keeps samples between passes."""

    def load(self) -> Mapping[UUID, Sequence[Sample]]: ...
    def save(self, series: Mapping[UUID, Sequence[Sample]]) -> None: ...


class LocalIdleFacts:
    """The agents of this machine say it; the rules are the profile's."""

    def __init__(
        self, *, agents: Agents, series: SeriesKeeper, rules: IdleRules, clock: Clock
    ) -> None:
        self._agents = agents
        self._series = series
        self._rules = rules
        self._clock = clock

    async def rules(self) -> IdleRules:
        """As the settings ``idle.*`` say."""
        return self._rules

    async def read(self, sessions: Sequence[RunningSession], rules: IdleRules) -> IdleReading:
        """Ask the agents, where a rule looks at what they say, and keep a sample of now."""
        now = self._clock()
        accesses = await self._accesses() if rules.network_timeout is not None else {}
        series = await self._sampled(sessions, rules, now)
        evidence = {
            session.session_id: Evidence(
                last_access=accesses.get(session.main_kernel),
                series=series.get(session.session_id, ()),
            )
            for session in sessions
        }
        return IdleReading(now=now, age_now=now, evidence=evidence)

    async def _accesses(self) -> dict[UUID, datetime]:
        """When each kernel of this machine was used last."""
        found: dict[UUID, datetime] = {}
        for agent in self._agents.resident():
            try:
                reports = await agent.kernel_reports()
            except AgentUnreachable:
                continue
            found |= {one.kernel_id: one.last_access for one in reports if one.last_access}
        return found

    async def _sampled(
        self, sessions: Sequence[RunningSession], rules: IdleRules, now: datetime
    ) -> dict[UUID, Sequence[Sample]]:
        """The series of every session, with a sample of now where it is time for one."""
        if rules.utilization is None:
            return {}
        known = self._series.load()
        stats = await self._stats(sessions)
        series: dict[UUID, Sequence[Sample]] = {}
        for session in sessions:
            before = known.get(session.session_id, ())
            window = _window_of(session, rules.utilization.window)
            series[session.session_id] = with_use(before, session, stats, now, window)
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


class LiveFacts(Protocol):
    """What a cluster's Valkey keeps; ``clients/live/idle.py``."""

    async def read(self, session_ids: Sequence[UUID]) -> LiveEvidence: ...
    async def fresh_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]: ...


class ClusterIdleFacts:
    """A cluster's etcd has the rules, its Valkey the evidence, its database the time."""

    def __init__(
        self,
        *,
        rules: Callable[[], Awaitable[IdleRules]],
        live: LiveFacts,
        time: Callable[[], Awaitable[datetime]],
    ) -> None:
        self._read_rules = rules
        self._live = live
        self._time = time

    async def rules(self) -> IdleRules:
        """Raises ``EtcdUnreachable``, ``EtcdRefused`` and ``SettingMissing``."""
        return await self._read_rules()

    async def read(self, sessions: Sequence[RunningSession], rules: IdleRules) -> IdleReading:
        """The manager's series and what agents said last; nothing is kept.

        Raises ``ValkeyUnreachable``, ``ValkeyNotConfigured`` and ``ValkeyClientMissing``.
        """
        age_now = await self._time()
        live = await self._live.read([session.session_id for session in sessions])
        evidence = dict(live.sessions)
        if rules.utilization is not None:
            kernels = [kernel_id for session in sessions for kernel_id in session.places]
            stats = await self._live.fresh_stats(kernels)
            for session in sessions:
                known = evidence.get(session.session_id, _NOTHING)
                window = _window_of(session, rules.utilization.window)
                series = with_use(known.series, session, stats, live.now, window)
                evidence[session.session_id] = replace(known, series=series)
        return IdleReading(now=live.now, age_now=age_now, evidence=evidence)


def with_use(
    series: Sequence[Sample],
    session: RunningSession,
    stats: Mapping[UUID, KernelStat],
    now: datetime,
    window: timedelta,
) -> Sequence[Sample]:
    """The series with a sample of now, if every kernel of the session has one."""
    if not session.places or not session.places.keys() <= stats.keys():
        return series
    return kept(series, Sample(now, _mean_use(session, stats)), window)


def _window_of(session: RunningSession, window: timedelta) -> timedelta:
    """As the policy says, where it says something."""
    return timedelta(seconds=session.idle_timeout) if session.idle_timeout > 0 else window


def _mean_use(session: RunningSession, stats: Mapping[UUID, KernelStat]) -> dict[str, float]:
    """Percentages by metric that every kernel has; memory of what it occupies."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for kernel_id in session.places:
        for metric, numbers in stats[kernel_id].metrics.items():
            if device_of(metric) not in session.devices:
                continue
            share = _share(metric, numbers, session.memory.get(kernel_id, 0))
            if share is not None:
                values[metric].append(share)
    return {
        metric: sum(found) / len(found)
        for metric, found in values.items()
        if len(found) == len(session.places)
    }


def _share(metric: str, numbers: Mapping[str, str], memory: float) -> float | None:
    try:
        if metric == "mem" and memory:
            return float(numbers["current"]) / memory * 100
        return float(numbers["pct"])
    except (KeyError, ValueError):
        return None
