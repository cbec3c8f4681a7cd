"""Which sessions may start: a case for every rule, named after its place in the reference."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bai_manager.sokovan.scheduling import schedule
from bai_manager.sokovan.snapshot import Dependency, Limits, Occupancy, SchedulingConfig
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from bai_manager.types.status import SessionResult, SessionStatus, SessionType
from tests.sokovan.world import (
    NOW,
    PROJECT,
    USER,
    agent,
    keypair_limits,
    session,
    slots,
    uid,
    world,
)

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot

BIG = agent("big", slots(1000, 1000, cuda=100))
SYSTEM, BATCH = SessionType.SYSTEM, SessionType.BATCH
PASSES: list[str] = []
CONCURRENCY = ["ConcurrencyLimitValidator"]
DEPENDENCIES = ["SessionDependenciesValidator"]
DOMAIN = ["DomainResourceLimitValidator"]
GROUP = ["GroupResourceLimitValidator"]
KEYPAIR = ["KeypairResourceLimitValidator"]
PENDING_COUNT = ["PendingSessionCountLimitValidator"]
START_TIME = ["ReservedBatchSessionValidator"]
USER_LIMIT = ["UserResourceLimitValidator"]


def after(status: SessionStatus, result: SessionResult) -> PendingSession:
    dependency = Dependency(id=uid(7), name="before", status=status, result=result)
    return session(1, dependencies=(dependency,))


def limited(
    limits: Limits,
    occupancy: Occupancy | None = None,
    requested: ResourceSlot = slots(2, 2),  # noqa: B008 - immutable
    kind: SessionType = SessionType.INTERACTIVE,
) -> Snapshot:
    return world([session(1, requested, kind=kind)], [BIG], limits=limits, occupancy=occupancy)


def domain(limit: ResourceSlot | None, used: ResourceSlot | None = None) -> Snapshot:
    occupancy = Occupancy(domains={"default": used} if used else {})
    return limited(Limits(domains={"default": limit}), occupancy)


def project(limit: ResourceSlot | None, used: ResourceSlot | None = None) -> Snapshot:
    occupancy = Occupancy(groups={PROJECT: used} if used else {})
    return limited(Limits(groups={PROJECT: limit}), occupancy)


def keypair(limit: ResourceSlot | None, used: ResourceSlot | None = None) -> Snapshot:
    occupancy = Occupancy(keypairs={"AK": used} if used else {})
    return limited(keypair_limits(resource_slots=limit), occupancy)


def main_keypair(limit: ResourceSlot | None, used: ResourceSlot | None = None) -> Snapshot:
    occupancy = Occupancy(users={USER: used} if used else {})
    return limited(Limits(users={USER: limit}), occupancy)


def policy(total: ResourceSlot, default: DefaultForUnspecified) -> ResourceSlot:
    return ResourceSlot.from_policy(total, default, {"cpu", "mem", "cuda.device"})


def batch(starts_in_seconds: float, kind: SessionType = BATCH) -> Snapshot:
    starts_at = NOW + timedelta(seconds=starts_in_seconds)
    return world([session(1, kind=kind, starts_at=starts_at)], [BIG])


def running(count: int, sftp: int = 0) -> Occupancy:
    return Occupancy(session_counts={"AK": count}, sftp_counts={"AK": sftp})


def waiting(count: int, asked: ResourceSlot) -> Occupancy:
    return Occupancy(pending_counts={"AK": count}, pending_slots={"AK": asked})


LIMITED, UNLIMITED = DefaultForUnspecified.LIMITED, DefaultForUnspecified.UNLIMITED
TERMINATED = SessionStatus.TERMINATED
SUCCESS = SessionResult.SUCCESS

CASES: dict[str, tuple[Snapshot, list[str]]] = {
    # Concurrency
    "state-machines §7.2 ConcurrencyLimit: no policy": (limited(Limits(), running(99)), PASSES),
    "state-machines §7.2 ConcurrencyLimit: NULL is unlimited": (
        limited(keypair_limits(max_concurrent_sessions=None), running(99)),
        PASSES,
    ),
    "state-machines §7.2 ConcurrencyLimit: 0 is unlimited": (
        limited(keypair_limits(max_concurrent_sessions=0), running(99)),
        PASSES,
    ),
    "value-types §14 max_concurrent_sessions: below 0 is unlimited": (
        limited(keypair_limits(max_concurrent_sessions=-1), running(99)),
        PASSES,
    ),
    "state-machines §7.2 ConcurrencyLimit: one place is left": (
        limited(keypair_limits(max_concurrent_sessions=3), running(2)),
        PASSES,
    ),
    "state-machines §7.2 ConcurrencyLimit: the limit is reached": (
        limited(keypair_limits(max_concurrent_sessions=3), running(3)),
        CONCURRENCY,
    ),
    "state-machines §7.2 ConcurrencyLimit: SFTP sessions do not count for others": (
        limited(keypair_limits(max_concurrent_sessions=1), running(0, sftp=9)),
        PASSES,
    ),
    "state-machines §7.2 ConcurrencyLimit: private sessions have the SFTP limit": (
        limited(keypair_limits(max_concurrent_sftp_sessions=1), running(0, sftp=1), kind=SYSTEM),
        CONCURRENCY,
    ),
    "state-machines §7.2 ConcurrencyLimit: others do not count for private sessions": (
        limited(
            keypair_limits(max_concurrent_sessions=1, max_concurrent_sftp_sessions=1),
            running(5, sftp=0),
            kind=SYSTEM,
        ),
        PASSES,
    ),
    "value-types §14 max_concurrent_sftp_sessions: 0 is unlimited": (
        limited(keypair_limits(max_concurrent_sftp_sessions=0), running(0, sftp=9), kind=SYSTEM),
        PASSES,
    ),
    # Dependencies
    "state-machines §7.2 SessionDependencies: ended with success": (
        world([after(TERMINATED, SUCCESS)], [BIG]),
        PASSES,
    ),
    "state-machines §7.2 SessionDependencies: success, but not ended yet": (
        world([after(SessionStatus.TERMINATING, SUCCESS)], [BIG]),
        DEPENDENCIES,
    ),
    "state-machines §7.2 SessionDependencies: ended without a result": (
        world([after(TERMINATED, SessionResult.UNDEFINED)], [BIG]),
        DEPENDENCIES,
    ),
    "state-machines §7.2 SessionDependencies: ended with failure": (
        world([after(TERMINATED, SessionResult.FAILURE)], [BIG]),
        DEPENDENCIES,
    ),
    "state-machines §7.2 SessionDependencies: cancelled": (
        world([after(SessionStatus.CANCELLED, SUCCESS)], [BIG]),
        DEPENDENCIES,
    ),
    # Domain
    "state-machines §7.2 DomainResourceLimit: NULL is unlimited": (
        domain(None, slots(500)),
        PASSES,
    ),
    "state-machines §7.2 DomainResourceLimit: exactly the limit": (
        domain(slots(4, 4), slots(2, 2)),
        PASSES,
    ),
    "state-machines §7.2 DomainResourceLimit: one slot is over": (
        domain(slots(4, 3), slots(2, 2)),
        DOMAIN,
    ),
    "state-machines §7.2 DomainResourceLimit: unspecified slots are unlimited": (
        domain(ResourceSlot({"cpu": 4}), slots(2, 500)),
        PASSES,
    ),
    "state-machines §7.2 DomainResourceLimit: another domain's use does not count": (
        limited(Limits(domains={"default": slots(2, 2)}), Occupancy(domains={"other": slots(9)})),
        PASSES,
    ),
    # Project
    "state-machines §7.2 GroupResourceLimit: NULL is unlimited": (
        project(None, slots(500)),
        PASSES,
    ),
    "state-machines §7.2 GroupResourceLimit: exactly the limit": (
        project(slots(4, 4), slots(2, 2)),
        PASSES,
    ),
    "state-machines §7.2 GroupResourceLimit: one slot is over": (
        project(slots(3, 4), slots(2, 2)),
        GROUP,
    ),
    "state-machines §7.2 GroupResourceLimit: unspecified slots are unlimited": (
        project(ResourceSlot({"mem": slots(0, 4)["mem"]}), slots(500)),
        PASSES,
    ),
    # Keypair
    "state-machines §7.2 KeypairResourceLimit: no policy": (keypair(None, slots(500)), PASSES),
    "state-machines §7.2 KeypairResourceLimit: exactly the limit": (
        keypair(slots(4, 4), slots(2, 2)),
        PASSES,
    ),
    "state-machines §7.2 KeypairResourceLimit: one slot is over": (
        keypair(slots(4, 4), slots(3, 2)),
        KEYPAIR,
    ),
    "value-types §2.2 policy: LIMITED makes unspecified slots 0": (
        keypair(policy(ResourceSlot({"cpu": 9}), LIMITED)),
        KEYPAIR,
    ),
    "value-types §2.2 policy: UNLIMITED makes unspecified slots endless": (
        keypair(policy(ResourceSlot({"cpu": 9}), UNLIMITED), slots(0, 500)),
        PASSES,
    ),
    "value-types §2.3 comparison: a slot the resolved policy does not know is 0": (
        limited(keypair_limits(resource_slots=slots(9, 9)), requested=slots(1, cuda=1)),
        KEYPAIR,
    ),
    "value-types §2.3 comparison: a slot over its limit counts though none is asked for": (
        keypair(slots(9, 9, cuda=1), slots(1, cuda=2)),
        KEYPAIR,
    ),
    "value-types §2.3 comparison: 0 of a slot nobody knows is nothing": (
        limited(keypair_limits(resource_slots=slots(9, 9)), requested=slots(1, cuda=0)),
        PASSES,
    ),
    # Waiting
    "state-machines §7.2 PendingSessionCountLimit: NULL is unlimited": (
        limited(keypair_limits(max_pending_session_count=None), waiting(99, slots(99))),
        PASSES,
    ),
    "state-machines §7.2 PendingSessionCountLimit: a long queue does not keep itself waiting": (
        limited(keypair_limits(max_pending_session_count=1), waiting(99, slots(99))),
        PASSES,
    ),
    "state-machines §7.2 PendingSessionCountLimit: 0 allows no waiting at all": (
        limited(keypair_limits(max_pending_session_count=0)),
        PENDING_COUNT,
    ),
    "state-machines §7.2 PendingSessionResourceLimit: a big queue does not keep itself waiting": (
        limited(keypair_limits(max_pending_session_resource_slots=slots(1)), waiting(9, slots(99))),
        PASSES,
    ),
    # Batch
    "state-machines §7.2 ReservedBatchSession: not before its time": (batch(1), START_TIME),
    "state-machines §7.2 ReservedBatchSession: exactly at its time": (batch(0), PASSES),
    "state-machines §7.2 ReservedBatchSession: after its time": (batch(-1), PASSES),
    "state-machines §7.2 ReservedBatchSession: without a time": (
        world([session(1, kind=BATCH)], [BIG]),
        PASSES,
    ),
    "state-machines §7.2 ReservedBatchSession: other sessions have no time": (
        batch(1, SessionType.INTERACTIVE),
        PASSES,
    ),
    # User
    "state-machines §7.2 UserResourceLimit: no main keypair policy": (
        main_keypair(None, slots(500)),
        PASSES,
    ),
    "state-machines §7.2 UserResourceLimit: exactly the limit": (
        main_keypair(slots(4, 4), slots(2, 2)),
        PASSES,
    ),
    "state-machines §7.2 UserResourceLimit: one slot is over": (
        main_keypair(slots(4, 4), slots(2, 3)),
        USER_LIMIT,
    ),
    # Together
    "state-machines §7.2 item 7: all rules are applied, in their order": (
        world(
            [session(1, slots(9, 9), kind=BATCH, starts_at=NOW + timedelta(days=1))],
            [BIG],
            limits=Limits(
                keypairs=keypair_limits(
                    resource_slots=slots(1), max_concurrent_sessions=1, max_pending_session_count=0
                ).keypairs,
                users={USER: slots(1)},
                groups={PROJECT: slots(1)},
                domains={"default": slots(1)},
            ),
            occupancy=running(1),
        ),
        [*CONCURRENCY, *DOMAIN, *GROUP, *KEYPAIR, *PENDING_COUNT, *START_TIME, *USER_LIMIT],
    ),
    "state-machines §7.2 item 7: without agents too, the rules speak first": (
        world([after(SessionStatus.RUNNING, SessionResult.UNDEFINED)]),
        DEPENDENCIES,
    ),
}


@pytest.mark.parametrize(("snapshot", "failed"), CASES.values(), ids=CASES)
def test_a_session_starts_unless_a_rule_forbids_it(snapshot: Snapshot, failed: list[str]) -> None:
    outcome = schedule(snapshot)

    if failed:
        (failure,) = outcome.failures
        assert [one.name for one in failure.failed_predicates] == failed
    else:
        (allocation,) = outcome.allocations
        assert allocation.session_id == snapshot.pending[0].id


IN_CYCLE: dict[str, tuple[Snapshot, list[int]]] = {
    "state-machines §7.2 item 6: only the highest priority takes part": (
        world([session(1, priority=10), session(2, priority=11)], [BIG]),
        [2],
    ),
    "state-machines §7.2 item 6: even if the highest cannot start": (
        world([session(1, priority=10), session(2, slots(9999), priority=11)], [BIG]),
        [],
    ),
    "state-machines §7.2 item 5: fifo takes the first that came": (
        world([session(2), session(1)], [agent("i", slots(1))]),
        [1],
    ),
    "state-machines §7.2 item 5: fifo tells sessions of one moment apart by id": (
        world([session(9, age=5), session(4, age=5)], [agent("i", slots(1))]),
        [4],
    ),
    "state-machines §7.2 item 5: lifo takes the last that came": (
        world(
            [session(2), session(1)],
            [agent("i", slots(1))],
            config=SchedulingConfig(scheduler="lifo"),
        ),
        [2],
    ),
    "state-machines §7.2 item 5: drf takes the keypair with the smaller share": (
        world(
            [session(1, access_key="busy"), session(2, access_key="idle")],
            [agent("i", slots(8), slots(7))],
            config=SchedulingConfig(scheduler="drf"),
            occupancy=Occupancy(keypairs={"busy": slots(5), "idle": slots(2)}),
        ),
        [2],
    ),
    "state-machines §7.2 item 5: drf looks at the slot that is dominant": (
        world(
            [session(1, access_key="gpu"), session(2, access_key="cpu")],
            [agent("i", slots(100, cuda=4), slots(99, cuda=2))],
            config=SchedulingConfig(scheduler="drf"),
            occupancy=Occupancy(keypairs={"gpu": slots(0, cuda=2), "cpu": slots(40)}),
        ),
        [2],
    ),
    "state-machines §7.2 item 5: drf skips slots without capacity": (
        world(
            [session(1, access_key="odd"), session(2, access_key="cpu")],
            [agent("i", slots(8), slots(7))],
            config=SchedulingConfig(scheduler="drf"),
            occupancy=Occupancy(keypairs={"odd": slots(1, tpu=5), "cpu": slots(2)}),
        ),
        [1],
    ),
    "state-machines §7.2 item 5: drf skips slots without end": (
        world(
            [session(1, access_key="busy"), session(2, access_key="idle")],
            [agent("i", slots(8, tpu="Infinity"), slots(7))],
            config=SchedulingConfig(scheduler="drf"),
            occupancy=Occupancy(keypairs={"busy": slots(3, tpu=1), "idle": slots(2, tpu=9)}),
        ),
        [2],
    ),
    "state-machines §7.2 item 5: drf is stable among equals": (
        world(
            [session(2, access_key="b"), session(1, access_key="a")],
            [agent("i", slots(1))],
            config=SchedulingConfig(scheduler="drf"),
        ),
        [1],
    ),
    "state-machines §7.2 item 5: an unknown scheduler is drf": (
        world(
            [session(1, access_key="busy"), session(2, access_key="idle")],
            [agent("i", slots(8), slots(7))],
            config=SchedulingConfig(scheduler="fair-share"),
            occupancy=Occupancy(keypairs={"busy": slots(5)}),
        ),
        [2],
    ),
    "state-machines §7.2 item 7: a started session counts on its agent": (
        world([session(1, slots(5)), session(2, slots(5))], [agent("i", slots(8))]),
        [1],
    ),
    "state-machines §7.2 item 7: a smaller session behind one that waits may start": (
        world([session(1, slots(9)), session(2, slots(5))], [agent("i", slots(8))]),
        [2],
    ),
    "state-machines §7.2 item 7: a started session counts as one of its keypair's": (
        world([session(1), session(2)], [BIG], limits=keypair_limits(max_concurrent_sessions=1)),
        [1],
    ),
    "state-machines §7.2 item 7: a started session counts against every limit": (
        world(
            [session(1, slots(5)), session(2, slots(5))],
            [BIG],
            limits=Limits(domains={"default": slots(8)}),
        ),
        [1],
    ),
    "state-machines §7.2 item 4: private sessions do not count against limits, in a pass too": (
        world(
            [session(1, slots(5), kind=SYSTEM), session(2, slots(5))],
            [BIG],
            limits=Limits(domains={"default": slots(8)}),
        ),
        [1, 2],
    ),
    "state-machines §7.2 item 4: private sessions count on agents": (
        world([session(1, slots(5), kind=SYSTEM), session(2, slots(5))], [agent("i", slots(8))]),
        [1],
    ),
}


@pytest.mark.parametrize(("snapshot", "started"), IN_CYCLE.values(), ids=IN_CYCLE)
def test_sessions_start_in_turn(snapshot: Snapshot, started: list[int]) -> None:
    outcome = schedule(snapshot)

    assert [one.session_id for one in outcome.allocations] == [uid(number) for number in started]
