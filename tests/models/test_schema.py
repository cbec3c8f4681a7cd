"""The created schema is the recorded one, and creating is safe to repeat and to race."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bai_manager.models.all import metadata
from bai_manager.repositories.schema import (
    SCHEMA_REVISION,
    DatabaseNotEmpty,
    SchemaState,
    create_schema,
    schema_state,
)
from tests.schemas.introspect import differences, introspect, recorded
from tests.schemas.migrated import build_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection


@asynccontextmanager
async def begin(url: str) -> AsyncIterator[AsyncConnection]:
    """One transaction on a connection of its own."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        yield connection
    await engine.dispose()


async def create(url: str) -> None:
    async with begin(url) as connection:
        await create_schema(connection)


async def state_of(url: str) -> SchemaState:
    async with begin(url) as connection:
        return await schema_state(connection)


async def test_the_created_schema_equals_the_recorded_one(empty_database: str) -> None:
    async with begin(empty_database) as connection:
        await create_schema(connection)
        created = await introspect(connection)

    assert differences(recorded("oneshot"), created) == []
    assert created == recorded("oneshot")


async def test_the_built_migrated_schema_equals_the_recorded_one(empty_database: str) -> None:
    async with begin(empty_database) as connection:
        await connection.exec_driver_sql(build_sql(), execution_options={"no_parameters": True})
        built = await introspect(connection)
        state = await schema_state(connection)

    assert differences(recorded("migrated"), built) == []
    assert built == recorded("migrated")
    assert state == SchemaState(revision=SCHEMA_REVISION, shape="migrated")


def test_a_difference_names_the_thing_and_both_values() -> None:
    lines = differences(recorded("oneshot"), recorded("migrated"))

    assert "enum imagetype: expected ['COMPUTE', 'SYSTEM', 'SERVICE'], found None" in lines
    assert "artifact_revisions primary key: expected ('pk_artifact_revisions', ['id'])," in "".join(
        line for line in lines if line.startswith("artifact_revisions primary")
    )


async def test_creation_stamps_the_revision(empty_database: str) -> None:
    await create(empty_database)

    state = await state_of(empty_database)
    assert state == SchemaState(revision="dd15fd17f232", shape="oneshot")
    assert state.supported


async def test_an_untouched_database_is_empty_and_not_supported(empty_database: str) -> None:
    state = await state_of(empty_database)

    assert state == SchemaState(revision=None, shape="empty")
    assert not state.supported


async def test_creating_again_changes_nothing(empty_database: str) -> None:
    await create(empty_database)
    async with begin(empty_database) as connection:
        await connection.execute(
            text(
                "INSERT INTO domains VALUES ('d', '', true, now(), now(),"
                " '{}', '{}', '{}', NULL, ''::bytea)"
            )
        )

    await create(empty_database)

    async with begin(empty_database) as connection:
        assert await connection.scalar(text("SELECT name FROM domains")) == "d"
        stamps = await connection.scalars(text("SELECT version_num FROM alembic_version"))
        assert list(stamps) == [SCHEMA_REVISION]


async def test_creating_at_the_same_time_from_several_connections_works(
    empty_database: str,
) -> None:
    await asyncio.gather(*(create(empty_database) for _ in range(4)))

    async with begin(empty_database) as connection:
        assert differences(recorded("oneshot"), await introspect(connection)) == []


async def test_a_creation_that_is_rolled_back_leaves_nothing(empty_database: str) -> None:
    engine = create_async_engine(empty_database, poolclass=NullPool)
    async with engine.connect() as connection:
        await create_schema(connection)
        await connection.rollback()
    await engine.dispose()

    assert await state_of(empty_database) == SchemaState(revision=None, shape="empty")


async def test_foreign_tables_are_not_built_upon(empty_database: str) -> None:
    async with begin(empty_database) as connection:
        await connection.execute(text("CREATE TABLE something_else (id int)"))
        assert await schema_state(connection) == SchemaState(revision=None, shape="unknown")

        with pytest.raises(DatabaseNotEmpty) as caught:
            await create_schema(connection)

    assert caught.value.details == {"revision": None, "shape": "unknown"}


async def test_another_revision_is_reported_and_neither_supported_nor_overwritten(
    empty_database: str,
) -> None:
    async with begin(empty_database) as connection:
        await create_schema(connection)
        await connection.execute(text("UPDATE alembic_version SET version_num = 'f00'"))

        state = await schema_state(connection)
        assert state == SchemaState(revision="f00", shape="oneshot")
        assert not state.supported
        with pytest.raises(DatabaseNotEmpty):
            await create_schema(connection)


def test_every_column_described_is_in_both_shapes() -> None:
    described = {
        table.name: {column.name for column in table.columns} for table in metadata.tables.values()
    }
    oneshot, migrated = (
        {
            name: {column["name"] for column in table["columns"]}
            for name, table in recorded(shape)["tables"].items()
        }
        for shape in ("oneshot", "migrated")
    )

    assert described == {name: oneshot[name] & migrated[name] for name in oneshot}


def test_a_family_of_tables_is_usable_without_the_others() -> None:
    program = """
import sys
from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import psycopg
from bai_manager.models.session import kernels, sessions
for statement in (
    select(sessions, kernels).join(kernels, kernels.c.session_id == sessions.c.id),
    insert(kernels).values(cluster_role="main").returning(kernels.c.id),
    update(sessions).values(status="RUNNING").where(sessions.c.result == "UNDEFINED"),
):
    statement.compile(dialect=psycopg.dialect())
print(*sorted(name for name in sys.modules if name.startswith("bai_manager.models.")))
print("sqlalchemy.orm" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines() == [
        "bai_manager.models.base bai_manager.models.session",
        "False",
    ]
