"""Valkey servers that hold idle evidence: a fake one, and that of a running cluster."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.cli.conftest import change, typed
from tests.session_idle.fake_valkey import FakeValkey, Values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

__all__ = ["change", "typed"]

REDIS_URL = os.environ.get("BAI_CLUSTER_REDIS_URL", "")
"""As it was before each test is given an environment of its own."""

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Holding(Protocol):
    """``async with holding({(2, key): value}, lives={key: seconds}) as url``."""

    def __call__(
        self, values: Values, lives: Mapping[str, int] | None = None
    ) -> AbstractAsyncContextManager[str]: ...


@pytest.fixture(params=["fake", pytest.param("cluster", marks=pytest.mark.cluster)])
def holding(request: pytest.FixtureRequest) -> Holding:
    """The keys are there within the context, and gone after it."""
    return _in_cluster if request.param == "cluster" else _in_fake


def _in_fake(
    values: Values, lives: Mapping[str, int] | None = None
) -> AbstractAsyncContextManager[str]:
    return FakeValkey(values, lives or {}, NOW).serving()


@asynccontextmanager
async def _in_cluster(values: Values, lives: Mapping[str, int] | None = None) -> AsyncIterator[str]:
    from valkey.asyncio import Valkey  # noqa: PLC0415 - clusters only

    clients = {
        number: Valkey.from_url(REDIS_URL, db=number) for number in {key[0] for key in values}
    }
    try:
        for (number, key), value in values.items():
            if isinstance(value, int):
                members = {f"member-{one}": 1.0 for one in range(value)}
                await clients[number].zadd(key, members)
            else:
                await clients[number].set(key, value, ex=(lives or {}).get(key, 60))
        yield REDIS_URL
    finally:
        for number, key in values:
            await clients[number].delete(key)
        for client in clients.values():
            await client.aclose()
