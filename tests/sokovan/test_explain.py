"""Every reason at once, and the smallest change that helps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bai_manager.sokovan.errors import SessionNotPending
from bai_manager.sokovan.explain import Explanation, Outlook, ReasonKind, explain, fits
from bai_manager.sokovan.quota import LimitBreach
from bai_manager.sokovan.snapshot import Dependency, Limits, Occupancy, SchedulingConfig
from bai_manager.sokovan.steps import StepKind
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionResult, SessionStatus, SessionType
from tests.sokovan.world import NOW, PROJECT, agent, keypair_limits, session, slots, uid, world

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import Snapshot

NEVER, WHEN_OTHERS_END, IN_TURN = Outlook


def why(snapshot: Snapshot, number: int = 1) -> Explanation:
    return explain(snapshot, uid(number))


def kinds(explanation: Explanation) -> list[ReasonKind]:
    return [reason.kind for reason in explanation.reasons]


def ways_out(explanation: Explanation) -> list[str]:
    return [str(change) for change in explanation.changes]


def test_a_session_that_starts_next_has_no_reasons() -> None:
    explanation = why(world([session(1)], [agent("a")]))

    assert explanation.allocation is not None
    assert explanation.allocation.agent_ids == ["a"]
    assert (explanation.reasons, explanation.agents, explanation.changes) == ((), (), ())
    assert explanation.smallest_change is None


def test_a_session_that_does_not_wait_is_an_error() -> None:
    with pytest.raises(SessionNotPending, match="does not wait in resource group default"):
        why(world([session(1)]), 2)


def test_all_reasons_are_told_at_once_the_most_stubborn_first() -> None:
    before = Dependency(
        id=uid(7), name="train", status=SessionStatus.RUNNING, result=SessionResult.UNDEFINED
    )
    waiting = session(
        1,
        slots(6),
        kind=SessionType.BATCH,
        starts_at=NOW + timedelta(hours=1),
        dependencies=(before,),
    )
    explanation = why(
        world(
            [waiting, session(2, priority=50)],
            [agent("a", slots(8), slots(4))],
            limits=Limits(
                keypairs=keypair_limits(max_concurrent_sessions=1).keypairs,
                groups={PROJECT: slots(4)},
                domains={"default": slots(8)},
            ),
            occupancy=Occupancy(domains={"default": slots(4)}, session_counts={"AK": 1}),
        )
    )

    assert [(reason.kind, reason.outlook) for reason in explanation.reasons] == [
        (ReasonKind.LIMIT, NEVER),
        (ReasonKind.LIMIT, WHEN_OTHERS_END),
        (ReasonKind.SESSION_LIMIT, WHEN_OTHERS_END),
        (ReasonKind.AGENTS, WHEN_OTHERS_END),
        (ReasonKind.DEPENDENCY, WHEN_OTHERS_END),
        (ReasonKind.START_TIME, IN_TURN),
        (ReasonKind.PRIORITY, IN_TURN),
    ]


def test_a_limit_comes_with_its_numbers() -> None:
    explanation = why(
        world(
            [session(1, slots(6))],
            [agent("a")],
            limits=Limits(domains={"default": slots(8)}),
            occupancy=Occupancy(domains={"default": slots(4)}),
        )
    )

    (reason,) = explanation.reasons
    assert isinstance(reason.cause, LimitBreach)
    (slot,) = reason.cause.slots
    assert [slot.limit, slot.used, slot.requested] == [Decimal(8), Decimal(4), Decimal(6)]
    assert ways_out(explanation) == [
        "raise the limit of domain default by cpu=2, or end sessions that use as much",
        "ask for cpu=4 instead of cpu=6",
    ]


def test_every_agent_says_what_it_lacks_the_nearest_first() -> None:
    explanation = why(
        world(
            [session(1, slots(8, 8))],
            [
                agent("arm", slots(64, 64), architecture="aarch64"),
                agent("busy", slots(16, 16), slots(12, 4)),
                agent("nearly", slots(8, 8), slots(1, 0)),
                agent("small", slots(7, 64)),
            ],
        )
    )

    assert [(one.shortfall.agent_id, one.could_hold) for one in explanation.agents] == [
        ("nearly", True),
        ("busy", True),
        ("small", False),
        ("arm", False),
    ]
    nearly = explanation.agents[0].shortfall
    assert [(lack.slot, lack.requested, lack.available) for lack in nearly.shortages] == [
        ("cpu", Decimal(8), Decimal(7))
    ]
    assert explanation.agents[3].shortfall.reason == "another architecture: aarch64"


def test_the_smallest_change_frees_the_nearest_agent() -> None:
    explanation = why(
        world(
            [session(1, slots(8))],
            [agent("a", slots(8), slots(4)), agent("b", slots(8), slots(2))],
        )
    )

    assert ways_out(explanation) == ["free cpu=2 on agent b", "ask for cpu=6 instead of cpu=8"]


def test_freeing_less_would_not_help() -> None:
    waiting = world([session(1, slots(8))], [agent("b", slots(8), slots(2))])
    less = replace(waiting, agents=(agent("b", slots(8), slots("0.001")),))

    assert why(less).allocation is None
    assert why(replace(waiting, agents=(agent("b", slots(8)),))).allocation is not None


def test_where_no_agent_is_big_enough_the_request_is_reduced_or_an_agent_added() -> None:
    explanation = why(world([session(1, slots(9, 1))], [agent("a", slots(8, 4))]))

    assert [(reason.kind, reason.outlook) for reason in explanation.reasons] == [
        (ReasonKind.AGENTS, NEVER)
    ]
    assert ways_out(explanation) == [
        "ask for cpu=8 mem=1g instead of cpu=9 mem=1g",
        "add an agent of architecture x86_64 with cpu=9 mem=1g",
    ]


def test_one_reduction_may_be_smaller_than_two_other_steps() -> None:
    explanation = why(
        world(
            [session(1, slots(8, 8))],
            [agent("a", slots(8, 8), slots(0, 4))],
            limits=Limits(domains={"default": slots(6, 100)}),
        )
    )

    assert [[step.kind for step in change.steps] for change in explanation.changes] == [
        [StepKind.REDUCE_REQUEST],
        [StepKind.RAISE_LIMIT, StepKind.FREE_AGENT],
    ]


def test_a_request_is_never_reduced_to_nothing() -> None:
    explanation = why(world([session(1, slots(1, cuda=1))], [agent("a", slots(8))]))

    assert ways_out(explanation) == ["add an agent of architecture x86_64 with cpu=1 cuda.device=1"]


def test_a_reduction_is_cut_to_an_agent_that_takes_kernels() -> None:
    explanation = why(
        world(
            [session(1, slots(9))],
            [
                agent("overdrawn", slots(8, cuda=1), slots(0, cuda=2)),
                agent("crowded", slots(7), containers=5),
                agent("good", slots(4)),
            ],
            config=SchedulingConfig(max_container_count=5),
        )
    )

    assert ways_out(explanation)[0] == "ask for cpu=4 instead of cpu=9"


def test_asking_for_less_is_not_offered_where_it_does_not_help() -> None:
    explanation = why(
        world(
            [session(1)],
            [agent("a")],
            limits=keypair_limits(resource_slots=slots(8, cuda=1)),
            occupancy=Occupancy(keypairs={"AK": slots(1, cuda=2)}),
        )
    )

    assert ways_out(explanation) == [
        "raise the limit of keypair AK by cuda.device=1, or end sessions that use as much"
    ]


def test_without_agents_one_has_to_come() -> None:
    explanation = why(world([session(1)]))

    assert kinds(explanation) == [ReasonKind.NO_AGENTS]
    assert ways_out(explanation) == ["add an agent of architecture x86_64 with cpu=1"]


def test_an_architecture_nobody_has() -> None:
    explanation = why(world([session(1, architecture="riscv64")], [agent("a")]))

    assert kinds(explanation) == [ReasonKind.ARCHITECTURE]
    assert ways_out(explanation) == ["add an agent of architecture riscv64 with cpu=1"]


def test_a_full_container_limit_is_freed_by_one_container() -> None:
    explanation = why(
        world(
            [session(1)],
            [agent("a", containers=3)],
            config=SchedulingConfig(max_container_count=3),
        )
    )

    assert ways_out(explanation) == ["free room for 1 more containers on agent a"]


def test_designated_agents_may_be_given_up() -> None:
    explanation = why(
        world(
            [session(1, slots(4), designated=("a",))], [agent("a", slots(2)), agent("b", slots(8))]
        )
    )

    assert "do not insist on certain agents" in ways_out(explanation)


def test_a_cluster_is_helped_agent_by_agent() -> None:
    wide = session(1, [slots(4), slots(4)], mode=ClusterMode.MULTI_NODE)
    explanation = why(
        world([wide], [agent("a", slots(4), slots(1)), agent("b", slots(4), slots(2))])
    )

    assert ways_out(explanation) == ["free cpu=1 on agent a; free cpu=2 on agent b"]


def test_kernels_of_the_same_cluster_are_not_freed() -> None:
    wide = session(1, [slots(3), slots(3)], mode=ClusterMode.MULTI_NODE)
    explanation = why(world([wide], [agent("a", slots(4))]))

    assert [reason.outlook for reason in explanation.reasons] == [NEVER]
    assert ways_out(explanation) == ["add an agent of architecture x86_64 with cpu=3"]


def test_a_dependency_that_failed_is_no_use_waiting_for() -> None:
    failed = Dependency(
        id=uid(7), name="train", status=SessionStatus.TERMINATED, result=SessionResult.FAILURE
    )
    running = replace(
        failed, id=uid(8), status=SessionStatus.RUNNING, result=SessionResult.UNDEFINED
    )
    explanation = why(world([session(1, dependencies=(failed, running))], [agent("a")]))

    (reason,) = explanation.reasons
    assert (reason.kind, reason.outlook) == (ReasonKind.DEPENDENCY, NEVER)
    assert explanation.smallest_change is not None
    assert [step.kind for step in explanation.smallest_change.steps] == [
        StepKind.DROP_DEPENDENCY,
        StepKind.AWAIT_SESSION,
    ]


def test_a_reserved_batch_session_waits_for_its_time() -> None:
    at = NOW + timedelta(hours=2)
    explanation = why(
        world([session(1, kind=SessionType.BATCH, starts_at=at)], [agent("a")]),
    )

    assert ways_out(explanation) == [f"wait until {at.isoformat()}"]


def test_a_higher_priority_casts_its_shadow() -> None:
    explanation = why(world([session(1), session(2, priority=30)], [agent("a")]))

    (reason,) = explanation.reasons
    assert reason.kind is ReasonKind.PRIORITY
    assert f"session-2 ({uid(2)}, priority 30)" in reason.message
    assert ways_out(explanation) == ["raise its priority to 30"]


def test_a_session_learns_that_those_ahead_take_what_it_needs() -> None:
    explanation = why(world([session(1, slots(6)), session(2, slots(6))], [agent("a")]), 2)

    assert kinds(explanation) == [ReasonKind.AGENTS, ReasonKind.QUEUE]
    (shortage,) = explanation.agents[0].shortfall.shortages
    assert (shortage.requested, shortage.available) == (Decimal(6), Decimal(2))


def test_those_ahead_are_no_reason_if_it_would_not_start_without_them() -> None:
    explanation = why(world([session(1, slots(1)), session(2, slots(99))], [agent("a")]), 2)

    assert kinds(explanation) == [ReasonKind.AGENTS]


def test_a_malformed_request_has_no_way_out() -> None:
    mixed = session(1, [slots(1)] * 2, architecture=["x86_64", "aarch64"])
    explanation = why(world([mixed], [agent("a")]))

    assert kinds(explanation) == [ReasonKind.REQUEST]
    assert explanation.changes == ()


def test_an_endless_request_is_reduced_to_an_agent() -> None:
    endless = session(1, ResourceSlot({"cpu": "Infinity"}))
    explanation = why(world([endless], [agent("a", slots(8))]))

    assert ways_out(explanation) == ["ask for cpu=8 instead of cpu=inf"]


def test_the_group_gives_up_at_a_known_time() -> None:
    waiting = session(1, slots(99), age=60)
    config = SchedulingConfig(pending_timeout=90)
    explanation = why(world([waiting], [agent("a")], config=config))

    assert explanation.expires_at == NOW + timedelta(seconds=30)


def test_what_would_fit_says_where() -> None:
    explanation = fits(
        world([session(1, slots(6))], [agent("a"), agent("b")]), session(2, slots(6))
    )

    assert explanation.allocation is not None
    assert explanation.allocation.agent_ids == ["b"]


def test_what_is_created_stands_behind_those_that_wait() -> None:
    explanation = fits(world([session(1, slots(6))], [agent("a")]), session(2, slots(6)))

    assert kinds(explanation) == [ReasonKind.AGENTS, ReasonKind.QUEUE]


def test_a_type_the_group_does_not_take_is_told_before_creating() -> None:
    config = SchedulingConfig(
        allowed_session_types=frozenset({SessionType.BATCH, SessionType.INFERENCE})
    )
    explanation = fits(world([], [agent("a")], config=config), session(1))

    assert kinds(explanation) == [ReasonKind.SESSION_TYPE]
    assert explanation.reasons[0].message == (
        "The resource group takes batch, inference sessions only"
    )
    assert ways_out(explanation) == ["create a session of type batch"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (
            keypair_limits(max_pending_session_count=2),
            ["allow keypair AK 3 pending sessions, or end 1"],
        ),
        (
            keypair_limits(max_pending_session_resource_slots=ResourceSlot({"cpu": 5})),
            [
                "raise the queue limit of keypair AK by cpu=1, or end sessions that use as much",
                "ask for cpu=1 instead of cpu=2",
            ],
        ),
    ],
    ids=["count", "slots"],
)
def test_limits_on_waiting_are_told_before_creating(limits: Limits, expected: list[str]) -> None:
    queue = Occupancy(pending_counts={"AK": 2}, pending_slots={"AK": slots(4)})
    explanation = fits(
        world([], [agent("a")], limits=limits, occupancy=queue), session(1, slots(2))
    )

    assert kinds(explanation) == [ReasonKind.QUEUE_LIMIT]
    assert ways_out(explanation) == expected


def test_limits_on_waiting_are_no_reason_for_one_that_waits() -> None:
    queue = Occupancy(pending_counts={"AK": 9}, pending_slots={"AK": slots(99)})
    limits = keypair_limits(
        max_pending_session_count=2, max_pending_session_resource_slots=slots(1)
    )

    assert why(world([session(1)], [agent("a")], limits=limits, occupancy=queue)).allocation
