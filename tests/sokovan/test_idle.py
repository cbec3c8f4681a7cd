"""Which running sessions are ended: a case for every rule of ``reference/value-types.md`` §15."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from bai_manager.sokovan.idle import (
    Evidence,
    IdleRules,
    Operator,
    RunningSession,
    Sample,
    UtilizationRules,
    idle_verdict,
    kept,
    sample_interval,
)
from bai_manager.types.status import SessionType
from tests.sokovan.world import uid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WINDOW = 10 * MINUTE
NETWORK = IdleRules(network_timeout=10 * MINUTE)
BATCH, INFERENCE, SYSTEM = SessionType.BATCH, SessionType.INFERENCE, SessionType.SYSTEM
LIFETIME, TIMEOUT, UTILIZATION = "idle-session-lifetime", "idle-timeout", "idle-utilization"


def session(minutes: float = 60, **changed: object) -> RunningSession:
    plain = RunningSession(
        session_id=uid(1),
        session_type=SessionType.INTERACTIVE,
        created_at=NOW - minutes * MINUTE,
        user_created_at=NOW - timedelta(days=9),
        max_session_lifetime=0,
        idle_timeout=-1,
        devices=frozenset({"cpu", "mem"}),
        main_kernel=uid(2),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def lived(minutes: float, lifetime: int, **changed: object) -> RunningSession:
    return session(minutes, max_session_lifetime=lifetime, **changed)


def graced(days: float) -> IdleRules:
    return IdleRules(user_grace=timedelta(days=days))


@pytest.mark.parametrize(
    ("one", "rules", "reason"),
    [
        pytest.param(lived(60, 0), IdleRules(), None, id="lifetime 0 is without end"),
        pytest.param(lived(60, 3601), IdleRules(), None, id="younger than its lifetime"),
        pytest.param(lived(60, 3600), IdleRules(), LIFETIME, id="at the end of its lifetime"),
        pytest.param(lived(60, 60), graced(8), LIFETIME, id="a grace period that is over"),
        pytest.param(lived(60, 60), graced(9), None, id="a lifetime begins at the end of grace"),
        pytest.param(lived(60, 60), graced(10), None, id="a new user's sessions live on"),
        pytest.param(
            lived(60, 60, user_created_at=None), graced(10), LIFETIME, id="no user, no grace"
        ),
        pytest.param(lived(60, 60, session_type=BATCH), IdleRules(), LIFETIME, id="batch ages"),
        pytest.param(lived(60, 60, session_type=SYSTEM), IdleRules(), LIFETIME, id="system ages"),
        pytest.param(lived(60, 60, session_type=INFERENCE), IdleRules(), None, id="inference not"),
    ],
)
def test_lifetime(one: RunningSession, rules: IdleRules, reason: str | None) -> None:
    verdict = idle_verdict(one, rules, now=NOW, evidence=Evidence(last_access=NOW))
    assert (verdict.reason if verdict else None) == reason


@pytest.mark.parametrize(
    ("one", "rules", "unused", "reason"),
    [
        pytest.param(session(), IdleRules(), 600, None, id="not enabled"),
        pytest.param(session(), NETWORK, 10, None, id="exactly at the time-out"),
        pytest.param(session(), NETWORK, 10.1, TIMEOUT, id="after the time-out"),
        pytest.param(session(), NETWORK, None, None, id="nobody knows its last use"),
        pytest.param(session(idle_timeout=0), NETWORK, 600, None, id="policy 0 is never"),
        pytest.param(session(idle_timeout=60), NETWORK, 2, TIMEOUT, id="the policy comes first"),
        pytest.param(session(idle_timeout=3600), NETWORK, 11, None, id="also when it is longer"),
        pytest.param(session(idle_timeout=-5), NETWORK, 11, TIMEOUT, id="negative: the checker's"),
        pytest.param(session(session_type=BATCH), NETWORK, 600, None, id="batch is left alone"),
        pytest.param(session(session_type=SYSTEM), NETWORK, 600, TIMEOUT, id="system is not"),
        pytest.param(session(session_type=INFERENCE), NETWORK, 600, None, id="inference is"),
        pytest.param(lived(60, 60), NETWORK, 600, LIFETIME, id="the first checker decides"),
        pytest.param(
            session(user_created_at=NOW - HOUR),
            replace(NETWORK, user_grace=HOUR - 9 * MINUTE),
            600,
            None,
            id="the time-out begins at the end of grace",
        ),
        pytest.param(
            session(), replace(NETWORK, unclear={"network_timeout": "why"}), 11, None, id="unclear"
        ),
        pytest.param(
            lived(60, 60),
            IdleRules(unclear={"session_lifetime": "why"}),
            1,
            None,
            id="grace cannot be read, so the lifetime is not known",
        ),
    ],
)
def test_network_timeout(
    one: RunningSession, rules: IdleRules, unused: float | None, reason: str | None
) -> None:
    last = None if unused is None else NOW - unused * MINUTE
    verdict = idle_verdict(one, rules, now=NOW, evidence=Evidence(last_access=last))
    assert (verdict.reason if verdict else None) == reason


def used(operator: Operator = Operator.AND, /, **thresholds: float) -> IdleRules:
    return IdleRules(
        utilization=UtilizationRules(
            window=WINDOW, initial_grace=5 * MINUTE, thresholds=thresholds, operator=operator
        )
    )


def series(minutes: float = 12, step: float = 0.25, /, **percent: float) -> list[Sample]:
    """Equal samples up to now; the real interval is a quarter of a minute."""
    count = int(minutes / step)
    return [Sample(NOW - n * step * MINUTE, percent) for n in reversed(range(count + 1))]


def both(operator: Operator = Operator.AND) -> IdleRules:
    return used(operator, cpu_util=10, mem=10)


BUSY_CPU, LAZY = {"cpu_util": 50.0, "mem": 5.0}, {"cpu_util": 5.0, "mem": 5.0}


@pytest.mark.parametrize(
    ("one", "rules", "samples", "reason"),
    [
        pytest.param(session(), IdleRules(), series(**LAZY), None, id="not enabled"),
        pytest.param(session(), both(), series(**LAZY), UTILIZATION, id="all below"),
        pytest.param(session(), both(), series(**BUSY_CPU), None, id="and: one is used"),
        pytest.param(
            session(), both(Operator.OR), series(**BUSY_CPU), UTILIZATION, id="or: one not"
        ),
        pytest.param(
            session(), used(Operator.OR, cpu_util=50), series(**BUSY_CPU), None, id="at threshold"
        ),
        pytest.param(session(), used(), series(**LAZY), None, id="no thresholds"),
        pytest.param(session(), used(cuda_util=9), series(cuda_util=0), None, id="not asked for"),
        pytest.param(
            session(devices=frozenset({"cuda"})),
            used(cuda_util=9, cuda_mem=9, cpu_util=9),
            series(cuda_util=0, cuda_mem=0, cpu_util=99),
            UTILIZATION,
            id="only what was asked for",
        ),
        pytest.param(session(), both(), series(9, **LAZY), None, id="window not full"),
        pytest.param(session(14), both(), series(**LAZY), None, id="grace, then window"),
        pytest.param(session(15), both(), series(**LAZY), UTILIZATION, id="and then judged"),
        pytest.param(session(), both(), series(12, 2, **LAZY), None, id="too many gaps"),
        pytest.param(session(), both(), [], None, id="no samples"),
        pytest.param(session(), both(), series(**LAZY)[:-2], None, id="none of now"),
        pytest.param(session(), both(), series(cpu_util=5), None, id="and: one is not known"),
        pytest.param(
            session(), both(Operator.OR), series(cpu_util=5), UTILIZATION, id="or: one is enough"
        ),
        pytest.param(
            session(),
            replace(both(), unclear={"utilization": "why"}),
            series(**LAZY),
            None,
            id="a rule that cannot be read",
        ),
        pytest.param(session(idle_timeout=0), both(), series(**LAZY), None, id="policy 0 is never"),
        pytest.param(
            session(idle_timeout=3600), both(), series(**LAZY), None, id="policy's window"
        ),
        pytest.param(
            session(session_type=BATCH), both(), series(**LAZY), UTILIZATION, id="batch too"
        ),
        pytest.param(
            session(session_type=INFERENCE), both(), series(**LAZY), None, id="inference not"
        ),
        pytest.param(
            session(user_created_at=NOW - 20 * MINUTE),
            replace(both(), user_grace=10 * MINUTE),
            series(**LAZY),
            None,
            id="grace begins when the user's ends",
        ),
    ],
)
def test_utilization(
    one: RunningSession, rules: IdleRules, samples: list[Sample], reason: str | None
) -> None:
    known = Evidence(last_access=NOW, series=samples)
    verdict = idle_verdict(one, rules, now=NOW, evidence=known)
    assert (verdict.reason if verdict else None) == reason


def test_a_mean_that_reaches_the_threshold_keeps_the_session_whatever_a_moment_says() -> None:
    samples = series(cpu_util=0)
    half = [Sample(one.at, {"cpu_util": 40.0}) for one in samples[: len(samples) // 2]]
    mixed = [*half, *samples[len(half) :]]
    for threshold, idle in ((10, False), (30, True)):
        verdict = idle_verdict(
            session(), used(cpu_util=threshold), now=NOW, evidence=Evidence(series=mixed)
        )
        assert bool(verdict) is idle


def test_a_series_keeps_one_sample_an_interval_and_one_older_than_the_window() -> None:
    found: tuple[Sample, ...] = ()
    for second in range(0, 1200, 5):
        found = kept(found, Sample(NOW + timedelta(seconds=second), {}), WINDOW)
    gaps = {later.at - earlier.at for earlier, later in pairwise(found[1:])}
    assert gaps == {sample_interval(WINDOW)}
    assert found[0].at <= found[-1].at - WINDOW
    assert len(found) <= WINDOW / sample_interval(WINDOW) + 2
    assert len(kept(found, Sample(NOW + timedelta(days=1), {}), timedelta(hours=12))) == 2
