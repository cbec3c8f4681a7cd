"""The last pass of this machine's scheduler, in a file of the profile's data folder."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING

from bai_manager.types.passes import SchedulerPass

if TYPE_CHECKING:
    from pathlib import Path


class PassFile:
    """One JSON object, replaced as a whole; a file that cannot be read or written is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(
        self, started_at: datetime, ended_at: datetime, *, every: float | None = None
    ) -> None:
        told = {
            "pid": os.getpid(),
            "started_at": started_at.isoformat(),
            "ended_at": ended_at.isoformat(),
            "every": every,
        }
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            unfinished.write_text(json.dumps(told), "utf-8")
            unfinished.replace(self._path)
        except OSError:
            unfinished.unlink(missing_ok=True)

    def last(self) -> SchedulerPass | None:
        try:
            told = json.loads(self._path.read_text("utf-8"))
            return SchedulerPass(
                pid=told["pid"],
                started_at=datetime.fromisoformat(told["started_at"]),
                ended_at=datetime.fromisoformat(told["ended_at"]),
                every=told["every"],
                alive=_is_alive(told["pid"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
