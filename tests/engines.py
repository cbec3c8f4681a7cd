"""Engines that share what they learn: how a statement is written, and what the server is.

Every test has engines of its own, in an event loop of its own, and all of them speak to one
server. What a new engine asks a server before its first statement, and the text that each
statement is compiled to, depend on the server and the statement alone; only connections are not
shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

from bai_manager.repositories import database

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine

_COMPILED: LRUCache[Any, Any] = LRUCache(5000)
_KNOWN: list[Dialect] = []


def share() -> None:
    """Have ``Database`` make engines that share, for the rest of this process."""
    vars(database)["create_async_engine"] = shared_engine


def shared_engine(url: str, **options: Any) -> AsyncEngine:
    """As ``create_async_engine``; the first engine that connects asks for the others."""
    engine = create_async_engine(url, **options)
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
