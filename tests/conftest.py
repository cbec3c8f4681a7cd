"""What every test may use: one PostgreSQL for the run, databases in it, an environment, a shell.

The server is shared by all pytest-xdist workers: they find it in the base temporary folder of the
run, hold a lock while they use it, and who comes last stops it. It does not write to the disk
(``fsync=off``), and a database with our tables is a copy of a template that is made once.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import signal
import subprocess
import sys
import uuid
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres
from tests import engines
from tests.engines import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import psycopg

Shape: TypeAlias = Literal["oneshot", "migrated"]

_OPT_IN_MARKERS = ("cluster", "benchmark", "thorough")
# What takes long is begun first, so that no worker is left alone with it at the end.
_LONG = ("tests/sessions/", "tests/agent/", "tests/storage/")
_QUICK_NOT_SAFE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_init_zero": "off",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "max_connections": "400",
}


def pytest_configure() -> None:
    """Do not look for garbage all the time: a third of collecting, whose objects all stay.

    A run in the background of a shell ignores Ctrl-C, and so would all programs it starts.
    """
    gc.set_threshold(100_000)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put them in order, and leave out what ``-m`` has to ask for unless it says what to run."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))
    if config.option.markexpr:
        return
    left_out = [
        item for item in items if any(item.get_closest_marker(name) for name in _OPT_IN_MARKERS)
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


_SHAPE_SQL = """
SELECT md5(string_agg(known, E'\n' ORDER BY known)) FROM (
    SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull, a.atthasdef)
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', conrelid, conname, contype) FROM pg_constraint
    UNION ALL SELECT concat_ws(' ', tgrelid, tgname, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', enumtypid, enumlabel) FROM pg_enum
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT version_num FROM alembic_version
) AS shape (known)
"""


class EmptiedDatabase:
    """A database of one worker that is used by one test after the other."""

    def __init__(self, name: str, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self.name = name
        self.connection = connection
        self._shape = self._find_shape()
        found = connection.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
        )
        deletes = "; ".join(f"DELETE FROM {table}" for (table,) in found)  # noqa: S608 - quoted
        self._emptying = (
            f"SET session_replication_role = replica; {deletes}; RESET session_replication_role"
        ).encode()

    def empty(self) -> bool:
        """End every other connection and delete all rows; False if the shape is another now."""
        self.connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> ALL (%s::int[])",
            [[self.connection.info.backend_pid, *Kept.idle_in(self.name)]],
        )
        if self._find_shape() != self._shape:
            return False
        self.connection.execute(self._emptying)
        return True

    def _find_shape(self) -> object:
        row = self.connection.execute(_SHAPE_SQL).fetchone()
        return row and row[0]


def pytest_collection_finish() -> None:
    """Leave modules and collected tests alone: collecting garbage among them takes minutes."""
    gc.collect()
    gc.freeze()
    engines.share()


@dataclass(frozen=True)
class PostgresServer:
    """The server of the run. Databases are dropped one test later, when no session lingers."""

    embedded: EmbeddedPostgres
    admin: psycopg.Connection[tuple[object, ...]]
    lock_file: Path
    used: deque[str] = field(default_factory=deque)
    emptied: dict[Shape, list[EmptiedDatabase]] = field(
        default_factory=lambda: {"oneshot": [], "migrated": []}
    )

    def url(self, database: str) -> str:
        return self.embedded.sqlalchemy_url(database)

    @staticmethod
    def libpq_url(url: str) -> str:
        """The same address as a profile has it; the socket is in the query, as it must be."""
        return url.replace("postgresql+psycopg://bai@/", "postgresql://bai@localhost/")

    @contextmanager
    def new_database(self, template: str) -> Iterator[str]:
        """A copy of TEMPLATE for one test: the SQLAlchemy URL of it."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self.url(name)
        finally:
            self.used.append(name)
            if len(self.used) > 1:
                self._drop(self.used.popleft())

    @contextmanager
    def emptied_database(self, shape: Shape) -> Iterator[str]:
        """One with our tables and no rows, which an earlier test of this worker may have used.

        Emptying one takes a fiftieth of the time of making one. What has another shape
        afterwards is not used again.
        """
        idle = self.emptied[shape]
        found = idle.pop() if idle else self._new_emptied(shape)
        try:
            yield self.url(found.name)
        finally:
            if found.empty():
                idle.append(found)
            else:
                found.connection.close()
                self._drop(found.name)

    def close_emptied(self) -> None:
        for idle in self.emptied.values():
            while idle:
                idle.pop().connection.close()

    def _new_emptied(self, shape: Shape) -> EmptiedDatabase:
        import psycopg  # noqa: PLC0415 - few tests need it

        name = f"test_{uuid.uuid4().hex}"
        template = self.ensure_template(shape)
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return EmptiedDatabase(name, psycopg.connect(self.embedded.dsn(name), autocommit=True))

    def ensure_template(self, shape: Shape) -> str:
        """The name of the database with our tables in SHAPE, made by whoever comes first."""
        name = f"bai_template_{shape}"
        with _held(self.lock_file):
            found = self.admin.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                made = f"{name}_unfinished"
                self._drop(made)
                self._execute(f"CREATE DATABASE {made} TEMPLATE template0")
                asyncio.run(_create_tables(self.url(made), shape))
                self._execute(f"ALTER DATABASE {made} RENAME TO {name}")
        return name

    def _drop(self, name: str) -> None:
        Kept.leave(name)
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        self.admin.execute(statement.encode())


async def _create_tables(url: str, shape: Shape) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - few tests need it
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from bai_manager.repositories.schema import create_schema  # noqa: PLC0415
    from tests.schemas.migrated import build_sql  # noqa: PLC0415

    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        if shape == "oneshot":
            await create_schema(connection)
        else:
            await connection.exec_driver_sql(build_sql(), execution_options={"no_parameters": True})
    await engine.dispose()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres_server(run_folder: Path) -> Iterator[PostgresServer]:
    import psycopg  # noqa: PLC0415 - few tests need it

    embedded = EmbeddedPostgres(run_folder / "postgres", extra_settings=_QUICK_NOT_SAFE)
    users = run_folder / "postgres-users.lock"
    descriptor = os.open(users, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    embedded.start()
    with psycopg.connect(embedded.dsn("postgres"), autocommit=True) as admin:
        server = PostgresServer(embedded, admin, run_folder / "postgres-templates.lock")
        Kept.servers.add(str(embedded.status().socket_dir))
        yield server
        Kept.leave_all()
        server.close_emptied()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        embedded.stop("immediate")
    except BlockingIOError:
        pass  # another worker still uses it
    finally:
        os.close(descriptor)


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh database without tables: its ``postgresql+psycopg://`` URL."""
    with postgres_server.new_database("template0") as url:
        yield url


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with our tables and no rows: its ``postgresql+psycopg://`` URL."""
    with postgres_server.emptied_database("oneshot") as url:
        yield url


@pytest.fixture(params=["oneshot", "migrated"])
def shape(request: pytest.FixtureRequest) -> Shape:
    """The test runs on both shapes of the database."""
    found: Shape = request.param
    return found


@pytest.fixture
def shaped_database(postgres_server: PostgresServer, shape: Shape) -> Iterator[str]:
    """As ``database``, in each of the two shapes."""
    with postgres_server.emptied_database(shape) as url:
        yield url


@dataclass(frozen=True)
class BaiHome:
    """A home for profiles and data that no other test sees, and the environment that names it."""

    path: Path
    environment: Mapping[str, str]

    @property
    def config(self) -> Path:
        return self.path / "config"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def cache(self) -> Path:
        return self.path / "cache"


@pytest.fixture
def bai_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaiHome:
    """An empty BAI_HOME, also in this process's environment; no other BAI_ variable is left."""
    path = tmp_path / "bai"
    for name in [name for name in os.environ if name.startswith("BAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BAI_HOME", str(path))
    for folder in (path, *(path / name for name in ("config", "data", "state", "cache"))):
        folder.mkdir(mode=0o700)
    return BaiHome(path, dict(os.environ))


class RunCli(Protocol):
    """``run_cli("session", "list", env={…}, input="…")``: what the process said, and its exit."""

    def __call__(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - the name subprocess.run gave it
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run_cli(bai_home: BaiHome) -> RunCli:
    """The command line as a process of its own in ``bai_home``; ``env`` adds to its environment."""

    def run(
        *args: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - as above
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bai_manager", *args],
            env={**bai_home.environment, **(env or {})},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )

    return run


@contextmanager
def _held(lock_file: Path) -> Iterator[None]:
    with lock_file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
