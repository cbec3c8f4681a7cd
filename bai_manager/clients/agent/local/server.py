"""The supervisor's socket: requests in, answers out, one after the other per connection."""

# ruff: noqa: PTH101, PTH108 - paths are text here: see state.py
from __future__ import annotations

import asyncio
import codecs
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from bai_manager.clients.agent.local import wire
from bai_manager.clients.agent.local.runs import Refused

if TYPE_CHECKING:
    from bai_manager.clients.agent.local.kernel import Kernel
    from bai_manager.types.json import JsonObject

HEARTBEAT = 5.0
"""Seconds of silence after which a follower of the log is told that the kernel lives."""

_CHUNK = 65536


class Server:
    """Serves until closed. A request is ``{"op": name, …}``, the answer ``{"ok": value}`` or
    ``{"error": {"name", "message"}}``; ``follow`` is answered by any number of ``{"text"}``
    and ``{}`` and a closing ``{"end": true}``.
    """

    def __init__(self, kernel: Kernel, folder: str) -> None:
        self._kernel = kernel
        self._folder = folder
        self._ending = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        with wire.SocketPath(self._folder) as path:
            with suppress(FileNotFoundError):
                os.unlink(path)
            listener.bind(path)
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
        self._server = await asyncio.start_unix_server(
            self._accept, sock=listener, limit=wire.LINE_LIMIT
        )

    async def close(self) -> None:
        """Tell the followers of the log that it ends here, and drop all connections."""
        if self._server is not None:
            self._server.close()
        self._ending.set()
        if self._connections:
            _, late = await asyncio.wait(tuple(self._connections), timeout=1)
            for task in late:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._converse(reader, writer)
        except (OSError, ValueError):
            pass  # the caller went away, or speaks something else
        finally:
            self._kernel.on_owner_gone(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ending: asyncio.Future[bool] = asyncio.ensure_future(self._ending.wait())
        reading = asyncio.ensure_future(wire.receive(reader))
        try:
            while True:
                await _first_of(reading, ending)
                if not reading.done():
                    return
                request = reading.result()
                if request is None:
                    return
                # Whoever waits for an answer sends nothing; what comes is the end.
                reading = asyncio.ensure_future(wire.receive(reader))
                await self._serve(request, writer, reading, ending)
        finally:
            ending.cancel()
            reading.cancel()
            with suppress(asyncio.CancelledError, OSError, ValueError):
                await reading

    async def _serve(
        self,
        request: JsonObject,
        writer: asyncio.StreamWriter,
        reading: asyncio.Future[JsonObject | None],
        ending: asyncio.Future[bool],
    ) -> None:
        if request.get("op") == "follow":
            work = asyncio.create_task(self._follow(writer))
        else:
            work = asyncio.create_task(self._answer(request, writer))
        await _first_of(work, reading, ending)
        if not work.done():
            if self._ending.is_set():
                await asyncio.wait({work}, timeout=0.5)
            work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    async def _answer(self, request: JsonObject, writer: asyncio.StreamWriter) -> None:
        try:
            answer: JsonObject = {"ok": await self._perform(request, writer)}
        except Refused as refused:
            answer = {"error": {"name": refused.name, "message": refused.message}}
        except (KeyError, TypeError) as error:
            answer = {"error": {"name": "BadRequest", "message": repr(error)}}
        writer.write(wire.encode(answer))
        await writer.drain()

    async def _perform(self, request: JsonObject, owner: object) -> JsonObject:
        kernel = self._kernel
        match request.get("op"):
            case "execute":
                return await kernel.execute(request, owner)
            case "interrupt":
                kernel.interrupt()
            case "complete":
                return await kernel.complete(str(request["text"]))
            case "restart":
                return await kernel.restart()
            case "batch":
                timeout = request["timeout"]
                limit = float(timeout) if isinstance(timeout, int | float) else None
                kernel.start_batch(str(request["command"]), limit)
            case "start-service":
                opts = request["opts"]
                given = opts if isinstance(opts, dict) else {}
                return await kernel.start_service(str(request["name"]), given)
            case "shutdown-service":
                kernel.shutdown_service(str(request["name"]))
            case "stats":
                return await kernel.metrics()
            case unknown:
                raise Refused("BadRequest", f"no such request: {unknown}")
        return {}

    async def _follow(self, writer: asyncio.StreamWriter) -> None:
        """Send the log as it grows; a slow reader misses what is rotated away meanwhile."""
        log = self._kernel.log
        grown = asyncio.Event()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        position = 0
        log.listen(grown.set)
        try:
            while True:
                grown.clear()
                position, data = log.read(position, _CHUNK)
                if data:
                    writer.write(wire.encode({"text": decoder.decode(data)}))
                elif self._ending.is_set():
                    writer.write(wire.encode({"end": True}))
                    await writer.drain()
                    return
                else:
                    await self._wait_for(grown)
                    if not grown.is_set() and not self._ending.is_set():
                        writer.write(wire.encode({}))
                await writer.drain()
        finally:
            log.unlisten(grown.set)

    async def _wait_for(self, grown: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (grown, self._ending)]
        await asyncio.wait(waits, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def _first_of(
    *futures: asyncio.Future[JsonObject | None] | asyncio.Future[bool] | asyncio.Task[None],
) -> None:
    waiting = cast("set[asyncio.Future[object]]", set(futures))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
