"""What is read of Valkey about the use of sessions: the same of a fake and of a real server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgpack
import pytest

from bai_manager.clients.cluster.signals import ValkeyUnreachable
from bai_manager.clients.live.connection import ValkeyNotConfigured
from bai_manager.clients.live.idle import ValkeyIdleFacts
from bai_manager.sokovan.idle import Evidence
from tests.session_idle.conftest import NOW
from tests.session_idle.fake_valkey import FakeValkey

if TYPE_CHECKING:
    from tests.session_idle.conftest import Holding
    from tests.session_idle.fake_valkey import Values

DAY = 24 * 3600
THEN = NOW.timestamp()


def facts(url: str | None) -> ValkeyIdleFacts:
    return ValkeyIdleFacts(url, password=None, timeout=2)


async def evidence(holding: Holding, written: dict[str, bytes | int], left: int = 150) -> Evidence:
    """Of one session, of which the keys after ``session.<id>.`` are written, to be kept so long."""
    session_id = uuid4()
    values: Values = {(2, f"session.{session_id}.{key}"): value for key, value in written.items()}
    async with holding(values, {key: left for _, key in values}) as url:
        return (await facts(url).read([session_id])).sessions[session_id]


async def test_a_session_that_nobody_wrote_of_is_not_known(holding: Holding) -> None:
    assert await evidence(holding, {}) == Evidence()


async def test_last_access_reports_and_what_was_said_of_use_are_read(holding: Holding) -> None:
    extra = {"resources": {"cpu_util": [3.5, 30.0]}}
    found = await evidence(
        holding,
        {
            "last_access": f"{THEN - 60:.06f}".encode(),
            "session_lifetime.report": msgpack.packb(12.5),
            "network_timeout.report": msgpack.packb(-1),
            "utilization_extra": msgpack.packb(extra),
        },
    )
    assert found.last_access == NOW - timedelta(minutes=1)
    assert not found.in_use
    assert found.reported == {"session_lifetime": 12.5, "network_timeout": -1}
    assert found.extra == extra


async def test_what_a_manager_said_before_it_stopped_is_not_its_word(holding: Holding) -> None:
    report: dict[str, bytes | int] = {"network_timeout.report": msgpack.packb(12.5)}
    assert (await evidence(holding, report, left=120)).reported == {"network_timeout": 12.5}
    assert (await evidence(holding, report, left=100)).reported == {}


@pytest.mark.parametrize(
    "written", [{"last_access": b"0"}, {"active_app_connections": 2}], ids=["runs", "connected"]
)
async def test_a_session_in_use_is_known_to_be(
    holding: Holding, written: dict[str, bytes | int]
) -> None:
    found = await evidence(holding, written)
    assert found.in_use
    assert found.last_access is None


async def test_a_series_ends_with_the_last_collection_and_begins_with_the_first(
    holding: Holding,
) -> None:
    series = {"cpu_util": [1.0, 2.0, 3.0], "mem": [7.0, 8.0]}
    found = await evidence(
        holding,
        {
            "util_series": msgpack.packb(series),
            "util_first_collected": f"{THEN - 600:.06f}".encode(),
            "util_last_collected": f"{THEN - 5:.06f}".encode(),
        },
    )
    last = NOW - timedelta(seconds=5)
    assert [(last - one.at, dict(one.used)) for one in found.series] == [
        (timedelta(seconds=595), {}),
        (timedelta(seconds=30), {"cpu_util": 1.0}),
        (timedelta(seconds=15), {"cpu_util": 2.0, "mem": 7.0}),
        (timedelta(0), {"cpu_util": 3.0, "mem": 8.0}),
    ]


@pytest.mark.parametrize(
    "written",
    [
        {"last_access": b"yesterday"},
        {"last_access": b"nan"},
        {"last_access": b"1e300"},
        {"active_app_connections": b"a text", "last_access": f"{THEN}".encode()},
        {"network_timeout.report": b"\xc1"},
        {"network_timeout.report": msgpack.packb("soon")},
        {"network_timeout.report": msgpack.packb(float("nan"))},
        {"network_timeout.report": msgpack.packb(msgpack.ExtType(5, b"cos\nsystem\n."))},
        {"utilization_extra": msgpack.packb([1, 2])},
        {"util_series": msgpack.packb({"cpu_util": [1.0]})},
        {"util_series": msgpack.packb([1.0]), "util_last_collected": f"{THEN}".encode()},
    ],
)
async def test_what_makes_no_sense_is_not_known(
    holding: Holding, written: dict[str, bytes | int]
) -> None:
    assert await evidence(holding, written) == Evidence()


async def test_a_sample_counts_while_its_agent_refreshes_it(holding: Holding) -> None:
    fresh, old, empty = uuid4(), uuid4(), uuid4()
    metrics = msgpack.packb({"cpu_util": {"current": "10", "capacity": "1000", "pct": "1"}})
    values: Values = {
        (0, str(fresh)): metrics,
        (0, str(old)): metrics,
        (0, str(empty)): msgpack.packb({}),
    }
    lives = {str(fresh): DAY, str(old): DAY - 60, str(empty): DAY}
    async with holding(values, lives) as url:
        stats = await facts(url).fresh_stats([fresh, old, empty, uuid4()])
    assert set(stats) == {fresh}


async def test_many_sessions_are_read_in_their_order(holding: Holding) -> None:
    ids = [uuid4() for _ in range(450)]
    values: Values = {(2, f"session.{ids[-1]}.last_access"): f"{THEN}".encode()}
    async with holding(values) as url:
        reading = await facts(url).read(ids)
    assert list(reading.sessions) == ids
    assert reading.sessions[ids[-1]].last_access == NOW


async def test_the_time_is_the_servers_and_the_leader_has_a_name() -> None:
    values: Values = {(5, "leader:sokovan:scheduler"): b"manager-1"}
    async with FakeValkey(values, {}, NOW).serving() as url:
        assert (await facts(url).read([])).now == NOW
        assert await facts(url).leader() == "manager-1"
    async with FakeValkey({}, {}, NOW).serving() as url:
        assert await facts(url).leader() is None


async def test_faults_are_told() -> None:
    with pytest.raises(ValkeyUnreachable):
        await facts("redis://127.0.0.1:1").read([UUID(int=1)])
    with pytest.raises(ValkeyNotConfigured):
        await facts(None).leader()
