"""When the scheduler of one machine went over its sessions last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerPass:
    """One pass of a process; ``every`` is the pause in seconds of one that makes many.

    ``alive`` says whether that process is still there.
    """

    pid: int
    started_at: datetime
    ended_at: datetime
    every: float | None = None
    alive: bool = True


class PassLog(Protocol):
    """Keeps the last pass, and nothing before it."""

    def record(
        self, started_at: datetime, ended_at: datetime, *, every: float | None = None
    ) -> None: ...

    def last(self) -> SchedulerPass | None: ...


class NoPassLog:
    """Of a cluster, whose manager says nothing about its passes, and of a dry run."""

    def record(
        self, started_at: datetime, ended_at: datetime, *, every: float | None = None
    ) -> None:
        pass

    def last(self) -> SchedulerPass | None:
        return None
