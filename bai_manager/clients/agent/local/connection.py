"""The caller's side of the supervisor's socket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local import wire

if TYPE_CHECKING:
    from typing import Self

    from bai_manager.types.json import JsonObject


class NoAnswer(Exception):
    """The supervisor is not there, does not answer in time, or answers garbage."""


class Failure(Exception):
    """The supervisor answers that it cannot."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class Connection:
    """Every method raises ``NoAnswer``; after that the connection is of no use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, folder: str, limit: float) -> Self:
        try:
            with wire.SocketPath(folder) as path:
                async with asyncio.timeout(limit):
                    streams = await asyncio.open_unix_connection(path, limit=wire.LINE_LIMIT)
        except TimeoutError:
            raise NoAnswer(f"its socket is not accepted within {limit:g} s") from None
        except OSError as error:
            raise NoAnswer(f"its socket cannot be opened: {error.strerror}") from error
        return cls(*streams)

    async def ask(self, request: JsonObject, limit: float) -> JsonObject:
        """Send a request and return the answer; raise ``Failure`` when it is a refusal."""
        await self.send(request, limit)
        answer = await self.receive(limit)
        if isinstance(failure := answer.get("error"), dict):
            raise Failure(str(failure.get("name")), str(failure.get("message")))
        value = answer.get("ok")
        if not isinstance(value, dict):
            raise NoAnswer("it answers something else")
        return value

    async def send(self, request: JsonObject, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                self._writer.write(wire.encode(request))
                await self._writer.drain()
        except TimeoutError:
            raise NoAnswer(f"it takes no request within {limit:g} s") from None
        except OSError as error:
            raise NoAnswer("it has closed the connection") from error

    async def receive(self, limit: float) -> JsonObject:
        try:
            async with asyncio.timeout(limit):
                message = await wire.receive(self._reader)
        except TimeoutError:
            raise NoAnswer(f"no answer within {limit:g} s") from None
        except ValueError as error:
            raise NoAnswer(f"it answers something else: {error}") from error
        except OSError as error:
            raise NoAnswer("it has closed the connection") from error
        if message is None:
            raise NoAnswer("it has closed the connection")
        return message

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
