"""Worlds by chance: crowded enough that most sessions meet some rule and many still start.

They are made from a seed, which is many times quicker than drawing every field; the numbers of
sessions and agents are drawn, so a counterexample shrinks to a small world.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from bai_manager.sokovan.snapshot import (
    Dependency,
    KeypairLimits,
    Limits,
    Occupancy,
    SchedulingConfig,
)
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionResult, SessionStatus, SessionType
from tests.sokovan.world import NOW, PROJECT, agent, session, uid, world

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import AgentSnapshot, PendingSession, Snapshot

KEYS: Final = ["AK1", "AK2"]
USERS: Final = [uid(0xA1), uid(0xA2)]
ENDPOINT: Final = uid(0xE)
SLOT_NAMES: Final = ["cpu", "mem", "cuda.device", "cuda.shares"]


def _slots(chance: Random, *amounts: str, named: float = 0.6) -> ResourceSlot:
    return ResourceSlot(
        {name: chance.choice(amounts) for name in SLOT_NAMES if chance.random() < named}
    )


def _limit(chance: Random, *, complete: bool) -> ResourceSlot | None:
    if chance.random() < 0.7:
        return None
    return _slots(chance, "4", "9", "20", "Infinity", named=1 if complete else 0.6)


def _count(chance: Random) -> int | None:
    return chance.choice([None, None, 0, 2, 4, 6])


def _agent(chance: Random, number: int) -> AgentSnapshot:
    return agent(
        f"i-{number}",
        _slots(chance, "4", "8", "8", named=0.9),
        _slots(chance, "0", "0.5", "1", "2", named=0.3),
        architecture=chance.choice(["x86_64", "x86_64", "x86_64", "aarch64"]),
        containers=chance.randint(0, 2),
        replicas={ENDPOINT: chance.randint(0, 2)},
    )


def _dependencies(chance: Random) -> tuple[Dependency, ...]:
    if chance.random() < 0.95:
        return ()
    status = chance.choice([SessionStatus.RUNNING, SessionStatus.TERMINATED])
    result = chance.choice(list(SessionResult))
    return (Dependency(id=uid(99), name="before", status=status, result=result),)


def _request(chance: Random) -> ResourceSlot:
    return _slots(chance, "0", "0.5", "1", "2", "3", named=0.5)


def make_session(number: int, chance: Random, requests: list[ResourceSlot]) -> PendingSession:
    kernels = chance.choices(requests, k=chance.choice([1, 1, 2, 3]))
    architectures = ["x86_64"] * len(kernels)
    if chance.random() < 0.2:
        architectures = chance.choices(["x86_64", "aarch64", "riscv64"], k=len(kernels))
    kind = chance.choice(list(SessionType))
    designated = chance.sample(["i-0", "i-2", "i-9"], chance.choice([0, 0, 0, 1, 2]))
    return session(
        number,
        kernels,
        architecture=architectures,
        age=chance.randint(0, 5),
        kind=kind,
        mode=chance.choice(list(ClusterMode)),
        priority=chance.choice([10] * 24 + [20]),
        access_key=chance.choice(KEYS),
        user=chance.choice(USERS),
        starts_at=chance.choice([None, None, None, NOW, NOW + timedelta(hours=1)]),
        designated=tuple(designated),
        dependencies=_dependencies(chance),
        endpoint=ENDPOINT if kind is SessionType.INFERENCE else None,
    )


def _limits(chance: Random) -> Limits:
    return Limits(
        keypairs={
            key: KeypairLimits(
                resource_slots=_limit(chance, complete=True),
                max_concurrent_sessions=_count(chance),
                max_concurrent_sftp_sessions=_count(chance),
                max_pending_session_count=chance.choice([None] * 8 + [0, 2]),
                max_pending_session_resource_slots=_limit(chance, complete=False),
            )
            for key in KEYS
            if chance.random() < 0.7
        },
        users={user: _limit(chance, complete=True) for user in USERS},
        groups={PROJECT: _limit(chance, complete=False)},
        domains={"default": _limit(chance, complete=False)},
    )


def _occupancy(chance: Random) -> Occupancy:
    def used() -> ResourceSlot:
        return _slots(chance, "0", "1", "2", named=0.4)

    return Occupancy(
        keypairs={key: used() for key in KEYS},
        users={user: used() for user in USERS},
        groups={PROJECT: used()},
        domains={"default": used()},
        session_counts={key: chance.randint(0, 2) for key in KEYS},
        sftp_counts={key: chance.randint(0, 2) for key in KEYS},
        pending_counts={key: chance.randint(0, 2) for key in KEYS},
        pending_slots={key: used() for key in KEYS},
    )


def _config(chance: Random) -> SchedulingConfig:
    strategies = ["concentrated", "dispersed", "roundrobin", "legacy", "unheard-of"]
    types = chance.choice([set(SessionType), {SessionType.BATCH, SessionType.SYSTEM}])
    return SchedulingConfig(
        scheduler=chance.choice(["fifo", "lifo", "drf", "unheard-of"]),
        agent_selection_strategy=chance.choice(strategies),
        enforce_spreading_endpoint_replica=chance.random() < 0.5,
        max_container_count=chance.choice([None, None, 3, 5]),
        resource_priority=chance.choice([(), ("cuda", "cpu"), ("cuda.shares", "mem")]),
        round_robin_after=chance.choice([None, "i-1", "i-9"]),
        allowed_session_types=frozenset(types),
    )


def make_world(seed: int, sessions: int, agents: int) -> Snapshot:
    chance = Random(seed)
    requests = [_request(chance) for _ in range(chance.choice([1, 2, 4, 8]))]
    return world(
        [make_session(number, chance, requests) for number in range(1, sessions + 1)],
        [_agent(chance, number) for number in range(agents)],
        limits=_limits(chance),
        occupancy=_occupancy(chance),
        config=_config(chance),
    )


def make_request(seed: int) -> PendingSession:
    chance = Random(seed)
    return make_session(50, chance, [_request(chance)])


seeds: Final = st.integers(0, 2**32)
worlds: Final = st.builds(
    make_world, seed=seeds, sessions=st.integers(0, 12), agents=st.integers(0, 6)
)
crowds: Final = st.builds(
    make_world, seed=seeds, sessions=st.integers(5, 30), agents=st.integers(5, 25)
)
