"""Every field that a list declares can be filtered and sorted by, and gives what Python would."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID, uuid4

import pytest

from bai_manager.actions.monitors.base import OperationStatus, Outcome, Run
from bai_manager.errors import InvalidInput
from bai_manager.repositories.agent import AGENT_FIELDS, AgentRepository
from bai_manager.repositories.audit import AUDIT_FIELDS, AuditRepository
from bai_manager.repositories.database import Database
from bai_manager.repositories.image import IMAGE_FIELDS, ImageRepository
from bai_manager.repositories.session import SessionRepository
from bai_manager.repositories.session_rows import KERNEL_FIELDS, SESSION_FIELDS
from bai_manager.services.agent.actions import GetAgentAction
from bai_manager.services.session.actions import CreateSessionAction, DestroySessionAction
from bai_manager.types.errors import InvalidLimit, UnknownField
from bai_manager.types.query import TEXT, Filter, Op, Query, SortKey
from bai_manager.types.status import SessionResult, SessionStatus, SessionType
from tests import seeds
from tests.repositories.conftest import seeded

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Iterator,
        Mapping,
        Sequence,
    )

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.query import Field
    from tests.conftest import PostgresServer

Row: TypeAlias = Any  # whatever dataclass the list gives
FUTURE = datetime(2031, 1, 1, tzinfo=UTC)


class Listing(NamedTuple):
    """A list, its fields, and how many rows were seeded for it."""

    fields: Mapping[str, Field]
    run: Callable[[Database, Query], Awaitable[Sequence[Row]]]
    rows: int


LISTINGS: dict[str, Listing] = {
    "sessions": Listing(
        SESSION_FIELDS,
        lambda db, query: SessionRepository(db).list_sessions(
            query, owner=None, include_ended=True
        ),
        5,
    ),
    "kernels": Listing(
        KERNEL_FIELDS,
        lambda db, query: SessionRepository(db).list_kernels(query, owner=None, include_ended=True),
        6,
    ),
    "agents": Listing(AGENT_FIELDS, lambda db, query: AgentRepository(db).list_agents(query), 3),
    "images": Listing(IMAGE_FIELDS, lambda db, query: ImageRepository(db).list_images(query), 3),
    "audit rows": Listing(
        AUDIT_FIELDS, lambda db, query: AuditRepository(db).list_logs(query, owner=None), 3
    ),
}
ORDERS: dict[Op, Callable[[Any, Any], bool]] = {
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.LT: operator.lt,
    Op.LE: operator.le,
}


def _having(noun: str, op: Op) -> list[str]:
    return [name for name, field in LISTINGS[noun].fields.items() if op in field.kind.ops]


async def _seed(connection: AsyncConnection) -> None:
    world = await seeds.seed_world(connection)
    await seeds.seed_scaling_group(connection, "gpu", domains=("default",))
    later = timedelta(days=1)
    await seeds.seed_agent(
        connection,
        "i-gpu",
        scaling_group="gpu",
        status="LOST",
        schedulable=False,
        addr="tcp://10.0.0.2:6001",
        architecture="aarch64",
        version="25.18.1",
        first_contact=seeds.NOW + later,
    )
    await seeds.seed_agent(
        connection, "i-third", version="24.03.0", first_contact=seeds.NOW - later
    )
    await seeds.seed_image(
        connection, "cr.example.com/vision/torch:2.5", architecture="aarch64", is_local=False
    )
    await seeds.seed_image(connection, "cr.example.com/audio/whisper:1")
    alice, carol = world.alice, world.carol
    await seeds.seed_session(connection, alice, name="train-one", kernel_count=2, tag="night")
    await seeds.seed_session(
        connection,
        alice,
        name="waiting",
        status="PENDING",
        status_info="no-available-instances",
        priority=50,
        starts_at=seeds.NOW + later,
        session_type=SessionType.BATCH,
        created_at=seeds.NOW + later,
        image="cr.example.com/vision/torch:2.5",
    )
    await seeds.seed_session(
        connection,
        carol,
        name="ended",
        status="TERMINATED",
        result=SessionResult.SUCCESS,
        status_info="user-requested",
        terminated_at=seeds.NOW + 2 * later,
        created_at=seeds.NOW - later,
        tag="Day",
        session_type=SessionType.BATCH,
        starts_at=seeds.NOW,
    )
    await seeds.seed_session(
        connection,
        carol,
        name="cancelled",
        status="CANCELLED",
        terminated_at=seeds.NOW + later,
        created_at=seeds.NOW - 2 * later,
    )
    await seeds.seed_session(
        connection, alice, name="on-gpu", scaling_group="gpu", agent="i-gpu", priority=0
    )


async def _audit(url: str) -> None:
    opened = Database(url)
    audit = AuditRepository(opened)
    async with opened.transaction() as connection:
        erin = await seeds.seed_user(connection, "erin")
    runs = (
        (CreateSessionAction(name="train-1", image="python"), erin.actor, OperationStatus.SUCCESS),
        (DestroySessionAction(session="train-1"), None, OperationStatus.ERROR),
        (GetAgentAction(agent="i-local"), erin.actor, OperationStatus.SUCCESS),
    )
    for minute, (action, actor, status) in enumerate(runs):
        await audit.record_finished(
            Run(
                action_id=uuid4(),
                action=action,
                actor=actor,
                started_at=seeds.NOW + timedelta(minutes=minute),
            ),
            Outcome(
                status=status,
                description=f"{status.value} of {minute}",
                duration=timedelta(seconds=1),
                entity_id=action.entity_id(),
            ),
        )
    await opened.close()


@dataclass(frozen=True)
class Shaped:
    url: str


@pytest.fixture(scope="module", params=["oneshot", "migrated"])
def filled(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Shaped]:
    with postgres_server.emptied_database(request.param) as url:
        seeded(url, _seed)
        asyncio.run(_audit(url))
        yield Shaped(url)


@pytest.fixture
async def opened(filled: Shaped) -> AsyncIterator[Database]:
    database = Database(filled.url)
    yield database
    await database.close()


def _text(value: object) -> str:
    """A value as somebody types it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _values(rows: Sequence[Row], field: str) -> list[object]:
    return [getattr(row, field) for row in rows]


def _ids(rows: Sequence[Row]) -> list[object]:
    return [row.id for row in rows]


async def _every_row(opened: Database, noun: str) -> list[Row]:
    listing = LISTINGS[noun]
    rows = list(await listing.run(opened, Query()))
    assert len(rows) == listing.rows
    return rows


def _present(rows: Sequence[Row], field: str) -> list[Any]:
    """The values of the field that are there, smallest first."""
    values: set[Any] = {value for value in _values(rows, field) if value is not None}
    assert values, f"nothing was seeded for {field}"
    return sorted(values)


async def _filtered(opened: Database, noun: str, field: str, op: Op, *words: str) -> list[object]:
    query = Query(filters=(Filter(field, op, words),))
    return sorted(_ids(await LISTINGS[noun].run(opened, query)), key=str)


def _expected(rows: Sequence[Row], field: str, keep: Callable[[Any], bool]) -> list[object]:
    return sorted((row.id for row in rows if keep(getattr(row, field))), key=str)


def _is(compare: Callable[[Any, Any], bool], other: object, value: object) -> bool:
    """``value < other``, say; what is missing is in no order to anything."""
    return value is not None and compare(value, other)


def _has(part: str, value: object) -> bool:
    return value is not None and part.lower() in str(value).lower()


@pytest.mark.parametrize("noun", LISTINGS)
async def test_equal_and_not_equal_part_all_rows(opened: Database, noun: str) -> None:
    rows = await _every_row(opened, noun)
    for field in LISTINGS[noun].fields:
        for value in _present(rows, field):
            equal = await _filtered(opened, noun, field, Op.EQ, _text(value))
            other = await _filtered(opened, noun, field, Op.NE, _text(value))
            assert equal == _expected(rows, field, partial(operator.eq, value)), (field, value)
            assert other == _expected(rows, field, partial(operator.ne, value)), (field, value)


@pytest.mark.parametrize("noun", LISTINGS)
async def test_several_values_are_alternatives(opened: Database, noun: str) -> None:
    rows = await _every_row(opened, noun)
    for field in LISTINGS[noun].fields:
        some = _present(rows, field)[:2]
        found = await _filtered(opened, noun, field, Op.EQ, *map(_text, some))
        assert found == _expected(rows, field, some.__contains__), field


@pytest.mark.parametrize("noun", LISTINGS)
async def test_order_is_that_of_the_values(opened: Database, noun: str) -> None:
    rows = await _every_row(opened, noun)
    for field in _having(noun, Op.GT):
        values = _present(rows, field)
        middle = values[len(values) // 2]
        for op, compare in ORDERS.items():
            found = await _filtered(opened, noun, field, op, _text(middle))
            expected = _expected(rows, field, partial(_is, compare, middle))
            assert found == expected, (field, op)


@pytest.mark.parametrize("noun", LISTINGS)
async def test_contains_looks_inside_in_any_case(opened: Database, noun: str) -> None:
    rows = await _every_row(opened, noun)
    for field in _having(noun, Op.CONTAINS):
        part = _text(_present(rows, field)[0])[1:4].upper()
        found = await _filtered(opened, noun, field, Op.CONTAINS, part)
        assert found == _expected(rows, field, partial(_has, part)), field
        assert await _filtered(opened, noun, field, Op.CONTAINS, "%") == [], field
        assert await _filtered(opened, noun, field, Op.CONTAINS, "no such text") == [], field


@pytest.mark.parametrize("noun", LISTINGS)
async def test_sorting_puts_what_is_missing_last_both_ways(opened: Database, noun: str) -> None:
    rows = await _every_row(opened, noun)
    for field in LISTINGS[noun].fields:
        missing = _values(rows, field).count(None)
        for descending in (False, True):
            query = Query(sort=(SortKey(field, descending),))
            ordered = _values(await LISTINGS[noun].run(opened, query), field)
            present: list[Any] = ordered[: len(ordered) - missing]
            assert ordered[len(ordered) - missing :] == [None] * missing, (field, descending)
            assert None not in present, (field, descending)
            assert present == sorted(present, reverse=descending), (field, descending)


@pytest.mark.parametrize("noun", LISTINGS)
async def test_a_limit_is_the_number_of_rows_in_all(opened: Database, noun: str) -> None:
    listing = LISTINGS[noun]
    rows = await listing.run(opened, Query())
    for limit in (1, 2, listing.rows + 1):
        limited = await listing.run(opened, Query(limit=limit))
        assert _ids(limited) == _ids(rows)[:limit]
    with pytest.raises(InvalidLimit):
        await listing.run(opened, Query(limit=0))


@pytest.mark.parametrize("noun", LISTINGS)
async def test_a_field_that_is_not_there_is_answered_with_those_that_are(
    opened: Database, noun: str
) -> None:
    listing = LISTINGS[noun]
    with pytest.raises(UnknownField) as filtered:
        await listing.run(opened, Query(filters=(Filter("idd", Op.EQ, ("x",)),)))
    with pytest.raises(UnknownField) as sorted_:
        await listing.run(opened, Query(sort=(SortKey("idd"),)))
    for error in (filtered.value, sorted_.value):
        assert error.details["known"] == [*listing.fields]
        assert "id" in str(error.details["similar"])


@pytest.mark.parametrize("noun", LISTINGS)
async def test_a_value_of_another_kind_is_refused(opened: Database, noun: str) -> None:
    fields = LISTINGS[noun].fields
    refused = set()
    for name in fields:
        try:
            await _filtered(opened, noun, name, Op.EQ, "no such value")
        except InvalidInput:
            refused.add(name)
    assert refused == {name for name, field in fields.items() if field.kind != TEXT}


@pytest.mark.parametrize("noun", LISTINGS)
async def test_text_of_a_filter_is_no_sql(opened: Database, noun: str) -> None:
    listing = LISTINGS[noun]
    field = next(name for name, field in listing.fields.items() if field.kind == TEXT)
    for op in (Op.EQ, Op.CONTAINS):
        assert await _filtered(opened, noun, field, op, "' OR 1=1 --") == []


async def test_filters_all_have_to_hold(opened: Database) -> None:
    query = Query(
        filters=(
            Filter("domain_name", Op.EQ, ("default",)),
            Filter("priority", Op.GE, ("10",)),
            Filter("created_at", Op.LT, (FUTURE.isoformat(),)),
        ),
        sort=(SortKey("priority", descending=True),),
    )
    found = await LISTINGS["sessions"].run(opened, query)
    assert [row.name for row in found] == ["waiting", "train-one"]


async def test_ended_sessions_are_listed_only_when_asked_for(opened: Database) -> None:
    repository = SessionRepository(opened)
    live = await repository.list_sessions(Query(), owner=None, include_ended=False)
    assert {session.name for session in live} == {"train-one", "waiting", "on-gpu"}
    ended = Query(filters=(Filter("status", Op.EQ, ("terminated",)),))
    found = await repository.list_sessions(ended, owner=None, include_ended=False)
    assert [(session.name, session.status) for session in found] == [
        ("ended", SessionStatus.TERMINATED)
    ]


async def test_one_owner_s_rows_are_listed_alone(opened: Database) -> None:
    repository = SessionRepository(opened)
    everybody = await repository.list_sessions(Query(), owner=None, include_ended=True)
    (key,) = {row.access_key for row in everybody if row.name == "ended"}
    mine = await repository.list_sessions(Query(), owner=key, include_ended=True)
    assert {row.name for row in mine} == {"ended", "cancelled"}
    kernels = await repository.list_kernels(Query(), owner=key, include_ended=True)
    assert {kernel.session_name for kernel in kernels} == {"ended", "cancelled"}


async def test_ids_are_found_by_a_part(opened: Database) -> None:
    first = (await LISTINGS["sessions"].run(opened, Query()))[0]
    assert isinstance(first.id, UUID)
    found = await _filtered(opened, "sessions", "id", Op.CONTAINS, str(first.id)[:13])
    assert found == [first.id]
