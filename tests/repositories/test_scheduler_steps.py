"""The scheduler's steps on rows: what each changes, in both shapes, as a real manager does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update

from bai_manager.models.agent import agents
from bai_manager.models.session import kernels, sessions
from bai_manager.sokovan.scheduling import schedule
from bai_manager.types.clock import system_clock
from bai_manager.types.status import SessionStatus
from tests.repositories.scheduling import Cluster, cluster_in, session_spec
from tests.seeds import GIB, seed_session
from tests.sessions.facts import (
    STEPS_CANCELLED,
    STEPS_DOWN,
    STEPS_OF_A_LOST_AGENT,
    STEPS_OF_NO_ROOM,
    STEPS_UP,
    check_waiting_data,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.occupancy import QuotaState

# What a kernel of a dry run has in common with the one that the rows were recorded from.
_SAME_BEFORE = {"attached_devices", "repl_in_port", "repl_out_port", "stdin_port", "stdout_port"}


@pytest.fixture
async def cluster(shaped_db: Database, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_in(shaped_db, tmp_path) as opened:
        yield opened


async def test_each_step_up_and_down_changes_the_columns_a_manager_changes(
    cluster: Cluster,
) -> None:
    session_id = await cluster.enqueue("steps-1")
    await cluster.runner.advance()
    assert await cluster.seen() == [
        (place, status, columns - (_SAME_BEFORE if status == "RUNNING" else set()))
        for place, status, columns in STEPS_UP
    ]
    await cluster.destroy(session_id)
    await cluster.runner.advance()
    assert await cluster.seen() == STEPS_DOWN


async def test_a_session_without_room_is_told_why_and_cancelled(cluster: Cluster) -> None:
    session_id = await cluster.enqueue("steps-1", cpu=100)
    await cluster.runner.advance()
    assert await cluster.seen() == STEPS_OF_NO_ROOM
    check_waiting_data((await cluster.row(session_id)).status_data, retries=1)
    assert await cluster.destroy(session_id) is SessionStatus.CANCELLED
    assert await cluster.seen() == STEPS_CANCELLED


async def test_a_kernel_of_a_lost_agent_is_swept(cluster: Cluster) -> None:
    session_id = await cluster.enqueue("steps-1")
    await cluster.runner.advance()
    await cluster.seen()
    await cluster.execute(update(agents).values(status="LOST"))
    await cluster.destroy(session_id)
    await cluster.runner.advance()
    assert await cluster.seen() == STEPS_OF_A_LOST_AGENT
    (kernel,) = await cluster.kernels(session_id)
    assert (kernel.status_info, kernel.status_data) == ("swept-lost-agent", {})


async def test_a_reason_to_wait_is_written_again_only_when_it_is_old_or_another(
    cluster: Cluster,
) -> None:
    session_id = await cluster.enqueue("steps-1", cpu=100)
    again = [(place, status, {"status_data"}) for place, status, _ in STEPS_OF_NO_ROOM]
    for seconds, written in ((0, STEPS_OF_NO_ROOM), (1, []), (2, []), (8, again)):
        now = system_clock() + timedelta(seconds=seconds)
        await cluster.store.schedule(schedule, clock=partial(_at, now))
        assert await cluster.seen() == written
    await cluster.execute(update(agents).values(available_slots={"cpu": "5", "mem": str(8 * GIB)}))
    await cluster.store.schedule(schedule, clock=partial(_at, now))
    assert await cluster.seen() == STEPS_OF_NO_ROOM
    check_waiting_data((await cluster.row(session_id)).status_data, retries=3)


async def test_agents_hold_what_their_kernels_take_from_the_place_to_the_end(
    cluster: Cluster,
) -> None:
    async def held() -> dict[str, str]:
        (agent,) = await cluster.rows(select(agents.c.occupied_slots))
        return dict(agent.occupied_slots)

    first = await cluster.enqueue("steps-1")
    second = await cluster.enqueue("steps-2", kernel_count=2)
    await cluster.store.schedule(schedule, clock=system_clock)
    assert await held() == {"cpu": "3", "mem": str(3 * GIB)}
    await cluster.runner.advance()
    assert await held() == {"cpu": "3", "mem": str(3 * GIB)}
    await cluster.destroy(second)
    await cluster.runner.advance()
    assert await held() == {"cpu": "1", "mem": str(GIB)}
    await cluster.destroy(first)
    await cluster.runner.advance()
    assert await held() == {}


async def test_a_session_that_cannot_start_is_cancelled_with_the_error(cluster: Cluster) -> None:
    session_id = await cluster.enqueue("steps-1", kernel_count=2)
    await cluster.store.schedule(schedule, clock=system_clock)
    error: dict[str, Any] = {"src": "agent", "name": "X", "repr": "why"}
    for _ in range(2):
        await cluster.store.cancel_start(
            session_id, reason="failed-to-start", error=error, clock=system_clock
        )
    row = await cluster.row(session_id)
    assert (row.status, row.status_info, row.status_data) == (
        "CANCELLED",
        "failed-to-start",
        {"error": error},
    )
    assert {kernel.status for kernel in await cluster.kernels(session_id)} == {"CANCELLED"}
    (agent,) = await cluster.rows(select(agents.c.occupied_slots))
    assert agent.occupied_slots == {}


async def test_only_who_is_silent_for_too_long_loses_its_start_to_another(
    cluster: Cluster,
) -> None:
    session_id = await cluster.enqueue("steps-1", kernel_count=2)
    await cluster.store.schedule(schedule, clock=system_clock)
    await cluster.store.begin_preparing(clock=system_clock)
    first, second = [kernel.id for kernel in await cluster.kernels(session_id)]
    await cluster.store.mark_pulled(session_id, [first, second], clock=system_clock)
    begun = system_clock()
    (claimed,) = await cluster.store.claim_starts(clock=partial(_at, begun))
    assert claimed.session_id == session_id
    assert await cluster.store.claim_starts(clock=system_clock) == []

    async def reclaim(after: float, busy: list[UUID]) -> int:
        now = begun + timedelta(seconds=after)
        return len(
            await cluster.store.reclaim_stuck(
                older_than=timedelta(seconds=10), busy=busy, clock=partial(_at, now)
            )
        )

    assert await reclaim(9, []) == 0
    assert await reclaim(11, [first, second]) == 0
    assert await reclaim(11, [first]) == 1
    assert await reclaim(12, []) == 0  # it has only just been claimed again

    assert [await reclaim(after, []) for after in (22, 33, 44, 55)] == [1, 1, 1, 0]
    waiting = await cluster.row(session_id)
    assert (waiting.status, [*waiting.status_history]) == ("PENDING", ["PENDING"])
    assert waiting.status_data["scheduler"]["retries"] == 0
    given_back = {(one.status, one.agent) for one in await cluster.kernels(session_id)}
    assert given_back == {("PENDING", None)}
    (agent,) = await cluster.rows(select(agents).where(agents.c.id == "i-local"))
    assert not any(float(amount) for amount in agent.occupied_slots.values())
    assert await cluster.store.schedule(schedule, clock=system_clock) == [session_id]


async def test_destroying_marks_what_may_be_ended_and_leaves_the_rest(cluster: Cluster) -> None:
    seeded = {}
    async with cluster.database.transaction() as connection:
        for status in SessionStatus:
            seeded[status.value] = await seed_session(
                connection, cluster.world.alice, status=status, name=f"was-{status.value}"
            )
    becomes = {
        **dict.fromkeys(seeded, "TERMINATING"),
        **{status: status for status in ("ERROR", "TERMINATED", "CANCELLED")},
        "PENDING": "CANCELLED",
    }
    for was, session in seeded.items():
        marked = await cluster.destroy(session.id)
        row = await cluster.row(session.id)
        assert (marked, row.status) == (
            None if was == becomes[was] else becomes[was],
            becomes[was],
        )
        assert {kernel.status for kernel in await cluster.kernels(session.id)} == {row.status}
        if marked is not None:
            assert row.status_info == "user-requested"
            assert row.status_history.keys() == {"PENDING", was, row.status}


async def test_the_time_is_read_after_the_wait_for_a_lock(cluster: Cluster) -> None:
    """Otherwise a history would run backwards: what was waited for is later than what follows."""
    session_id = await cluster.enqueue("steps-1")
    read: list[datetime] = []

    def clock() -> datetime:
        read.append(system_clock())
        return read[-1]

    async with cluster.database.transaction() as connection:
        await connection.execute(
            select(sessions.c.id).where(sessions.c.id == session_id).with_for_update()
        )
        waiting = asyncio.create_task(
            cluster.sessions.mark_destroyed(session_id, reason="user-requested", clock=clock)
        )
        await _until_somebody_waits(cluster)
        assert read == []
    await waiting
    assert len(read) == 1


async def test_two_processes_never_wait_for_each_other_s_rows(cluster: Cluster) -> None:
    """Whoever has a session may take its kernels: nobody holds a kernel and wants the session."""
    session_id = await cluster.enqueue("steps-1")
    await cluster.store.schedule(schedule, clock=system_clock)
    await cluster.store.begin_preparing(clock=system_clock)
    (kernel,) = await cluster.kernels(session_id)
    async with cluster.database.transaction() as connection:
        await connection.execute(
            select(sessions.c.id).where(sessions.c.id == session_id).with_for_update()
        )
        waiting = asyncio.create_task(
            cluster.store.mark_pulled(session_id, [kernel.id], clock=system_clock)
        )
        await _until_somebody_waits(cluster)
        await connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        await connection.execute(
            select(kernels.c.id).where(kernels.c.id == kernel.id).with_for_update()
        )
    await waiting
    assert (await cluster.row(session_id)).status == "PREPARED"


async def test_a_session_that_is_refused_leaves_no_row(cluster: Cluster) -> None:
    def refuse(_state: QuotaState) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await cluster.sessions.enqueue(session_spec(cluster.world, "steps-1"), refuse)
    assert await cluster.rows(select(sessions.c.id)) == []
    assert await cluster.rows(select(kernels.c.id)) == []


async def test_whoever_counts_sees_what_others_have_enqueued(cluster: Cluster) -> None:
    """Sixteen at once: each count is another, because each waits for those before it."""
    counts: list[int] = []
    owner = cluster.world.alice.access_key

    def count(state: QuotaState) -> None:
        counts.append(state.occupancy.session_counts.get(owner, 0))

    await asyncio.gather(
        *(
            cluster.sessions.enqueue(session_spec(cluster.world, f"steps-{number}"), count)
            for number in range(16)
        )
    )
    assert counts == [*range(16)]


def _at(now: datetime) -> datetime:
    return now


async def _until_somebody_waits(cluster: Cluster) -> None:
    waits = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not (await cluster.rows(waits))[0][0]:  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.005)
