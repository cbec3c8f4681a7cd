"""The data folder of the embedded database: who may own it, and where its socket is.

::

    <data folder>/          0700, this user's alone
      pgdata/               the database, as PostgreSQL knows it
      run/                  0700, the socket; elsewhere when this path is too long for one
      socket-folder         where it is then
      start.lock            held while somebody starts or stops the server
      server.lock           held by the server's processes as long as one of them lives
      postgres.log, .log.1  what the server said, capped
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from bai_manager.clients.postgres.errors import DatabaseStartFailed, DataFolderRefused

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"

_SOCKET_PATH_LIMIT = 103  # bytes: 107 on Linux, 103 on macOS and the BSDs
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ANY = stat.S_IRWXG | stat.S_IRWXO
_NOT_OUR_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_LOG_CAP = 1 << 20  # bytes
_LOG_TAIL = 12  # lines


class DataFolder:
    """The paths below one data folder; nothing is created before `prepare`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        self.pgdata = self.path / "pgdata"
        self.log = self.path / "postgres.log"
        self.start_lock = self.path / "start.lock"
        self.server_lock = self.path / "server.lock"
        self._run = self.path / "run"
        self._elsewhere = self.path / "socket-folder"

    def prepare(self) -> None:
        """Create the folder, mode 0700, or check that the one there is safe to use.

        Raises `DataFolderRefused` when it is not or cannot be created or written, and
        `DatabaseStartFailed` for a full disk and other faults of the file system.
        """
        if self.check():
            return
        try:
            self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise self.fault(error) from error
        self.check()

    def check(self) -> bool:
        """Tell whether the folder exists.

        Raises `DataFolderRefused` when it is somebody else's, or not safe from others, or its name
        would break the lines of PostgreSQL's pid file.
        """
        if "\n" in str(self.path):
            raise DataFolderRefused(
                self.path, "there is a line break in its path.", hint="Choose another data folder."
            )
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self.fault(error) from error
        if status.st_uid != os.geteuid():
            raise DataFolderRefused(
                self.path,
                f"it belongs to uid {status.st_uid}, and this is uid {os.geteuid()}.",
                hint="Run bai-manager as its owner, or choose another data folder.",
            )
        if status.st_mode & _OTHERS_WRITE:
            raise DataFolderRefused(
                self.path,
                f"others may write in it (mode {stat.S_IMODE(status.st_mode):04o}).",
                hint=f"Take that from them with: chmod go-w '{self.path}'",
            )
        return True

    def fault(self, error: OSError) -> DataFolderRefused | DatabaseStartFailed:
        """Say what a failed file operation means to the person who has to mend it."""
        why = f"{error.strerror or error} ({error.filename or self.path})."
        if error.errno in _NOT_OUR_FAULT:
            return DatabaseStartFailed(why, log=self.log)
        return DataFolderRefused(
            self.path,
            f"{why[:1].lower()}{why[1:]}",
            hint="Make it writable, or choose another data folder.",
        )

    def socket_folder(self) -> Path | None:
        """Find the folder of the socket; None when it is to be elsewhere and is nowhere yet.

        A folder elsewhere counts only while it is this user's alone: after a reboot has emptied
        ``/tmp`` anybody may have taken the name.
        """
        if _fits(self._run):
            return self._run
        try:
            place = Path(self._elsewhere.read_text(encoding="utf-8"))
        except OSError:
            return None
        return place if is_private(place) else None

    def claim_socket_folder(self) -> Path:
        """Make the folder of the socket, unless it is there. Only under the start lock."""
        place = self.socket_folder()
        if place is None:
            import tempfile  # noqa: PLC0415 - long paths are rare

            place = Path(tempfile.mkdtemp(prefix=f"bai-{os.geteuid()}-", dir="/tmp"))
            temporary = self._elsewhere.with_suffix(".new")
            temporary.write_text(str(place), encoding="utf-8")
            temporary.replace(self._elsewhere)
        elif not is_private(place):
            place.mkdir(mode=0o700, exist_ok=True)
            place.chmod(0o700)
        return place

    def release_socket_folder(self) -> None:
        """Remove the folder elsewhere. Only under the start lock, when no server runs."""
        place = self.socket_folder()
        if place is not None and place != self._run:
            for leftover in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
                (place / leftover).unlink(missing_ok=True)
            with suppress(OSError):
                place.rmdir()
            self._elsewhere.unlink()

    def cap_log(self) -> None:
        """Move the end of a long log aside; the server goes on appending to the emptied file."""
        with suppress(OSError):
            if self.log.stat().st_size > _LOG_CAP:
                with self.log.open("rb") as stream:
                    stream.seek(-_LOG_CAP, os.SEEK_END)
                    self.log.with_suffix(".log.1").write_bytes(stream.read())
                os.truncate(self.log, 0)

    def log_tail(self) -> list[str]:
        """Read the last lines of the log."""
        try:
            return self.log.read_text("utf-8", "replace").splitlines()[-_LOG_TAIL:]
        except OSError:
            return []


def is_private(folder: Path) -> bool:
    """Tell whether it is a folder, no link, of this user, that nobody else can enter."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & _OTHERS_ANY
    )


def _fits(folder: Path) -> bool:
    """Tell whether a socket there can be named: short, nothing that a libpq string would split."""
    path = str(folder / SOCKET_NAME)
    return (
        path.isprintable()
        and not set(path) & set(",\"'\\")
        and len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT
    )
