"""Usage of projects (``reference/services.md`` §8): the arithmetic, and from rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from bai_manager.models.session import kernels
from bai_manager.services.group.actions import UsagePerMonthAction, UsagePerPeriodAction
from bai_manager.services.group.errors import GroupNotFound
from bai_manager.services.group.usage import (
    total_of,
    usage_per_month,
    usage_per_period,
    used_days,
    used_time,
)
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.period import InvalidPeriod, InvalidTimeZone
from bai_manager.types.resource_slot import ResourceSlot
from tests import seeds
from tests.user.test_user_stats import STAT, kernel

if TYPE_CHECKING:
    from bai_manager.types.usage import KernelUsage
    from tests.tenants import Site

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEVICES = {
    "cuda": [
        {"device_id": "0", "model_name": "H100", "data": {"smp": 132, "mem": 80}},
        {"device_id": "1", "model_name": "H100", "data": {"smp": "132", "mem": 80}},
        {"device_id": "2", "model_name": None, "data": {}},
    ],
    "cpu": [{"device_id": "0", "model_name": "x", "data": {"smp": 9}}],
}
A, B = UUID(int=1), UUID(int=2)

MONTH_KEYS = [
    "g_id",
    "g_name",
    "domain_name",
    "g_cpu_allocated",
    "g_cpu_used",
    "g_mem_allocated",
    "g_mem_used",
    "g_shared_memory",
    "g_disk_allocated",
    "g_disk_used",
    "g_io_read",
    "g_io_write",
    "g_device_type",
    "g_smp",
    "g_gpu_mem_allocated",
    "g_gpu_allocated",
    "c_infos",
]
KERNEL_KEYS = {
    "id",
    "session_id",
    "container_id",
    "domain_name",
    "group_id",
    "group_name",
    "name",
    "access_key",
    "email",
    "full_name",
    "agent",
    "cpu_allocated",
    "cpu_used",
    "mem_allocated",
    "mem_used",
    "shared_memory",
    "disk_allocated",
    "disk_used",
    "io_read",
    "io_write",
    "used_time",
    "used_days",
    "device_type",
    "smp",
    "gpu_mem_allocated",
    "gpu_allocated",
    "nfs",
    "image_id",
    "image_name",
    "created_at",
    "terminated_at",
    "status",
    "status_info",
    "status_changed",
    "status_history",
    "cluster_mode",
}
BASE_KEYS = {
    "created_at",
    "terminated_at",
    "scheduled_at",
    "used_time",
    "used_days",
    "user_id",
    "user_email",
    "full_name",
    "access_key",
    "project_id",
    "project_name",
    "domain_name",
    "session_id",
    "session_name",
    "kernel_id",
    "container_ids",
    "images",
    "agents",
    "status",
    "status_info",
    "status_history",
    "cluster_mode",
    "last_stat",
    "extra_info",
    "group_unit",
    "total_usage",
}
TOTAL_KEYS = {
    "nfs",
    "cpu_allocated",
    "cpu_used",
    "mem_allocated",
    "mem_used",
    "shared_memory",
    "disk_allocated",
    "disk_used",
    "io_read",
    "io_write",
    "device_type",
    "smp",
    "gpu_mem_allocated",
    "gpu_allocated",
}


def _kernel(**given: Any) -> KernelUsage:
    return kernel(START, START + HOUR, **given)


# Derivations


def test_what_a_kernel_used_is_derived_from_its_row() -> None:
    one = _kernel(
        attached_devices=DEVICES,
        resource_opts={"shmem": 67108864},
        vfolder_mounts=[{"host_path": "/b"}, {"host_path": "/a"}, {"host_path": "/b"}, {}],
    )
    total = total_of([one])
    assert (total.cpu_allocated, total.mem_allocated) == (Decimal("2.5"), 1024)
    assert (total.cpu_used, total.mem_used) == (Decimal("500.5"), 400)
    assert (total.disk_allocated, total.disk_used) == (0, 300)
    assert (total.io_read, total.io_write) == (100, 200)
    assert total.shared_memory == 67108864
    assert (total.smp, total.gpu_mem_allocated, total.device_type) == (264, 160, ["H100"])
    assert total.gpu_allocated == Decimal("0.5")
    assert total.nfs == ["/a", "/b"]


def test_older_rows_keep_the_path_of_a_mount_as_its_third_word() -> None:
    assert total_of([_kernel(mounts=[["data", "host", "/path", "rw"], "x"])]).nfs == ["/path"]


def test_totals_are_sums_that_are_not_multiplied_by_time() -> None:
    long = kernel(START, START + 100 * HOUR)
    total = total_of([_kernel(), long])
    assert (total.cpu_allocated, total.mem_allocated, total.io_read) == (Decimal(5), 2048, 200)


def test_fractions_add_up_exactly() -> None:
    slots = ResourceSlot({"cuda.shares": "0.1"})
    assert total_of([_kernel(occupied_slots=slots)] * 3).gpu_allocated == Decimal("0.3")


def test_used_time_is_the_text_of_the_difference_and_null_while_it_runs() -> None:
    assert used_time(START, START + timedelta(days=1, seconds=62)) == "1 day, 0:01:02"
    assert used_time(START, None) is None


@pytest.mark.parametrize(("zone", "days"), [("UTC", 1), ("Asia/Seoul", 2), ("America/New_York", 1)])
def test_used_days_are_calendar_days_of_the_time_zone(zone: str, days: int) -> None:
    began = datetime(2026, 3, 1, 14, tzinfo=UTC)
    assert used_days(began, began + 2 * HOUR, ZoneInfo(zone)) == days
    assert used_days(began, None, ZoneInfo(zone)) is None


# Reports


def test_a_month_has_one_entry_for_each_project_with_its_kernels() -> None:
    found = [_kernel(group_id=A), _kernel(group_id=B, group_name="b"), _kernel(group_id=A)]
    usage = usage_per_month(found, UTC)
    assert [(one.g_id, len(one.c_infos)) for one in usage] == [(A, 2), (B, 1)]
    assert [one.g_cpu_allocated for one in usage] == [Decimal(5), Decimal("2.5")]
    assert usage_per_month([], UTC) == []


def test_the_keys_of_a_month_are_those_of_a_manager() -> None:
    (usage,) = usage_per_month([_kernel(image="python", group_id=A)], UTC)
    printed: Any = to_jsonable(usage)
    assert list(printed) == MONTH_KEYS
    (info,) = printed["c_infos"]
    assert set(info) == KERNEL_KEYS
    assert (info["image_id"], info["image_name"]) == ("python", "python")
    assert (info["status"], info["used_time"], info["used_days"]) == ("TERMINATED", "1:00:00", 1)


def test_a_period_is_a_tree_of_projects_sessions_and_kernels() -> None:
    first = _kernel(session_id=A, id=A, agent="i-1", container_id="c1")
    second = kernel(START + HOUR, START + 3 * HOUR, session_id=A, id=B, group_id=first.group_id)
    (project,) = usage_per_period([first, second], UTC)
    assert (project.group_unit, list(project.sessions)) == ("project", [A])
    session = project.sessions[A]
    assert (session.group_unit, list(session.kernels)) == ("session", [A, B])
    assert session.kernels[A].group_unit == "kernel"
    assert project.total_usage == session.total_usage == total_of([first, second])
    assert (project.created_at, project.terminated_at) == (START, START + 3 * HOUR)
    assert (session.used_time, session.agents, session.container_ids) == (
        "3:00:00",
        ["i-1"],
        ["c1"],
    )


def test_the_keys_of_a_period_are_those_of_a_manager_on_every_level() -> None:
    (project,) = usage_per_period([_kernel(session_id=A, id=B)], UTC)
    printed: Any = to_jsonable(project)
    assert set(printed) == BASE_KEYS | {"sessions"}
    session = printed["sessions"][str(A)]
    assert set(session) == BASE_KEYS | {"kernels"}
    leaf = session["kernels"][str(B)]
    assert set(leaf) == BASE_KEYS
    assert set(leaf["total_usage"]) == TOTAL_KEYS
    assert (leaf["kernel_id"], session["kernel_id"]) == (str(B), None)
    assert (session["session_id"], printed["session_id"]) == (str(A), None)


def test_what_runs_has_no_end_on_any_level() -> None:
    running = kernel(START, None, session_id=A)
    ended = kernel(START, START + HOUR, session_id=A, group_id=running.group_id)
    (project,) = usage_per_period([running, ended], UTC)
    assert (project.terminated_at, project.used_time, project.used_days) == (None, None, None)
    assert project.sessions[A].terminated_at is None


def test_a_kernel_says_when_it_was_scheduled() -> None:
    history = {"SCHEDULED": "2026-03-01T00:00:01+00:00"}
    (project,) = usage_per_period([_kernel(session_id=A, id=B, status_history=history)], UTC)
    assert project.sessions[A].kernels[B].scheduled_at == history["SCHEDULED"]


# From rows


async def _seed(site: Site, owner: Any = None, **given: Any) -> None:
    async with site.database.transaction() as connection:
        made = await seeds.seed_session(connection, owner or site.world.alice, **given)
    await site.execute(
        update(kernels)
        .where(kernels.c.session_id == made.id)
        .values(
            occupied_slots={"cpu": "2", "mem": "1024"},
            last_stat=STAT,
            attached_devices=DEVICES,
        )
    )


async def test_a_month_is_read_from_kernel_rows(shaped_people: Site) -> None:
    await _seed(shaped_people, status="TERMINATED", created_at=START, terminated_at=START + HOUR)
    await _seed(shaped_people, name="runs-1", created_at=START)
    await _seed(shaped_people, name="waits-1", status="PENDING", created_at=START)
    result = await shaped_people.run(UsagePerMonthAction(month="202603"))
    (usage,) = result.groups
    assert (usage.g_name, usage.domain_name) == ("default", "default")
    assert (usage.g_cpu_allocated, usage.g_mem_allocated) == (Decimal(4), 2048)
    assert [info.name for info in usage.c_infos] == ["train-1", "runs-1"]
    assert usage.c_infos[0].email == "alice@example.com"


@pytest.mark.parametrize(
    ("created", "ended", "counted"),
    [(-2, -1, 0), (-2, 0, 1), (-2, 1, 1), (31 * 24 - 1, 31 * 24 + 5, 1), (31 * 24, 800, 0)],
)
async def test_kernels_of_a_month_touch_it(
    people: Site, created: int, ended: int, counted: int
) -> None:
    await _seed(
        people,
        status="TERMINATED",
        created_at=START + created * HOUR,
        terminated_at=START + ended * HOUR,
    )
    result = await people.run(UsagePerMonthAction(month="2026-03"))
    assert sum(len(usage.c_infos) for usage in result.groups) == counted


async def test_a_period_ends_with_its_last_day(shaped_people: Site) -> None:
    await _seed(
        shaped_people,
        status="TERMINATED",
        created_at=START + 23 * HOUR,
        terminated_at=START + 24 * HOUR,
    )
    one_day = UsagePerPeriodAction(start_date="20260301", end_date="20260301")
    assert len((await shaped_people.run(one_day)).projects) == 1
    before = UsagePerPeriodAction(start_date="2026-02-01", end_date="2026-02-28")
    assert (await shaped_people.run(before)).projects == []


async def test_one_project_may_be_asked_for(people: Site) -> None:
    await _seed(people, status="TERMINATED", created_at=START, terminated_at=START)
    await _seed(
        people,
        people.world.carol,
        name="carols-1",
        status="TERMINATED",
        created_at=START,
        terminated_at=START,
    )
    everything = await people.run(UsagePerMonthAction(month="2026-03"))
    assert len(everything.groups) == 2
    one = await people.run(UsagePerMonthAction(month="2026-03", group="other/default"))
    assert [usage.domain_name for usage in one.groups] == ["other"]
    own = await people.run(UsagePerMonthAction(month="2026-03"), people.world.other_admin)
    assert [usage.domain_name for usage in own.groups] == ["other"]


async def test_what_is_no_period_zone_or_project_is_refused(people: Site) -> None:
    await people.refused(UsagePerMonthAction(month="March"), InvalidPeriod)
    await people.refused(UsagePerMonthAction(month="2026-03", timezone="Mars"), InvalidTimeZone)
    await people.refused(UsagePerMonthAction(month="2026-03", group="gone"), GroupNotFound)
    backwards = UsagePerPeriodAction(start_date="20260302", end_date="20260301")
    await people.refused(backwards, InvalidPeriod)
