"""Engines that share what they learn: how a statement is written, what the server is, and the way
to it.

Every test has engines of its own, in an event loop of its own, and all of them speak to one
server. What a new engine asks a server before its first statement, and the text that each
statement is compiled to, depend on the server and the statement alone. A connection that is
closed is as new after ``ROLLBACK`` and ``RESET ALL``, so the next engine with the same address
and options gets it, where ``Kept.servers`` names the server.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Any, ClassVar

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

from bai_manager.repositories import database

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine

_COMPILED: LRUCache[Any, Any] = LRUCache(5000)
_KNOWN: list[Dialect] = []
_OPEN = {TransactionStatus.INTRANS, TransactionStatus.INERROR}
_AS_NEW = b"RESET ALL; SELECT pg_advisory_unlock_all()"


def share() -> None:
    """Have ``Database`` make engines that share, for the rest of this process."""
    vars(database)["create_async_engine"] = shared_engine


def shared_engine(url: str, **options: Any) -> AsyncEngine:
    """As ``create_async_engine``; the first engine that connects asks for the others."""
    engine = create_async_engine(url, **options)
    inner = engine.sync_engine
    if inner.url.query.get("host") in Kept.servers:
        _, arguments = inner.dialect.create_connect_args(inner.url)
        kept = Kept.of({**arguments, **options.get("connect_args", {})})
        engine = create_async_engine(url, async_creator=kept.connect, **options)
        inner = engine.sync_engine
    known = next((dialect for dialect in _KNOWN if dialect.server_version_info), None)
    if known is None:
        _KNOWN.append(inner.dialect)
    else:
        vars(inner.dialect)["initialize"] = _ask_nothing
        inner.dialect = inner.pool._dialect = known
    inner._compiled_cache = _COMPILED
    return engine


def _ask_nothing(_connection: Connection) -> None:
    """What there is to know of the server is known."""


class Kept:
    """The connections of this process that are closed and may be used again, for one address.

    psycopg gives a connection back to its ``_pool`` when it is closed.
    """

    servers: ClassVar[set[str]] = set()
    every: ClassVar[dict[tuple[str, ...], Kept]] = {}
    close_returns = True

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        self._idle: list[AsyncConnection[Any]] = []

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Kept:
        named = tuple(str(arguments.get(name)) for name in ("host", "dbname", "options"))
        return cls.every.setdefault(named, cls(arguments))

    async def connect(self) -> AsyncConnection[Any]:
        while self._idle:
            connection = self._idle.pop()
            if _is_silent(connection):
                connection.lock = asyncio.Lock()
                return connection
            connection.pgconn.finish()
        connection = await AsyncConnection.connect(**self._arguments)
        vars(connection)["_pool"] = self
        return connection

    async def putconn(self, connection: AsyncConnection[Any]) -> None:
        if connection.pgconn.transaction_status in _OPEN:
            connection.pgconn.exec_(b"ROLLBACK")
        if connection.pgconn.transaction_status == TransactionStatus.IDLE:
            connection.pgconn.exec_(_AS_NEW)
            connection._notice_handlers.clear()
            self._idle.append(connection)
        else:
            connection.pgconn.finish()

    @classmethod
    def idle_in(cls, name: str) -> list[int]:
        """The process numbers of the server that wait for us in a database."""
        return [one.pgconn.backend_pid for kept in cls._for(name) for one in kept._idle]

    @classmethod
    def leave(cls, name: str) -> None:
        """Close what is connected to a database."""
        for kept in cls._for(name):
            while kept._idle:
                kept._idle.pop().pgconn.finish()

    @classmethod
    def leave_all(cls) -> None:
        for name in {kept._arguments["dbname"] for kept in cls.every.values()}:
            cls.leave(name)

    @classmethod
    def _for(cls, name: str) -> list[Kept]:
        return [kept for kept in cls.every.values() if kept._arguments["dbname"] == name]


def _is_silent(connection: AsyncConnection[Any]) -> bool:
    """Whether the server has nothing to say, as it would if it had ended the connection."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
