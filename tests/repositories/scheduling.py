"""A database with an agent that only pretends, and a scheduler to take steps in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select, text

from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.clients.agent.pool import AgentPool
from bai_manager.clients.agent.rehearsal import RehearsalAgent
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.scheduler import SchedulerRepository
from bai_manager.repositories.session import SessionRepository
from bai_manager.services.session.types_request import KernelSpec, SessionSpec
from bai_manager.sokovan.runner import SchedulerRunner
from bai_manager.types.clock import system_clock
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionType
from tests.seeds import ARCHITECTURE, GIB, IMAGE, NOW, World, seed_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.status import SessionStatus

# Writes down which columns each UPDATE changed.
_WATCH = (
    "CREATE TABLE seen (step serial, place text, status text, changed text[])",
    """
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen (place, status, changed)
        SELECT TG_TABLE_NAME, NEW.status, array_agg(key)
        FROM jsonb_each(to_jsonb(NEW)) AS new_values
        WHERE to_jsonb(OLD) -> key IS DISTINCT FROM value
        HAVING count(*) > 0;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER watch AFTER UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION watch()",
    "CREATE TRIGGER watch AFTER UPDATE ON kernels FOR EACH ROW EXECUTE FUNCTION watch()",
)
_UNWATCH = ("DROP TABLE seen", "DROP FUNCTION watch CASCADE")  # or the database is used no more


@dataclass
class Cluster:
    """A seeded database whose agent only pretends."""

    database: Database
    world: World
    sessions: SessionRepository
    store: SchedulerRepository
    runner: SchedulerRunner

    async def enqueue(self, name: str, cpu: int = 1, kernel_count: int = 1) -> UUID:
        spec = session_spec(self.world, name, cpu=cpu, kernel_count=kernel_count)
        await self.sessions.enqueue(spec, lambda _state: None)
        return spec.id

    async def destroy(self, session_id: UUID) -> SessionStatus | None:
        return await self.sessions.mark_destroyed(
            session_id, reason="user-requested", clock=system_clock
        )

    async def seen(self) -> list[tuple[str, str, set[str]]]:
        """The steps since the last look: table, status, columns."""
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                text("WITH gone AS (DELETE FROM seen RETURNING *) SELECT * FROM gone ORDER BY step")
            )
            return [(row.place, row.status, set(row.changed)) for row in rows]

    async def row(self, session_id: UUID) -> AnyRow:
        return (await self.rows(select(sessions).where(sessions.c.id == session_id)))[0]

    async def kernels(self, session_id: UUID) -> list[AnyRow]:
        return await self.rows(
            select(kernels).where(kernels.c.session_id == session_id).order_by(kernels.c.local_rank)
        )

    async def rows(self, statement: Any) -> list[AnyRow]:
        async with self.database.transaction() as connection:
            return list(await connection.execute(statement))

    async def execute(self, statement: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(statement)


@asynccontextmanager
async def cluster_in(database: Database, folder: Path) -> AsyncIterator[Cluster]:
    async with database.transaction() as connection:
        world = await seed_world(connection)
        for statement in _WATCH:
            await connection.execute(text(statement))
    agent = RehearsalAgent(LocalAgentClient("i-local", folder / "agents"))
    store = SchedulerRepository(database)
    pool = AgentPool({"local": lambda _id, _addr: agent}, resident=[("i-local", "local://")])
    runner = SchedulerRunner(store=store, agents=pool, clock=system_clock)
    yield Cluster(database, world, SessionRepository(database), store, runner)
    async with database.transaction() as connection:
        for statement in _UNWATCH:
            await connection.execute(text(statement))


def session_spec(world: World, name: str, *, cpu: int = 1, kernel_count: int = 1) -> SessionSpec:
    slots = ResourceSlot({"cpu": cpu, "mem": GIB})
    return SessionSpec(
        id=uuid4(),
        creation_id=uuid4().hex[:22],
        name=name,
        session_type=SessionType.INTERACTIVE,
        priority=10,
        cluster_mode=ClusterMode.SINGLE_NODE,
        kernels=tuple(
            KernelSpec(
                cluster_role="sub" if rank else "main",
                cluster_idx=rank or 1,
                local_rank=rank,
                cluster_hostname=f"sub{rank}" if rank else "main1",
                requested_slots=slots,
            )
            for rank in range(kernel_count)
        ),
        image=IMAGE,
        registry="local",
        architecture=ARCHITECTURE,
        access_key=world.alice.access_key,
        user_id=world.alice.user_id,
        group_id=world.project_id,
        domain_name="default",
        scaling_group="default",
        tag=None,
        environ={},
        resource_opts={"shmem": 67108864, "allow_fractional_resource_fragmentation": True},
        internal_data={"dotfiles": []},
        startup_command=None,
        bootstrap_script=None,
        starts_at=None,
        batch_timeout=None,
        queue=False,
        created_at=NOW,
    )
