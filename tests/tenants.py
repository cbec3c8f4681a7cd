"""A seeded database and its people at the one door: for nouns that govern others.

Most tests share a database for each shape and work in one transaction that is rolled back, so
that they cost little; ``own_site`` is a database of the test's own, with real transactions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from bai_manager.app import App
from bai_manager.config import load_config
from bai_manager.repositories.database import Database
from tests import seeds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    from sqlalchemy import Executable

    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.errors import BackendAIError
    from bai_manager.repositories.rows import AnyRow
    from tests.cli.conftest import Ask, Done, Typed
    from tests.conftest import PostgresServer, Shape
    from tests.seeds import Person, World

    Seeded: TypeAlias = Callable[[Shape], tuple[str, World]]

ResultT = TypeVar("ResultT", bound="ActionResult")
ErrorT = TypeVar("ErrorT", bound="BackendAIError")


class Site:
    """``world`` is what was seeded; ``run`` goes through the composition root as somebody."""

    def __init__(self, url: str, world: World, home: Path, *, rolled_back: bool) -> None:
        self.url = url
        self.world = world
        self.database = Database(url, dry_run=rolled_back)
        self._home = home
        self._rolled_back = rolled_back
        self._apps: list[App] = []
        self._doors: dict[str, App] = {}

    def app(self, who: Person | None = None) -> App:
        """The application as somebody, or as the superadmin; closed at the end of the test."""
        person = who or self.world.root
        config = load_config(
            {
                "BAI_HOME": str(self._home),
                "BAI_KIND": "cluster",
                "BAI_DATABASE_DSN": "postgresql://replaced@localhost/replaced",
                "BAI_ACCESS_KEY": person.access_key,
                "BAI_SECRET_KEY": person.secret_key.reveal(),
            }
        )
        app = App(config)
        app.database = self.database if self._rolled_back else Database(self.url)
        self._apps.append(app)
        return app

    async def run(self, action: Action[ResultT], who: Person | None = None) -> ResultT:
        """Run an action as somebody, or as the superadmin."""
        person = who or self.world.root
        if person.access_key not in self._doors:
            self._doors[person.access_key] = self.app(person)
        return await self._doors[person.access_key].processor.run(action)

    async def refused(
        self, action: Action[ResultT], error: type[ErrorT], who: Person | None = None
    ) -> ErrorT:
        """The error that an action ends with."""
        with pytest.raises(error) as raised:
            await self.run(action, who)
        return raised.value

    async def execute(self, *statements: Executable) -> None:
        """Do something to the rows, as nobody."""
        async with self.database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)

    async def rows(self, statement: Executable) -> list[AnyRow]:
        async with self.database.transaction() as connection:
            return list(await connection.execute(statement))

    async def count(self, statement: Executable) -> int:
        """How many rows a statement finds."""
        return len(await self.rows(statement))

    async def close(self) -> None:
        for app in self._apps:
            await app.close()
        await self.database.close()


def _seed(url: str) -> World:
    async def fill() -> World:
        database = Database(url)
        async with database.transaction() as connection:
            world = await seeds.seed_world(connection)
        await database.close()
        return world

    return asyncio.run(fill())


@pytest.fixture(scope="module")
def seeded(postgres_server: PostgresServer) -> Iterator[Seeded]:
    """Give a database with the world of ``tests.seeds`` in a shape, made when first asked for."""
    from contextlib import ExitStack  # noqa: PLC0415

    made: dict[Shape, tuple[str, World]] = {}
    with ExitStack() as stack:

        def give(shape: Shape) -> tuple[str, World]:
            if shape not in made:
                url = stack.enter_context(postgres_server.emptied_database(shape))
                made[shape] = (url, _seed(url))
            return made[shape]

        yield give


async def opened(site: Site) -> AsyncIterator[Site]:
    yield site
    await site.close()


@pytest.fixture
async def site(seeded: Seeded, tmp_path: Path) -> AsyncIterator[Site]:
    """The seeded world; whatever is done to it is rolled back."""
    url, world = await asyncio.to_thread(seeded, "oneshot")
    async for one in opened(Site(url, world, tmp_path, rolled_back=True)):
        yield one


@pytest.fixture
async def shaped_site(seeded: Seeded, shape: Shape, tmp_path: Path) -> AsyncIterator[Site]:
    """As ``site``, in each of the two shapes."""
    url, world = await asyncio.to_thread(seeded, shape)
    async for one in opened(Site(url, world, tmp_path, rolled_back=True)):
        yield one


@pytest.fixture
async def own_site(database: str, tmp_path: Path) -> AsyncIterator[Site]:
    """A database of the test's own: what is done is committed, and others may do it as well."""
    world = await asyncio.to_thread(_seed, database)
    async for one in opened(Site(database, world, tmp_path, rolled_back=False)):
        yield one


@pytest.fixture
def ask(seeded: Seeded, postgres_server: PostgresServer, typed: Typed) -> Ask:
    """Type a command as somebody of the seeded world, whose database the module shares."""
    url, world = seeded("oneshot")
    dsn = dsn_of(url, postgres_server)

    def ask_(person: str, *words: str) -> Done:
        who = getattr(world, person)
        return typed(
            *words,
            env={
                "BAI_DATABASE_DSN": dsn,
                "BAI_ACCESS_KEY": who.access_key,
                "BAI_SECRET_KEY": who.secret_key.reveal(),
            },
        )

    return ask_


def dsn_of(url: str, server: PostgresServer) -> str:
    """The libpq address of a database, as a profile has it."""
    return server.libpq_url(url)
