"""Connections and transactions.

A repository method is one ``async with database.transaction() as connection:`` block. What a
connection cannot do becomes one of our errors here, and nowhere else.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg.errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from bai_manager.errors import BackendAIError, ConfigurationError, TryAgain, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction


class DatabaseUnreachable(Unreachable):
    """The database refused, dropped or never answered the connection."""

    error_code = "backendai_access_unreachable"


class DatabaseBusy(TryAgain):
    """A lock, statement or serialization limit was hit; nothing was changed."""

    error_code = "backendai_access_unavailable"


class SchemaMissing(ConfigurationError):
    """The tables are not there: the system was not set up, or it is another database."""

    error_code = "backendai_setup_not-ready"


class DatabaseError(BackendAIError):
    """The database rejected a statement; nothing was changed."""

    error_code = "backendai_access_internal-error"


_BUSY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.QueryCanceled,
    psycopg.errors.TooManyConnections,
    psycopg.errors.CannotConnectNow,
)
_UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError)


class Database:
    """One database for one process; connects on first use.

    With ``dry_run`` every transaction is a savepoint of one outer transaction, which ``close``
    rolls back.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout: float = 10.0,
        statement_timeout: float = 60.0,
        dry_run: bool = False,
    ) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url,
            use_native_hstore=False,
            hide_parameters=True,  # they may be secrets, and errors are shown and recorded
            connect_args={
                "connect_timeout": max(2, round(connect_timeout)),
                "application_name": "bai-manager",
                "options": f"-c statement_timeout={round(statement_timeout * 1000)}"
                " -c timezone=UTC",
            },
        )
        self.address = self._engine.url.render_as_string(hide_password=True)
        self._dry_run = dry_run
        self._outer: AsyncTransaction | None = None
        self._outer_connection: AsyncConnection | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction: committed at the end, rolled back on any exception.

        Raises ``DatabaseUnreachable``, ``DatabaseBusy`` or ``DatabaseError``. Integrity errors
        pass unchanged to the repository, which knows what they mean.
        """
        try:
            if self._dry_run:
                connection = await self._rehearsal()
                async with connection.begin_nested():
                    yield connection
            else:
                async with self._engine.begin() as connection:
                    yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise _translated(error) from error

    @asynccontextmanager
    async def together(self, *, snapshot: bool = False) -> AsyncIterator[Database]:
        """A database whose transactions are all parts of one: all of them take effect, or none.

        With ``snapshot`` everything is read as of one moment.
        """
        async with self.transaction() as connection:
            if snapshot and not self._dry_run:
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield _Part(connection)

    async def _rehearsal(self) -> AsyncConnection:
        if self._outer_connection is None:
            self._outer_connection = await self._engine.connect()
            self._outer = await self._outer_connection.begin()
        return self._outer_connection

    async def close(self) -> None:
        """Roll back a dry run and drop every connection."""
        if self._outer is not None and self._outer.is_active:
            await self._outer.rollback()
        if self._outer_connection is not None:
            await self._outer_connection.close()
        await self._engine.dispose()


class _Part(Database):
    """One transaction of another database, as a database of its own; it is not to be closed."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """The one connection; an exception takes back everything, not only this part."""
        yield self._connection


def _translated(error: DBAPIError) -> BackendAIError:
    original = error.orig
    said = (
        str(original).strip().splitlines()[0] if str(original).strip() else type(original).__name__
    )
    if isinstance(original, psycopg.errors.UndefinedTable):
        return SchemaMissing(
            f"The database has no Backend.AI tables: {said}.",
            hint="On one machine, 'bai-manager init' makes them.",
        )
    if isinstance(original, _BUSY):
        return DatabaseBusy(
            f"The database is busy: {said}.", hint="Nothing was changed; run the command again."
        )
    if isinstance(original, _UNREACHABLE):
        return DatabaseUnreachable(
            f"The database does not answer: {said}.",
            hint="See 'bai-manager db status', or 'bai-manager config show --origin' for its"
            " address.",
        )
    return DatabaseError(f"The database rejected the statement: {said}.")
