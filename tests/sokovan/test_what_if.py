"""Many sessions of one kind, and two worlds compared: both are the pass, asked more often."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings

from bai_manager.sokovan.capacity import capacity
from bai_manager.sokovan.comparison import compare, turns
from bai_manager.sokovan.scheduling import schedule
from bai_manager.types.resource_slot import ResourceSlot
from tests.sokovan.chance import make_request, seeds, worlds
from tests.sokovan.world import agent, keypair_limits, session, slots, uid, world

if TYPE_CHECKING:
    from bai_manager.sokovan.snapshot import Snapshot

MANY = 12
quick = settings(max_examples=100, deadline=None)


@quick
@given(worlds)
def test_the_first_turns_are_those_of_a_pass(snapshot: Snapshot) -> None:
    outcome = schedule(snapshot)
    found = turns(snapshot)
    assert set(found) == {one.id for one in snapshot.pending}
    for allocation in outcome.allocations:
        assert found[allocation.session_id].starts
    for failure in outcome.failures:
        turn = found[failure.session_id]
        assert (turn.starts, turn.message) == (False, failure.message)


@quick
@given(worlds)
def test_a_world_is_no_different_from_itself(snapshot: Snapshot) -> None:
    assert compare(snapshot, snapshot) == ()


@quick
@given(worlds, seeds)
def test_as_many_start_as_of_so_many_that_wait(snapshot: Snapshot, seed: int) -> None:
    request = replace(make_request(seed), designated_agent_ids=(), dependencies=())
    copies = tuple(replace(request, id=uid(1000 + number)) for number in range(MANY))
    started = len(schedule(replace(snapshot, pending=copies)).allocations)
    found = capacity(snapshot, request, most=MANY)
    assert found.count == started
    assert (found.stopped_by is None) is (started == MANY)


def test_a_limit_that_falls_stops_whom_it_binds_and_frees_the_agent_for_others() -> None:
    first, second = session(1, slots(6)), session(2, slots(6), access_key="OTHER")
    before = world([first, second], [agent("i-1", slots(8))])
    after = replace(before, limits=keypair_limits(resource_slots=ResourceSlot({"cpu": 4})))
    stopped, freed = compare(before, after)
    assert (stopped.after.session.id, stopped.before.starts, stopped.after.starts) == (
        first.id,
        True,
        False,
    )
    assert len(stopped.after.causes) == 1
    assert (freed.after.session.id, freed.before.starts, freed.after.starts) == (
        second.id,
        False,
        True,
    )


def test_a_session_that_waits_in_one_world_alone_is_left_out() -> None:
    both = world([session(1)], [agent("i-1")])
    assert compare(both, replace(both, pending=())) == ()


def test_those_of_a_lower_priority_come_after_all_others() -> None:
    urgent, later = session(2, slots(99), priority=50), session(1, slots(1), priority=5)
    found = turns(world([later, urgent], [agent("i-1")]))
    assert list(found) == [urgent.id, later.id]
    assert [turn.starts for turn in found.values()] == [False, True]
