"""What each checker is said to say of a session: a case for every state and who tells it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bai_manager.sokovan.idle import Evidence, IdleRules, RunningSession
from bai_manager.sokovan.idle_report import idle_checks
from bai_manager.types.idle import CHECKERS, IdleCheck
from bai_manager.types.status import SessionType
from tests.sokovan.test_idle import LAZY, MINUTE, NETWORK, NOW, both, lived, series, session

BATCH, INFERENCE = SessionType.BATCH, SessionType.INFERENCE
UNREAD = IdleRules(unclear=dict.fromkeys(CHECKERS, "etcd is away"))


def used_ago(minutes: float) -> Evidence:
    return Evidence(last_access=NOW - minutes * MINUTE)


def told(**seconds: float) -> Evidence:
    return Evidence(last_access=NOW, reported=seconds, extra={"resources": {"cpu_util": [3, 30]}})


def check(name: str, one: RunningSession, rules: IdleRules, known: Evidence) -> IdleCheck:
    return idle_checks(one, rules, known, now=NOW, age_now=NOW)[name]


@pytest.mark.parametrize(
    ("name", "one", "rules", "known", "said"),
    [
        ("session_lifetime", session(), IdleRules(), Evidence(), "endless"),
        ("session_lifetime", lived(60, 4200), IdleRules(), Evidence(), "counting 600"),
        ("session_lifetime", lived(60, 60), IdleRules(), Evidence(), "over -1"),
        ("session_lifetime", lived(60, 60), UNREAD, Evidence(), "unknown"),
        ("session_lifetime", session(), UNREAD, Evidence(), "unknown"),
        ("session_lifetime", session(session_type=INFERENCE), UNREAD, Evidence(), "endless"),
        ("network_timeout", session(), IdleRules(), used_ago(1), "off"),
        ("network_timeout", session(), NETWORK, used_ago(4), "counting 360"),
        ("network_timeout", session(), NETWORK, used_ago(11), "over -1"),
        ("network_timeout", session(), NETWORK, Evidence(), "unknown"),
        ("network_timeout", session(), NETWORK, Evidence(in_use=True), "endless"),
        ("network_timeout", session(), UNREAD, used_ago(11), "unknown"),
        ("network_timeout", session(idle_timeout=0), NETWORK, used_ago(11), "endless"),
        ("network_timeout", session(session_type=BATCH), NETWORK, used_ago(11), "endless"),
        ("utilization", session(), IdleRules(), Evidence(series=series(**LAZY)), "off"),
        ("utilization", session(), both(), Evidence(series=series(**LAZY)), "over -1"),
        ("utilization", session(), both(), Evidence(series=series(cpu_util=90)), "watched -1"),
        ("utilization", session(), both(), Evidence(series=series(4, **LAZY)), "counting 360"),
        ("utilization", session(), both(), Evidence(), "unknown"),
        ("session_lifetime", session(), UNREAD, told(session_lifetime=7), "counting 7 manager"),
        ("network_timeout", session(), UNREAD, told(network_timeout=-1), "over -1 manager"),
        ("utilization", session(), UNREAD, told(utilization=-1), "watched -1 manager"),
        ("utilization", session(), UNREAD, told(utilization=5), "counting 5 manager"),
    ],
)
def test_a_check_says_what_is_known(
    name: str, one: RunningSession, rules: IdleRules, known: Evidence, said: str
) -> None:
    found = check(name, one, rules, known)
    words = [found.state.value]
    words += [f"{found.remaining:g}"] if found.remaining is not None else []
    words += ["manager"] if found.told_by == "manager" else []
    assert " ".join(words) == said
    assert (found.why is not None) is (found.remaining is None)


def test_the_use_of_resources_is_told_as_a_manager_tells_it() -> None:
    by_rules = check("utilization", session(), both(), Evidence(series=series(**LAZY)))
    assert by_rules.extra == {"resources": {"cpu_util": [5.0, 10], "mem": [5.0, 10]}}
    by_manager = check("utilization", session(), both(), told(utilization=-1))
    assert by_manager.extra == {"resources": {"cpu_util": [3, 30]}}
    assert (by_rules.remaining_time_type, by_manager.remaining_time_type) == ("grace_period",) * 2


def test_age_has_a_clock_of_its_own() -> None:
    later = NOW + timedelta(minutes=5)
    found = idle_checks(lived(60, 4200), NETWORK, used_ago(4), now=NOW, age_now=later)
    assert found["session_lifetime"].remaining == 300
    assert found["network_timeout"].remaining == 360
