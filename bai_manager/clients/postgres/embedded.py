"""PostgreSQL out of a Python wheel, for one user on one machine.

`EmbeddedPostgres` keeps a server below a data folder: made and started when it is first needed,
left running after that, reachable through a Unix socket only. Connections are not authenticated
(``trust``), because the socket is in a folder with mode 0700 and has that mode itself: who can
connect is this user, who could read the files all the same.

Two locks (`bai_manager.clients.postgres.locks`) say what goes on. They end with the processes that
hold them, so neither SIGKILL nor a reboot leaves anything to clean up by hand: one is held by
whoever starts or stops the server, the other is inherited by the server and all its processes. A
``postmaster.pid`` while nobody holds the second is a leftover, whoever has its number by now.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeAlias

from bai_manager.clients.postgres.errors import DatabaseStartFailed, DatabaseStopTimedOut
from bai_manager.clients.postgres.folder import PORT, DataFolder
from bai_manager.clients.postgres.locks import is_locked, locked, pause
from bai_manager.clients.postgres.postmaster import is_ready, read_postmaster, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

StopMode: TypeAlias = Literal["smart", "fast", "immediate"]

USER = "bai"
DATABASE = "bai"

_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStatus:
    """What is known about the server; ``pid`` … are None when it does not run.

    ``version`` is the installed one (``18.4``), ``size_bytes`` that of all files of the database.
    """

    running: bool
    pid: int | None
    version: str
    data_dir: Path
    socket_dir: Path | None
    started_at: datetime | None
    size_bytes: int


class EmbeddedPostgres:
    """The server below a data folder. Any number of processes may use one folder at once.

    ``extra_settings`` are PostgreSQL settings for servers that this object starts; with
    ``fsync=off`` the database is also created without waiting for the disk.
    """

    def __init__(self, data_dir: Path, *, extra_settings: Mapping[str, str] | None = None) -> None:
        self._folder = DataFolder(data_dir)
        self._extra_settings = extra_settings or {}

    @property
    def data_dir(self) -> Path:
        """The absolute path of the data folder."""
        return self._folder.path

    def is_running(self) -> bool:
        """Tell whether it accepts connections now; costs one small file and one ``connect``."""
        return is_ready(self._folder)

    def start(self, timeout: float = 30) -> None:
        """Make it accept connections, whatever state it is in; nothing when it does already.

        Raises `EmbeddedNotInstalled`, `DataFolderRefused`, `DatabaseVersionMismatch` or
        `PrivilegesNotDroppable` when it cannot be started like this, and `DatabaseStartFailed`
        when it was started and ended, or is not ready after so many seconds.
        """
        if self.is_running():
            self._folder.cap_log()
            return
        from subprocess import TimeoutExpired  # noqa: PLC0415 - only to start

        self._folder.prepare()
        try:
            self._bring_up(monotonic() + timeout)
        except (TimeoutError, TimeoutExpired) as error:
            raise DatabaseStartFailed(
                f"it is not ready after {timeout:g} s.",
                log=self._folder.log,
                lines=self._folder.log_tail(),
            ) from error
        except OSError as error:
            raise self._folder.fault(error) from error

    def stop(self, mode: StopMode = "fast", timeout: float = 30) -> None:
        """Stop it and wait until the last of its processes has gone; nothing when none is there.

        ``smart`` waits for clients to leave, ``fast`` disconnects them, ``immediate`` leaves the
        next start a crash recovery.

        Raises `DatabaseStopTimedOut` when it still runs after so many seconds.
        """
        if not self._is_alive():
            return
        deadline = monotonic() + timeout
        try:
            with locked(self._folder.start_lock, deadline):
                self._end(_SIGNALS[mode], deadline)
                self._folder.release_socket_folder()
        except TimeoutError as error:
            raise DatabaseStopTimedOut(mode, timeout) from error

    def status(self) -> EmbeddedStatus:
        """Say what is known about it; changes nothing.

        Raises `EmbeddedNotInstalled` when there is no PostgreSQL to ask for its version.
        """
        from bai_manager.clients.postgres.binaries import (  # noqa: PLC0415 - only here
            find_program,
            run_program,
        )

        alive = self._is_alive()
        postmaster = read_postmaster(self._folder.pgdata) if alive else None
        version = run_program([find_program("postgres"), "--version"]).stdout
        return EmbeddedStatus(
            running=self.is_running(),
            pid=postmaster.pid if postmaster else None,
            version=version.split()[-1],
            data_dir=self.data_dir,
            socket_dir=self._folder.socket_folder() if alive else None,
            started_at=postmaster.started_at if postmaster else None,
            size_bytes=_size(self._folder.pgdata),
        )

    def dsn(self, database: str = DATABASE) -> str:
        """Give the connection string for libpq: ``psql``, ``pg_dump``, psycopg."""
        return f"host='{self._socket_folder()}' port={PORT} user={USER} dbname='{database}'"

    def sqlalchemy_url(self, database: str = DATABASE) -> str:
        """Give the URL for SQLAlchemy, with psycopg as its driver."""
        from urllib.parse import quote  # noqa: PLC0415 - SQLAlchemy has it anyway

        host = quote(str(self._socket_folder()), safe="")
        return f"postgresql+psycopg://{USER}@/{quote(database)}?host={host}&port={PORT}"

    def psql_argv(self, database: str = DATABASE) -> list[str]:
        """Give the command that opens an interactive shell on it; more arguments may follow."""
        return self._client("psql", database)

    def pg_dump_argv(self, database: str = DATABASE) -> list[str]:
        """Give the command that writes it as SQL to stdout; more arguments may follow."""
        return self._client("pg_dump", database)

    def _client(self, name: str, database: str) -> list[str]:
        from bai_manager.clients.postgres.binaries import find_program  # noqa: PLC0415 - only here

        return [find_program(name), "-d", self.dsn(database)]

    def _bring_up(self, deadline: float) -> None:
        from bai_manager.clients.postgres.starting import Starter  # noqa: PLC0415 - only to start

        starter = Starter(self._folder, user=USER, database=DATABASE, settings=self._extra_settings)
        with locked(self._folder.start_lock, deadline) as start_lock:
            if starter.bring_up(start_lock, deadline):
                self._create_missing_database()

    def _create_missing_database(self) -> None:
        """Create the database that somebody may have dropped."""
        from bai_manager.clients.postgres.binaries import run_program  # noqa: PLC0415 - only here

        ask = f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608 - a constant
        for statement in (ask, f"CREATE DATABASE {DATABASE}"):
            done = run_program([*self.psql_argv("postgres"), "-XAtqc", statement])
            if done.returncode != 0:
                raise DatabaseStartFailed(
                    "it does not work.", log=self._folder.log, lines=done.stderr.splitlines()
                )
            if done.stdout.strip():
                return

    def _end(self, how: signal.Signals, deadline: float) -> None:
        told = None
        while is_locked(self._folder.server_lock):
            postmaster = read_postmaster(self._folder.pgdata)
            if postmaster is not None and postmaster.pid != told:
                send(postmaster.pid, how)
                told = postmaster.pid
            pause(deadline)

    def _is_alive(self) -> bool:
        """Tell whether any process of the server exists, be it starting or ending."""
        return self._folder.check() and is_locked(self._folder.server_lock)

    def _socket_folder(self) -> Path:
        place = self._folder.socket_folder()
        if place is not None:
            return place
        self._folder.prepare()
        try:
            with locked(self._folder.start_lock, monotonic() + 30):
                return self._folder.claim_socket_folder()
        except TimeoutError as error:
            raise DatabaseStartFailed(
                "another process has been starting it for 30 s.", log=self._folder.log
            ) from error


def _size(folder: Path) -> int:
    """Add up the files below; those that vanish meanwhile do not count."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - thousands
    return total
