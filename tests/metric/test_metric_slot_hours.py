"""Slot-hours against figures worked out by hand: the kernel rows and nothing else decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy import update

from bai_manager.actions.targets import Visibility
from bai_manager.cli.metric_options import parse_month
from bai_manager.models.session import kernels
from bai_manager.repositories.database import Database
from bai_manager.repositories.metric import MetricRepository
from bai_manager.services.metric.types import UsageDimension
from bai_manager.types.errors import InvalidTime
from tests.seeds import GIB, seed_session, seed_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bai_manager.services.metric.types import SlotHours
    from tests.seeds import Person, World

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Books:
    """A database in which kernels have run from one moment to another."""

    def __init__(self, database: Database, world: World) -> None:
        self.database = database
        self.world = world

    async def held(
        self,
        owner: Person,
        start: datetime,
        end: datetime | None,
        *,
        cpu: str = "2",
        kernel_count: int = 1,
        **columns: object,
    ) -> None:
        """Queued an hour before ``start``; ``end`` None runs still."""
        slots = {"cpu": cpu, "mem": str(GIB)}
        async with self.database.transaction() as connection:
            made = await seed_session(
                connection,
                owner,
                name=f"s-{start:%d%H%M}-{cpu}-{kernel_count}",
                status="TERMINATED" if end else "RUNNING",
                created_at=start - HOUR,
                terminated_at=end,
                slots=slots,
                kernel_count=kernel_count,
            )
            history = {
                "PENDING": (start - HOUR).isoformat(),
                "RUNNING": start.isoformat(),
                **({"TERMINATED": end.isoformat()} if end else {}),
            }
            await connection.execute(
                update(kernels)
                .where(kernels.c.session_id == made.id)
                .values({"status_history": history, "occupied_slots": slots, **columns})
            )

    async def in_november(
        self,
        *,
        by: UsageDimension = UsageDimension.USER,
        now: datetime = LATER,
        visible: Visibility | None = None,
    ) -> dict[str, SlotHours]:
        rows = await MetricRepository(self.database).slot_hours(
            start=NOVEMBER, end=DECEMBER, now=now, by=by, visible=visible or Visibility()
        )
        return {row.name: row for row in rows}

    async def cores(self, now: datetime = LATER) -> Decimal:
        """Core-hours of alice in November."""
        rows = await self.in_november(now=now)
        return rows["alice@example.com"].slot_hours["cpu"] if rows else Decimal(0)


@pytest_asyncio.fixture
async def books(database: str) -> AsyncIterator[Books]:
    opened = Database(database)
    async with opened.transaction() as connection:
        world = await seed_world(connection)
    yield Books(opened, world)
    await opened.close()


@pytest.mark.parametrize(
    ("start", "end", "core_hours"),
    [
        (NOVEMBER + 10 * HOUR, NOVEMBER + 12 * HOUR, "4"),
        (NOVEMBER - 5 * HOUR, NOVEMBER + 3 * HOUR, "6"),
        (DECEMBER - 2 * HOUR, DECEMBER + 9 * HOUR, "4"),
        (NOVEMBER - 24 * HOUR, DECEMBER + 24 * HOUR, "1440"),
        (NOVEMBER, DECEMBER, "1440"),
        (NOVEMBER + HOUR, NOVEMBER + HOUR + timedelta(seconds=1), "0.000556"),
        (NOVEMBER - 9 * HOUR, NOVEMBER, "0"),
        (DECEMBER, DECEMBER + 9 * HOUR, "0"),
    ],
)
async def test_what_lies_in_the_month_is_counted(
    books: Books, start: datetime, end: datetime, core_hours: str
) -> None:
    await books.held(books.world.alice, start, end)
    assert await books.cores() == Decimal(core_hours)


async def test_what_runs_is_counted_up_to_now(books: Books) -> None:
    await books.held(books.world.alice, NOVEMBER + 10 * HOUR, None)
    assert await books.cores(now=NOVEMBER + 15 * HOUR) == 10
    assert await books.cores(now=NOVEMBER + 10 * HOUR) == 0
    assert await books.cores(now=LATER) == 2 * (30 * 24 - 10)


async def test_waiting_is_not_holding(books: Books) -> None:
    async with books.database.transaction() as connection:
        await seed_session(connection, books.world.alice, status="PENDING", created_at=NOVEMBER)
        await seed_session(
            connection, books.world.alice, name="gone", status="CANCELLED", created_at=NOVEMBER
        )
    assert await books.in_november() == {}


async def test_an_end_that_was_not_written_is_the_last_change(books: Books) -> None:
    await books.held(
        books.world.alice,
        NOVEMBER,
        NOVEMBER + 7 * HOUR,
        terminated_at=None,
        status_history={"RUNNING": NOVEMBER.isoformat()},
        status_changed=NOVEMBER + 3 * HOUR,
    )
    assert await books.cores() == 6


async def test_a_start_that_was_not_written_is_the_creation(books: Books) -> None:
    await books.held(
        books.world.alice, NOVEMBER + 4 * HOUR, NOVEMBER + 5 * HOUR, status_history=None
    )
    assert await books.cores() == 4


async def test_kernels_and_sessions_are_added_up_by_slot(books: Books) -> None:
    await books.held(books.world.alice, NOVEMBER, NOVEMBER + 2 * HOUR, kernel_count=3)
    await books.held(books.world.alice, NOVEMBER, NOVEMBER + 4 * HOUR, cpu="1")
    row = (await books.in_november())["alice@example.com"]
    assert (row.sessions, row.kernels, row.kernel_hours) == (2, 4, Decimal(10))
    assert dict(row.slot_hours) == {"cpu": Decimal(16), "mem": Decimal(10 * GIB)}


async def test_usage_is_by_user_project_or_domain(books: Books) -> None:
    for person, hours in ((books.world.alice, 1), (books.world.bob, 2), (books.world.carol, 4)):
        await books.held(person, NOVEMBER, NOVEMBER + hours * HOUR, cpu=f"{hours}")
    users = await books.in_november(by=UsageDimension.USER)
    assert {name: row.slot_hours["cpu"] for name, row in users.items()} == {
        "alice@example.com": 1,
        "bob@example.com": 4,
        "carol@example.com": 16,
    }
    domains = await books.in_november(by=UsageDimension.DOMAIN)
    assert {name: row.slot_hours["cpu"] for name, row in domains.items()} == {
        "default": 5,
        "other": 16,
    }


async def test_each_sees_what_they_may(books: Books) -> None:
    world = books.world
    await books.held(world.alice, NOVEMBER, NOVEMBER + HOUR, cpu="1")
    await books.held(world.carol, NOVEMBER, NOVEMBER + HOUR, cpu="3")
    domain = Visibility(domain_name="default")
    assert set(await books.in_november(visible=domain)) == {"alice@example.com"}
    mine = replace(domain, user_id=world.bob.user_id)
    assert await books.in_november(visible=mine) == {}


@pytest.mark.parametrize(
    ("month", "zone", "start", "end"),
    [
        ("2026-11", "UTC", "2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        ("2026-12", "utc", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("2024-02", "UTC", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
    ],
)
def test_a_month_ends_where_the_next_begins(month: str, zone: str, start: str, end: str) -> None:
    assert [moment.isoformat() for moment in parse_month(month, zone)] == [start, end]


@pytest.mark.parametrize(
    ("month", "zone"), [("2026-13", "UTC"), ("November", "UTC"), ("2026-11", "Nowhere/Town")]
)
def test_what_is_no_month_or_place_is_refused(month: str, zone: str) -> None:
    with pytest.raises(InvalidTime):
        parse_month(month, zone)
