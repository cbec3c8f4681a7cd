"""Which running sessions have been idle, or have lived, for too long.

The rules are those of ``reference/value-types.md`` §15: three checkers, in this order, of which
the first that finds a session idle decides its reason. All are functions of their arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

SAMPLE_EVERY: Final = timedelta(seconds=15)
_MOST_SAMPLES: Final = 240
_LEAST_PART: Final = 0.5
_NOW: Final = timedelta(0)
_METRIC_SUFFIXES: Final = ("_util", "_mem", "_used")


class Operator(StrEnum):
    """How thresholds combine. *and*: every resource must be below; *or*: one is enough."""

    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilizationRules:
    """``thresholds`` are percentages by metric: ``{"cpu_util": 30}``."""

    window: timedelta
    initial_grace: timedelta
    thresholds: Mapping[str, float]
    operator: Operator = Operator.AND


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRules:
    """``None`` is a checker that is not enabled; lifetimes are always checked.

    ``user_grace`` is how long a new user is left alone.
    """

    network_timeout: timedelta | None = None
    utilization: UtilizationRules | None = None
    user_grace: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSession:
    """A RUNNING session with the policy of its key pair.

    ``max_session_lifetime`` and ``idle_timeout`` are seconds as the policy has them: 0 is
    without end; a negative ``idle_timeout`` leaves it to the rules. ``devices`` are those asked
    for (``cpu``, ``mem``, ``cuda``). ``places`` are its kernels with their agents.
    """

    session_id: UUID
    session_type: SessionType
    created_at: datetime
    user_created_at: datetime | None
    max_session_lifetime: int
    idle_timeout: int
    devices: frozenset[str]
    main_kernel: UUID
    memory: Mapping[UUID, float] = field(default_factory=dict)
    places: Mapping[UUID, tuple[str, str]] = field(default_factory=dict)
    name: str = ""
    access_key: str = ""
    user_email: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Percentages by metric, the mean over the kernels of a session."""

    at: datetime
    used: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleView:
    """What the checkers of a system go by at one moment, by session.

    ``unknown`` says in words what could not be learnt, and so is not judged.
    """

    rules: IdleRules = field(default_factory=IdleRules)
    accesses: Mapping[UUID, datetime] = field(default_factory=dict)
    series: Mapping[UUID, Sequence[Sample]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def verdict(self, session: RunningSession, now: datetime) -> Verdict | None:
        """Find the checker that ends the session, if one does."""
        return idle_verdict(
            session,
            self.rules,
            now=now,
            last_access=self.accesses.get(session.session_id),
            series=self.series.get(session.session_id, ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a checker says: how long the session may go on, and whether that is over.

    ``allowed`` is for how long it might live or idle in all.
    """

    checker: str
    reason: str
    allowed: timedelta
    remaining: timedelta
    is_idle: bool


def idle_rules(
    *,
    network_timeout: float | None,
    utilization: str | None,
    operator: str,
    window: float,
    initial_grace: float,
    user_grace: float | None,
) -> IdleRules:
    """What the settings ``idle.*`` of a profile say: seconds, and ``cpu_util=30,mem=10``."""
    pairs = (word.split("=") for word in (utilization or "").split(",") if word)
    given = UtilizationRules(
        window=timedelta(seconds=window),
        initial_grace=timedelta(seconds=initial_grace),
        thresholds={metric: float(percent) for metric, percent in pairs},
        operator=Operator(operator),
    )
    return IdleRules(
        network_timeout=_delta(network_timeout),
        utilization=given if given.thresholds else None,
        user_grace=_delta(user_grace),
    )


def _delta(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def idle_verdict(
    session: RunningSession,
    rules: IdleRules,
    *,
    now: datetime,
    last_access: datetime | None,
    series: Sequence[Sample] = (),
) -> Verdict | None:
    """Find the checker that ends the session, if one does."""
    found = (
        check_lifetime(session, rules, now),
        check_network(session, rules, now, last_access),
        check_utilization(session, rules, now, series),
    )
    return next((verdict for verdict in found if verdict and verdict.is_idle), None)


def check_lifetime(session: RunningSession, rules: IdleRules, now: datetime) -> Verdict | None:
    """``max(created, grace end) + lifetime``, where the policy has a lifetime."""
    if session.session_type is SessionType.INFERENCE or session.max_session_lifetime <= 0:
        return None
    begin = max(session.created_at, _grace_end(session, rules) or session.created_at)
    lifetime = timedelta(seconds=session.max_session_lifetime)
    remaining = begin + lifetime - now
    return Verdict(
        checker="session_lifetime",
        reason=Reason.IDLE_SESSION_LIFETIME.value,
        allowed=lifetime,
        remaining=remaining,
        is_idle=remaining <= _NOW,
    )


def check_network(
    session: RunningSession, rules: IdleRules, now: datetime, last_access: datetime | None
) -> Verdict | None:
    """``last_access + timeout``; batch sessions, and those nobody knows of, are left alone."""
    if rules.network_timeout is None or last_access is None:
        return None
    if session.session_type in {SessionType.BATCH, SessionType.INFERENCE}:
        return None
    timeout = _timeout(session, rules.network_timeout)
    if not timeout:
        return None
    remaining = last_access + timeout - now
    return Verdict(
        checker="network_timeout",
        reason=Reason.IDLE_TIMEOUT.value,
        allowed=timeout,
        remaining=remaining,
        is_idle=remaining < _NOW,
    )


def check_utilization(
    session: RunningSession, rules: IdleRules, now: datetime, series: Sequence[Sample]
) -> Verdict | None:
    """The mean over the window against the thresholds, once the window is full.

    A series with less than half of its samples says nothing: on one machine they are taken only
    when the scheduler runs.
    """
    given = rules.utilization
    if given is None or session.session_type is SessionType.INFERENCE:
        return None
    window = _timeout(session, given.window)
    if not window:
        return None
    begin = max(session.created_at, _grace_end(session, rules) or session.created_at)
    judged_at = begin + given.initial_grace
    counted = [one for one in series if judged_at <= one.at and now - one.at <= window]
    first = min((one.at for one in series if one.at >= judged_at), default=now)
    remaining = max(first + window, judged_at) - now
    enough = len(counted) * sample_interval(window) >= window * _LEAST_PART
    return Verdict(
        checker="utilization",
        reason=Reason.IDLE_UTILIZATION.value,
        allowed=window,
        remaining=remaining,
        is_idle=remaining <= _NOW and enough and is_below(_means(counted), given, session.devices),
    )


def is_below(means: Mapping[str, float], rules: UtilizationRules, devices: frozenset[str]) -> bool:
    """Whether a session that uses so much is idle.

    A metric counts if its device was asked for and there are samples of it; without any, the
    session is kept.
    """
    below = [
        means[metric] < threshold
        for metric, threshold in rules.thresholds.items()
        if metric in means and device_of(metric) in devices
    ]
    if not below:
        return False
    return all(below) if rules.operator is Operator.AND else any(below)


def device_of(metric: str) -> str:
    """``cuda_util`` and ``cuda_mem`` are of ``cuda``."""
    for suffix in _METRIC_SUFFIXES:
        if metric.endswith(suffix):
            return metric.removesuffix(suffix)
    return metric


def sample_interval(window: timedelta) -> timedelta:
    """How far apart samples are kept: the reference's 15 s, or more for a long window."""
    return max(SAMPLE_EVERY, window / _MOST_SAMPLES)


def kept(series: Sequence[Sample], new: Sample, window: timedelta) -> tuple[Sample, ...]:
    """The series with a sample added, if it is time for one, and without what is too old.

    One sample older than the window is kept: it says that the window is full.
    """
    late = new.at - window
    old = [one for one in series if one.at <= late][-1:]
    recent = [one for one in series if one.at > late]
    if recent and new.at - recent[-1].at < sample_interval(window):
        return (*old, *recent)
    return (*old, *recent, new)


def _grace_end(session: RunningSession, rules: IdleRules) -> datetime | None:
    if rules.user_grace is None or session.user_created_at is None:
        return None
    return session.user_created_at + rules.user_grace


def _timeout(session: RunningSession, otherwise: timedelta) -> timedelta:
    """The policy's, unless that is negative; 0 is never."""
    if session.idle_timeout < 0:
        return otherwise
    return timedelta(seconds=session.idle_timeout)


def _means(samples: Sequence[Sample]) -> dict[str, float]:
    metrics = {metric for one in samples for metric in one.used}
    found = {}
    for metric in metrics:
        values = [one.used[metric] for one in samples if metric in one.used]
        found[metric] = sum(values) / len(values)
    return found
