"""Repositories on real databases: one of its own for a test that writes, shared ones to read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from bai_manager.repositories.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    """A fresh database with our tables."""
    opened = Database(database)
    yield opened
    await opened.close()


@pytest.fixture
async def shaped_db(shaped_database: str) -> AsyncIterator[Database]:
    """As ``db``, in each of the two shapes."""
    opened = Database(shaped_database)
    yield opened
    await opened.close()


def seeded(url: str, seed: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Fill a database that several tests only read."""

    async def fill() -> T:
        opened = Database(url)
        try:
            async with opened.transaction() as connection:
                return await seed(connection)
        finally:
            await opened.close()

    return asyncio.run(fill())
