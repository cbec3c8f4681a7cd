"""Usage of users, quarter of an hour by quarter of an hour (``reference/services.md`` §7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bai_manager.models.session import kernels
from bai_manager.services.user.actions import GetUserStatsAction
from bai_manager.services.user.errors import UserNotFound
from bai_manager.services.user.stats import BIN, usage_bins
from bai_manager.types.period import InvalidPeriod, InvalidTimeZone, Period
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, KernelStatus
from bai_manager.types.usage import KernelUsage
from tests import seeds

if TYPE_CHECKING:
    from tests.tenants import Site

START = datetime(2026, 3, 1, tzinfo=UTC)
MONTH = Period(START, datetime(2026, 4, 1, tzinfo=UTC))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
STAT = {
    "io_read": {"current": "100"},
    "io_write": {"current": "200.9"},
    "io_scratch_size": {"current": "1", "stats.max": "300"},
    "mem": {"capacity": "400"},
    "cpu_used": {"current": "500.5"},
}


def kernel(created: datetime, ended: datetime | None, **given_: Any) -> KernelUsage:
    values: dict[str, Any] = {
        "id": uuid4(),
        "session_id": uuid4(),
        "session_name": "train-1",
        "container_id": None,
        "domain_name": "default",
        "group_id": uuid4(),
        "group_name": "default",
        "access_key": None,
        "user_id": uuid4(),
        "user_email": None,
        "full_name": None,
        "agent": None,
        "image": None,
        "status": KernelStatus.RUNNING if ended is None else KernelStatus.TERMINATED,
        "status_info": None,
        "status_changed": None,
        "status_history": {},
        "cluster_mode": ClusterMode.SINGLE_NODE,
        "created_at": created,
        "terminated_at": ended,
        "occupied_slots": ResourceSlot({"cpu": "2.5", "mem": 1024, "cuda.shares": "0.5"}),
        "attached_devices": {},
        "resource_opts": {},
        "vfolder_mounts": [],
        "mounts": [],
        "last_stat": STAT,
    }
    return KernelUsage(**{**values, **given_})


def _at(quarters: float) -> datetime:
    return START + quarters * BIN


def _busy(*found: KernelUsage, period: Period = MONTH, now: datetime = NOW) -> list[int]:
    bins = usage_bins(found, period, now)
    return [index for index, one in enumerate(bins) if one.num_sessions]


def test_a_month_has_a_bin_for_every_quarter_of_an_hour() -> None:
    bins = usage_bins([], MONTH, NOW)
    assert len(bins) == 31 * 96
    assert (bins[0].date, bins[-1].date) == (START, MONTH.end - BIN)
    assert len(usage_bins([], Period(NOW - timedelta(days=30), NOW), NOW)) == 2880


@pytest.mark.parametrize(
    ("created", "ended", "busy"),
    [
        (0, 0, [0]),
        (0.5, 0.9, [0]),
        (0.5, 1, [0, 1]),
        (1, 3.5, [1, 2, 3]),
        (-5, 1.5, [0, 1]),
        (-5, -1, []),
        (2974.5, 3000, [2974, 2975]),
    ],
)
def test_a_kernel_counts_from_the_bin_of_its_creation_through_that_of_its_end(
    created: float, ended: float, busy: list[int]
) -> None:
    assert _busy(kernel(_at(created), _at(ended))) == busy


def test_a_kernel_that_runs_counts_until_now() -> None:
    assert _busy(kernel(_at(1), None), now=_at(3.5)) == [1, 2, 3]
    assert len(_busy(kernel(_at(1), None))) == 2975


def test_a_bin_has_whole_cores_bytes_accelerators_and_totals_of_each_kernel() -> None:
    one = usage_bins([kernel(_at(0), _at(0))], MONTH, NOW)[0]
    assert (one.num_sessions, one.cpu_allocated, one.mem_allocated) == (1, 2, 1024)
    assert one.gpu_allocated == Decimal("0.5")
    assert (one.io_read_bytes, one.io_write_bytes, one.disk_used) == (100, 200, 300)


def test_every_accelerator_is_added_up() -> None:
    slots = ResourceSlot({"cpu": 1, "cuda.device": 2, "rocm.device": 1, "mem": 1})
    one = usage_bins([kernel(_at(0), _at(0), occupied_slots=slots)], MONTH, NOW)[0]
    assert one.gpu_allocated == 3


def test_kernels_in_one_bin_are_added_up_and_leave_no_trace_behind() -> None:
    found = [kernel(_at(0), _at(1)), kernel(_at(1), _at(2)), kernel(_at(1), _at(1))]
    bins = usage_bins(found, MONTH, NOW)
    assert [one.num_sessions for one in bins[:4]] == [1, 3, 1, 0]
    assert [one.cpu_allocated for one in bins[:4]] == [2, 6, 2, 0]
    assert all(one.gpu_allocated == 0 for one in bins[3:])


@pytest.mark.parametrize(
    "stat",
    [{}, {"io_read": None}, {"io_read": {"current": "much"}}, {"io_read": {"current": "NaN"}}],
)
def test_a_kernel_without_statistics_counts_with_what_it_was_given(stat: Any) -> None:
    one = usage_bins([kernel(_at(0), _at(0), last_stat=stat)], MONTH, NOW)[0]
    assert (one.num_sessions, one.cpu_allocated, one.io_read_bytes) == (1, 2, 0)


SPANS = st.tuples(st.integers(-50, 150), st.integers(0, 200))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SPANS, max_size=8))
def test_the_bins_are_what_counting_one_by_one_gives(spans: list[tuple[int, int]]) -> None:
    period = Period(START, START + 25 * BIN)
    step = timedelta(minutes=3)
    found = [
        kernel(START + first * step, START + (first + length) * step) for first, length in spans
    ]
    for one in usage_bins(found, period, NOW):
        counted = [
            kernel_
            for kernel_ in found
            if kernel_.terminated_at is not None
            and kernel_.created_at < one.date + BIN
            and kernel_.terminated_at >= one.date
        ]
        assert one.num_sessions == len(counted)
        assert one.cpu_allocated == 2 * len(counted)


# From rows


async def _seed(site: Site, **given_: Any) -> None:
    async with site.database.transaction() as connection:
        made = await seeds.seed_session(connection, given_.pop("owner", site.world.alice), **given_)
    await site.execute(
        update(kernels)
        .where(kernels.c.session_id == made.id)
        .values(occupied_slots={"cpu": "2", "mem": "1024"}, last_stat=STAT)
    )


async def _months(site: Site, month: str, **given_: Any) -> list[datetime]:
    """When something ran."""
    who = given_.pop("who", None)
    result = await site.run(GetUserStatsAction(month=month, **given_), who)
    return [one.date for one in result.bins if one.num_sessions]


@pytest.mark.parametrize("status", ["PENDING", "PREPARING", "CANCELLED", "ERROR", "TERMINATING"])
async def test_only_kernels_that_run_or_ran_are_counted(people: Site, status: str) -> None:
    await _seed(people, status=status, created_at=_at(1), terminated_at=_at(2))
    assert await _months(people, "2026-03") == []


async def test_a_kernel_that_ended_before_the_month_is_not_counted(shaped_people: Site) -> None:
    await _seed(shaped_people, status="TERMINATED", created_at=_at(-9), terminated_at=_at(-1))
    await _seed(
        shaped_people, name="ends-1", status="TERMINATED", created_at=_at(-9), terminated_at=_at(1)
    )
    assert await _months(shaped_people, "202603") == [_at(0), _at(1)]
    assert len(await _months(shaped_people, "2026-02")) == 9


async def test_a_kernel_that_begins_after_the_month_is_not_counted(people: Site) -> None:
    await _seed(people, status="RUNNING", created_at=MONTH.end)
    assert await _months(people, "2026-03") == []


async def test_running_kernels_are_counted(shaped_people: Site) -> None:
    await _seed(shaped_people, status="RUNNING", created_at=MONTH.end - BIN)
    assert await _months(shaped_people, "2026-03") == [MONTH.end - BIN]


async def test_without_a_month_it_is_the_last_thirty_days(people: Site) -> None:
    result = await people.run(GetUserStatsAction())
    assert len(result.bins) == 2880


async def test_a_month_is_that_of_the_time_zone(people: Site) -> None:
    result = await people.run(GetUserStatsAction(month="2026-03", timezone="Asia/Seoul"))
    assert result.bins[0].date == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert len(result.bins) == 31 * 96


async def test_one_sees_what_one_may_see(people: Site) -> None:
    world = people.world
    for index, owner in enumerate((world.alice, world.bob, world.carol)):
        await _seed(
            people,
            owner=owner,
            name=f"train-{index}",
            status="TERMINATED",
            created_at=_at(index),
            terminated_at=_at(index),
        )
    assert await _months(people, "2026-03", who=world.alice) == [_at(0)]
    assert await _months(people, "2026-03", who=world.admin) == [_at(0), _at(1)]
    for person in (world.root, world.monitor):
        assert await _months(people, "2026-03", who=person) == [_at(0), _at(1), _at(2)]
    assert await _months(people, "2026-03", user="bob") == [_at(1)]


async def test_a_month_zone_or_user_that_is_none_is_refused(people: Site) -> None:
    await people.refused(GetUserStatsAction(month="2026-13"), InvalidPeriod)
    await people.refused(GetUserStatsAction(month="2026-03", timezone="Mars"), InvalidTimeZone)
    await people.refused(GetUserStatsAction(user="nobody"), UserNotFound)
