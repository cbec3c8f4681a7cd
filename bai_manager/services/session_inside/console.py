"""Where a session's output goes while it is produced, and where its input comes from."""

from __future__ import annotations

from typing import Protocol


class ConsoleSink(Protocol):
    """Given to the service by whoever runs it: a terminal, a pipe, or nothing."""

    def write(self, kind: str, text: str) -> None:
        """``kind`` is stdout, stderr, or what else a kernel names; ``text`` is untrusted."""

    async def read_input(self) -> str | None:
        """A line for a kernel that waits for input; None when there is none to be had."""


class NullConsole:
    """Nobody watches."""

    def write(self, kind: str, text: str) -> None:
        pass

    async def read_input(self) -> str | None:
        return None
