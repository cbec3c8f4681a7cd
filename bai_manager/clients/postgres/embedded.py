"""PostgreSQL out of a Python wheel, for one user on one machine.

:class:`EmbeddedPostgres` keeps a server below a data folder: made and started when it is first
needed, left running after that, reachable through a Unix socket only. Connections are not
authenticated (``trust``), because the socket is in a folder with mode 0700 and has that mode
itself: who can connect is this user, who could read the files all the same.

Two locks (:mod:`.locks`) say what goes on, and end with the processes that hold them, so that
neither SIGKILL nor a reboot leaves anything to clean up: one is held by whoever starts or stops
the server, the other is inherited by the server and all its processes. A ``postmaster.pid``
while nobody holds the second is a leftover, whatever process has its number by now.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote

from bai_manager.clients.postgres.binaries import (
    MAJOR_VERSION,
    clean_environment,
    find_program,
)
from bai_manager.clients.postgres.errors import (
    DatabaseStartFailed,
    DatabaseStopTimedOut,
    DatabaseVersionMismatch,
    DataFolderRefused,
    PrivilegesNotDroppable,
)
from bai_manager.clients.postgres.folder import PORT, SOCKET_NAME, DataFolder
from bai_manager.clients.postgres.locks import is_locked, locked, pause, try_lock
from bai_manager.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

StopMode: TypeAlias = Literal["smart", "fast", "immediate"]

USER = "bai"
DATABASE = "bai"

_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements hold secrets
    "log_error_verbosity": "terse",  # and so do the values in DETAIL
}
_LOG_CAP = 1 << 20  # bytes
_LOG_TAIL = 20  # lines
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStatus:
    """What ``db status`` shows; absent facts are those of a server that does not run."""

    running: bool
    pid: int | None
    version: str
    data_dir: Path
    socket_dir: Path | None
    started_at: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What the server wrote in ``postmaster.pid``."""

    pid: int
    started_at: datetime
    state: str
    """``starting``, ``ready``, ``stopping``"""


class EmbeddedPostgres:
    """The server below DATA_DIR. Any number of processes may use one folder at once.

    ``extra_settings`` are PostgreSQL settings for servers that this object starts; with
    ``fsync=off`` the database is also created without being synchronised to the disk.
    """

    def __init__(self, data_dir: Path, *, extra_settings: Mapping[str, str] | None = None) -> None:
        self._folder = DataFolder(data_dir)
        self._settings = _SETTINGS | dict(extra_settings or {})

    @property
    def data_dir(self) -> Path:
        return self._folder.path

    def is_running(self) -> bool:
        """Whether it accepts connections now; costs one small file and one ``connect``."""
        postmaster = self._postmaster()
        return postmaster is not None and postmaster.state == "ready" and self._answers()

    def start(self, timeout: float = 30) -> None:
        """Make it accept connections, whatever state it is in. Does nothing when it does already.

        Raises:
            EmbeddedNotInstalled, DataFolderRefused, DatabaseVersionMismatch,
            PrivilegesNotDroppable: it cannot be started like this.
            DatabaseStartFailed: it was started and ended, or is not ready after TIMEOUT seconds.
        """
        if self.is_running():
            self._cap_log()
            return
        deadline = monotonic() + timeout
        self._folder.prepare()
        try:
            with locked(self._folder.start_lock, deadline) as lock:
                self._start(lock, deadline)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise self._failure(f"it is not ready after {timeout:g} s.") from error
        except OSError as error:
            raise self._folder.fault(error) from error

    def stop(self, mode: StopMode = "fast", timeout: float = 30) -> None:
        """Stop it and wait until the last of its processes has gone. Nothing when none is there.

        ``smart`` waits for clients to leave, ``fast`` disconnects them, ``immediate`` leaves the
        next start a crash recovery.

        Raises:
            DatabaseStopTimedOut: it still runs after TIMEOUT seconds.
        """
        if not is_locked(self._folder.server_lock):
            return
        deadline = monotonic() + timeout
        try:
            with locked(self._folder.start_lock, deadline):
                self._end(_SIGNALS[mode], deadline)
                self._folder.release_socket_folder()
        except TimeoutError as error:
            raise DatabaseStopTimedOut(mode, timeout) from error

    def status(self) -> EmbeddedStatus:
        """What is known about it; changes nothing.

        Raises:
            EmbeddedNotInstalled: there is no PostgreSQL to ask for its version.
        """
        alive = is_locked(self._folder.server_lock)
        postmaster = self._postmaster() if alive else None
        return EmbeddedStatus(
            running=self.is_running(),
            pid=postmaster.pid if postmaster else None,
            version=_run([str(find_program("postgres")), "--version"]).split()[-1],
            data_dir=self.data_dir,
            socket_dir=self._folder.socket_folder() if alive else None,
            started_at=postmaster.started_at if postmaster else None,
            size_bytes=_size(self._folder.pgdata),
        )

    def dsn(self, database: str = DATABASE) -> str:
        """A connection string for libpq: ``psql``, ``pg_dump``, psycopg."""
        return f"host='{self._socket_folder()}' port={PORT} user={USER} dbname='{database}'"

    def sqlalchemy_url(self, database: str = DATABASE) -> str:
        host = quote(str(self._socket_folder()), safe="")
        return f"postgresql+psycopg://{USER}@/{quote(database)}?host={host}&port={PORT}"

    def psql_argv(self, database: str = DATABASE) -> list[str]:
        """The command that opens an interactive shell on it; more arguments may follow."""
        return [str(find_program("psql")), "-d", self.dsn(database)]

    def pg_dump_argv(self, database: str = DATABASE) -> list[str]:
        """The command that writes it as SQL to stdout; more arguments may follow."""
        return [str(find_program("pg_dump")), "-d", self.dsn(database)]

    def _start(self, lock: int, deadline: float) -> None:
        """Under the start lock: wait for what others have begun, or launch, until it is ready."""
        launched = False
        while not self.is_running():
            server_lock = try_lock(self._folder.server_lock)
            if server_lock is None:
                self._end_unreachable()
            elif launched:
                os.close(server_lock)
                raise self._failure("it ended at once.")
            else:
                try:
                    self._create(lock, deadline)
                    self._launch(server_lock)
                finally:
                    os.close(server_lock)
                launched = True
            pause(deadline)
        if launched:
            self._create_missing_database()

    def _create(self, lock: int, deadline: float) -> None:
        """Make the database cluster: all of it or nothing, by renaming a finished one.

        LOCK is inherited by the programs that do it, so that nobody begins again while those of a
        killed process still write.
        """
        pgdata = self._folder.pgdata
        for leftover in self.data_dir.glob("pgdata.new-*"):
            shutil.rmtree(leftover)
        if pgdata.exists():
            self._check_version()
            return
        made = Path(tempfile.mkdtemp(prefix="pgdata.new-", dir=self.data_dir))
        durable = self._settings.get("fsync") != "off"
        initdb = [
            *(str(find_program("initdb")), "-D", str(made), "-U", USER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--set=max_connections=200", "--set=shared_buffers=32MB"),
        ]
        single = [str(find_program("postgres")), "--single", "-D", str(made), "template1"]
        if not durable:
            initdb.append("--no-sync")
            single.insert(2, "-F")
        for command, text in ((initdb, ""), (single, f"CREATE DATABASE {DATABASE}\n")):
            self._run_unprivileged(made, command, text, lock, deadline)
        made.rename(pgdata)
        if durable:
            _sync(self.data_dir)

    def _run_unprivileged(
        self, pgdata: Path, command: list[str], text: str, lock: int, deadline: float
    ) -> None:
        """Run COMMAND to its end as somebody PostgreSQL accepts, with TEXT as its input."""
        done = subprocess.run(
            _launcher_argv(str(pgdata), *command),
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=clean_environment(),
            pass_fds=(lock,),
            timeout=max(0.0, deadline - monotonic()),
            check=False,
        )
        if done.returncode != 0:
            self._raise_failed(done)

    def _launch(self, server_lock: int) -> None:
        """Start the server process, which inherits SERVER_LOCK and nothing else of ours."""
        self._cap_log()
        self._remove_leftover_pid_file()
        socket_folder = self._folder.claim_socket_folder()
        command = [str(find_program("postgres")), "-D", str(self._folder.pgdata)]
        settings = self._settings | {"unix_socket_directories": str(socket_folder)}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        done = subprocess.run(
            _launcher_argv("--detach", str(self._folder.log), str(self._folder.pgdata), *command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=clean_environment(),
            pass_fds=(server_lock,),
            check=False,
        )
        if done.returncode != 0:
            self._raise_failed(done)

    def _create_missing_database(self) -> None:
        """Somebody may have dropped it."""
        ask = f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608 - a constant
        psql = [*self.psql_argv("postgres"), "-XAtqc"]
        if not _run([*psql, ask]).strip():
            _run([*psql, f"CREATE DATABASE {DATABASE}"])

    def _check_version(self) -> None:
        try:
            found = (self._folder.pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise DataFolderRefused(
                self.data_dir,
                f"{self._folder.pgdata} is no PostgreSQL database.",
                hint="Move that folder away, or choose another data folder.",
            ) from None
        if found != MAJOR_VERSION:
            raise DatabaseVersionMismatch(self.data_dir, found=found, expected=MAJOR_VERSION)

    def _remove_leftover_pid_file(self) -> None:
        """PostgreSQL would not start while any process has the number in it.

        Raises:
            DatabaseStartFailed: it is the number of a server that others started on this folder.
        """
        postmaster = self._postmaster()
        if postmaster is not None and self._is_started_by_others(postmaster.pid):
            raise self._failure(
                f"process {postmaster.pid}, not started by bai-manager, serves this folder."
            )
        (self._folder.pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _is_started_by_others(self, pid: int) -> bool:
        import psutil  # noqa: PLC0415 - only after a crash

        try:
            return str(self._folder.pgdata) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False

    def _end_unreachable(self) -> None:
        """A server that is ready and yet cannot be reached has lost its socket: replace it."""
        postmaster = self._postmaster()
        if postmaster is not None and postmaster.state == "ready" and not self._answers():
            _signal(postmaster.pid, signal.SIGINT)

    def _end(self, how: signal.Signals, deadline: float) -> None:
        told = None
        while is_locked(self._folder.server_lock):
            postmaster = self._postmaster()
            if postmaster is not None and postmaster.pid != told:
                _signal(postmaster.pid, how)
                told = postmaster.pid
            pause(deadline)

    def _answers(self) -> bool:
        folder = self._folder.socket_folder()
        if folder is None:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            try:
                connection.connect(str(folder / SOCKET_NAME))
            except BlockingIOError:  # its queue is full: it is there
                return True
            except OSError:
                return False
        return True

    def _postmaster(self) -> _Postmaster | None:
        """What ``postmaster.pid`` says; None when there is none, or it is being written."""
        try:
            lines = (
                (self._folder.pgdata / "postmaster.pid").read_text("utf-8", "replace").split("\n")
            )
            return _Postmaster(
                pid=int(lines[0]),
                started_at=datetime.fromtimestamp(int(lines[2]), UTC),
                state=lines[7].strip(),
            )
        except (OSError, ValueError, IndexError):
            return None

    def _socket_folder(self) -> Path:
        place = self._folder.socket_folder()
        if place is not None:
            return place
        self._folder.prepare()
        with locked(self._folder.start_lock, monotonic() + 30):
            return self._folder.claim_socket_folder()

    def _cap_log(self) -> None:
        """Move the last of a long log aside; the server goes on appending to the emptied file."""
        log = self._folder.log
        with suppress(OSError):
            if log.stat().st_size > _LOG_CAP:
                with log.open("rb") as stream:
                    stream.seek(-_LOG_CAP, os.SEEK_END)
                    log.with_suffix(".log.1").write_bytes(stream.read())
                os.truncate(log, 0)

    def _failure(self, why: str) -> DatabaseStartFailed:
        try:
            lines = self._folder.log.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            lines = []
        return DatabaseStartFailed(why, log=self._folder.log, lines=lines[-_LOG_TAIL:])

    def _raise_failed(self, done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode == ExitCode.CONFIGURATION:
            raise PrivilegesNotDroppable(done.stderr)
        lines = done.stderr.splitlines()[-_LOG_TAIL:]
        raise DatabaseStartFailed("it could not be created.", log=self._folder.log, lines=lines)


def _launcher_argv(*arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *arguments]


def _run(command: list[str]) -> str:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=clean_environment(),
        check=True,
    ).stdout


def _signal(pid: int, how: signal.Signals) -> None:
    """Tell a postmaster; whatever else has that number by now is left alone."""
    import psutil  # noqa: PLC0415 - only to stop

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.name() == "postgres":
            process.send_signal(how)


def _size(folder: Path) -> int:
    """Bytes of the files below FOLDER; those that vanish meanwhile do not count."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - thousands
    return total


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
