"""The server process, as seen from outside: its pid file, its socket, its signals."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bai_manager.clients.postgres.folder import SOCKET_NAME, is_private

if TYPE_CHECKING:
    from pathlib import Path
    from signal import Signals

    from bai_manager.clients.postgres.folder import DataFolder


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What the server wrote in ``postmaster.pid``; ``state`` is starting, ready or stopping."""

    pid: int
    started_at: datetime
    state: str


def read_postmaster(pgdata: Path) -> Postmaster | None:
    """Read ``postmaster.pid``; None when there is none, or it is just being written."""
    try:
        lines = (pgdata / "postmaster.pid").read_text("utf-8", "replace").split("\n")
        return Postmaster(
            pid=int(lines[0]),
            started_at=datetime.fromtimestamp(int(lines[2]), UTC),
            state=lines[7].strip(),
        )
    except (OSError, ValueError, IndexError):
        return None


def is_ready(folder: DataFolder) -> bool:
    """Tell whether the server accepts connections: the pid file says so, and somebody answers.

    The socket alone would not do: it answers during a crash recovery, too.
    """
    postmaster = read_postmaster(folder.pgdata)
    return postmaster is not None and postmaster.state == "ready" and _answers(folder)


def end_unreachable(folder: DataFolder) -> None:
    """Stop a server that is ready and yet cannot be reached: somebody removed its socket."""
    from signal import SIGINT  # noqa: PLC0415 - rare

    postmaster = read_postmaster(folder.pgdata)
    if postmaster is not None and postmaster.state == "ready" and not _answers(folder):
        send(postmaster.pid, SIGINT)


def send(pid: int, how: Signals) -> None:
    """Signal the server; if another program has got its pid meanwhile, that is left alone."""
    import psutil  # noqa: PLC0415 - only to stop

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.name() == "postgres":
            process.send_signal(how)


def serves(pid: int, pgdata: Path) -> bool:
    """Tell whether the process is a server on this folder, whoever started it."""
    import psutil  # noqa: PLC0415 - only after a crash

    try:
        return str(pgdata) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _answers(folder: DataFolder) -> bool:
    place = folder.socket_folder()
    if place is None or not is_private(place):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(str(place / SOCKET_NAME))
        except BlockingIOError:  # too many at once: there is a server
            return True
        except OSError:
            return False
    return True
