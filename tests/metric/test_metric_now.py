"""What kernels use now: samples of agents, those in Valkey, sums of them, and what they waste."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgpack
import pytest

from bai_manager.clients.agent.errors import AgentUnreachable
from bai_manager.clients.agent.protocol import KernelStat
from bai_manager.clients.cluster.signals import ValkeyUnreachable
from bai_manager.clients.live.agents import AgentLiveStats
from bai_manager.clients.live.connection import ValkeyNotConfigured
from bai_manager.clients.live.valkey import ValkeyLiveStats
from bai_manager.clients.prometheus.matrix import Series
from bai_manager.services.metric import export, idle, ranking
from bai_manager.services.metric.live import live_metrics, places
from bai_manager.services.metric.types import Dimension, IdleDimension, LiveKernel, MetricUnit
from bai_manager.types.errors import UnknownField
from bai_manager.types.query import Query, SortKey
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bai_manager.clients.agent.protocol import AgentClient
    from bai_manager.services.metric.types import IdleUsage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GIB = 2**30


def uid(number: int) -> UUID:
    return UUID(int=number)


def kernel(
    number: int,
    *,
    session: int = 1,
    user: int = 1,
    agent: str = "i-1",
    hours: float = 10,
    cpu: str = "4",
    cuda: str = "0",
) -> LiveKernel:
    return LiveKernel(
        kernel_id=uid(number),
        session_id=uid(100 + session),
        session_name=f"train-{session}",
        cluster_hostname="main1",
        agent_id=agent,
        agent_addr=f"tcp://{agent}",
        user_id=uid(200 + user),
        user_email=f"user-{user}@example.com",
        project_id=uid(300),
        project_name="default",
        occupied_slots=ResourceSlot({"cpu": cpu, "mem": str(8 * GIB), "cuda.device": cuda}),
        started_at=NOW - timedelta(hours=hours),
    )


def stat(number: int, **current: float) -> KernelStat:
    return KernelStat(
        kernel_id=uid(number),
        collected_at=NOW,
        metrics={name: {"current": str(value)} for name, value in current.items()},
    )


def by_id(*stats: KernelStat) -> dict[UUID, KernelStat]:
    return {one.kernel_id: one for one in stats}


class Pool:
    """Agents that answer with samples, or do not answer."""

    def __init__(self, answers: Mapping[str, Mapping[UUID, KernelStat] | None]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, int]] = []

    def client(self, agent_id: str, _addr: str) -> AgentClient:
        pool = self

        class Agent:
            async def kernel_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
                pool.asked.append((agent_id, len(kernel_ids)))
                answer = pool._answers[agent_id]
                if answer is None:
                    raise AgentUnreachable(agent_id, "it is gone")
                return answer

        return Agent()  # type: ignore[return-value]

    def resident(self) -> list[AgentClient]:
        return []


async def test_each_agent_is_asked_once_and_silence_of_one_is_told() -> None:
    pool = Pool({"i-1": by_id(stat(1, mem=1), stat(2, mem=2)), "i-2": None})
    kernels = [kernel(1), kernel(2), kernel(3, agent="i-2")]
    reading = await AgentLiveStats(pool).read(places(kernels))
    assert sorted(pool.asked) == [("i-1", 2), ("i-2", 1)]
    assert set(reading.stats) == {uid(1), uid(2)}
    assert set(reading.silent) == {"i-2"}


async def test_when_no_agent_answers_nothing_is_known() -> None:
    with pytest.raises(AgentUnreachable):
        await AgentLiveStats(Pool({"i-1": None})).read(places([kernel(1)]))


async def test_where_nothing_runs_nobody_is_asked() -> None:
    assert (await AgentLiveStats(Pool({})).read([])).stats == {}


@asynccontextmanager
async def valkey_with(values: Mapping[str, bytes]) -> AsyncIterator[str]:
    """A server that speaks enough of the wire format to answer MGET."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            if words[0].upper() == b"MGET":
                writer.write(b"*%d\r\n" % (len(words) - 1))
                for key in words[1:]:
                    value = values.get(key.decode())
                    text = b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
                    writer.write(text)
            else:
                writer.write(b"+OK\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def live_valkey(url: str | None) -> ValkeyLiveStats:
    return ValkeyLiveStats(url, password=None, timeout=2, clock=lambda: NOW)


async def test_samples_in_valkey_are_read_by_kernel() -> None:
    cpu = {"current": "250", "capacity": "1000", "pct": "25.0", "unit_hint": "percent"}
    memory = {"current": "1024", "capacity": "4096", "pct": "25.0", "stats.max": "2048"}
    values = {
        str(uid(1)): msgpack.packb({"cpu_util": cpu, "mem": memory}),
        str(uid(2)): b"\xc1 no msgpack",
        str(uid(3)): msgpack.packb([1, 2]),
    }
    kernels = [kernel(number) for number in (1, 2, 3, 4)]
    async with valkey_with(values) as url:
        reading = await live_valkey(url).read(places(kernels))
    assert set(reading.stats) == {uid(1)}
    rows = {row.metric: row for row in live_metrics(kernels, reading.stats)}
    assert (rows["cpu_util"].current, rows["cpu_util"].capacity) == (25, 100)
    assert (rows["mem"].current, rows["mem"].pct, rows["mem"].peak) == (1024, 25, 2048)
    assert rows["mem"].unit is MetricUnit.BYTES


async def test_a_valkey_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(ValkeyUnreachable):
        await live_valkey("redis://127.0.0.1:1").read(places([kernel(1)]))


async def test_a_cluster_without_valkey_has_no_live_values() -> None:
    with pytest.raises(ValkeyNotConfigured):
        await live_valkey(None).read(places([kernel(1)]))


def test_samples_are_added_up_and_the_most_come_first() -> None:
    kernels = [kernel(1), kernel(2, user=2, session=2), kernel(3, user=2, session=3)]
    stats = by_id(stat(1, cpu_util=90, mem=1), stat(2, cpu_util=50, mem=2), stat(3, cpu_util=70.5))
    wanted = ["cpu_util", "mem"]
    ranks = ranking.ordered(
        ranking.of_now(kernels, stats, Dimension.USER, wanted), wanted, Query(), NOW
    )
    assert [(rank.name, rank.kernels, rank.usage) for rank in ranks] == [
        ("user-2@example.com", 2, {"cpu_util": 120.5, "mem": 2}),
        ("user-1@example.com", 1, {"cpu_util": 90, "mem": 1}),
    ]


def test_ranks_are_sorted_and_cut_as_asked() -> None:
    kernels = [kernel(number, session=number) for number in (1, 2, 3)]
    stats = by_id(stat(1, mem=5), stat(3, mem=9))
    ranks = ranking.of_now(kernels, stats, Dimension.SESSION, ["mem"])

    def names(*sort: SortKey, limit: int | None = None) -> list[str]:
        query = Query(sort=sort, limit=limit)
        return [rank.name for rank in ranking.ordered(ranks, ["mem"], query, NOW)]

    assert names(SortKey("mem")) == ["train-1", "train-3", "train-2"]
    assert names(SortKey("name", descending=True), limit=2) == ["train-3", "train-2"]
    with pytest.raises(UnknownField):
        names(SortKey("colour"))


def test_totals_are_no_rates() -> None:
    ranks = ranking.of_now(
        [kernel(1)], by_id(stat(1, io_read=10**9)), Dimension.SESSION, ["io_read"]
    )
    assert ranks[0].usage == {}


def test_what_an_agent_gives_as_a_rate_is_one() -> None:
    values = {"current": "4096", "unit_hint": "bps"}
    given = by_id(KernelStat(kernel_id=uid(1), collected_at=NOW, metrics={"net_rx": values}))
    ranks = ranking.of_now([kernel(1)], given, Dimension.SESSION, ["net_rx"])
    assert ranks[0].usage == {"net_rx": 4096}
    [shown] = live_metrics([kernel(1)], given)
    assert (shown.current, shown.unit) == (4096, MetricUnit.BYTES_PER_SECOND)


def idle_rows(
    kernels: Sequence[LiveKernel],
    stats: Mapping[UUID, KernelStat],
    by: IdleDimension = IdleDimension.SESSION,
    *sort: SortKey,
) -> list[IdleUsage]:
    held = idle.held_by_session(kernels)
    found = {one.session_id: idle.used_since_start(one, stats, NOW) for one in held}
    used = {session: known for session, known in found.items() if known is not None}
    return idle.listed(held, used, by=by, below=10, query=Query(sort=sort), now=NOW)


def test_what_was_used_since_the_start_tells_who_is_idle() -> None:
    busy_ms = 10 * 3600 * 1000  # one of four cores, all the time
    kernels = [kernel(1, session=1), kernel(2, session=2), kernel(3, session=3)]
    stats = by_id(stat(1, cpu_used=busy_ms), stat(2, cpu_used=busy_ms / 10, mem=2 * GIB))
    (row,) = idle_rows(kernels, stats)
    assert row.name == "train-2"
    assert row.used_share == pytest.approx(2.5)
    assert row.held_for == row.observed == timedelta(hours=10)
    assert row.idle_for is None
    assert row.wasted == {"cpu": pytest.approx(39), "mem": pytest.approx(60 * GIB)}


def test_users_hold_what_their_idle_sessions_hold() -> None:
    kernels = [kernel(1, session=1), kernel(2, session=2, hours=2), kernel(3, session=3, user=2)]
    stats = by_id(*(stat(number, cpu_used=0) for number in (1, 2, 3)))
    rows = {row.name: row for row in idle_rows(kernels, stats, IdleDimension.USER)}
    mine = rows["user-1@example.com"]
    assert (mine.sessions, mine.kernels, mine.allocated["cpu"]) == (2, 2, 8)
    assert mine.wasted["cpu"] == pytest.approx(48)
    assert mine.held_for == timedelta(hours=10)


def test_the_most_waste_comes_first_and_accelerators_before_cores() -> None:
    kernels = [
        kernel(1, session=1, cpu="4"),
        kernel(2, session=2, cpu="8"),
        kernel(3, session=3, cpu="1", cuda="1"),
    ]
    stats = by_id(*(stat(number, cpu_used=0) for number in (1, 2, 3)))
    assert [row.name for row in idle_rows(kernels, stats)] == ["train-3", "train-2", "train-1"]
    by_cores = idle_rows(kernels, stats, IdleDimension.SESSION, SortKey("wasted_cpu"))
    assert [row.name for row in by_cores] == ["train-3", "train-1", "train-2"]


def test_a_busy_accelerator_is_not_idle() -> None:
    kernels = [kernel(1, cuda="2")]
    assert idle_rows(kernels, by_id(stat(1, cpu_used=0, cuda_util=90))) == []
    assert len(idle_rows(kernels, by_id(stat(1, cpu_used=0, cuda_util=10)))) == 1


def past(percent: Sequence[float], step: float = 3600) -> Series:
    """Hourly values up to now."""
    times = [NOW.timestamp() - step * back for back in reversed(range(len(percent)))]
    return Series({}, times, list(percent))


def test_idleness_lasts_since_the_last_busy_moment() -> None:
    (held,) = idle.held_by_session([kernel(1, hours=48, cpu="1")])
    series = {"cpu": past([0, 0, 80, 0, 0, 0])}
    used = idle.used_over(held, series, timedelta(days=1), 10, NOW)
    assert used is not None
    assert used.idle_for == timedelta(hours=3)
    assert used.amounts["cpu"] == pytest.approx(80 / 6 / 100)


def test_idleness_without_a_busy_moment_lasts_as_long_as_was_looked() -> None:
    (held,) = idle.held_by_session([kernel(1, hours=48, cpu="1")])
    used = idle.used_over(held, {"cpu": past([1] * 24)}, timedelta(days=1), 10, NOW)
    assert used is not None
    assert used.idle_for == used.observed == timedelta(days=1)


def test_what_was_used_before_the_session_ran_is_not_its_own() -> None:
    (held,) = idle.held_by_session([kernel(1, hours=2, cpu="1")])
    used = idle.used_over(held, {"cpu": past([90, 90, 90, 0, 0])}, timedelta(days=1), 10, NOW)
    assert used is not None
    assert used.amounts["cpu"] == pytest.approx(0.3)
    assert used.observed == timedelta(hours=2)
    assert idle.used_over(held, {}, timedelta(days=1), 10, NOW) is None


def test_what_is_exported_has_the_form_of_an_agents() -> None:
    sample = KernelStat(
        kernel_id=uid(1),
        collected_at=NOW,
        metrics={
            "cpu_util": {"current": "37.5", "capacity": "400"},
            "cpu_used": {"current": "1500", "capacity": "0"},
            "mem": {"current": "1024", "capacity": "4096"},
        },
    )
    found = export.samples([kernel(1)], by_id(sample))
    assert [(one.container_metric_name, one.value_type, one.value) for one in found] == [
        ("cpu_util", "current", 1500),
        ("cpu_util", "capacity", 1000),
        ("cpu_used", "current", 1500),
        ("mem", "current", 1024),
        ("mem", "capacity", 4096),
    ]
    assert {one.session_id for one in found} == {str(uid(101))}
