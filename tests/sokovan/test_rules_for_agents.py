"""Which agent a session gets: a case for every rule, named after its place in the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.sokovan.errors import (
    MixedArchitectures,
    NoAvailableAgentError,
    NoCompatibleAgentError,
    SessionWithoutKernels,
    UnmeasurableRequest,
)
from bai_manager.sokovan.scheduling import schedule
from bai_manager.sokovan.snapshot import SchedulingConfig
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionType
from tests.sokovan.world import agent, session, slots, uid, world

if TYPE_CHECKING:
    from bai_manager.sokovan.errors import SchedulingError
    from bai_manager.sokovan.snapshot import Snapshot

MULTI = ClusterMode.MULTI_NODE
INFERENCE = SessionType.INFERENCE
ENDPOINT = uid(0xE)
DISPERSED = SchedulingConfig(agent_selection_strategy="dispersed")
ROUND_ROBIN = SchedulingConfig(agent_selection_strategy="roundrobin")
SPREADING = SchedulingConfig(enforce_spreading_endpoint_replica=True)

CHOICES: dict[str, tuple[Snapshot, list[str]]] = {
    # concentrated
    "state-machines §7.2 concentrated: the fullest agent": (
        world([session(1)], [agent("a", slots(8)), agent("b", slots(8), slots(4))]),
        ["b"],
    ),
    "state-machines §7.2 concentrated: equals by id": (
        world([session(1)], [agent("b"), agent("a")]),
        ["a"],
    ),
    "state-machines §7.2 concentrated: fewest unutilized capabilities come before fullness": (
        world([session(1)], [agent("gpu", slots(2, cuda=1)), agent("plain", slots(64))]),
        ["plain"],
    ),
    "state-machines §7.2 unutilized: a capability without anything left does not count": (
        world(
            [session(1)],
            [agent("a", slots(8, cuda=1), slots(0, cuda=1)), agent("b", slots(9))],
        ),
        ["a"],
    ),
    "state-machines §7.2 unutilized: a slot asked for as 0 counts as not asked for": (
        world([session(1, slots(1, cuda=0))], [agent("a", slots(2, cuda=1)), agent("b", slots(9))]),
        ["b"],
    ),
    "state-machines §7.2 priority order: slots by name without a configured priority": (
        world([session(1, slots(1, 1))], [agent("a", slots(4, 2)), agent("b", slots(2, 4))]),
        ["b"],
    ),
    "state-machines §7.2 priority order: the configured slot first": (
        world(
            [session(1, slots(1, 1))],
            [agent("a", slots(4, 2)), agent("b", slots(2, 4))],
            config=SchedulingConfig(resource_priority=("mem",)),
        ),
        ["a"],
    ),
    "state-machines §7.2 priority order: a device stands for its slots": (
        world(
            [session(1, slots(1, cuda=1))],
            [agent("a", slots(2, cuda=4)), agent("b", slots(4, cuda=2))],
            config=SchedulingConfig(resource_priority=("cuda", "cpu")),
        ),
        ["b"],
    ),
    "state-machines §7.2 strategy: an unknown one is concentrated": (
        world(
            [session(1)],
            [agent("a", slots(8)), agent("b", slots(8), slots(4))],
            config=SchedulingConfig(agent_selection_strategy="random"),
        ),
        ["b"],
    ),
    # spreading
    "state-machines §7.2 spreading: the agent with fewest replicas of the endpoint": (
        world(
            [session(1, kind=INFERENCE, endpoint=ENDPOINT)],
            [
                agent("a", slots(8), slots(4), replicas={ENDPOINT: 1}),
                agent("b", slots(8), replicas={uid(0xF): 5}),
            ],
            config=SPREADING,
        ),
        ["b"],
    ),
    "state-machines §7.2 spreading: only when it is enforced": (
        world(
            [session(1, kind=INFERENCE, endpoint=ENDPOINT)],
            [agent("a", slots(8), slots(4), replicas={ENDPOINT: 1}), agent("b", slots(8))],
        ),
        ["a"],
    ),
    "state-machines §7.2 spreading: only for inference": (
        world(
            [session(1, endpoint=ENDPOINT)],
            [agent("a", slots(8), slots(4), replicas={ENDPOINT: 1}), agent("b", slots(8))],
            config=SPREADING,
        ),
        ["a"],
    ),
    "state-machines §7.2 item 7: replicas started in the same pass are spread": (
        world(
            [session(n, kind=INFERENCE, endpoint=ENDPOINT) for n in (1, 2, 3)],
            [agent("a"), agent("b"), agent("c")],
            config=SPREADING,
        ),
        ["a", "b", "c"],
    ),
    # dispersed and legacy
    "state-machines §7.2 dispersed: the emptiest agent": (
        world(
            [session(1)], [agent("a", slots(8), slots(4)), agent("b", slots(8))], config=DISPERSED
        ),
        ["b"],
    ),
    "state-machines §7.2 dispersed: fewest unutilized capabilities first": (
        world(
            [session(1)],
            [agent("gpu", slots(64, cuda=1)), agent("plain", slots(2))],
            config=DISPERSED,
        ),
        ["plain"],
    ),
    "state-machines §7.2 dispersed: sessions of one pass go to different agents": (
        world([session(1), session(2)], [agent("a"), agent("b")], config=DISPERSED),
        ["a", "b"],
    ),
    "state-machines §7.2 legacy: chooses as dispersed": (
        world(
            [session(1)],
            [agent("a", slots(8), slots(4)), agent("b", slots(8))],
            config=SchedulingConfig(agent_selection_strategy="legacy"),
        ),
        ["b"],
    ),
    # roundrobin
    "state-machines §7.2 roundrobin: the first by id": (
        world([session(1)], [agent("b"), agent("a")], config=ROUND_ROBIN),
        ["a"],
    ),
    "state-machines §7.2 roundrobin: goes on from agent to agent (25.17 does not)": (
        world([session(n) for n in (1, 2, 3)], [agent("a"), agent("b")], config=ROUND_ROBIN),
        ["a", "b", "a"],
    ),
    "state-machines §7.2 roundrobin: goes on after the agent of an earlier pass": (
        world(
            [session(1)],
            [agent("a"), agent("b"), agent("c")],
            config=SchedulingConfig(agent_selection_strategy="roundrobin", round_robin_after="b"),
        ),
        ["c"],
    ),
    "state-machines §7.2 roundrobin: skips agents that are full": (
        world([session(1)], [agent("a", slots(1), slots(1)), agent("b")], config=ROUND_ROBIN),
        ["b"],
    ),
    # what must hold for every strategy
    "state-machines §7.2 architecture: exactly equal": (
        world(
            [session(1, architecture="aarch64")],
            [agent("a"), agent("b", architecture="aarch64")],
        ),
        ["b"],
    ),
    "state-machines §7.2 capacity: exactly what is left": (
        world([session(1, slots(4, 2))], [agent("a", slots(8, 4), slots(4, 2))]),
        ["a"],
    ),
    "state-machines §7.2 capacity: fractions are exact": (
        world(
            [session(n, slots(0, cuda="0.1")) for n in (1, 2, 3)],
            [agent("a", slots(0, cuda="0.3"))],
        ),
        ["a", "a", "a"],
    ),
    "state-machines §7.2 capacity: an agent that gave too much of any slot takes nothing": (
        world(
            [session(1)],
            [agent("a", slots(8, cuda=1), slots(0, cuda=2)), agent("b", slots(8, cuda=1))],
        ),
        ["b"],
    ),
    "state-machines §7.2 container limit: not on an agent that has as many": (
        world(
            [session(1)],
            [agent("a", containers=3), agent("b", containers=2)],
            config=SchedulingConfig(max_container_count=3),
        ),
        ["b"],
    ),
    "state-machines §7.2 container limit: all kernels of a single-node session count": (
        world(
            [session(1, [slots(1), slots(1)])],
            [agent("a", containers=2), agent("b", containers=1)],
            config=SchedulingConfig(max_container_count=3),
        ),
        ["b", "b"],
    ),
    # clusters
    "state-machines §7.2 requirements: a single node holds the sum of all kernels": (
        world([session(1, [slots(3), slots(3)])], [agent("a", slots(5)), agent("b", slots(6))]),
        ["b", "b"],
    ),
    "state-machines §7.2 requirements: several nodes hold one kernel each, with running totals": (
        world(
            [session(1, [slots(3), slots(3), slots(3)], mode=MULTI)],
            [agent("a", slots(5)), agent("b", slots(6))],
        ),
        ["a", "b", "b"],
    ),
    "state-machines §7.2 requirements: several nodes may be of several architectures": (
        world(
            [session(1, [slots(1), slots(1)], architecture=["x86_64", "aarch64"], mode=MULTI)],
            [agent("a"), agent("b", architecture="aarch64")],
        ),
        ["a", "b"],
    ),
    # designated agents
    "state-machines §7.2 designated agents: the first that fits, whatever the strategy": (
        world(
            [session(1, slots(2), designated=("c", "b"))],
            [agent("a", slots(2)), agent("b", slots(4)), agent("c", slots(1))],
        ),
        ["b"],
    ),
    "state-machines §7.2 designated agents: in their order": (
        world([session(1, designated=("b", "a"))], [agent("a"), agent("b")]),
        ["b"],
    ),
}


@pytest.mark.parametrize(("snapshot", "agents"), CHOICES.values(), ids=CHOICES)
def test_kernels_go_to_the_agents_the_rules_choose(snapshot: Snapshot, agents: list[str]) -> None:
    outcome = schedule(snapshot)

    assert not outcome.failures
    chosen = {
        kernel: assigned for one in outcome.allocations for kernel, assigned in one.kernels.items()
    }
    kernels = [one.kernel_id for waiting in snapshot.pending for one in waiting.kernels]
    assert [chosen[kernel].agent_id for kernel in kernels] == agents
    assert [chosen[kernel].agent_addr for kernel in kernels] == [
        f"tcp://{name}:6001" for name in agents
    ]


PREFIX = "Unavailable : No agents can be allocated at this time. "
REFUSALS: dict[str, tuple[Snapshot, type[SchedulingError], str, str]] = {
    "state-machines §7.2 no agents": (
        world([session(1)]),
        NoAvailableAgentError,
        "ConcentratedAgentSelector",
        PREFIX + "(no available agents in resource group default)",
    ),
    "state-machines §7.2 architecture: nobody has it": (
        world([session(1, architecture="riscv64")], [agent("a"), agent("b")]),
        NoCompatibleAgentError,
        "ConcentratedAgentSelector",
        PREFIX
        + "(no compatible agents. Details: architecture: requested=riscv64, available=x86_64)",
    ),
    "session-rows recC: one agent is too small": (
        world([session(1, slots(100, 1))], [agent("i-dummy-1", slots(9, 45))]),
        NoAvailableAgentError,
        "ConcentratedAgentSelector",
        PREFIX + "(no available agents. Details: 1x Agent i-dummy-1 has insufficient resources: "
        "cpu: requested=100, available=9)",
    ),
    "state-machines §7.2 none left: reasons are counted": (
        world(
            [session(1, slots(4), designated=())],
            [
                *(agent(f"i-{n}", slots(2)) for n in range(4)),
                agent("j", slots(8), containers=1),
                agent("other", architecture="aarch64"),
            ],
            config=SchedulingConfig(agent_selection_strategy="dispersed", max_container_count=1),
        ),
        NoAvailableAgentError,
        "DispersedAgentSelector",
        PREFIX + "(no available agents. Details: 4x Agents i-0, i-1, i-2, ... have insufficient "
        "resources: cpu: requested=4, available=2, 1x Agent j has too many containers: limit=1, "
        "to end=1)",
    ),
    "state-machines §7.2 none left: the kernel of a cluster is named": (
        world([session(1, [slots(1), slots(8)], mode=MULTI)], [agent("a", slots(8))]),
        NoAvailableAgentError,
        "ConcentratedAgentSelector",
        PREFIX + "(no available agents for kernel 2 of 2. Details: 1x Agent a has insufficient "
        "resources: cpu: requested=8, available=7)",
    ),
    "state-machines §7.2 designated agents: none fits": (
        world(
            [session(1, slots(4), designated=("a", "gone"))],
            [agent("a", slots(2)), agent("b", slots(8))],
        ),
        NoAvailableAgentError,
        "ConcentratedAgentSelector",
        PREFIX + "(no available agents. Details: 1x Agent a has insufficient resources: cpu: "
        "requested=4, available=2, 1x Agent gone has not joined resource group default)",
    ),
    "state-machines §7.2 requirements: mixed architectures on a single node": (
        world([session(1, [slots(1)] * 2, architecture=["x86_64", "aarch64"])], [agent("a")]),
        MixedArchitectures,
        "MixedArchitectures",
        "The kernels of a single-node session need one architecture, not aarch64 and x86_64",
    ),
    "value-types §2.3 Infinity: nobody can give it": (
        world([session(1, ResourceSlot({"cpu": "Infinity"}))], [agent("a")]),
        UnmeasurableRequest,
        "UnmeasurableRequest",
        "No agent can give cpu=Infinity",
    ),
    "state-machines §1.3 no kernels: nothing to start": (
        world([session(1, [])], [agent("a")]),
        SessionWithoutKernels,
        "SessionWithoutKernels",
        "Session 00000000-0000-0000-0000-000000000001 has no kernels to start",
    ),
}


@pytest.mark.parametrize(
    ("snapshot", "error", "predicate", "message"), REFUSALS.values(), ids=REFUSALS
)
def test_who_finds_no_agent_learns_why(
    snapshot: Snapshot, error: type[SchedulingError], predicate: str, message: str
) -> None:
    (failure,) = schedule(snapshot).failures

    assert failure.message == message
    assert failure.error is error
    assert [(one.name, one.message) for one in failure.failed_predicates] == [(predicate, message)]


def test_a_cluster_that_does_not_fit_leaves_no_trace() -> None:
    wide = session(1, [slots(4), slots(4), slots(4)], mode=MULTI)
    outcome = schedule(world([wide, session(2, slots(8))], [agent("a", slots(8))]))

    assert [one.session_id for one in outcome.allocations] == [uid(2)]
    assert [one.session_id for one in outcome.failures] == [uid(1)]


def test_a_cluster_that_found_no_place_may_find_one_when_agents_are_fuller() -> None:
    """The first kernel takes the fullest agent, which may be the only one for the second."""
    pair = [slots(1), slots(4, 4)]
    outcome = schedule(
        world(
            [
                session(1, pair, mode=MULTI),
                session(2, slots(3), designated=("wide",)),
                session(3, pair, mode=MULTI),
            ],
            [agent("wide", slots(5, 1)), agent("deep", slots(4, 4))],
        )
    )

    assert [one.session_id for one in outcome.allocations] == [uid(2), uid(3)]


def test_a_refusal_of_designated_agents_is_nobody_elses() -> None:
    outcome = schedule(
        world(
            [session(1, slots(4), designated=("a",)), session(2, slots(4))],
            [agent("a", slots(2)), agent("b", slots(8))],
        )
    )

    assert [one.session_id for one in outcome.allocations] == [uid(2)]


def test_a_request_refused_again_is_told_what_is_left_now() -> None:
    outcome = schedule(
        world([session(1, slots(9)), session(2, slots(3)), session(3, slots(9))], [agent("a")])
    )

    left = [one.message.rpartition("available=")[2] for one in outcome.failures]
    assert left == ["8)", "5)"]


def test_a_message_looks_at_5_agents_however_many_there_are() -> None:
    many = [agent(f"i-{n:03}", slots(1)) for n in range(500)]
    (failure,) = schedule(world([session(1, slots(2))], many)).failures

    assert failure.message.endswith("requested=2, available=1, and others)")
    assert "5x Agents i-000, i-001, i-002, ... have" in failure.message
