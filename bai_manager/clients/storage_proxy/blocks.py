"""Files of this machine, read and written a piece at a time while the other side is served.

At once, that is: having a thread do it costs more than most of these operations. After one that
took long (a disk that does not keep up, a network file system) a thread does it, while the
connection moves on.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.protocol import CHUNK
from bai_manager.clients.storage_proxy.threads import in_thread
from bai_manager.clients.storage_proxy.transfer import here

if TYPE_CHECKING:
    from typing import Self

    from bai_manager.clients.storage_proxy.protocol import Chunk

_LONG_READ: Final = 0.05
_LONG_WRITE: Final = 0.2
"""Seconds."""
_MOST_CHUNKS: Final = os.sysconf("SC_IOV_MAX")
_GATHERED: Final = 2**19
"""Bytes written at once."""


class Reader:
    """Reads chunk after chunk; in a thread, while the chunk before is sent."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._offset = offset
        self._size = size
        self._is_slow = False
        self._ahead: asyncio.Task[bytes] | None = None

    async def read(self) -> bytes:
        """The next chunk; nothing at the end."""
        if self._ahead is not None:
            chunk = await self._ahead
            self._ahead = None
        else:
            began = time.monotonic()
            chunk = os.pread(self._fd, self._wanted, self._offset)
            self._is_slow = time.monotonic() - began > _LONG_READ
        self._offset += len(chunk)
        if self._is_slow and chunk and self._wanted:
            ahead = in_thread(os.pread, self._fd, self._wanted, self._offset)
            self._ahead = asyncio.ensure_future(ahead)
        return chunk

    async def close(self) -> None:
        """Wait until nothing more is read from what its owner closes next."""
        if self._ahead is not None:
            await asyncio.wait([self._ahead])

    @property
    def _wanted(self) -> int:
        return min(CHUNK, self._size - self._offset)


class Writer:
    """Writes what comes; in a thread, while the next comes.

    Leaving it, also by an error, waits for what is being written and writes what is left.
    """

    def __init__(self, fd: int, offset: int) -> None:
        self.offset = offset
        self._fd = fd
        self._chunks: list[Chunk] = []
        self._gathered = 0
        self._is_slow = False
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._flush()
        await self._written()

    async def write(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._gathered += len(chunk)
        if self._gathered >= _GATHERED:
            await self._flush()

    async def _flush(self) -> None:
        await self._written()
        if self._chunks:
            chunks, offset = self._chunks, self.offset
            self.offset += self._gathered
            self._chunks, self._gathered = [], 0
            if self._is_slow:
                writing = in_thread(_write_at, self._fd, chunks, offset)
                self._writing = asyncio.ensure_future(writing)
                return
            began = time.monotonic()
            with here("the download"):
                _write_at(self._fd, chunks, offset)
            self._is_slow = time.monotonic() - began > _LONG_WRITE

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            behind, self._chunks = self._chunks, []  # of no use behind what was not written
            with here("the download"):
                await writing
            self._chunks = behind


def _write_at(fd: int, chunks: list[Chunk], offset: int) -> None:
    for start in range(0, len(chunks), _MOST_CHUNKS):
        rest = [memoryview(chunk) for chunk in chunks[start : start + _MOST_CHUNKS]]
        while rest:
            written = os.pwritev(fd, rest, offset)
            offset += written
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][written:]
