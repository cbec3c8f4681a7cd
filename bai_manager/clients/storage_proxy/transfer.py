"""Moving many files between this machine and storage: what is asked, told and counted.

``upload.py`` and ``download.py`` do it. Both keep a bounded number of files in flight and a
bounded number of bytes of each in memory, go on where an earlier run was stopped, and treat a
file that cannot be moved as that file's result. Only what would hit every other file as well
ends the whole: a storage that does not answer, or is full.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from bai_manager.clients.storage_proxy.errors import (
    FolderMissing,
    LocalFailure,
    LocalFull,
    QuotaExceeded,
    StorageFull,
    StorageTokenRefused,
    StorageUnreachable,
    VolumeMissing,
)
from bai_manager.errors import BackendAIError
from bai_manager.types.choice import Choice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from os import PathLike

Item = TypeVar("Item")

ENDS_ALL: Final = (
    FolderMissing,
    LocalFull,
    QuotaExceeded,
    StorageFull,
    StorageTokenRefused,
    StorageUnreachable,
    VolumeMissing,
)
_FIRST_PAUSE: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferOptions:
    """``in_flight`` files at once; ``include`` and ``exclude`` as in ``patterns.py``.

    ``verify`` reads each file back and compares. ``replace`` is for files that exist at the
    target and are not the same. A broken connection is taken up again up to ``attempts``
    times in all. ``rehearse`` finds out what would be moved, and moves nothing.
    """

    in_flight: int = 8
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    verify: bool = False
    replace: bool = True
    attempts: int = 3
    rehearse: bool = False


class Outcome(Choice):
    """``unchanged`` was there already, ``skipped`` is nothing that can be moved (a link, …)."""

    TRANSFERRED = "transferred"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileResult:
    """``path`` is from the top of what is transferred, ``size`` in bytes.

    ``checksum`` is the SHA-256 in hex where it was verified. ``why`` says more of what was
    skipped or failed.
    """

    path: str
    outcome: Outcome
    size: int = 0
    checksum: str | None = None
    error: BackendAIError | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferSummary:
    """How many files had which outcome; ``size`` is the bytes of those transferred."""

    transferred: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    size: int = 0

    def plus(self, result: FileResult) -> TransferSummary:
        name = result.outcome.value
        size = result.size if result.outcome is Outcome.TRANSFERRED else 0
        return replace(self, **{name: getattr(self, name) + 1}, size=self.size + size)


class TransferObserver(Protocol):
    """Is told what happens while it happens; for progress bars and result lines."""

    def found(self, size: int) -> None:
        """Another file of ``size`` bytes is to be transferred."""

    def moved(self, size: int) -> None:
        """``size`` bytes more are there, also those an earlier run had moved."""

    def finished(self, result: FileResult) -> None:
        """A file is through."""


class Unobserved:
    """Nobody looks."""

    def found(self, size: int) -> None:
        pass

    def moved(self, size: int) -> None:
        pass

    def finished(self, result: FileResult) -> None:
        pass


@dataclass(slots=True)
class Progress:
    """Of one file: bytes moved again after a break are told once."""

    observer: TransferObserver
    reached: int = field(default=0)

    def at(self, offset: int) -> None:
        if offset > self.reached:
            self.observer.moved(offset - self.reached)
            self.reached = offset


async def transfer_all(
    items: AsyncIterator[Item | FileResult],
    move: Callable[[Item], Awaitable[FileResult]],
    in_flight: int,
    observer: TransferObserver,
) -> TransferSummary:
    """Move items, some at a time, as they come. Raises what ends all (``ENDS_ALL``)."""
    queue: asyncio.Queue[Item | FileResult | None] = asyncio.Queue(maxsize=2 * in_flight)
    summary = TransferSummary()

    async def supply() -> None:
        async for item in items:
            await queue.put(item)
        for _ in range(in_flight):
            await queue.put(None)

    async def work() -> None:
        nonlocal summary
        while (item := await queue.get()) is not None:
            result = item if isinstance(item, FileResult) else await move(item)
            summary = summary.plus(result)
            observer.finished(result)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supply())
            for _ in range(in_flight):
                tasks.create_task(work())
    except* BackendAIError as several:
        raise several.exceptions[0] from None
    return summary


def failed(path: str, error: BackendAIError) -> FileResult:
    """The result of a file that cannot be moved; raises instead if no other could be."""
    if isinstance(error, ENDS_ALL):
        raise error
    return FileResult(path=path, outcome=Outcome.FAILED, error=error, why=error.message)


async def pause(attempt: int) -> None:
    """Before trying again: 0.2 s, 0.4 s, …"""
    await asyncio.sleep(_FIRST_PAUSE * 2**attempt)


@contextmanager
def here(path: str | PathLike[str]) -> Iterator[None]:
    """Turn what the system says about a file of this machine into our error for it."""
    try:
        yield
    except OSError as error:
        kind = LocalFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else LocalFailure
        raise kind(str(path), error.strerror or str(error)) from None
