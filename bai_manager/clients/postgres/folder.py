"""The data folder of the embedded database: who may own it, and where its socket is.

::

    <data folder>/          0700, this user's alone
      pgdata/               the database, as PostgreSQL knows it
      run/                  0700, the socket; elsewhere when this path is too long for one
      socket-folder         where it is then
      start.lock            held while somebody starts or stops the database
      server.lock           held by the server's processes as long as one of them lives
      postgres.log, .log.1  what the server said, capped
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

from bai_manager.clients.postgres.errors import DatabaseStartFailed, DataFolderRefused

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
_SOCKET_PATH_LIMIT = 103  # bytes: 107 on Linux, 103 on macOS and the BSDs
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ANY = stat.S_IRWXG | stat.S_IRWXO


class DataFolder:
    """The paths below one data folder; nothing is created before :meth:`prepare`."""

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

        Raises:
            DataFolderRefused: it is somebody else's, others may write in it, or it cannot be
                created or written.
            DatabaseStartFailed: the disk is full, or another fault of the file system.
        """
        try:
            self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
            status = self.path.stat()
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
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise self.fault(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def fault(self, error: OSError) -> DataFolderRefused | DatabaseStartFailed:
        """What a failed file operation below the folder means to the person reading it."""
        why = error.strerror or str(error)
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE}:
            return DatabaseStartFailed(f"{why} ({self.path}).", log=self.log)
        return DataFolderRefused(
            self.path,
            f"{why[:1].lower()}{why[1:]}.",
            hint="Make it writable, or choose another data folder.",
        )

    def socket_folder(self) -> Path | None:
        """The folder of the socket; None when it has to be elsewhere and is nowhere yet.

        A folder elsewhere counts only while it is this user's alone: after a reboot has emptied
        ``/tmp`` anybody may have taken the name.
        """
        if _fits(self._run):
            return self._run
        try:
            place = Path(self._elsewhere.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return place if _is_private(place) else None

    def claim_socket_folder(self) -> Path:
        """:meth:`socket_folder`, made when it is not there. Only under the start lock."""
        place = self.socket_folder()
        if place is None:
            place = Path(tempfile.mkdtemp(prefix=f"bai-{os.geteuid()}-", dir="/tmp"))
            temporary = self._elsewhere.with_suffix(".new")
            temporary.write_text(str(place), encoding="utf-8")
            temporary.replace(self._elsewhere)
        elif not _is_private(place):
            place.mkdir(mode=0o700, exist_ok=True)
            place.chmod(0o700)
        return place

    def release_socket_folder(self) -> None:
        """Remove the folder elsewhere. Only under the start lock, when no server runs."""
        place = None if _fits(self._run) else self.socket_folder()
        if place is not None:
            shutil.rmtree(place)
            self._elsewhere.unlink()


def _fits(folder: Path) -> bool:
    """Whether a socket there can be named: short enough, nothing a libpq string would split."""
    path = str(folder / SOCKET_NAME)
    return (
        path.isprintable()
        and not set(path) & set(",\"'\\")
        and len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT
    )


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, no link, of this user, that nobody else can enter."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & _OTHERS_ANY
    )
