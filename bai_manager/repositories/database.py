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

from bai_manager.actions.errors import SchemaUnsupported
from bai_manager.errors import BackendAIError, ConfigurationError, TryAgain, Unreachable
from bai_manager.repositories.schema import SUPPORTED_REVISIONS, read_revision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction


class DatabaseUnreachable(Unreachable):
    """The database refused, dropped or never answered the connection."""

    error_code = "backendai_access_unreachable"


class DatabaseBusy(TryAgain):
    """A lock, statement or serialization limit was hit; nothing was changed."""

    error_code = "backendai_access_unavailable"


class DatabaseRefused(ConfigurationError):
    """The server answers, and wants another user, password or database."""

    error_code = "backendai_auth_unauthorized"


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
_REFUSALS = ("password authentication failed", "no pg_hba.conf entry", "does not exist")
_OF_ANOTHER_RELEASE = (
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
)


class Database:
    """One database for one process; connects on first use.

    With ``dry_run`` every transaction is a savepoint of one outer transaction, which ``close``
    rolls back. A schema of a revision that this program does not know is read, after a warning;
    its transactions are read-only.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout: float = 10.0,
        statement_timeout: float = 60.0,
        dry_run: bool = False,
        warn: Callable[[str], None] = lambda _message: None,
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
        address = self._engine.url.set(drivername="postgresql")
        self.address = address.render_as_string(hide_password=True)
        self._dry_run = dry_run
        self._warn = warn
        self._inspected = False
        self._unknown_revision: str | None = None
        self._outer: AsyncTransaction | None = None
        self._outer_connection: AsyncConnection | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction: committed at the end, rolled back on any exception.

        Raises ``DatabaseUnreachable``, ``DatabaseRefused``, ``DatabaseBusy``, ``SchemaMissing``,
        ``SchemaUnsupported`` or ``DatabaseError``. Integrity errors pass unchanged to the
        repository, which knows what they mean.
        """
        try:
            if self._dry_run:
                connection = await self._rehearsal()
                async with connection.begin_nested():
                    yield connection
            else:
                async with self._engine.begin() as connection:
                    await self._inspect(connection)
                    yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self._translated(error) from error

    async def _inspect(self, connection: AsyncConnection) -> None:
        """Look at the revision once, and let nothing be written where it is unknown."""
        if not self._inspected:
            self._inspected = True
            revision = await read_revision(connection)
            if revision is not None and revision not in SUPPORTED_REVISIONS:
                self._unknown_revision = revision
                self._warn(f"{_unknown(revision)}: it is only read, as far as it is the same.")
        if self._unknown_revision is not None:
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    @asynccontextmanager
    async def together(self, *, snapshot: bool = False) -> AsyncIterator[Database]:
        """A database whose transactions are all parts of one: all of them take effect, or none.

        With ``snapshot`` everything is read as of one moment.
        """
        if not self._inspected:
            async with self.transaction():
                pass  # what it reads must not be the first of the snapshot
        async with self.transaction() as connection:
            if snapshot and not self._dry_run:
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield _Part(connection)

    async def _rehearsal(self) -> AsyncConnection:
        if self._outer_connection is None:
            self._outer_connection = await self._engine.connect()
            self._outer = await self._outer_connection.begin()
            await self._inspect(self._outer_connection)
        return self._outer_connection

    async def close(self) -> None:
        """Roll back a dry run and drop every connection."""
        if self._outer is not None and self._outer.is_active:
            await self._outer.rollback()
        if self._outer_connection is not None:
            await self._outer_connection.close()
        await self._engine.dispose()

    def _translated(self, error: DBAPIError) -> BackendAIError:
        revision = self._unknown_revision
        if revision is None or not isinstance(error.orig, _OF_ANOTHER_RELEASE):
            return _translated(error)
        is_write = isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction)
        why = "so nothing is written" if is_write else f"and it differs: {_first_line(error)}"
        return SchemaUnsupported(
            f"{_unknown(revision)}, {why}.",
            hint="Use the release of bai-manager that is made for this cluster.",
            details={"revision": revision, "supported": [*sorted(SUPPORTED_REVISIONS)]},
        )


def _unknown(revision: str) -> str:
    known = ", ".join(sorted(SUPPORTED_REVISIONS))
    return f"The database's schema has revision {revision}; this program knows {known}"


def _first_line(error: DBAPIError) -> str:
    original = error.orig
    return next(iter(str(original).strip().splitlines()), type(original).__name__)


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
    said = _first_line(error)
    if isinstance(original, psycopg.errors.UndefinedTable):
        return SchemaMissing(
            f"The database has no Backend.AI tables: {said}.",
            hint="On one machine, 'bai-manager init' makes them.",
        )
    if isinstance(original, _BUSY):
        return DatabaseBusy(
            f"The database is busy: {said}.", hint="Nothing was changed; run the command again."
        )
    _, _, fatal = said.rpartition("FATAL:  ")
    if isinstance(original, _UNREACHABLE) and any(word in fatal for word in _REFUSALS):
        return DatabaseRefused(
            f"The database refuses the connection: {fatal.strip()}.",
            hint="Check database.dsn of the profile: 'bai-manager config show --origin'.",
        )
    if isinstance(original, _UNREACHABLE):
        return DatabaseUnreachable(
            f"The database does not answer: {said}.",
            hint="See 'bai-manager db status', or 'bai-manager config show --origin' for its"
            " address.",
        )
    return DatabaseError(f"The database rejected the statement: {said}.")
