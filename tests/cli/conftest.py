"""Commands in this process: as people of a seeded cluster, or on a system of this machine."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

from bai_manager.cli.root import run
from bai_manager.clients.postgres.embedded import EmbeddedPostgres
from tests.seeds import SeededSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.conftest import PostgresServer
    from tests.seeds import World

HOSTILE = "\x1b[31mred\x1b[0m[bold]\t=1+1\n"
"""Control sequences, Rich markup, a tab, a line end, and what a spreadsheet would compute."""

QUICK_NOT_SAFE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Done:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def header(self) -> list[str]:
        return self.out.splitlines()[0].split("\t")

    @property
    def cells(self) -> list[list[str]]:
        """The lines of tsv below the header."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]

    @property
    def first(self) -> set[str]:
        """The first cell of each of them."""
        return {cells[0] for cells in self.cells}


class Typed(Protocol):
    """``typed("session", "list", env={…}, stdin="…")``."""

    def __call__(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Done: ...


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """Run a command line in this process; nothing of the caller's configuration is left."""
    for name in [name for name in os.environ if name.startswith("BAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BAI_HOME", str(tmp_path / "bai"))

    def type_(*words: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Done:
        with monkeypatch.context() as patched:
            for name, value in (env or {}).items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdin", io.StringIO(stdin))
            capsys.readouterr()
            code = run(words)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return type_


@dataclass(frozen=True)
class Cluster:
    """A seeded database that profiles of kind ``cluster`` point at; to be read only."""

    world: World
    dsn: str
    train: SeededSession
    ended: SeededSession

    def environ(self, name: str) -> dict[str, str]:
        """What makes ``alice``, ``root``, … of the world the one who acts."""
        person = getattr(self.world, name)
        return {
            "BAI_DATABASE_DSN": self.dsn,
            "BAI_ACCESS_KEY": person.access_key,
            "BAI_SECRET_KEY": person.secret_key.reveal(),
        }


class Ask(Protocol):
    """``ask("alice", "kernel", "list")``."""

    def __call__(self, person: str, *words: str) -> Done: ...


@pytest.fixture(scope="session")
def cluster(postgres_server: PostgresServer) -> Iterator[Cluster]:
    """Sessions of four people, one with a hostile name; agents, images and audit rows."""
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - few tests need it
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    async def seed(url: str) -> tuple[World, SeededSession, SeededSession]:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            seeded = await _seed(connection)
        await engine.dispose()
        return seeded

    template = postgres_server.ensure_template("oneshot")
    with postgres_server.new_database(template) as url:
        world, train, ended = asyncio.run(seed(url))
        yield Cluster(world, postgres_server.libpq_url(url), train, ended)


@pytest.fixture
def ask(cluster: Cluster, typed: Typed) -> Ask:
    """Run a command as somebody of the cluster."""

    def ask_(person: str, *words: str) -> Done:
        return typed(*words, env=cluster.environ(person))

    return ask_


@pytest.fixture
def change(database: str, postgres_server: PostgresServer, typed: Typed) -> Ask:
    """As ``ask``, on a seeded database of the test's own, which it may change."""
    return _changing(database, postgres_server, typed)


@pytest.fixture
def both(shaped_database: str, postgres_server: PostgresServer, typed: Typed) -> Ask:
    """As ``change``, in each of the two shapes."""
    return _changing(shaped_database, postgres_server, typed)


def _changing(url: str, server: PostgresServer, typed: Typed) -> Ask:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - few tests need it
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from tests import seeds  # noqa: PLC0415 - imports SQLAlchemy

    async def seed() -> World:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            world = await seeds.seed_world(connection)
            await seeds.seed_session(connection, world.alice, name="train-1")
        await engine.dispose()
        return world

    world = asyncio.run(seed())
    train = SeededSession(id=world.image_id, name="train-1", kernel_ids=())
    own = Cluster(world, server.libpq_url(url), train, train)

    def change_(person: str, *words: str) -> Done:
        return typed(*words, env=own.environ(person))

    return change_


@dataclass(frozen=True)
class Home:
    """An initialised system of this machine."""

    path: Path
    environ: Mapping[str, str]

    @property
    def postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.path / "data" / "local" / "postgres")

    def run(self, *words: str) -> int:
        """For fixtures: run a command line here and now; what it prints goes wherever it goes."""
        with pytest.MonkeyPatch.context() as patched:
            for name in [name for name in os.environ if name.startswith("BAI_")]:
                patched.delenv(name)
            for name, value in self.environ.items():
                patched.setenv(name, value)
            return run(words)


@pytest.fixture(scope="session")
def initialised_home() -> Iterator[Home]:
    """What ``bai-manager init`` makes, once for the run; to be read only."""
    with new_home() as home:
        yield home


@contextmanager
def new_home() -> Iterator[Home]:
    """A system of one's own; its database does not wait for the disk, and is stopped after."""
    path = Path(tempfile.mkdtemp(prefix="bai-test-"))
    home = Home(path, {"BAI_HOME": str(path)})
    try:
        EmbeddedPostgres(home.postgres.data_dir, extra_settings=QUICK_NOT_SAFE).start()
        assert home.run("init", "--quiet") == 0
        yield home
    finally:
        home.postgres.stop("immediate")
        shutil.rmtree(path)


async def _seed(connection: AsyncConnection) -> tuple[World, SeededSession, SeededSession]:
    from tests import seeds  # noqa: PLC0415 - imports SQLAlchemy

    world = await seeds.seed_world(connection)
    await seeds.seed_agent(connection, "i-lost", status="LOST", addr="tcp://192.0.2.1:6001")
    await seeds.seed_agent(connection, f"i-{HOSTILE}", status="TERMINATED")
    await seeds.seed_image(connection, f"local/stable/{HOSTILE}:1")
    await seeds.seed_image(connection, "local/stable/gone:1", aliases=("gone",), status="DELETED")
    train = await seeds.seed_session(connection, world.alice, name="train-1", kernel_count=2)
    ended = await seeds.seed_session(
        connection,
        world.alice,
        name="ended-1",
        status="TERMINATED",
        container_log=b"first\n\x1b[31msecond\xff\n",
    )
    await seeds.seed_session(connection, world.alice, name=HOSTILE)
    for name in ("$(touch pwned)", "`id`", "two words", "-rf", "quo'te"):
        await seeds.seed_session(connection, world.alice, name=name)
    await seeds.seed_session(connection, world.bob, name="bobs-1")
    await seeds.seed_session(connection, world.carol, name="carols-1")
    await _seed_audit(connection, world)
    return world, train, ended


async def _seed_audit(connection: AsyncConnection, world: World) -> None:
    from sqlalchemy import insert  # noqa: PLC0415 - as above

    from bai_manager.models.audit import audit_logs  # noqa: PLC0415
    from bai_manager.types.clock import system_clock  # noqa: PLC0415
    from tests.seeds import NOW  # noqa: PLC0415

    just_now = system_clock() - timedelta(seconds=1)
    for person, entity_id, when, status, description in (
        (world.alice, "old", NOW, "success", "Success"),
        (world.alice, "new", just_now, "error", HOSTILE),
        (world.bob, "bobs", just_now, "success", "Success"),
    ):
        await connection.execute(
            insert(audit_logs).values(
                id=uuid4(),
                action_id=uuid4(),
                entity_type="session",
                operation="create",
                entity_id=entity_id,
                request_id="(unknown)",
                created_at=when,
                triggered_by=str(person.user_id),
                description=description,
                duration=timedelta(seconds=1.5),
                status=status,
            )
        )
