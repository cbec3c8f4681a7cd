"""What ``policy what-if`` learns of idle checks: this machine's agent, or etcd and Valkey."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from bai_manager.clients.agent.errors import AgentUnreachable
from bai_manager.clients.cluster.errors import EtcdUnreachable
from bai_manager.clients.live.idle import ClusterIdleWatch, LocalIdleWatch, rules_in
from bai_manager.sokovan.idle import IdleRules, RunningSession, Sample
from bai_manager.types.status import SessionType
from tests.seeds import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

ENABLED = {"config/idle/enabled": "network_timeout, utilization"}
NOBODY = "redis://127.0.0.1:1"


def _running() -> RunningSession:
    return RunningSession(
        session_id=uuid4(),
        session_type=SessionType.INTERACTIVE,
        created_at=NOW,
        user_created_at=NOW,
        max_session_lifetime=0,
        idle_timeout=60,
        devices=frozenset({"cpu"}),
        main_kernel=uuid4(),
    )


class Report:
    def __init__(self, kernel_id: UUID) -> None:
        self.kernel_id = kernel_id
        self.last_access = NOW


class Agent:
    """Knows of one kernel, or does not answer."""

    def __init__(self, kernel_id: UUID | None) -> None:
        self._kernel_id = kernel_id

    async def kernel_reports(self) -> list[Report]:
        if self._kernel_id is None:
            raise AgentUnreachable("i-local", "it is away")
        return [Report(self._kernel_id)]


class Agents:
    def __init__(self, *agents: Agent) -> None:
        self._agents = agents

    def resident(self) -> tuple[Agent, ...]:
        return self._agents


async def test_the_agent_of_this_machine_knows_when_its_kernels_were_used() -> None:
    used, other = _running(), _running()
    agents: Any = Agents(Agent(used.main_kernel), Agent(None))
    samples = {used.session_id: (Sample(NOW, {}),)}
    rules = IdleRules(network_timeout=timedelta(minutes=1))
    watch = LocalIdleWatch(agents=agents, series=lambda: samples, rules=rules)
    view = await watch.view([used, other])
    assert (view.rules, view.accesses, view.unknown) == (rules, {used.session_id: NOW}, ())
    assert view.series == {}


def test_a_manager_has_its_rules_in_etcd() -> None:
    given = {
        **ENABLED,
        "config/idle/checkers/network_timeout/threshold": "30m",
        "config/idle/checkers/user_grace_period/user_initial_grace_period": "1d",
    }
    rules, unknown = rules_in(given)
    assert rules == IdleRules(network_timeout=timedelta(minutes=30), user_grace=timedelta(days=1))
    assert unknown == ("utilization is measured by the manager alone",)


@pytest.mark.parametrize(
    ("etcd", "timeout"),
    [
        ({}, None),
        ({"config/idle/enabled": "utilization"}, None),
        ({"config/idle/checkers/network_timeout/threshold": "1h"}, None),
        (ENABLED, timedelta(minutes=10)),
        ({**ENABLED, "config/idle/checkers/network_timeout/threshold": "inf"}, None),
    ],
)
def test_the_network_check_is_as_it_is_enabled_and_ten_minutes_by_default(
    etcd: Mapping[str, str], timeout: timedelta | None
) -> None:
    assert rules_in(etcd)[0].network_timeout == timeout


def _cluster(found: Mapping[str, str] | Exception, url: str | None = NOBODY) -> ClusterIdleWatch:
    async def settings() -> Mapping[str, str]:
        if isinstance(found, Exception):
            raise found
        return found

    return ClusterIdleWatch(settings=settings, url=url, password=None, timeout=1.0)


async def test_what_of_a_cluster_cannot_be_asked_is_said() -> None:
    sessions = [_running()]
    nowhere = ClusterIdleWatch(settings=None, url=None, password=None, timeout=1.0)
    said = [
        (await watch.view(sessions)).unknown[-1]
        for watch in (
            nowhere,
            _cluster(EtcdUnreachable("etcd is away.")),
            _cluster(ENABLED, url=None),
            _cluster(ENABLED),
        )
    ]
    assert ["etcd, and the profile names none" in said[0], "etcd is away." in said[1]] == [True] * 2
    assert said[2] == "when sessions were used last is unknown: the profile names no Valkey"
    assert said[3].startswith("when sessions were used last is unknown: ")


async def test_nobody_is_asked_for_accesses_that_no_check_looks_at() -> None:
    assert (await _cluster({}).view([_running()])).unknown == ()
