"""The service of idle checks against facts that are made up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bai_manager.clients.cluster.signals import ValkeyUnreachable
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.session import sessions
from bai_manager.repositories.database import Database
from bai_manager.repositories.idle import IdleRepository
from bai_manager.repositories.session import SessionRepository
from bai_manager.services.session_idle.actions import EndIdleSessionsAction, ListIdleChecksAction
from bai_manager.services.session_idle.errors import ManagerLeads
from bai_manager.services.session_idle.service import SessionIdleService
from bai_manager.sokovan.gate import ClusterScheduler
from bai_manager.sokovan.idle import Evidence, IdleRules, LiveEvidence
from bai_manager.sokovan.idle_facts import ClusterIdleFacts
from bai_manager.sokovan.idle_step import IdleStep
from tests import seeds
from tests.seeds import NOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import KernelStat
    from bai_manager.errors import Unreachable
    from bai_manager.sokovan.gate import SessionChange

HOUR = timedelta(hours=1)
USED = IdleRules(network_timeout=HOUR)


@dataclass
class Cluster:
    """What etcd, Valkey and the database's clock say; an error is raised in place of an answer."""

    rules: IdleRules | Unreachable = USED
    leader: str | Unreachable | None = None
    used: Mapping[UUID, Evidence] | Unreachable = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    changes: list[SessionChange] = field(default_factory=list)

    async def read_rules(self) -> IdleRules:
        found: IdleRules = _answer(self.rules)
        return found

    async def read_leader(self) -> str | None:
        found: str | None = _answer(self.leader)
        return found

    async def read(self, session_ids: Sequence[UUID]) -> LiveEvidence:
        used = _answer(self.used)
        return LiveEvidence(
            now=NOW, sessions={one: used[one] for one in session_ids if one in used}
        )

    async def fresh_stats(self, _kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        return {}

    async def session_changed(self, change: SessionChange) -> None:
        self.changes.append(change)

    @asynccontextmanager
    async def service(self, database: str) -> AsyncIterator[SessionIdleService]:
        opened = Database(database)
        rows = IdleRepository(opened)

        async def time() -> Any:
            return NOW

        facts = ClusterIdleFacts(rules=self.read_rules, live=self, time=time)
        yield SessionIdleService(
            sessions=SessionRepository(opened),
            rows=rows,
            facts=facts,
            step=IdleStep(store=rows, facts=facts, clock=lambda: NOW),
            leader=self.read_leader,
            scheduler=ClusterScheduler(signals=self, warn=self.told.append),
            warn=self.told.append,
        )
        await opened.close()


def _answer(said: Any) -> Any:
    if isinstance(said, Exception):
        raise said
    return said


AWAY = ValkeyUnreachable("it is away")


async def seed(database: str, *names: str) -> list[UUID]:
    """Running sessions without a lifetime."""
    opened = Database(database)
    async with opened.transaction() as connection:
        world = await seeds.seed_world(connection)
        found = [
            (await seeds.seed_session(connection, world.alice, name=name)).id for name in names
        ]
        await connection.execute(
            update(keypair_resource_policies).values(idle_timeout=-1, max_session_lifetime=0)
        )
    await opened.close()
    return found


async def statuses(database: str) -> dict[str, str]:
    opened = Database(database)
    async with opened.transaction() as connection:
        rows = (await connection.execute(select(sessions.c.name, sessions.c.status))).all()
    await opened.close()
    return {row.name: row.status for row in rows}


async def test_what_is_over_is_ended_told_and_the_manager_is_woken(shaped_database: str) -> None:
    old, new, busy, unknown = await seed(shaped_database, "old-1", "new-1", "busy-1", "unknown-1")
    used = {
        old: Evidence(last_access=NOW - 2 * HOUR),
        new: Evidence(last_access=NOW - HOUR / 2),
        busy: Evidence(last_access=NOW - 2 * HOUR, in_use=True),
        unknown: Evidence(),
    }
    cluster = Cluster(used=used)
    async with cluster.service(shaped_database) as service:
        listed = await service.list_idle_checks(ListIdleChecksAction(everybody=True))
        ended = await service.end_idle_sessions(EndIdleSessionsAction())
    said = {one.name: one.idle_checks["network_timeout"].state.value for one in listed.sessions}
    assert said == {
        "old-1": "over",
        "new-1": "counting",
        "busy-1": "endless",
        "unknown-1": "unknown",
    }
    assert [(one.name, one.reason) for one in ended.sessions] == [("old-1", "idle-timeout")]
    assert [(one.session_id, one.status.value) for one in cluster.changes] == [(old, "TERMINATING")]
    found = await statuses(shaped_database)
    assert found.pop("old-1") == "TERMINATING"
    assert set(found.values()) == {"RUNNING"}


async def test_only_what_was_agreed_to_and_is_idle_still_is_ended(database: str) -> None:
    first, second = await seed(database, "old-1", "old-2")
    idle = Evidence(last_access=NOW - 2 * HOUR)
    cluster = Cluster(used={first: idle, second: idle})
    async with cluster.service(database) as service:
        ended = await service.end_idle_sessions(EndIdleSessionsAction(sessions=(first,)))
        cluster.used = {first: idle, second: Evidence(last_access=NOW)}
        again = await service.end_idle_sessions(EndIdleSessionsAction(sessions=(first, second)))
    assert [one.session_id for one in ended.sessions] == [first]
    assert again.sessions == []


async def test_nothing_is_ended_while_a_manager_leads_or_a_fact_is_out_of_reach(
    database: str,
) -> None:
    (old,) = await seed(database, "old-1")
    used = {old: Evidence(last_access=NOW - 2 * HOUR)}
    for cluster, error in (
        (Cluster(used=used, leader="manager-1"), ManagerLeads),
        (Cluster(used=used, leader=AWAY), ValkeyUnreachable),
        (Cluster(used=AWAY), ValkeyUnreachable),
        (Cluster(used=used, rules=AWAY), ValkeyUnreachable),
    ):
        async with cluster.service(database) as service:
            with pytest.raises(error):
                await service.end_idle_sessions(EndIdleSessionsAction())
        assert cluster.changes == []
    assert await statuses(database) == {"old-1": "RUNNING"}


async def test_what_is_out_of_reach_is_a_warning_and_unknown(database: str) -> None:
    (old,) = await seed(database, "old-1")
    said = {}
    for missing, cluster in {
        "rules": Cluster(rules=AWAY, used={old: Evidence(last_access=NOW - 2 * HOUR)}),
        "evidence": Cluster(used=AWAY),
    }.items():
        async with cluster.service(database) as service:
            listed = await service.list_idle_checks(ListIdleChecksAction(everybody=True))
        assert len(cluster.told) == 1
        assert "it is away" in cluster.told[0]
        checks = listed.sessions[0].idle_checks
        said[missing] = {name: check.state.value for name, check in checks.items()}
    assert said["rules"] == dict.fromkeys(said["rules"], "unknown")
    assert said["evidence"] == {
        "session_lifetime": "endless",
        "network_timeout": "unknown",
        "utilization": "off",
    }
