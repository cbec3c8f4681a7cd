"""What each idle checker says of a session: the manager's own word, or the same rules again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.sokovan.idle import (
    check_lifetime,
    check_network,
    check_utilization,
    device_of,
    means_of,
)
from bai_manager.types.idle import LIFETIME, NETWORK, UTILIZATION, CheckState, IdleCheck
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bai_manager.sokovan.idle import Evidence, IdleRules, RunningSession, Verdict
    from bai_manager.types.json import JsonObject

OVER: Final = -1.0
_REMAINING_TIME_TYPES: Final = {
    LIFETIME: "expire_after",
    NETWORK: "expire_after",
    UTILIZATION: "grace_period",
}


def idle_checks(
    session: RunningSession,
    rules: IdleRules,
    evidence: Evidence,
    *,
    now: datetime,
    age_now: datetime,
) -> dict[str, IdleCheck]:
    """Every checker by name. What the manager wrote in the last 45 s comes first."""
    found = {
        LIFETIME: check_lifetime(session, rules, age_now),
        NETWORK: check_network(
            session, rules, now, None if evidence.in_use else evidence.last_access
        ),
        UTILIZATION: check_utilization(session, rules, now, evidence.series),
    }
    return {
        checker: _told(checker, evidence)
        or _judged(checker, verdict, session, rules, evidence)
        or _without(checker, *_why_not(checker, session, rules, evidence))
        for checker, verdict in found.items()
    }


def _told(checker: str, evidence: Evidence) -> IdleCheck | None:
    """The manager's report; that it is over begins the decision on use, and ends all else."""
    remaining = evidence.reported.get(checker)
    if remaining is None:
        return None
    state = CheckState.COUNTING
    if remaining < 0:
        state = CheckState.WATCHED if checker == UTILIZATION else CheckState.OVER
    return IdleCheck(
        remaining=remaining,
        remaining_time_type=_REMAINING_TIME_TYPES[checker],
        extra=evidence.extra if checker == UTILIZATION else None,
        state=state,
        told_by="manager",
    )


def _judged(
    checker: str,
    verdict: Verdict | None,
    session: RunningSession,
    rules: IdleRules,
    evidence: Evidence,
) -> IdleCheck | None:
    if verdict is None:
        return None
    seconds = verdict.remaining.total_seconds()
    state = CheckState.COUNTING
    if verdict.is_idle:
        state = CheckState.OVER
    elif seconds <= 0:
        state = CheckState.WATCHED
    if checker == UTILIZATION and not evidence.series:
        return _without(checker, CheckState.UNKNOWN, "no sample of its use is there")
    return IdleCheck(
        remaining=seconds if seconds > 0 else OVER,
        remaining_time_type=_REMAINING_TIME_TYPES[checker],
        extra=_extra(session, rules, evidence) if checker == UTILIZATION else None,
        state=state,
        told_by="rules",
    )


def _extra(session: RunningSession, rules: IdleRules, evidence: Evidence) -> JsonObject | None:
    """``{"resources": {metric: [mean, threshold]}}``, as the manager writes it."""
    if rules.utilization is None:
        return None
    means = means_of(evidence.series)
    compared: Mapping[str, float] = rules.utilization.thresholds
    resources: JsonObject = {
        metric: [round(means[metric], 3), threshold]
        for metric, threshold in compared.items()
        if metric in means and device_of(metric) in session.devices
    }
    return {"resources": resources}


def _why_not(
    checker: str, session: RunningSession, rules: IdleRules, evidence: Evidence
) -> tuple[CheckState, str]:
    """Why a checker has no verdict: the first of these that holds."""
    rule = rules.network_timeout if checker == NETWORK else rules.utilization
    reasons: tuple[tuple[bool, CheckState, str], ...] = (
        (
            session.session_type is SessionType.INFERENCE,
            CheckState.ENDLESS,
            "inference sessions are not checked",
        ),
        (checker in rules.unclear, CheckState.UNKNOWN, rules.unclear.get(checker, "")),
        (checker == LIFETIME, CheckState.ENDLESS, "the policy sets no lifetime"),
        (rule is None, CheckState.OFF, "the checker is not enabled"),
        (session.idle_timeout == 0, CheckState.ENDLESS, "the policy sets the idle time-out 0"),
        (
            session.session_type is SessionType.BATCH,
            CheckState.ENDLESS,
            "batch sessions are not checked for access",
        ),
        (evidence.in_use, CheckState.ENDLESS, "it is in use now"),
    )
    found = next(((state, why) for holds, state, why in reasons if holds), None)
    return found or (CheckState.UNKNOWN, "nobody knows when it was used last")


def _without(checker: str, state: CheckState, why: str) -> IdleCheck:
    return IdleCheck(
        remaining=None,
        remaining_time_type=_REMAINING_TIME_TYPES[checker],
        extra=None,
        state=state,
        told_by="rules",
        why=why,
    )
