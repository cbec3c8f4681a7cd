"""Requests to a storage proxy: where they go, how long they may take, what their failure means.

The only module besides ``http.py`` and its parts, and ``network.py``, that knows httpx.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
import time
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

import httpcore
import httpx

from bai_manager.clients.storage_proxy.answers import About, Answer, failure
from bai_manager.clients.storage_proxy.errors import (
    AuthorityUnreadable,
    ConnectionBroke,
    StorageUnreachable,
    UnexpectedStorageAnswer,
)
from bai_manager.clients.storage_proxy.network import READ, Stream, Transport
from bai_manager.clients.storage_proxy.protocol import CHUNK
from bai_manager.clients.trust import is_plain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from bai_manager.clients.storage_proxy.protocol import Chunk
    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject

TOKEN_HEADER: Final = "X-BackendAI-Storage-Auth-Token"  # noqa: S105 - its name
_BIGGEST_ANSWER: Final = 64 * 2**20
_CONNECTIONS: Final = 64
_MUCH: Final = 32 * CHUNK
"""Bytes that are worth a connection of their own."""
_AT_ONCE: Final = 2**19
"""Of those: fewer are more work, more would leave the processor's cache before they are used."""
if find_spec("sniffio") is None:  # httpcore would look for it again with every request
    sys.modules["sniffio"] = cast("ModuleType", None)
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = READ
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses with their tokens

_ATTEMPTS: Final = 3
_FIRST_PAUSE: Final = 0.1
_LEAST_RATE: Final = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """Seconds. ``answer`` is for a whole answer in JSON, ``stall`` for a transfer to move by at
    least one KiB per second of it, ``task`` for a removal or a clone to end, ``settle`` for a
    broken upload not to grow any more.
    """

    connect: float = 5.0
    answer: float = 30.0
    stall: float = 30.0
    task: float = 600.0
    settle: float = 0.5


class Wire:
    """Connections to both sides of one storage proxy."""

    def __init__(
        self,
        name: str,
        *,
        manager_url: str,
        client_url: str,
        secret: Secret,
        verify_tls: bool,
        ca_file: Path | None,
        timeouts: Timeouts,
    ) -> None:
        self.name = name
        self.timeouts = timeouts
        self._manager_url = manager_url.rstrip("/")
        self._client_url = client_url.rstrip("/")
        self._secret = secret
        self._verify_tls = verify_tls
        self._ca_file = ca_file

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        moves = self.timeouts.stall
        return httpx.AsyncClient(
            transport=Transport(self._trust(), _CONNECTIONS),
            timeout=httpx.Timeout(
                connect=self.timeouts.connect, read=moves, write=moves, pool=None
            ),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )

    def _trust(self) -> ssl.SSLContext | None:
        if is_plain(self._manager_url) and is_plain(self._client_url):
            return None  # nothing to check, and loading the authorities takes its time
        if not self._verify_tls:
            anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            anybody.check_hostname = False
            anybody.verify_mode = ssl.CERT_NONE
            return anybody
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise AuthorityUnreadable(self.name, str(self._ca_file), str(error)) from None

    async def aclose(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        params: JsonObject | None = None,
        *,
        about: About,
        accepted: frozenset[int] = frozenset(),
        repeatable: bool = False,
        timeout: float | None = None,
    ) -> Answer:
        """Ask the manager-facing side. ``params`` are the body for every method, as it wants it.

        Statuses below 300 and those ``accepted`` are returned, others raised as our error. A
        ``repeatable`` request is sent again, twice at most, when the connection breaks.
        """
        seconds = self.timeouts.answer if timeout is None else timeout
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._ask_once(method, path, params, seconds)
                break
            except ConnectionBroke:
                if not repeatable or attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        if answer.status >= httpx.codes.MULTIPLE_CHOICES and answer.status not in accepted:
            raise failure(answer, about)
        return answer

    async def _ask_once(
        self, method: str, path: str, params: JsonObject | None, seconds: float
    ) -> Answer:
        asked = f"{method} {path}"
        url, headers, body = self._manager_request(path, params)
        try:
            async with asyncio.timeout(seconds):
                async with self._stream(method, url, headers, body) as response:
                    return await self.answer(response, asked)
        except TimeoutError:
            why = f"{asked} took longer than {seconds:g} s"
            raise StorageUnreachable(self.name, why) from None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        token: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: AsyncIterable[bytes] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Ask the client-facing side, which is for whoever has a token, and stream.

        Without a ``body`` to send, the answer must begin in time.
        """
        url = httpx.URL(self._client_url + path, params={"token": token})
        seconds = self.timeouts.answer if body is None else None
        async with self._stream(method, url, dict(headers or {}), body, seconds) as response:
            yield response

    @asynccontextmanager
    async def fetch(self, path: str, params: JsonObject) -> AsyncIterator[httpx.Response]:
        """Stream an answer of the manager-facing side."""
        url, headers, body = self._manager_request(path, params)
        async with self._stream("POST", url, headers, body, self.timeouts.answer) as response:
            yield response

    def _manager_request(
        self, path: str, params: JsonObject | None
    ) -> tuple[str, dict[str, str], bytes | None]:
        headers = {TOKEN_HEADER: self._secret.reveal()}
        if params is None:
            return self._manager_url + path, headers, None
        headers["Content-Type"] = "application/json"
        return self._manager_url + path, headers, json.dumps(params).encode("ascii")

    @asynccontextmanager
    async def _stream(
        self,
        method: str,
        url: httpx.URL | str,
        headers: dict[str, str],
        body: AsyncIterable[bytes] | bytes | None,
        seconds: float | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """The head of an answer has come, within ``seconds``."""
        limit = asyncio.timeout(seconds)
        request = self._http.stream(method, url, headers=headers, content=body)
        try:
            with self._translated():
                async with limit, request as response:
                    limit.reschedule(None)
                    yield response
        except TimeoutError:
            if not limit.expired():
                raise
            why = f"no answer to {method} {httpx.URL(url).path} within {seconds:g} s"
            raise StorageUnreachable(self.name, why) from None

    async def answer(self, response: httpx.Response, asked: str) -> Answer:
        """A streamed answer as a whole, for saying what went wrong."""
        body = await self._whole(response, asked)
        return Answer(self.name, asked, response.status_code, body)

    async def _whole(self, response: httpx.Response, asked: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_raw():
            parts.append(part)
            size += len(part)
            if size > _BIGGEST_ANSWER:
                raise UnexpectedStorageAnswer(self.name, asked, "more than 64 MiB of it")
        return b"".join(parts)

    async def moving(self, response: httpx.Response) -> AsyncIterator[Chunk]:
        """The bytes of an answer; raise ``StorageUnreachable`` when they drip.

        Only the time that is waited for them counts.
        """
        stall = self.timeouts.stall
        waited, moved = 0.0, 0
        with self._translated():
            async with aclosing(_chunks(response)) as chunks:
                while True:
                    began = time.monotonic()
                    chunk = await anext(chunks, None)
                    waited += time.monotonic() - began
                    moved += 0 if chunk is None else len(chunk)
                    if waited > stall:
                        if moved < _LEAST_RATE * stall:
                            why = f"only {moved} bytes came in {waited:.1f} s"
                            raise StorageUnreachable(self.name, why)
                        waited, moved = 0.0, 0
                    if chunk is None:
                        return
                    if chunk:
                        yield chunk

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpcore.ConnectTimeout:
            why = f"no connection within {self.timeouts.connect:g} s"
            raise StorageUnreachable(self.name, why, hint=self._look_at_it) from None
        except httpcore.TimeoutException:
            why = f"nothing moved for {self.timeouts.stall:g} s"
            raise StorageUnreachable(self.name, why) from None
        except httpcore.ConnectError as error:
            raise self._not_connected(error) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            why = f"the connection broke: {str(error) or type(error).__name__}"
            raise ConnectionBroke(self.name, why) from None

    def _not_connected(self, error: httpcore.ConnectError) -> StorageUnreachable:
        if "SSL" in str(error) or "CERTIFICATE" in str(error):
            return StorageUnreachable(
                self.name,
                f"its certificate is not trusted: {error}",
                hint=f"Set storage.{self.name}.ca_file to its authority, or .verify_tls to false.",
            )
        why = f"no connection to {self._manager_url} or {self._client_url}: {error}"
        return ConnectionBroke(self.name, why, hint=self._look_at_it)

    @property
    def _look_at_it(self) -> str:
        return f"See that the storage proxy runs and storage.{self.name}.manager_url is right."


async def _chunks(response: httpx.Response) -> AsyncGenerator[Chunk, None]:
    """The bytes of an answer, nothing now and then.

    Much that comes as it is comes straight from the connection, once all that httpcore has read
    of it is handed out; httpcore ends the connection afterwards, as one that was not read to
    the end of an answer.
    """
    parsed = cast("AsyncGenerator[bytes, None]", response.aiter_raw())
    stream = response.extensions["network_stream"]
    left = _plain_length(response)
    async with aclosing(parsed):
        if left < _MUCH or not isinstance(stream, Stream):
            async for chunk in parsed:
                yield chunk
            return
        first = await anext(parsed)
        yield first
        left -= len(first)
        while left:
            rest = await stream.receive(min(_AT_ONCE, left))
            yield rest
            left -= len(rest)


def _plain_length(response: httpx.Response) -> int:
    """Of the body, where its bytes come as they are and are counted."""
    length = response.headers.get("content-length", "")
    plain = length.isdecimal() and "transfer-encoding" not in response.headers
    return int(length) if plain else 0
