"""What a connection cannot do becomes one of our errors, and leaves nothing half done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from bai_manager.errors import BackendAIError, ExitCode
from bai_manager.models.domain import domains
from bai_manager.repositories.database import (
    Database,
    DatabaseBusy,
    DatabaseError,
    DatabaseRefused,
    DatabaseUnreachable,
)
from tests.seeds import seed_domain

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.conftest import PostgresServer


async def _domains(database: Database) -> list[str]:
    async with database.transaction() as connection:
        return list(await connection.scalars(select(domains.c.name).order_by(domains.c.name)))


async def _end_connection(connection: AsyncConnection, server: PostgresServer) -> None:
    """As a server that stops does to its clients."""
    pid = await connection.scalar(select(func.pg_backend_pid()))
    await asyncio.to_thread(server.admin.execute, f"SELECT pg_terminate_backend({pid})".encode())


async def test_a_transaction_is_committed_at_its_end(db: Database) -> None:
    async with db.transaction() as connection:
        await seed_domain(connection)
    assert await _domains(db) == ["default"]


async def test_whatever_is_raised_inside_rolls_back_and_passes(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - its end counts
        async with db.transaction() as connection:
            await seed_domain(connection)
            raise ZeroDivisionError
    assert await _domains(db) == []


async def test_cancelling_rolls_back(db: Database) -> None:
    inserted = asyncio.Event()

    async def never_ends() -> None:
        async with db.transaction() as connection:
            await seed_domain(connection)
            inserted.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await inserted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _domains(db) == []


async def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    nowhere = Database(f"postgresql+psycopg://bai@/bai?host={tmp_path}")
    with pytest.raises(DatabaseUnreachable, match="does not answer") as raised:
        async with nowhere.transaction():
            pass
    await nowhere.close()
    assert raised.value.exit_code is ExitCode.UNREACHABLE
    assert raised.value.hint


async def test_a_database_that_is_not_there_is_a_wrong_address(
    postgres_server: PostgresServer,
) -> None:
    nowhere = Database(postgres_server.url("no_such_database"))
    with pytest.raises(DatabaseRefused, match=r"no_such_database.*does not exist"):
        async with nowhere.transaction():
            pass
    await nowhere.close()


async def test_a_server_that_stops_in_the_middle_is_unreachable_and_nothing_was_done(
    db: Database, postgres_server: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012 - its end counts
        async with db.transaction() as connection:
            await seed_domain(connection)
            await _end_connection(connection, postgres_server)
            await connection.execute(select(1))
    assert await _domains(db) == []


async def test_a_server_that_stops_before_the_commit_is_unreachable(
    db: Database, postgres_server: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012 - its end counts
        async with db.transaction() as connection:
            await seed_domain(connection)
            await _end_connection(connection, postgres_server)
    assert await _domains(db) == []


async def test_a_server_that_stops_in_a_dry_run_is_unreachable_and_can_be_closed(
    database: str, postgres_server: PostgresServer
) -> None:
    rehearsal = Database(database, dry_run=True)
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012 - its end counts
        async with rehearsal.transaction() as connection:
            await _end_connection(connection, postgres_server)
            await connection.execute(select(1))
    await rehearsal.close()


async def test_a_lock_that_is_not_given_in_time_is_busy(db: Database) -> None:
    async with db.transaction() as connection:
        await seed_domain(connection)
    locked = select(domains.c.name).with_for_update()
    async with db.transaction() as holding:
        await holding.execute(locked)
        with pytest.raises(DatabaseBusy, match="lock timeout") as raised:  # noqa: PT012 - its end counts
            async with db.transaction() as waiting:
                await waiting.execute(text("SET LOCAL lock_timeout = '20ms'"))
                await waiting.execute(locked)
    assert raised.value.exit_code is ExitCode.TRY_AGAIN


async def test_two_that_wait_for_each_other_are_not_both_refused(db: Database) -> None:
    for name in ("one", "two"):
        async with db.transaction() as connection:
            await seed_domain(connection, name)
    both_hold = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with db.transaction() as connection:
            await connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            for name in (first, second):
                await connection.execute(
                    select(domains.c.name).where(domains.c.name == name).with_for_update()
                )
                if name == first:
                    await both_hold.wait()

    ends = await asyncio.gather(lock("one", "two"), lock("two", "one"), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["DatabaseBusy", "NoneType"]


async def test_a_statement_that_takes_too_long_is_busy(database: str) -> None:
    hasty = Database(database, statement_timeout=0.02)
    with pytest.raises(DatabaseBusy, match="statement timeout"):
        async with hasty.transaction() as connection:
            await connection.execute(select(func.pg_sleep(5)))
    await hasty.close()


async def test_two_serializable_writers_are_told_to_try_again(db: Database) -> None:
    async with db.transaction() as connection:
        await seed_domain(connection)
    serializable = text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    with pytest.raises(DatabaseBusy):  # noqa: PT012 - its end counts
        async with db.transaction() as slow:
            await slow.execute(serializable)
            await slow.execute(select(domains.c.name))
            async with db.transaction() as quick:
                await quick.execute(serializable)
                await quick.execute(domains.update().values(description="quick"))
            await slow.execute(domains.update().values(description="slow"))


async def test_a_statement_that_is_wrong_is_an_error_and_no_traceback(db: Database) -> None:
    with pytest.raises(DatabaseError, match="rejected the statement") as raised:
        async with db.transaction() as connection:
            await connection.execute(text("SELEKT 1"))
    assert "\n" not in raised.value.message
    assert type(raised.value).__mro__[1] is BackendAIError


async def test_text_that_a_database_cannot_hold_is_an_error(db: Database) -> None:
    with pytest.raises(DatabaseError):
        async with db.transaction() as connection:
            await seed_domain(connection, "nul\x00")


async def test_a_broken_constraint_is_left_to_who_knows_what_it_means(db: Database) -> None:
    async with db.transaction() as connection:
        await seed_domain(connection)
    with pytest.raises(IntegrityError):
        async with db.transaction() as connection:
            await seed_domain(connection)


async def test_an_error_shows_no_value_of_a_statement(db: Database) -> None:
    async with db.transaction() as connection:
        await seed_domain(connection, "hidden-name")
    with pytest.raises(IntegrityError) as raised:
        async with db.transaction() as connection:
            await seed_domain(connection, "hidden-name")
    assert "parameters: {" not in str(raised.value)


async def test_times_are_utc_and_the_program_is_named(db: Database) -> None:
    async with db.transaction() as connection:
        zone = await connection.scalar(text("SHOW timezone"))
        name = await connection.scalar(text("SHOW application_name"))
    assert (zone, name) == ("UTC", "bai-manager")


async def test_a_dry_run_sees_what_it_did_and_leaves_nothing(db: Database, database: str) -> None:
    rehearsal = Database(database, dry_run=True)
    for name in ("one", "two"):
        async with rehearsal.transaction() as connection:
            await seed_domain(connection, name)
    assert await _domains(rehearsal) == ["one", "two"]
    assert await _domains(db) == []
    await rehearsal.close()
    assert await _domains(db) == []


async def test_in_a_dry_run_a_failure_undoes_its_own_transaction_alone(database: str) -> None:
    rehearsal = Database(database, dry_run=True)
    async with rehearsal.transaction() as connection:
        await seed_domain(connection, "kept")
    with pytest.raises(DatabaseError):  # noqa: PT012 - its end counts
        async with rehearsal.transaction() as connection:
            await seed_domain(connection, "undone")
            await connection.execute(text("SELEKT 1"))
    with pytest.raises(IntegrityError):
        async with rehearsal.transaction() as connection:
            await connection.execute(insert(domains).values(name="kept"))
    assert await _domains(rehearsal) == ["kept"]
    await rehearsal.close()


async def test_what_was_never_opened_can_be_closed(database: str) -> None:
    for dry_run in (False, True):
        await Database(database, dry_run=dry_run).close()
