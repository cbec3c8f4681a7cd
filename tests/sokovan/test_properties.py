"""What holds for every world, however full, limited and mixed it is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import given, settings

from bai_manager.sokovan import pool, ranking
from bai_manager.sokovan.explain import explain, fits
from bai_manager.sokovan.scheduling import Allocation, SchedulingPass, schedule
from bai_manager.types.resource_slot import ResourceSlot
from tests.sokovan.chance import crowds, make_request, seeds, worlds
from tests.sokovan.plain import plain_schedule

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import PendingSession, Snapshot


def every_world(examples: int = 150) -> settings:
    return settings(max_examples=examples, deadline=None)


@every_world(400)
@given(worlds)
def test_a_pass_decides_as_the_plain_rules_do(snapshot: Snapshot) -> None:
    outcome = schedule(snapshot)

    plain = plain_schedule(snapshot)
    assert {
        one.session_id: {kernel: by.agent_id for kernel, by in one.kernels.items()}
        for one in outcome.allocations
    } == plain.started
    assert {
        one.session_id: [failed.name for failed in one.failed_predicates]
        for one in outcome.failures
    } == plain.refused


@every_world(100)
@given(crowds)
def test_a_search_by_runs_finds_whom_a_walk_along_all_agents_finds(snapshot: Snapshot) -> None:
    with patch.object(ranking, "_USUAL", 1), patch.object(pool, "_FEW", 2):
        outcome = schedule(snapshot)

    assert {
        one.session_id: {kernel: by.agent_id for kernel, by in one.kernels.items()}
        for one in outcome.allocations
    } == plain_schedule(snapshot).started


@every_world()
@given(worlds)
def test_each_turn_is_decided_as_if_it_were_the_first_of_its_world(snapshot: Snapshot) -> None:
    """Nothing remembered from earlier turns (refusals, orders, undone placements) shows."""
    run = SchedulingPass(snapshot)
    for waiting in run.queue:
        alone = SchedulingPass(run.world_for(waiting)).attempt(waiting)
        assert run.attempt(waiting) == alone


@every_world()
@given(worlds)
def test_no_agent_gets_more_than_it_has(snapshot: Snapshot) -> None:
    outcome = schedule(snapshot)

    kernels = {one.kernel_id: one for waiting in snapshot.pending for one in waiting.kernels}
    for machine in snapshot.agents:
        given_to_it = [
            kernels[kernel_id].requested_slots
            for one in outcome.allocations
            for kernel_id, by in one.kernels.items()
            if by.agent_id == machine.id
        ]
        if given_to_it:
            total = ResourceSlot.total([machine.occupied, *given_to_it])
            assert total <= machine.available
            most = snapshot.config.max_container_count
            assert most is None or machine.container_count + len(given_to_it) <= most


@every_world()
@given(worlds)
def test_no_limit_is_passed(snapshot: Snapshot) -> None:
    by_id = {waiting.id: waiting for waiting in snapshot.pending}
    started = [by_id[one.session_id] for one in schedule(snapshot).allocations]

    limits, occupancy = snapshot.limits, snapshot.occupancy
    public = [one for one in started if not one.is_private]
    for key, policy in limits.keypairs.items():
        mine = [one for one in public if one.access_key == key]
        if mine and policy.resource_slots is not None:
            used = occupancy.keypairs.get(key, ResourceSlot())
            total = ResourceSlot.total([used, *(one.requested_slots for one in mine)])
            assert total <= policy.resource_slots
        running = occupancy.session_counts.get(key, 0) + len(mine)
        if mine and policy.max_concurrent_sessions:
            assert running <= policy.max_concurrent_sessions
    for user, limit in limits.users.items():
        mine = [one for one in public if one.user_id == user]
        if mine and limit is not None:
            used = occupancy.users.get(user, ResourceSlot())
            total = ResourceSlot.total([used, *(one.requested_slots for one in mine)])
            assert total <= limit
    for name, limit in limits.domains.items():
        if public and limit is not None:
            total = ResourceSlot.total(
                [occupancy.domains[name], *(one.requested_slots for one in public)]
            )
            assert all(total.get(slot, Decimal(0)) <= most for slot, most in limit.items())


@every_world()
@given(worlds)
def test_no_project_passes_its_limit_and_no_key_pair_that_on_sftp_sessions(
    snapshot: Snapshot,
) -> None:
    by_id = {waiting.id: waiting for waiting in snapshot.pending}
    started = [by_id[one.session_id] for one in schedule(snapshot).allocations]
    limits, occupancy = snapshot.limits, snapshot.occupancy
    for project, limit in limits.groups.items():
        mine = [one for one in started if not one.is_private and one.group_id == project]
        if mine and limit is not None:
            used = occupancy.groups.get(project, ResourceSlot())
            total = ResourceSlot.total([used, *(one.requested_slots for one in mine)])
            assert all(total.get(slot, Decimal(0)) <= most for slot, most in limit.items())
    for key, policy in limits.keypairs.items():
        private = [one for one in started if one.is_private and one.access_key == key]
        if private and policy.max_concurrent_sftp_sessions:
            running = occupancy.sftp_counts.get(key, 0) + len(private)
            assert running <= policy.max_concurrent_sftp_sessions


@every_world()
@given(worlds, seeds)
def test_the_order_of_rows_does_not_matter(snapshot: Snapshot, seed: int) -> None:
    chance = Random(seed)
    pending, machines = list(snapshot.pending), list(snapshot.agents)
    chance.shuffle(pending)
    chance.shuffle(machines)
    shuffled = replace(snapshot, pending=tuple(pending), agents=tuple(machines))

    assert schedule(shuffled) == schedule(snapshot)


@every_world()
@given(worlds)
def test_a_lower_priority_never_passes_a_higher_one(snapshot: Snapshot) -> None:
    outcome = schedule(snapshot)

    decided = {one.session_id for one in outcome.allocations}
    decided |= {one.session_id for one in outcome.failures}
    highest = max((one.priority for one in snapshot.pending), default=None)
    assert decided == {one.id for one in snapshot.pending if one.priority == highest}


@every_world(60)
@given(worlds)
def test_an_explanation_agrees_with_the_pass(snapshot: Snapshot) -> None:
    started = {one.session_id: one for one in schedule(snapshot).allocations}
    for waiting in snapshot.pending:
        explanation = explain(snapshot, waiting.id)
        assert explanation.allocation == started.get(waiting.id)
        assert bool(explanation.reasons) == (waiting.id not in started)


@every_world(60)
@given(worlds)
def test_every_change_offered_lets_the_session_start(snapshot: Snapshot) -> None:
    for waiting in snapshot.pending:
        run = SchedulingPass(snapshot)
        for ahead in run.queue:
            if ahead.id == waiting.id:
                break
            run.attempt(ahead)
        for change in explain(snapshot, waiting.id).changes:
            changed = run.world_for(waiting)
            for step in change.steps:
                changed = step.apply(changed)
            assert [one.session_id for one in schedule(changed).allocations] == [waiting.id], change


@every_world(60)
@given(worlds, seeds.map(make_request))
def test_what_would_fit_starts_when_it_is_created(
    snapshot: Snapshot, request: PendingSession
) -> None:
    explanation = fits(snapshot, request)

    joined = replace(snapshot, pending=(*snapshot.pending, request))
    outcome = SchedulingPass(joined)
    decided = {one.id: outcome.attempt(one) for one in outcome.queue}.get(request.id)
    if explanation.allocation is not None:
        assert decided == explanation.allocation
    elif isinstance(decided, Allocation):
        kinds = {str(reason.kind) for reason in explanation.reasons}
        assert kinds <= {"session-type", "queue-limit"}
