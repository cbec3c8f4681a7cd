"""Idle sessions of a database are ended by the scheduler, with their reason."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bai_manager.clients.agent.protocol import KernelReport, KernelStat, KernelState
from bai_manager.clients.idle_series import IdleSeriesFile
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.idle import IdleRepository
from bai_manager.sokovan.idle import IdleRules, Sample, UtilizationRules
from bai_manager.sokovan.idle_facts import LocalIdleFacts
from bai_manager.sokovan.idle_step import IdleStep
from bai_manager.types.status import SessionStatus, SessionType
from tests import seeds
from tests.seeds import NOW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bai_manager.repositories.database import Database
    from tests.seeds import SeededSession

HOUR = timedelta(hours=1)


class Machine:
    """An agent that only knows when kernels were used, and that none of them does anything."""

    def __init__(self) -> None:
        self.used: dict[UUID, Any] = {}

    def client(self, _agent_id: str, _addr: str) -> Any:
        return self

    def resident(self) -> Any:
        return [self]

    async def kernel_reports(self) -> list[KernelReport]:
        return [
            KernelReport(
                kernel_id=kernel_id,
                session_id=UUID(int=0),
                state=KernelState.RUNNING,
                last_access=last,
            )
            for kernel_id, last in self.used.items()
        ]

    async def kernel_stats(self, kernel_ids: Sequence[UUID]) -> dict[UUID, KernelStat]:
        idle = {"cpu_util": {"current": "0", "pct": "1"}, "mem": {"current": "1024", "pct": "90"}}
        return {
            one: KernelStat(kernel_id=one, collected_at=NOW, metrics=idle) for one in kernel_ids
        }


async def seed(db: Database) -> dict[str, SeededSession]:
    async with db.transaction() as connection:
        world = await seeds.seed_world(connection)
        kinds = {
            "inter-1": SessionType.INTERACTIVE,
            "batch-1": SessionType.BATCH,
            "infer-1": SessionType.INFERENCE,
        }
        found = {
            name: await seeds.seed_session(connection, world.alice, name=name, session_type=kind)
            for name, kind in kinds.items()
        }
        await seeds.seed_session(
            connection, world.alice, name="later-1", status=SessionStatus.TERMINATING
        )
        await connection.execute(
            update(keypair_resource_policies).values(idle_timeout=-1, max_session_lifetime=0)
        )
    return found


async def statuses(db: Database, table: Any = sessions) -> dict[str, tuple[str, str | None]]:
    name = table.c.name if table is sessions else table.c.session_name
    async with db.transaction() as connection:
        rows = await connection.execute(select(name, table.c.status, table.c.status_info))
        return {row[0]: (row.status, row.status_info) for row in rows}


def step(db: Database, machine: Machine, folder: Path, rules: IdleRules) -> IdleStep:
    return IdleStep(
        store=IdleRepository(db),
        facts=LocalIdleFacts(
            agents=machine,
            series=IdleSeriesFile(folder / "idle.json"),
            rules=rules,
            clock=lambda: NOW + HOUR,
        ),
        clock=lambda: NOW + HOUR,
    )


async def test_a_lifetime_ends_every_running_session_but_inference(
    shaped_db: Database, tmp_path: Path
) -> None:
    await seed(shaped_db)
    checks = step(shaped_db, Machine(), tmp_path, IdleRules())
    assert not await checks.run()
    async with shaped_db.transaction() as connection:
        await connection.execute(update(keypair_resource_policies).values(max_session_lifetime=60))
    assert await checks.run()
    ended = ("TERMINATING", "idle-session-lifetime")
    for table in (sessions, kernels):
        found = await statuses(shaped_db, table)
        assert (found["inter-1"], found["batch-1"]) == (ended, ended)
        assert found["infer-1"][0] == "RUNNING"
        assert found["later-1"][1] != "idle-session-lifetime"
    assert not await checks.run()


async def test_what_nobody_used_for_long_is_ended_by_what_the_agent_remembers(
    db: Database, tmp_path: Path
) -> None:
    seeded = await seed(db)
    machine = Machine()
    checks = step(db, machine, tmp_path, IdleRules(network_timeout=HOUR / 2))
    machine.used = {one.kernel_ids[0]: NOW + HOUR for one in seeded.values()}
    assert not await checks.run()
    machine.used = {one.kernel_ids[0]: NOW for one in seeded.values()}
    assert await checks.run()
    found = await statuses(db)
    assert found["inter-1"] == ("TERMINATING", "idle-timeout")
    assert found["batch-1"][0] == "RUNNING"


@pytest.mark.parametrize("gaps", [False, True])
async def test_what_uses_little_of_what_it_asked_for_is_ended_once_the_series_is_full(
    db: Database, tmp_path: Path, gaps: bool
) -> None:
    seeded = await seed(db)
    window = timedelta(minutes=10)
    rules = UtilizationRules(
        window=window, initial_grace=timedelta(0), thresholds={"cpu_util": 5, "mem": 5}
    )
    file = IdleSeriesFile(tmp_path / "idle.json")
    times = (0, 11 * 60) if gaps else range(0, 11 * 60, 15)
    before = [
        Sample(NOW + HOUR - timedelta(seconds=ago), {"cpu_util": 1, "mem": 1}) for ago in times
    ]
    file.save({one.id: before[::-1] for one in seeded.values()})
    checks = step(db, Machine(), tmp_path, IdleRules(utilization=rules))
    assert bool(await checks.run()) is not gaps
    found = await statuses(db)
    assert (found["inter-1"] == ("TERMINATING", "idle-utilization")) is not gaps
    assert found["infer-1"][0] == "RUNNING"
    assert set(file.load()) == {seeded["inter-1"].id, seeded["batch-1"].id}
