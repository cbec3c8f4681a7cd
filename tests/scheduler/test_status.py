"""What the scheduler has before it, who holds its locks, and what a pass leaves behind."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.passes import PassFile
from bai_manager.repositories.database import DatabaseBusy
from bai_manager.repositories.scheduler import SchedulerRepository
from bai_manager.repositories.transitions import Phase, in_phase
from bai_manager.services.scheduler.actions import GetSchedulerStatusAction
from bai_manager.types.status import SessionStatus
from tests import seeds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ask, Home, Typed
    from tests.tenants import Site

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_each_resource_group_tells_who_waits_and_how_many_agents_are_open(
    shaped_site: Site,
) -> None:
    site = shaped_site
    async with site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-closed", schedulable=False)
        await seeds.seed_agent(connection, "i-lost", status="LOST")
        await seeds.seed_scaling_group(connection, "empty", scheduler="drf")
        for name, group, priority in (
            ("one-1", "default", 10),
            ("two-2", "default", 20),
            ("three-3", "empty", 5),
        ):
            await seeds.seed_session(
                connection,
                site.world.alice,
                name=name,
                status=SessionStatus.PENDING,
                agent=None,
                scaling_group=group,
                priority=priority,
            )
    status = await site.run(GetSchedulerStatusAction())
    assert [
        (one.scaling_group, one.scheduler, one.pending, one.highest_priority)
        for one in status.queues
    ] == [("default", "fifo", 2, 20), ("empty", "drf", 1, 5)]
    assert [(one.agents, one.schedulable_agents) for one in status.queues] == [(3, 1), (0, 0)]
    assert (status.scheduled_by, status.last_pass) == ("manager", None)
    assert status.sessions == {"PENDING": 3}


async def test_who_holds_a_lock_and_who_waits_for_it_is_told(own_site: Site) -> None:
    async with in_phase(own_site.database, Phase.CREATING):
        (lock,) = (await own_site.run(GetSchedulerStatusAction())).locks
    assert (lock.lock, lock.phase, lock.granted) == (232, "CREATING", True)
    assert lock.application == "bai-manager"
    assert (await own_site.run(GetSchedulerStatusAction())).locks == []


async def test_another_scheduler_is_waited_for_no_longer_than_the_profile_says(
    own_site: Site,
) -> None:
    store = SchedulerRepository(own_site.database, patience=timedelta(milliseconds=20))
    async with in_phase(own_site.database, Phase.TERMINATING):
        with pytest.raises(DatabaseBusy, match="lock timeout"):
            await store.finish_terminated(clock=lambda: NOW)


def test_the_status_is_for_superadmins_and_monitors(ask: Ask) -> None:
    codes = {name: ask(name, "scheduler", "status").code for name in ("root", "monitor", "bob")}
    assert codes == {"root": 0, "monitor": 0, "bob": 4}


def test_the_last_pass_is_kept_and_a_broken_file_is_none(tmp_path: Path) -> None:
    file = PassFile(tmp_path / "scheduler.json")
    assert file.last() is None
    file.record(NOW, NOW + timedelta(seconds=2), every=5)
    last = file.last()
    assert last is not None
    assert (last.pid, last.every, last.alive) == (os.getpid(), 5, True)
    assert last.ended_at - last.started_at == timedelta(seconds=2)
    assert [path.name for path in tmp_path.iterdir()] == ["scheduler.json"]
    (tmp_path / "scheduler.json").write_text("{}")
    assert file.last() is None


def test_a_pass_is_recorded_and_leaves_no_audit_row(typed: Typed, initialised_home: Home) -> None:
    environ = initialised_home.environ
    (initialised_home.path / "data" / "local" / "scheduler.json").unlink(missing_ok=True)
    before = typed("audit", "list", "--all", "-o", "json", env=environ).out
    assert typed("scheduler", "run", "--dry-run", env=environ).code == 0
    assert (
        json.loads(typed("scheduler", "status", "-o", "json", env=environ).out)["last_pass"] is None
    )
    assert typed("scheduler", "run", env=environ).code == 0
    status = json.loads(typed("scheduler", "status", "-o", "json", env=environ).out)
    assert status["scheduled_by"] == "this machine"
    assert status["last_pass"]["pid"] == os.getpid()
    assert typed("audit", "list", "--all", "-o", "json", env=environ).out == before
