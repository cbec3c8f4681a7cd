"""What is written through the tables reads back equal, on both shapes of the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Double,
    Integer,
    Interval,
    LargeBinary,
    String,
    Text,
    Uuid,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, JSON, JSONB
from sqlalchemy.pool import NullPool

from bai_manager.models.agent import agents
from bai_manager.models.all import metadata
from bai_manager.models.base import EitherJson, PgEnum, Unpadded, UrlText
from bai_manager.models.image import images
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import users
from tests.engines import shared_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Column, ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine

    from tests.conftest import PostgresServer

# One value of each column type; the text is short enough for every length.
SAMPLES: dict[type[TypeEngine[Any]], object] = {
    BigInteger: 2**40,
    Unpadded: "sha256:0f",
    Boolean: True,
    CIDR: ip_network("10.1.0.0/16"),
    DateTime: datetime(2025, 3, 4, 5, 6, 7, 890123, UTC),
    Double: 0.125,
    EitherJson: {"cpu": "1.5", "list": [1, None, "é", '"\\']},
    Integer: 7,
    Interval: timedelta(days=2, microseconds=5),
    JSON: {"max": 2.5, "": []},
    JSONB: {"mem": "1073741824", "on": False, "none": None},
    LargeBinary: b"\x90\x00\xff",
    String: "a'é\"%s",
    Text: "two\nlines",
    UrlText: "https://host.example/?a=1",
    Uuid: UUID("00000000-0000-4000-8000-000000000001"),
}
FAMILIES = [table for table in metadata.tables.values() if table.name != "alembic_version"]
ENUM_COLUMNS = [
    column for table in FAMILIES for column in table.columns if isinstance(column.type, PgEnum)
]


@pytest.fixture(scope="module", params=["oneshot", "migrated"])
def kept_database(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[str]:
    """A database of each shape that stays empty, as no test here commits."""
    with postgres_server.emptied_database(request.param) as url:
        yield url


@pytest.fixture
async def connection(kept_database: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back, in which foreign keys are not checked."""
    engine = shared_engine(kept_database, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
    await engine.dispose()


def sample(kind: TypeEngine[Any]) -> object:
    if isinstance(kind, PgEnum):
        return kind.labels[-1]
    if isinstance(kind, ARRAY):
        return [sample(kind.item_type)]
    return SAMPLES[type(kind)]


def full_row(table: Table) -> dict[str, object]:
    return {column.name: sample(column.type) for column in table.columns}


async def add(connection: AsyncConnection, table: Table, **values: object) -> None:
    await connection.execute(insert(table).values(full_row(table) | values))


async def test_a_row_of_every_table_reads_back_as_written(connection: AsyncConnection) -> None:
    for table in FAMILIES:
        row = full_row(table)

        await connection.execute(insert(table), [row])

        assert (await connection.execute(select(table))).mappings().one() == row, table.name


async def test_every_enum_is_compared_and_changed_as_text(connection: AsyncConnection) -> None:
    for column in ENUM_COLUMNS:
        async with connection.begin_nested() as alone:
            await _compare_and_change(connection, column)
            await alone.rollback()


async def _compare_and_change(connection: AsyncConnection, column: Column[str]) -> None:
    table, kind = column.table, column.type
    assert isinstance(kind, PgEnum)
    first, *_, last = kind.labels
    await add(connection, table)

    async def count(*conditions: ColumnElement[bool]) -> int | None:
        return await connection.scalar(select(func.count()).select_from(table).where(*conditions))

    assert await count(column == last) == 1, column
    assert await count(column != last) == 0, column
    assert await count(column.in_([first, last])) == 1, column
    assert await count(column.in_([first])) == 0, column
    assert await count(column.not_in([first])) == 1, column
    assert await count(column.in_([])) == 0, column
    assert await count(column.not_in([])) == 1, column
    assert await count(column.in_(select(column))) == 1, column
    changed = await connection.execute(
        update(table).values({column: first}).where(column.in_({last})).returning(column)
    )
    assert changed.scalar_one() == first, column


class Status(StrEnum):
    ALIVE = "ALIVE"
    LOST = "LOST"


async def test_a_label_may_be_a_member_of_an_enumeration(connection: AsyncConnection) -> None:
    await add(connection, agents, status=Status.LOST)

    query = select(agents.c.status).where(agents.c.status.in_([Status.LOST, Status.ALIVE]))
    assert await connection.scalar(query.where(agents.c.status == Status.LOST)) == "LOST"


async def test_labels_may_be_one_list_parameter(connection: AsyncConnection) -> None:
    await add(connection, images)
    listed = images.c.type.in_(bindparam("types", expanding=True))
    query = select(func.count()).select_from(images).where(listed)

    assert await connection.scalar(query, {"types": ["SYSTEM", "SERVICE"]}) == 1
    assert await connection.scalar(query, {"types": ["SYSTEM"]}) == 0
    assert await connection.scalar(query, {"types": []}) == 0


async def test_a_label_is_chosen_by_a_case(connection: AsyncConnection) -> None:
    await add(connection, images, type="COMPUTE", is_local=True)
    chosen = case((images.c.is_local, literal("SYSTEM", images.c.type.type)), else_=images.c.type)

    await connection.execute(update(images).values(type=chosen))

    assert await connection.scalar(select(images.c.type)) == "SYSTEM"


async def test_many_rows_are_written_at_once(connection: AsyncConnection) -> None:
    rows = [full_row(images) | {"id": uuid4(), "name": f"image-{n}"} for n in range(3)]
    written = await connection.execute(
        insert(images).returning(images.c.name, images.c.type, images.c.labels), rows
    )

    assert {row.name for row in written} == {"image-0", "image-1", "image-2"}


async def test_a_row_is_updated_where_it_exists(connection: AsyncConnection) -> None:
    await add(connection, users, status="active")
    upsert = postgresql.insert(users).values(full_row(users) | {"status": "inactive"})
    upsert = upsert.on_conflict_do_update(
        index_elements=["uuid"], set_={"status": upsert.excluded.status}
    )

    await connection.execute(upsert)

    assert await connection.scalar(select(users.c.status)) == "inactive"


@pytest.mark.parametrize(
    "column",
    [sessions.c.status_data, kernels.c.vfolder_mounts, kernels.c.last_stat],
    ids=str,
)
async def test_none_in_a_json_column_is_null(
    connection: AsyncConnection, column: Column[object]
) -> None:
    await add(connection, column.table, **{column.name: None})

    query = select(func.count()).select_from(column.table)
    assert await connection.scalar(query.where(column.is_(None))) == 1


@pytest.mark.parametrize(
    "column",
    [images.c.labels, kernels.c.vfolder_mounts, sessions.c.status_data],
    ids=str,
)
async def test_a_key_inside_json_is_selected(
    connection: AsyncConnection, column: Column[object]
) -> None:
    await add(connection, column.table, **{column.name: {"a": {"b": "c"}, "n": 3}})

    row = (
        await connection.execute(select(column["a"]["b"].astext, column["a"], column["n"].astext))
    ).one()
    assert tuple(row) == ("c", {"b": "c"}, "3")


async def test_jsonb_is_searched_and_merged(connection: AsyncConnection) -> None:
    await add(connection, sessions, vfolder_mounts=[{"name": "x"}], status_history={"PENDING": "1"})

    merged = sessions.c.status_history.op("||")({"RUNNING": "2"})
    await connection.execute(update(sessions).values(status_history=merged))

    query = select(sessions.c.status_history)
    found = query.where(sessions.c.vfolder_mounts.contains([{"name": "x"}]))
    assert await connection.scalar(found) == {"PENDING": "1", "RUNNING": "2"}
    assert (
        await connection.scalar(query.where(sessions.c.vfolder_mounts.contains([{"name": "y"}])))
        is None
    )


async def test_a_template_is_an_object_also_where_it_is_stored_as_text(
    connection: AsyncConnection,
) -> None:
    template = {"api_version": "v1", "spec": {"kernel": {"run": None}}}
    await add(connection, session_templates, template=template)

    assert await connection.scalar(select(session_templates.c.template)) == template


async def test_blank_padding_is_neither_read_nor_compared(connection: AsyncConnection) -> None:
    await add(connection, images, config_digest="sha256:" + "0" * 64)

    query = select(images.c.config_digest).where(images.c.config_digest == "sha256:" + "0" * 64)
    assert await connection.scalar(query) == "sha256:" + "0" * 64


async def test_the_url_none_is_read_as_absent(connection: AsyncConnection) -> None:
    await add(connection, sessions, callback_url="None")

    assert (await connection.execute(select(sessions.c.callback_url))).one() == (None,)


async def test_networks_may_be_given_as_text(connection: AsyncConnection) -> None:
    await add(connection, users, allowed_client_ip=["10.0.0.0/8", "192.168.1.7/32"])

    assert await connection.scalar(select(users.c.allowed_client_ip)) == [
        ip_network("10.0.0.0/8"),
        ip_network("192.168.1.7/32"),
    ]
