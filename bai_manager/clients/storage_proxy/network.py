"""Connections to storage proxies whose bytes can be had without a detour.

httpcore's parser of HTTP copies what comes three times, at a price that makes a fast download
slow. So connections are made here, by httpcore's own interface for that
(https://www.encode.io/httpcore/network-backends/): to httpcore they are like any other, and the
rest of a long answer is taken from them directly, from the socket into the memory that is
written to the file (``Stream.receive``).
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Iterable, Iterator

READ: Final = 2**18
"""Bytes that a connection keeps for its reader at most."""

_BETWEEN_ADDRESSES: Final = 0.25
_PATIENCE: Final = 0.25
_IDLE: Final = 5.0
"""Seconds for which a connection is kept for another question."""


class Transport(httpx.AsyncBaseTransport):
    """httpx over these connections. Raises what httpcore raises, which httpx passes on."""

    def __init__(self, trust: ssl.SSLContext | None, connections: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_IDLE,
            network_backend=_Network(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(asked)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


class Stream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, ends: _Ends) -> None:
        self._ends = ends

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _raised(httpcore.ReadTimeout, httpcore.ReadError):
            if not self._ends.has_news:
                async with asyncio.timeout(timeout):
                    await self._ends.news()
            return self._ends.take(max_bytes)

    async def receive(self, size: int) -> bytearray:
        """So many bytes, or as many as come in a quarter of a second; maybe none.

        Raises ``httpcore.ReadError`` if no more will come.
        """
        chunk = bytearray(size)
        with _raised(httpcore.ReadTimeout, httpcore.ReadError), memoryview(chunk) as lent:
            received = await self._ends.fill(lent, _PATIENCE)
        return chunk if received == size else chunk[:received]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            with _raised(httpcore.WriteTimeout, httpcore.WriteError):
                if not self._ends.put(buffer):
                    async with asyncio.timeout(timeout):
                        await self._ends.sent()

    async def aclose(self) -> None:
        await self._ends.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        try:
            with _raised(httpcore.ConnectTimeout, httpcore.ConnectError):
                async with asyncio.timeout(timeout):
                    await self._ends.encrypt(ssl_context, server_hostname)
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> object:
        """Of what httpcore asks for: whether a connection that nobody uses has come to its end."""
        if info == "is_readable":
            return self._ends.has_news
        return self._ends.transport.get_extra_info(info)


class _Network(httpcore.AsyncNetworkBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - no others
    ) -> Stream:
        with _raised(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                _, ends = await asyncio.get_running_loop().create_connection(
                    _Ends,
                    host,
                    port,
                    local_addr=(local_address, 0) if local_address else None,
                    happy_eyeballs_delay=_BETWEEN_ADDRESSES,
                )
        return Stream(ends)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Ends(asyncio.BufferedProtocol):
    """Both ends of a connection: what has come and was not asked for, and what is to be sent.

    It reads ahead until its own memory is full, and beyond that when it is lent other memory.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._own = memoryview(bytearray(READ))
        self._into = self._own
        self._start, self._end = 0, 0
        self._over = False
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._sent = asyncio.Event()
        self._sent.set()
        self._closed = asyncio.Event()

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._attach(transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's
        return self._into[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        is_full = self._end == len(self._into)
        if is_full:
            self.transport.pause_reading()
        if is_full or self._into is self._own:
            self._wake()

    def eof_received(self) -> None:
        self._over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over, self._error = True, exc
        self._wake()
        self._sent.set()
        self._closed.set()

    def pause_writing(self) -> None:
        self._sent.clear()

    def resume_writing(self) -> None:
        self._sent.set()

    # Called by the stream.

    @property
    def has_news(self) -> bool:
        return self._end > self._start or self._over

    async def news(self) -> None:
        """Wait until something has come, or nothing more will."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.resume_reading()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def take(self, most: int) -> bytes:
        """Of what has come; nothing at the end."""
        if self._start == self._end:
            self._refuse_error()
        data = bytes(self._own[self._start : min(self._end, self._start + most)])
        self._start += len(data)
        if self._start == self._end:
            self._start = self._end = 0
            self.transport.resume_reading()
        return data

    async def fill(self, lent: memoryview, seconds: float) -> int:
        """Receive into memory, for so long. Returns how many bytes are there."""
        taken = self.take(len(lent)) if self._start < self._end else b""
        lent[: len(taken)] = taken
        if len(taken) == len(lent) or (taken and self._over):
            return len(taken)
        if self._over:
            self._refuse_error()
            raise ConnectionError("it ended before all had come")
        self._into, self._end = lent, len(taken)
        enough = asyncio.get_running_loop().call_later(seconds, self._wake)
        try:
            await self.news()
        finally:
            enough.cancel()
            received, self._into, self._end = self._end, self._own, 0
        return received

    def put(self, data: bytes) -> bool:
        """Send; whether all of it has gone."""
        if self._over:
            raise self._error or ConnectionError("it was ended")
        self.transport.write(data)
        return self._sent.is_set()

    async def sent(self) -> None:
        """Wait until all has gone."""
        await self._sent.wait()
        if self._over:
            raise self._error or ConnectionError("it was ended")

    async def encrypt(self, context: ssl.SSLContext, name: str | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(self.transport, self, context, server_hostname=name)
        except BaseException:
            self._closed.set()  # asyncio does not tell of an end before that of the handshake
            raise
        if encrypted is None:
            raise ConnectionError("it was ended")
        self._attach(encrypted)

    async def close(self) -> None:
        """At once, also when something is still to be sent."""
        self.transport.abort()
        await self._closed.wait()

    def _attach(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(1)  # with 0, one behind TLS says it is always full

    def _refuse_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@contextmanager
def _raised(
    late: type[httpcore.TimeoutException], failed: type[httpcore.NetworkError]
) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error
