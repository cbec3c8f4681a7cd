"""What a running manager keeps beside the database of things that services change.

Counters and caches in Valkey (``events-valkey.md`` §4 and §7). They are dropped after the commit;
where that fails they run out by themselves, so it is a warning and never a failed command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.errors import BackendAIError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


_ROOM: Final = (
    "it takes up to a quarter of a minute until the manager schedules by it, and up to five"
    " minutes until it shows it"
)


class ManagerMemory(Protocol):
    async def forget_keypairs(self, access_keys: Sequence[str]) -> None:
        """Drop the counters of key pairs that are no more."""

    async def forget_presets(self) -> None:
        """Drop what was remembered of resource presets, which changed."""

    async def forget_room(self) -> None:
        """Drop what was computed of what there is and may be used, which changed."""

    async def forget_usage(self) -> None:
        """Drop that, and what was counted of what everybody uses: it was counted anew."""


class NoMemory:
    """One machine keeps nothing beside its database, and a dry run changes nothing there."""

    async def forget_keypairs(self, access_keys: Sequence[str]) -> None:
        pass

    async def forget_presets(self) -> None:
        pass

    async def forget_room(self) -> None:
        pass

    async def forget_usage(self) -> None:
        pass


class ClusterMemory:
    """The Valkey of a cluster; None where the profile names none."""

    def __init__(self, *, signals: ManagerMemory | None, warn: Callable[[str], None]) -> None:
        self._signals = signals
        self._warn = warn

    async def forget_keypairs(self, access_keys: Sequence[str]) -> None:
        await self._tell(
            lambda signals: signals.forget_keypairs(access_keys),
            "counters of the key pairs stay up to 30 days",
        )

    async def forget_presets(self) -> None:
        await self._tell(
            lambda signals: signals.forget_presets(),
            "the manager shows the old presets for up to a minute",
        )

    async def forget_room(self) -> None:
        await self._tell(
            lambda signals: signals.forget_room(),
            _ROOM,
        )

    async def forget_usage(self) -> None:
        await self._tell(
            lambda signals: signals.forget_usage(),
            f"{_ROOM}; its old count of a user's sessions until that user's next",
        )

    async def _tell(self, what: Callable[[ManagerMemory], Awaitable[None]], otherwise: str) -> None:
        if self._signals is None:
            self._warn(f"No valkey.url is configured, so {otherwise}.")
            return
        try:
            await what(self._signals)
        except BackendAIError as error:
            self._warn(f"The change is made, but {otherwise}: {error.message}")
