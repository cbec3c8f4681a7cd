"""As much of a Valkey server as idle checks take."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

Values = dict[tuple[int, str], bytes | int]
"""By database and key: text, or how many members a sorted set has."""


class FakeValkey:
    """Answers what reading takes, and agrees to all that wakes a manager."""

    def __init__(self, values: Values, lives: Mapping[str, int], now: datetime) -> None:
        self._values = values
        self._lives = lives
        self._now = now

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database = 0
        while (first := await reader.readline()).startswith(b"*"):
            words = []
            for _ in range(int(first[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2].decode())
            if words[0].upper() == "SELECT":
                database = int(words[1])
            writer.write(self._answer(database, words))
            await writer.drain()
        writer.close()

    def _answer(self, database: int, words: list[str]) -> bytes:
        command, keys = words[0].upper(), words[1:]
        if command == "TIME":
            seconds = str(int(self._now.timestamp())).encode()
            return b"*2\r\n" + _text(seconds) + _text(b"0")
        if command == "TTL":
            return b":%d\r\n" % self._lives.get(keys[0], -2)
        if command == "ZCARD":
            found = self._values.get((database, keys[0]), 0)
            return b":%d\r\n" % found if isinstance(found, int) else _WRONG_TYPE
        if command == "GET":
            return _text(self._values.get((database, keys[0])))
        if command == "MGET":
            found_ = [_text(self._values.get((database, key))) for key in keys]
            return b"*%d\r\n" % len(keys) + b"".join(found_)
        return _NOTHING_TO_TELL.get(command, b"+OK\r\n")


_NOTHING_TO_TELL = {
    "SCAN": b"*2\r\n$1\r\n0\r\n*0\r\n",
    "DEL": b":0\r\n",
    "PUBLISH": b":0\r\n",
}
_WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


def _text(value: bytes | int | None) -> bytes:
    """A bulk string; a sorted set has no text."""
    if not isinstance(value, bytes):
        return b"$-1\r\n"
    return b"$%d\r\n%s\r\n" % (len(value), value)
