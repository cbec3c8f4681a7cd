"""Whether a storage proxy has finished copying a folder, told from the files alone.

Its own word for it goes to Valkey, which is not always at hand, and its counts include folders,
whose sizes differ from copy to copy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from bai_manager.clients.storage_proxy.errors import FileMissing, FolderMissing, ListingCut
from bai_manager.clients.storage_proxy.protocol import EntryKind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bai_manager.clients.storage_proxy.protocol import FileEntry, FolderRef, FolderUsage

_SETTLED = 5


class Listed(Protocol):
    """The part of a ``StorageClient`` that this needs."""

    async def folder_usage(self, folder: FolderRef) -> FolderUsage: ...

    def list_files(
        self, folder: FolderRef, path: str = ".", *, recursive: bool = False
    ) -> AsyncGenerator[FileEntry, None]: ...


class Pauses:
    """Short at first, longer and longer up to ``longest`` seconds."""

    def __init__(self, shortest: float = 0.02, longest: float = 1.0) -> None:
        self._next = shortest
        self._longest = longest

    async def wait(self) -> None:
        await asyncio.sleep(self._next)
        self._next = min(self._next * 1.5, self._longest)


class CopyCheck:
    """Looks at a copy again and again."""

    def __init__(self, storage: Listed, source: FolderRef, target: FolderRef) -> None:
        self._storage = storage
        self._source = source
        self._target = target
        self._last: FolderUsage | None = None
        self._unchanged = 0

    @property
    def settled(self) -> bool:
        """Whether nothing changed for several looks."""
        return self._unchanged >= _SETTLED

    async def is_complete(self) -> bool:
        """Whether every file of the source is in the copy, as long as there.

        Where a folder has more entries than are told, a copy of as many entries that does not
        grow any more is complete.
        """
        try:
            if not await self._has_as_many():
                return False
            return await self._has_each()
        except ListingCut:
            return self.settled
        except (FileMissing, FolderMissing):
            return False

    async def _has_as_many(self) -> bool:
        usage = await self._storage.folder_usage(self._target)
        self._unchanged = self._unchanged + 1 if usage == self._last else 0
        self._last = usage
        wanted = (await self._storage.folder_usage(self._source)).file_count
        return wanted is None or usage.file_count is None or usage.file_count >= wanted

    async def _has_each(self) -> bool:
        """Folder by folder, so that only one listing is held."""
        waiting = ["."]
        while waiting:
            path = waiting.pop()
            wanted = set()
            async for entry in self._storage.list_files(self._source, path):
                if entry.kind is EntryKind.FOLDER:
                    waiting.append(entry.path)
                elif entry.kind is EntryKind.FILE:
                    wanted.add((entry.path, entry.size))
            async for entry in self._storage.list_files(self._target, path):
                wanted.discard((entry.path, entry.size))
            if wanted:
                return False
        return True
