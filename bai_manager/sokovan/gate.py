"""Keeps the scheduler unloaded while there is nothing for it to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Scheduler(Protocol):
    """Moves sessions along: in this process, or by waking the cluster's manager."""

    async def advance(self) -> None: ...


class SchedulerGate:
    """Builds the scheduler, and all it imports, only when a session or a kernel needs it."""

    def __init__(
        self,
        *,
        has_work: Callable[[], Awaitable[bool]],
        build: Callable[[], Scheduler],
    ) -> None:
        self._has_work = has_work
        self._build = build

    async def advance(self) -> None:
        """One pass, if anything could move."""
        if await self._has_work():
            await self._build().advance()
