"""What a pass reports is what rows hold (``reference/session-rows.json``, scenario recC)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bai_manager.errors import ExitCode
from bai_manager.sokovan import errors
from bai_manager.sokovan.scheduling import schedule
from bai_manager.sokovan.snapshot import Limits, SchedulingConfig
from bai_manager.types.status import ClusterMode
from tests.sokovan.world import agent, keypair_limits, session, slots, uid, world

if TYPE_CHECKING:
    from bai_manager.sokovan.scheduling import Predicate

VALIDATIONS = [
    (
        "ConcurrencyLimitValidator",
        "Session count is within the maximum concurrent session limit for the access key",
    ),
    ("SessionDependenciesValidator", "All dependent sessions have completed successfully"),
    (
        "DomainResourceLimitValidator",
        "Domain has sufficient resource quota for the requested session",
    ),
    (
        "GroupResourceLimitValidator",
        "Group has sufficient resource quota for the requested session",
    ),
    (
        "KeypairResourceLimitValidator",
        "Keypair has sufficient resource quota for the requested session",
    ),
    (
        "PendingSessionCountLimitValidator",
        "Pending session count is within the allowed limit for the access key",
    ),
    (
        "PendingSessionResourceLimitValidator",
        "Pending session resource usage is within the allowed limit for the access key",
    ),
    ("ReservedBatchSessionValidator", "Batch session has reached its scheduled start time"),
    ("UserResourceLimitValidator", "User has sufficient resource quota for the requested session"),
]
FIFO = ("FIFOSequencer", "Sessions sequenced in first-in-first-out order")


def names(predicates: tuple[Predicate, ...]) -> list[str]:
    return [one.name for one in predicates]


def test_a_failure_is_recorded_as_in_rec_c() -> None:
    waiting = replace(session(1, slots(100, 1)), retries=2)
    (failure,) = schedule(world([waiting], [agent("i-dummy-1", slots(9, 45))])).failures
    when = datetime(2026, 11, 23, 6, 21, 34, 613623, tzinfo=UTC)

    message = (
        "Unavailable : No agents can be allocated at this time. (no available agents. Details: "
        "1x Agent i-dummy-1 has insufficient resources: cpu: requested=100, available=9)"
    )
    assert json.loads(json.dumps(failure.status_data(when))) == {
        "scheduler": {
            "msg": message,
            "retries": 3,
            "last_try": "2026-11-23T06:21:34.613623+00:00",
            "failed_predicates": [{"msg": message, "name": "ConcentratedAgentSelector"}],
            "passed_predicates": [{"msg": msg, "name": name} for name, msg in [FIFO, *VALIDATIONS]],
        }
    }


def test_an_allocation_has_passed_everything_in_order() -> None:
    (allocation,) = schedule(world([session(1)], [agent("a")])).allocations

    assert names(allocation.passed_predicates) == [
        "FIFOSequencer",
        *(name for name, _ in VALIDATIONS),
        "ConcentratedAgentSelector",
        "RepositoryAllocator",
    ]


@pytest.mark.parametrize(
    ("scheduler", "sequencer"),
    [("fifo", "FIFOSequencer"), ("lifo", "LIFOSequencer"), ("x", "DRFSequencer")],
)
@pytest.mark.parametrize(
    ("strategy", "selector"),
    [
        ("concentrated", "ConcentratedAgentSelector"),
        ("dispersed", "DispersedAgentSelector"),
        ("roundrobin", "RoundRobinAgentSelector"),
        ("legacy", "LegacyAgentSelector"),
        ("x", "ConcentratedAgentSelector"),
    ],
)
def test_sequencer_and_selector_are_recorded_by_their_names(
    scheduler: str, sequencer: str, strategy: str, selector: str
) -> None:
    config = SchedulingConfig(scheduler=scheduler, agent_selection_strategy=strategy)
    (allocation,) = schedule(world([session(1)], [agent("a")], config=config)).allocations

    recorded = names(allocation.passed_predicates)
    assert (recorded[0], recorded[-2]) == (sequencer, selector)


def test_an_agent_of_several_kernels_is_listed_once() -> None:
    wide = session(1, [slots(4), slots(4), slots(4)], mode=ClusterMode.MULTI_NODE)
    (allocation,) = schedule(
        world([wide], [agent("a", slots(8)), agent("b", slots(5))])
    ).allocations

    assert allocation.agent_ids == ["b", "a"]
    assert len(allocation.kernels) == 3


def test_a_rule_that_refuses_is_the_error() -> None:
    pending = session(1, slots(4))
    limits = Limits(domains={"default": slots(2)})
    (failure,) = schedule(world([pending], [agent("a")], limits=limits)).failures

    assert failure.error is errors.DomainResourceQuotaExceeded
    assert failure.message == (
        "Domain resource quota exceeded (cpu: limit=2, current=0, requested=4)"
    )
    assert names(failure.failed_predicates) == ["DomainResourceLimitValidator"]
    assert "KeypairResourceLimitValidator" in names(failure.passed_predicates)
    assert "ConcentratedAgentSelector" not in names(failure.passed_predicates)


def test_several_refusals_are_numbered() -> None:
    limits = Limits(domains={"default": slots(0)}, groups={uid(0xB): slots(0)})
    (failure,) = schedule(world([session(1)], [agent("a")], limits=limits)).failures

    assert failure.error is errors.MultipleValidationErrors
    assert failure.message == (
        "Multiple validation errors: "
        "1. Domain resource quota exceeded (cpu: limit=0, current=0, requested=1); "
        "2. Group resource quota exceeded (cpu: limit=0, current=0, requested=1)"
    )


def test_a_failure_can_be_raised() -> None:
    limits = keypair_limits(max_pending_session_count=0)
    (failure,) = schedule(world([session(1)], [agent("a")], limits=limits)).failures
    raised = failure.to_error()

    assert isinstance(raised, errors.PendingSessionCountLimitExceeded)
    assert raised.exit_code is ExitCode.CONFLICT
    assert raised.details == {"session": str(uid(1))}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SchedulingError, "session_schedule_internal-error"),
        (errors.AgentSelectionError, "agent_schedule_internal-error"),
        (errors.NoAvailableAgentError, "agent_schedule_unavailable"),
        (errors.NoCompatibleAgentError, "agent_schedule_unavailable"),
        (errors.SchedulingValidationError, "session_schedule_forbidden"),
        (errors.ConcurrencyLimitExceeded, "session_check-limit_forbidden"),
        (errors.DependenciesNotSatisfied, "session_check-limit_forbidden"),
        (errors.KeypairResourceQuotaExceeded, "keypair_check-limit_forbidden"),
        (errors.UserResourceQuotaExceeded, "user_check-limit_forbidden"),
        (errors.GroupResourceQuotaExceeded, "group_check-limit_forbidden"),
        (errors.DomainResourceQuotaExceeded, "domain_check-limit_forbidden"),
        (errors.PendingSessionCountLimitExceeded, "session_check-limit_forbidden"),
        (errors.PendingSessionResourceLimitExceeded, "session_check-limit_forbidden"),
        (errors.MultipleValidationErrors, "backendai_schedule_forbidden"),
    ],
)
def test_errors_have_the_codes_of_the_catalogue(
    error: type[errors.SchedulingError], code: str
) -> None:
    """``reference/actions.md`` §5.3, *scheduling*."""
    assert error.error_code == code
    assert error.exit_code is ExitCode.CONFLICT
