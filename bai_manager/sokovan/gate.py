"""Who moves sessions along, as services see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bai_manager.errors import BackendAIError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from bai_manager.types.status import SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionChange:
    """A session was written: what it is now, and whose figures are stale."""

    session_id: UUID
    creation_id: str
    access_key: str
    status: SessionStatus
    reason: str


class Scheduler(Protocol):
    """Moves sessions along: in this process, or by waking the cluster's manager."""

    async def changed(self, change: SessionChange) -> None:
        """A session was enqueued, cancelled or marked; called after the commit."""

    async def advance(self) -> None:
        """Move every session as far as it can go now, where that is ours to do."""


class Passes(Protocol):
    async def advance(self, *, every: float | None = None) -> None: ...


class SchedulerGate:
    """The scheduler of one machine: built, with all it imports, only when something lives."""

    def __init__(
        self,
        *,
        has_work: Callable[[], Awaitable[bool]],
        build: Callable[[], Passes],
    ) -> None:
        self._has_work = has_work
        self._build = build

    async def changed(self, change: SessionChange) -> None:
        """Nothing to tell: the next pass sees it."""

    async def advance(self) -> None:
        """One pass, if anything could move."""
        if await self._has_work():
            await self._build().advance()


class Signals(Protocol):
    async def session_changed(self, change: SessionChange) -> None: ...


class Silence:
    """A dry run wakes nobody."""

    async def session_changed(self, change: SessionChange) -> None:
        pass


class ClusterScheduler:
    """The scheduler of a cluster is its manager: it is woken, never replaced."""

    def __init__(self, *, signals: Signals | None, warn: Callable[[str], None]) -> None:
        self._signals = signals
        self._warn = warn

    async def changed(self, change: SessionChange) -> None:
        """Wake the manager; when that fails, it finds the change by itself a little later."""
        if self._signals is None:
            self._warn(
                "No valkey.url is configured, so the manager is not woken: it takes up to a"
                " minute until it sees the change."
            )
            return
        try:
            await self._signals.session_changed(change)
        except BackendAIError as error:
            self._warn(f"The manager was not woken, so it takes up to a minute: {error.message}")

    async def advance(self) -> None:
        """The manager does that."""
