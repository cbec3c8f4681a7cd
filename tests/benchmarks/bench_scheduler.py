"""Time a scheduling pass as its queue grows.

Run ``pytest -m benchmark -s tests/benchmarks/bench_scheduler.py``. Per load, strategy and length
of the queue, for 1,000 agents, it prints

- CPU seconds of the process, the best of ``TRIES`` runs on fresh snapshots, garbage collection
  as it comes in a real pass, and how much of them that was;
- calls of functions, which neither the machine nor its load changes;

and how much each grew, beside what n log n allows. It asserts only that every session was
decided about.
"""

from __future__ import annotations

import gc
import random
import sys
from math import log
from time import process_time
from typing import TYPE_CHECKING, NamedTuple

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
TRIES = 3
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


class Cost(NamedTuple):
    seconds: float
    collecting: float
    calls: int
    started: int


@pytest.mark.parametrize("strategy", ["concentrated", "dispersed", "roundrobin"])
@pytest.mark.parametrize("load", LOADS)
def test_seconds_and_growth(load: str, strategy: str) -> None:
    say(f"\n{load}, {strategy}")
    before: tuple[int, Cost] | None = None
    for count in QUEUES:
        cost = min(_timed(load, strategy, count) for _ in range(TRIES))
        cost = cost._replace(calls=_calls(_snapshot(load, strategy, count)))
        line = (
            f"{count:7} waiting, {cost.started:5} started: {cost.seconds:6.2f} s"
            f" ({cost.collecting:.2f} s of it gc), {cost.calls:9} calls"
        )
        if before is not None:
            fewer, less = before
            allowed = count * log(count) / (fewer * log(fewer))
            line += (
                f"; grew x{cost.seconds / less.seconds:.2f} in time,"
                f" x{cost.calls / less.calls:.2f} in calls, n log n x{allowed:.2f}"
            )
        say(line)
        before = count, cost


def _timed(load: str, strategy: str, count: int) -> Cost:
    snapshot = _snapshot(load, strategy, count)
    collecting = 0.0

    def collected(phase: str, _info: object) -> None:
        nonlocal collecting
        collecting += -process_time() if phase == "start" else process_time()

    gc.collect()
    gc.callbacks.append(collected)
    try:
        start = process_time()
        outcome = schedule(snapshot)
        seconds = process_time() - start
    finally:
        gc.callbacks.remove(collected)
    started = len(outcome.allocations)
    assert started + len(outcome.failures) == count
    return Cost(seconds, collecting, 0, started)


def _calls(snapshot: Snapshot) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        schedule(snapshot)
    finally:
        sys.setprofile(None)
    return calls


def say(line: str) -> None:
    print(line)  # noqa: T201 - what a benchmark is for
