"""A small HTTP server of tests, one that can misbehave in the middle of anything.

``faults`` are asked in turn about each exchange before its ``handler``; one that returns True
has dealt with it. They take and send what they like, or nothing.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from typing import Self

    from bai_manager.types.json import JsonValue

    Fault: TypeAlias = Callable[["Exchange"], Awaitable[bool]]
    Handler: TypeAlias = Callable[["Exchange"], Awaitable[None]]

PIECE = 2**16


class Broken(Exception):
    """The peer went away in the middle of a body."""


@dataclass
class Exchange:
    """A request and the way to answer it; ``query`` and ``headers`` have lower-case keys."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep_alive: bool = True
    body_read: bool = False

    async def body(self) -> AsyncIterator[bytes]:
        """What comes, as it comes. Raises ``Broken``."""
        self.body_read = True
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int((await self._line()).strip() or b"0", 16):
                async for piece in self._exactly(size):
                    yield piece
                await self._line()
            await self._line()
        else:
            async for piece in self._exactly(int(self.headers.get("content-length", "0"))):
                yield piece

    async def json(self) -> dict[str, JsonValue]:
        text = b"".join([piece async for piece in self.body()])
        value: dict[str, JsonValue] = json.loads(text)
        return value

    async def _line(self) -> bytes:
        line = await self.reader.readline()
        if not line:
            raise Broken
        return line

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self.reader.read(min(PIECE, size))
            if not piece:
                raise Broken
            size -= len(piece)
            yield piece

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        told = dict(headers) if self.keep_alive else {"Connection": "close", **headers}
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in told.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await self.writer.drain()

    async def answer(
        self,
        status: int,
        body: bytes = b"",
        kind: str = "application/octet-stream",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        length = {} if status == 204 else {"Content-Length": str(len(body))}
        await self.head(status, {"Content-Type": kind, **length, **(headers or {})})
        if self.method != "HEAD":
            self.writer.write(body)
            await self.writer.drain()

    async def say(self, value: JsonValue, status: int = 200) -> None:
        await self.answer(status, json.dumps(value).encode(), "application/json")

    async def trouble(self) -> None:
        """As a storage proxy says that it did not expect something."""
        self.keep_alive = False
        text = b"500 Internal Server Error\n\nServer got itself in trouble"
        await self.answer(500, text, "text/plain; charset=utf-8")

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.keep_alive = False
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class FaultServer:
    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self._handler = handler
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            # cancelled is how it is told that the server ends
            with suppress(ConnectionError, Broken, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._open.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        start = (await reader.readline()).decode("latin-1").split()
        if not start:
            return False
        headers = {}
        while line := (await reader.readline()).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        url = urlsplit(start[1])
        exchange = Exchange(
            start[0], unquote(url.path), dict(parse_qsl(url.query)), headers, reader, writer
        )
        self.asked.append(f"{exchange.method} {exchange.path}")
        for fault in self.faults:
            if await fault(exchange):
                break
        else:
            await self._handler(exchange)
        if not exchange.body_read:
            async for _ in exchange.body():
                pass
        return exchange.keep_alive
