"""Actions through the composition root, as people of a seeded world, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator  # noqa: TC003 - pytest evaluates fixtures
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path  # noqa: TC003 - as above
from typing import TYPE_CHECKING, TypeVar

import pytest

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.app import App
from bai_manager.config import load_config
from bai_manager.errors import BackendAIError
from bai_manager.repositories.database import Database
from tests import seeds

if TYPE_CHECKING:
    from bai_manager.actions.base import Action, ActionResult
    from tests.conftest import PostgresServer
    from tests.seeds import World

ResultT = TypeVar("ResultT", bound="ActionResult")

ROLES = ("root", "admin", "alice", "monitor")
"""A superadmin, the admin and a user of the domain ``default``, and a monitor."""


class Door:
    """``await door.run("alice", action)``; ``door.database`` is for looking and seeding."""

    def __init__(self, server: PostgresServer, url: str, world: World, home: Path) -> None:
        self.world = world
        self.database = Database(url)
        self.dsn = server.libpq_url(url)
        self._home = home

    @asynccontextmanager
    async def app(self, name: str, *, dry_run: bool = False) -> AsyncIterator[App]:
        """The composition root of a profile of that person."""
        app = App(load_config(self.environ(name)), dry_run=dry_run)
        try:
            yield app
        finally:
            await app.close()

    def environ(self, name: str) -> dict[str, str]:
        person = getattr(self.world, name)
        return {
            "BAI_HOME": str(self._home),
            "BAI_KIND": "cluster",
            "BAI_DATABASE_DSN": self.dsn,
            "BAI_ACCESS_KEY": person.access_key,
            "BAI_SECRET_KEY": person.secret_key.reveal(),
        }

    async def run(self, name: str, action: Action[ResultT], *, dry_run: bool = False) -> ResultT:
        async with self.app(name, dry_run=dry_run) as app:
            return await app.processor.run(action)

    async def allowed(
        self, action: Action[ActionResult], names: tuple[str, ...] = ROLES
    ) -> set[str]:
        """Who of them may; nothing is changed."""
        found = set()
        for name in names:
            try:
                await self.run(name, action, dry_run=True)
            except InsufficientPrivilege:
                continue
            except BackendAIError:
                pass  # past the door
            found.add(name)
        return found


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer) -> Iterator[tuple[str, World]]:
    """A seeded world that the tests of a module only read, or change in dry runs."""
    with seeded_database(postgres_server) as seeded:
        yield seeded


@pytest.fixture
async def shared(
    shared_database: tuple[str, World], postgres_server: PostgresServer, tmp_path: Path
) -> AsyncIterator[Door]:
    """A door to the shared world."""
    async with open_door(postgres_server, shared_database, tmp_path) as opened:
        yield opened


@pytest.fixture
async def both(
    shaped_database: str, postgres_server: PostgresServer, tmp_path: Path
) -> AsyncIterator[Door]:
    """A door to a world of the test's own, in each shape of the database."""
    seeded = shaped_database, await _seed(shaped_database)
    async with open_door(postgres_server, seeded, tmp_path) as opened:
        yield opened


@contextmanager
def seeded_database(server: PostgresServer) -> Iterator[tuple[str, World]]:
    with server.emptied_database("oneshot") as url:
        yield url, asyncio.run(_seed(url))


async def _seed(url: str) -> World:
    database = Database(url)
    async with database.transaction() as connection:
        world = await seeds.seed_world(connection)
    await database.close()
    return world


@asynccontextmanager
async def open_door(
    server: PostgresServer, seeded: tuple[str, World], home: Path
) -> AsyncIterator[Door]:
    opened = Door(server, *seeded, home)
    try:
        yield opened
    finally:
        await opened.database.close()
