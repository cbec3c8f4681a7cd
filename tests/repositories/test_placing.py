"""What strategies look at besides slots is read from the rows."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.repositories.snapshot import load_snapshot
from bai_manager.types.status import SessionStatus, SessionType
from tests import people, seeds
from tests.seeds import NOW

if TYPE_CHECKING:
    from bai_manager.repositories.database import Database

PENDING, INFERENCE = SessionStatus.PENDING, SessionType.INFERENCE


async def test_roundrobin_goes_on_after_the_agent_of_the_newest_kernel(shaped_db: Database) -> None:
    options = {"config": {"agent_selection_strategy": "roundrobin"}}
    async with shaped_db.transaction() as connection:
        world = await seeds.seed_world(connection)
        await seeds.seed_scaling_group(connection, "turns", scheduler_opts=options)
        for agent in ("i-1", "i-2"):
            await seeds.seed_agent(connection, agent, scaling_group="turns")
        session = partial(seeds.seed_session, connection, world.alice, scaling_group="turns")
        await session(name="older-1", agent="i-2", created_at=NOW - timedelta(hours=1))
        await session(name="newer-1", agent="i-1")
        await seeds.seed_session(connection, world.alice, name="elsewhere-1")
        await session(name="waits-1", agent=None, status=PENDING)
        snapshot = await load_snapshot(connection, "turns", now=NOW)
    assert snapshot.config.round_robin_after == "i-1"


async def test_replicas_of_an_endpoint_are_counted_where_they_are_to_be_spread(
    shaped_db: Database,
) -> None:
    options = {
        "enforce_spreading_endpoint_replica": True,
        "allowed_session_types": ["inference"],
    }
    endpoint = uuid4()
    async with shaped_db.transaction() as connection:
        world = await seeds.seed_world(connection)
        await seeds.seed_scaling_group(connection, "serving", scheduler_opts=options)
        for agent in ("i-1", "i-2"):
            await seeds.seed_agent(connection, agent, scaling_group="serving")
        await connection.execute(people.endpoint(world.alice, world.image_id, id=endpoint))
        session = partial(
            seeds.seed_session,
            connection,
            world.alice,
            scaling_group="serving",
            session_type=INFERENCE,
        )
        runs = await session(name="runs-1", agent="i-2", kernel_count=2)
        waits = await session(name="waits-1", agent=None, status=PENDING)
        for one in (runs, waits):
            await connection.execute(people.route(endpoint, world.alice, one.id))
        snapshot = await load_snapshot(connection, "serving", now=NOW)
    assert [one.endpoint_id for one in snapshot.pending] == [endpoint]
    assert {one.id: one.endpoint_replicas for one in snapshot.agents} == {
        "i-1": {},
        "i-2": {endpoint: 2},
    }
