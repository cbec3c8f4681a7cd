"""What a pass does with a session that is stuck, state by state (``state-machines.md`` §7.3)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from bai_manager.models.agent import agents
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import kernels, sessions
from bai_manager.sokovan.scheduling import schedule
from bai_manager.types.clock import system_clock
from tests.repositories.scheduling import Cluster, cluster_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from bai_manager.repositories.database import Database

NOWHERE = "tcp://10.255.255.1:6001"


@pytest.fixture
async def cluster(db: Database, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_in(db, tmp_path) as opened:
        yield opened


async def _placed(cluster: Cluster, *, agent_addr: str, kernel_count: int = 1) -> UUID:
    """A SCHEDULED session whose agent is said to be at AGENT_ADDR."""
    session_id = await cluster.enqueue("stuck-1", kernel_count=kernel_count)
    await cluster.execute(update(agents).values(addr=agent_addr))
    await cluster.store.schedule(schedule, clock=system_clock)
    return session_id


async def _later(cluster: Cluster, seconds: float) -> None:
    """Let the kernels be in their step for so much longer."""
    await cluster.execute(
        update(kernels).values(status_changed=kernels.c.status_changed - timedelta(seconds=seconds))
    )


async def _state(cluster: Cluster, session_id: UUID) -> tuple[str, object, set[str]]:
    """Status, tries so far, and statuses of the kernels."""
    row = await cluster.row(session_id)
    tries = ((row.status_data or {}).get("scheduler") or {}).get("retries")
    return row.status, tries, {one.status for one in await cluster.kernels(session_id)}


async def test_retry_preparing_counts_a_try_after_10_seconds_and_gives_back_after_the_fifth(
    cluster: Cluster,
) -> None:
    session_id = await _placed(cluster, agent_addr=NOWHERE)
    await cluster.runner.advance()
    await cluster.runner.advance()
    assert await _state(cluster, session_id) == ("PREPARING", None, {"PREPARING"})
    for tries in (1, 2, 3, 4):
        await _later(cluster, 11)
        await cluster.runner.advance()
        await cluster.runner.advance()  # the time begins anew
        assert await _state(cluster, session_id) == ("PREPARING", tries, {"PREPARING"})
    await _later(cluster, 11)
    await cluster.store.retry_preparing(older_than=timedelta(seconds=10), clock=system_clock)
    assert await _state(cluster, session_id) == ("PENDING", 0, {"PENDING"})
    (kernel,) = await cluster.kernels(session_id)
    assert (kernel.agent, kernel.agent_addr) == (None, None)
    (agent,) = await cluster.rows(select(agents))
    assert not any(float(amount) for amount in agent.occupied_slots.values())


async def test_retry_preparing_gives_back_a_pulling_session_with_a_kernel_that_is_prepared(
    cluster: Cluster,
) -> None:
    session_id = await _placed(cluster, agent_addr="local://", kernel_count=2)
    await cluster.store.begin_preparing(clock=system_clock)
    first, second = await cluster.kernels(session_id)
    await cluster.store.mark_pulled(session_id, [first.id], clock=system_clock)
    await cluster.execute(update(sessions).values(status="PULLING"))
    await cluster.execute(update(kernels).where(kernels.c.id == second.id).values(status="PULLING"))
    for _ in range(5):
        assert (await _state(cluster, session_id))[0] == "PULLING"
        await _later(cluster, 11)
        await cluster.store.retry_preparing(older_than=timedelta(seconds=10), clock=system_clock)
    assert await _state(cluster, session_id) == ("PENDING", 0, {"PENDING"})


async def test_a_stuck_preparing_session_goes_on_when_its_agent_answers(cluster: Cluster) -> None:
    session_id = await _placed(cluster, agent_addr=NOWHERE)
    await cluster.runner.advance()
    await _later(cluster, 11)
    await cluster.execute(update(kernels).values(agent_addr="local://"))
    await cluster.runner.advance()
    assert (await _state(cluster, session_id))[0] == "RUNNING"


async def test_scheduled_and_prepared_sessions_go_on_in_the_next_pass_however_old(
    cluster: Cluster,
) -> None:
    scheduled = await _placed(cluster, agent_addr="local://")
    await _later(cluster, 9999)
    await cluster.runner.advance()
    assert await _state(cluster, scheduled) == ("RUNNING", None, {"RUNNING"})

    prepared = await _placed_again(cluster)
    await _later(cluster, 9999)
    await cluster.runner.advance()
    assert await _state(cluster, prepared) == ("RUNNING", None, {"RUNNING"})


async def _placed_again(cluster: Cluster) -> UUID:
    session_id = await cluster.enqueue("stuck-2")
    await cluster.store.schedule(schedule, clock=system_clock)
    await cluster.store.begin_preparing(clock=system_clock)
    (kernel,) = await cluster.kernels(session_id)
    await cluster.store.mark_pulled(session_id, [kernel.id], clock=system_clock)
    return session_id


async def test_retry_creating_leaves_a_start_to_an_agent_that_is_silent_until_the_fifth_try(
    cluster: Cluster,
) -> None:
    session_id = await _placed_again(cluster)
    await cluster.execute(update(kernels).values(agent_addr=NOWHERE))
    await cluster.runner.advance()
    for tries in (1, 2, 3, 4):
        await _later(cluster, 11)
        await cluster.runner.advance()
        assert await _state(cluster, session_id) == ("CREATING", tries, {"CREATING"})
    await _later(cluster, 11)
    await cluster.store.reclaim_stuck(older_than=timedelta(seconds=10), busy=[], clock=system_clock)
    assert await _state(cluster, session_id) == ("PENDING", 0, {"PENDING"})


async def test_terminate_is_tried_without_end_while_the_agent_is_only_silent(
    cluster: Cluster,
) -> None:
    session_id = await cluster.enqueue("stuck-1")
    await cluster.runner.advance()
    await cluster.execute(update(kernels).values(agent_addr=NOWHERE))
    await cluster.destroy(session_id)
    for _ in range(7):
        await _later(cluster, 60)
        await cluster.runner.advance()
        assert (await _state(cluster, session_id))[0] == "TERMINATING"
    await cluster.execute(update(kernels).values(agent_addr="local://"))
    await cluster.runner.advance()
    assert (await _state(cluster, session_id))[0] == "TERMINATED"


async def test_sweep_lost_agent_kernels_ends_what_no_agent_can_end(cluster: Cluster) -> None:
    for gone in ("LOST", "TERMINATED", None):
        await cluster.execute(update(agents).values(status="ALIVE"))
        session_id = await cluster.enqueue(f"stuck-{gone}")
        await cluster.runner.advance()
        if gone is None:
            await cluster.execute(update(kernels).values(agent=None, agent_addr=None))
        else:
            await cluster.execute(update(agents).values(status=gone))
        await cluster.destroy(session_id)
        await cluster.runner.advance()
        (kernel,) = await cluster.kernels(session_id)
        assert (kernel.status, kernel.status_info) == ("TERMINATED", "swept-lost-agent")
        assert (await cluster.row(session_id)).status == "TERMINATED"


async def test_sweep_cancels_what_waits_longer_than_its_group_allows_though_no_agent_is_open(
    cluster: Cluster,
) -> None:
    await cluster.execute(update(agents).values(schedulable=False))
    session_id = await cluster.enqueue("stuck-1", cpu=100)
    created = (await cluster.row(session_id)).created_at
    for limit, after, becomes in (
        (0, 9999, "PENDING"),
        (60, 60, "PENDING"),
        (60, 60.1, "CANCELLED"),
    ):
        await cluster.execute(update(scaling_groups).values(scheduler_opts=_waiting(limit)))
        now = created + timedelta(seconds=after)
        await cluster.store.schedule(schedule, clock=partial(_at, now))
        assert (await cluster.row(session_id)).status == becomes
    row = await cluster.row(session_id)
    assert (row.status_info, row.terminated_at) == ("PENDING_TIMEOUT", now)
    assert (await _state(cluster, session_id))[2] == {"CANCELLED"}


def _waiting(limit: float) -> dict[str, object]:
    return {"allowed_session_types": ["interactive"], "pending_timeout": limit}


def _at(now: datetime) -> datetime:
    return now
