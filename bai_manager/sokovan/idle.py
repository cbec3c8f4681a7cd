"""Which running sessions have been idle, or have lived, for too long.

The rules are those of ``reference/value-types.md`` §15: three checkers, in this order, of which
the first that finds a session idle decides its reason. All are functions of their arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bai_manager.types.idle import LIFETIME, NETWORK, UTILIZATION
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject

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

    ``user_grace`` is how long a new user is left alone. ``unclear`` says by checker why its rule
    cannot be read: such a checker ends nothing.
    """

    network_timeout: timedelta | None = None
    utilization: UtilizationRules | None = None
    user_grace: timedelta | None = None
    unclear: Mapping[str, str] = field(default_factory=dict)


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
class Evidence:
    """What is known of how a session is used; ``None`` and empty are not known.

    ``in_use``: code runs in it or somebody is connected, now. ``reported`` are the seconds left
    that a manager wrote, by checker, -1 when they are over; ``extra`` is what it wrote of
    utilization.
    """

    last_access: datetime | None = None
    in_use: bool = False
    series: Sequence[Sample] = ()
    reported: Mapping[str, float] = field(default_factory=dict)
    extra: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvidence:
    """Of many sessions; ``now`` is by the clock that last accesses are kept with."""

    now: datetime
    sessions: Mapping[UUID, Evidence]


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
    evidence: Evidence,
    age_now: datetime | None = None,
) -> Verdict | None:
    """Find the checker that ends the session, if one does; what is not known ends nothing.

    ``age_now`` is the time by the clock of the rows, where that is another than the evidence's.
    """
    found = (
        check_lifetime(session, rules, age_now or now),
        check_network(session, rules, now, None if evidence.in_use else evidence.last_access),
        check_utilization(session, rules, now, evidence.series),
    )
    return next((verdict for verdict in found if verdict and verdict.is_idle), None)


def check_lifetime(session: RunningSession, rules: IdleRules, now: datetime) -> Verdict | None:
    """``max(created, grace end) + lifetime``, where the policy has a lifetime."""
    if session.session_type is SessionType.INFERENCE or session.max_session_lifetime <= 0:
        return None
    if LIFETIME in rules.unclear:
        return None
    begin = max(session.created_at, _grace_end(session, rules) or session.created_at)
    lifetime = timedelta(seconds=session.max_session_lifetime)
    remaining = begin + lifetime - now
    return Verdict(
        checker=LIFETIME,
        reason=Reason.IDLE_SESSION_LIFETIME.value,
        allowed=lifetime,
        remaining=remaining,
        is_idle=remaining <= _NOW,
    )


def check_network(
    session: RunningSession, rules: IdleRules, now: datetime, last_access: datetime | None
) -> Verdict | None:
    """``max(last access, grace end) + timeout``; batch sessions are left alone."""
    if rules.network_timeout is None or last_access is None or NETWORK in rules.unclear:
        return None
    if session.session_type in {SessionType.BATCH, SessionType.INFERENCE}:
        return None
    timeout = _timeout(session, rules.network_timeout)
    if not timeout:
        return None
    begin = max(last_access, _grace_end(session, rules) or last_access)
    remaining = begin + timeout - now
    return Verdict(
        checker=NETWORK,
        reason=Reason.IDLE_TIMEOUT.value,
        allowed=timeout,
        remaining=remaining,
        is_idle=remaining < _NOW,
    )


def check_utilization(
    session: RunningSession, rules: IdleRules, now: datetime, series: Sequence[Sample]
) -> Verdict | None:
    """The mean over the window against the thresholds, once the window is full.

    A series with less than half of its samples says nothing, and neither does one without a
    sample of now: on one machine they are taken only when the scheduler runs.
    """
    given = rules.utilization
    if given is None or session.session_type is SessionType.INFERENCE:
        return None
    if UTILIZATION in rules.unclear:
        return None
    window = _timeout(session, given.window)
    if not window:
        return None
    begin = max(session.created_at, _grace_end(session, rules) or session.created_at)
    judged_at = begin + given.initial_grace
    counted = [one for one in series if judged_at <= one.at and now - one.at <= window]
    first = min((one.at for one in series if one.at >= judged_at), default=now)
    remaining = max(first + window, judged_at) - now
    interval = sample_interval(window)
    enough = len(counted) * interval >= window * _LEAST_PART and now - counted[-1].at <= interval
    means = means_of(counted)
    return Verdict(
        checker=UTILIZATION,
        reason=Reason.IDLE_UTILIZATION.value,
        allowed=window,
        remaining=remaining,
        is_idle=remaining <= _NOW and enough and is_below(means, given, session.devices),
    )


def is_below(means: Mapping[str, float], rules: UtilizationRules, devices: frozenset[str]) -> bool:
    """Whether a session that uses so much is idle.

    A metric counts if its device was asked for. One without samples is not known to be below;
    without any, the session is kept.
    """
    below = [
        metric in means and means[metric] < threshold
        for metric, threshold in rules.thresholds.items()
        if device_of(metric) in devices
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


def means_of(samples: Sequence[Sample]) -> dict[str, float]:
    """Mean percentages by metric over the samples that have it."""
    metrics = {metric for one in samples for metric in one.used}
    found = {}
    for metric in metrics:
        values = [one.used[metric] for one in samples if metric in one.used]
        found[metric] = sum(values) / len(values)
    return found
