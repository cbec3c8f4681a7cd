"""Time a scheduling pass as its queue grows.

Run ``pytest -m benchmark -s tests/benchmarks/bench_scheduler.py``: it prints seconds and growth
ratios for 1,000 agents, and asserts only that every session was decided about.
"""

from __future__ import annotations

import random
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from bai_manager.sokovan.scheduling import schedule
from bai_manager.sokovan.snapshot import KeypairLimits, Limits, SchedulingConfig
from bai_manager.types.status import ClusterMode
from tests.sokovan.world import agent, session, slots, uid, world

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.sokovan.snapshot import AgentSnapshot, PendingSession, Snapshot

pytestmark = pytest.mark.benchmark

QUEUES = (1_000, 3_000, 10_000)
AGENTS = 1_000
KEYPAIRS = 50
COMMON_SHAPES = [slots(1, 2), slots(2, 8), slots(4, 16), slots(8, 32, cuda=1), slots(16, 64)]


def _agents() -> list[AgentSnapshot]:
    """A third has GPUs, and no two thirds are equally full."""
    chance = random.Random(7)
    return [
        agent(
            f"i-{number:04}",
            slots(64, 256, cuda=8 if number % 3 == 0 else 0),
            slots(chance.randrange(40), chance.randrange(160)),
        )
        for number in range(AGENTS)
    ]


def _limits() -> Limits:
    roomy = slots(5_000, 20_000, cuda=500)
    return Limits(
        keypairs={f"AK{n}": KeypairLimits(resource_slots=roomy) for n in range(KEYPAIRS)},
        users={uid(n): roomy for n in range(KEYPAIRS)},
        domains={"default": slots(10**6, 10**6, cuda=10**6)},
    )


def _few_shapes(number: int, chance: random.Random) -> PendingSession:
    key = number % KEYPAIRS
    return session(number, chance.choice(COMMON_SHAPES), access_key=f"AK{key}", user=uid(key))


def _every_one_different(number: int, chance: random.Random) -> PendingSession:
    key = number % KEYPAIRS
    wanted = slots(1 + number / 1000, chance.randrange(1, 64), cuda=chance.choice((0, 0, 1)))
    return session(number, wanted, access_key=f"AK{key}", user=uid(key))


def _clusters(number: int, chance: random.Random) -> PendingSession:
    key = number % KEYPAIRS
    wanted = [chance.choice(COMMON_SHAPES)] * 4
    return session(
        number, wanted, mode=ClusterMode.MULTI_NODE, access_key=f"AK{key}", user=uid(key)
    )


def _hopeless(number: int, _chance: random.Random) -> PendingSession:
    return session(number, slots(100 + number / 1000), access_key=f"AK{number % KEYPAIRS}")


LOADS: dict[str, Callable[[int, random.Random], PendingSession]] = {
    "few shapes": _few_shapes,
    "every one different": _every_one_different,
    "four-node clusters": _clusters,
    "none fits, every one different": _hopeless,
}


def _snapshot(load: str, strategy: str, count: int) -> Snapshot:
    chance = random.Random(count)
    return world(
        [LOADS[load](number, chance) for number in range(1, count + 1)],
        _agents(),
        limits=_limits(),
        config=SchedulingConfig(
            scheduler="drf", agent_selection_strategy=strategy, max_container_count=100
        ),
    )


@pytest.mark.parametrize("strategy", ["concentrated", "dispersed", "roundrobin"])
@pytest.mark.parametrize("load", LOADS)
def test_seconds_and_growth(load: str, strategy: str) -> None:
    before: float | None = None
    for count in QUEUES:
        snapshot = _snapshot(load, strategy, count)
        start = perf_counter()
        outcome = schedule(snapshot)
        seconds = perf_counter() - start
        growth = "" if before is None else f", x{seconds / before:.1f}"
        started = len(outcome.allocations)
        line = f"{load}, {strategy}: {count:6} waiting: {seconds:6.2f} s, {started} started{growth}"
        print(line)  # noqa: T201 - what a benchmark is for
        assert started + len(outcome.failures) == count
        before = seconds
