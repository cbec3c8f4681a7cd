"""How a server comes up: from an empty folder, from a crash, beside others doing the same.

Everything here happens under the start lock of the data folder.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from bai_manager.clients.postgres.binaries import MAJOR_VERSION, find_program, run_program
from bai_manager.clients.postgres.errors import (
    DatabaseStartFailed,
    DatabaseVersionMismatch,
    DataFolderRefused,
    PrivilegesNotDroppable,
)
from bai_manager.clients.postgres.folder import PORT, SOCKET_NAME
from bai_manager.clients.postgres.locks import pause, try_lock
from bai_manager.clients.postgres.postmaster import (
    end_unreachable,
    is_ready,
    read_postmaster,
    serves,
)
from bai_manager.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import CompletedProcess

    from bai_manager.clients.postgres.folder import DataFolder

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
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


class Starter:
    """Brings up the server of one data folder with some settings beside the usual ones."""

    def __init__(
        self, folder: DataFolder, *, user: str, database: str, settings: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._user = user
        self._database = database
        self._settings = _SETTINGS | dict(settings)

    def bring_up(self, start_lock: int, deadline: float) -> bool:
        """Wait for what others have begun, or launch, until the server is ready.

        The result tells whether it was launched here. Raises `TimeoutError` at the deadline, and
        what `EmbeddedPostgres.start` raises.
        """
        launched = False
        while not is_ready(self._folder):
            server_lock = try_lock(self._folder.server_lock)
            if server_lock is None:
                end_unreachable(self._folder)
            else:
                try:
                    if launched:
                        raise self._failure("it ended at once.", self._folder.log_tail())
                    self._create(start_lock, deadline)
                    self._launch(server_lock)
                finally:
                    os.close(server_lock)
                launched = True
            pause(deadline)
        return launched

    def _create(self, start_lock: int, deadline: float) -> None:
        """Make the database cluster: all of it or nothing, by renaming a finished one.

        The programs that do it inherit the start lock, so that nobody begins again while those of
        a killed process still write.
        """
        pgdata = self._folder.pgdata
        for leftover in self._folder.path.glob("pgdata.new-*"):
            shutil.rmtree(leftover)
        if pgdata.exists():
            self._check_version()
            return
        made = tempfile.mkdtemp(prefix="pgdata.new-", dir=self._folder.path)
        durable = self._settings.get("fsync") != "off"
        initdb = [
            *(find_program("initdb"), "-D", made, "-U", self._user, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--set=max_connections=200", "--set=shared_buffers=32MB"),
            *(() if durable else ("--no-sync",)),
        ]
        single = [
            *(find_program("postgres"), "--single", "-D", made),
            *(() if durable else ("-F",)),
            "template1",
        ]
        for command, text in ((initdb, ""), (single, f"CREATE DATABASE {self._database}\n")):
            done = run_program(
                _launcher_argv(made, *command),
                text=text,
                timeout=max(0.0, deadline - monotonic()),
                keep=(start_lock,),
            )
            self._check_done(done, "it could not be created.")
        Path(made).rename(pgdata)
        if durable:
            _sync(self._folder.path)

    def _check_version(self) -> None:
        try:
            found = (self._folder.pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise DataFolderRefused(
                self._folder.path,
                f"{self._folder.pgdata} is no PostgreSQL database.",
                hint="Move that folder away, or choose another data folder.",
            ) from None
        if found != MAJOR_VERSION:
            raise DatabaseVersionMismatch(self._folder.path, found=found, expected=MAJOR_VERSION)

    def _launch(self, server_lock: int) -> None:
        """Start the server process, which inherits its lock and nothing else of ours."""
        self._folder.cap_log()
        socket_folder = self._folder.claim_socket_folder()
        self._remove_leftovers(socket_folder)
        pgdata = str(self._folder.pgdata)
        command = [find_program("postgres"), "-D", pgdata]
        settings = self._settings | {"unix_socket_directories": str(socket_folder)}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        launcher = _launcher_argv("--detach", str(self._folder.log), pgdata, *command)
        self._check_done(run_program(launcher, keep=(server_lock,)), "it could not be launched.")

    def _remove_leftovers(self, socket_folder: Path) -> None:
        """Remove the lock files of a killed server: PostgreSQL would not start while their pid
        is in use, by whomever.

        Raises `DatabaseStartFailed` when that is a server somebody started by hand.
        """
        postmaster = read_postmaster(self._folder.pgdata)
        if postmaster is not None and serves(postmaster.pid, self._folder.pgdata):
            raise self._failure(
                f"process {postmaster.pid}, not started by bai-manager, serves this folder."
            )
        (self._folder.pgdata / "postmaster.pid").unlink(missing_ok=True)
        (socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _check_done(self, done: CompletedProcess[str], why: str) -> None:
        if done.returncode == ExitCode.CONFIGURATION:
            raise PrivilegesNotDroppable(done.stderr)
        if done.returncode != 0:
            raise self._failure(why, done.stderr.splitlines())

    def _failure(self, why: str, lines: list[str] | None = None) -> DatabaseStartFailed:
        return DatabaseStartFailed(why, log=self._folder.log, lines=lines or [])


def _launcher_argv(*arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", _LAUNCHER, *arguments]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
