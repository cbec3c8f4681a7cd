"""Programs of a kernel that listen on a port of the loopback interface."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import socket
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.fileserver import TOKEN_VARIABLE
from bai_manager.clients.agent.local.runs import BASH, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.clients.agent.local.jobs import Job, Jobs
    from bai_manager.types.json import JsonObject, JsonValue

LOOPBACK = "127.0.0.1"
_START_LIMIT = 10.0
_POLL = 0.02


class Services:
    """``commands`` maps a service to its command line, in which ``{port}`` is replaced.

    ``paths`` maps some of them to where a browser begins, in which ``{token}`` is replaced. Every
    service finds the token, which is new at each start, in ``BACKENDAI_SERVICE_TOKEN``.
    """

    def __init__(
        self,
        jobs: Jobs,
        environ: Mapping[str, str],
        commands: Mapping[str, str],
        paths: Mapping[str, str],
    ) -> None:
        self._jobs = jobs
        self._environ = environ
        self._commands = commands
        self._paths = paths
        self._started: dict[str, tuple[Job, JsonObject]] = {}
        self._starting = asyncio.Lock()

    @property
    def any_running(self) -> bool:
        return any(job.is_running for job, _ in self._started.values())

    async def start(self, name: str, options: JsonObject) -> JsonObject:
        """Start it unless it runs, wait until it accepts connections, return ``port`` and ``path``.

        ``options``: ``envs`` adds environment variables, ``arguments`` maps options to a value
        or a list of values that are put behind the command line.
        """
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(sorted(self._commands)) or "none"
            raise Refused("UnknownService", f"the image has no service {name} (it has: {known})")
        async with self._starting:
            if name in self._started and self._started[name][0].is_running:
                return self._started[name][1]
            return await self._start(name, command, options)

    def shutdown(self, name: str) -> None:
        """Stop it; one that does not run is no error, one that does not exist is."""
        if name not in self._commands:
            raise Refused("UnknownService", f"the image has no service {name}")
        job, _ = self._started.pop(name, (None, None))
        if job is not None:
            self._jobs.kill(job)

    async def _start(self, name: str, command: str, options: JsonObject) -> JsonObject:
        port, token = find_free_port(), secrets.token_urlsafe(16)
        line = " ".join([command.replace("{port}", str(port)), *_arguments(options)])
        environ = {**self._environ, **_variables(options), TOKEN_VARIABLE: token}
        job = self._jobs.start([BASH, "-c", line], environ)
        path = self._paths.get(name, "/").replace("{token}", token)
        where: JsonObject = {"port": port, "path": path}
        self._started[name] = job, where
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_LIMIT
        while not await _accepts(port):
            if not job.is_running:
                why = job.over_memory or f"it ended with exit code {job.exited.result()}"
                raise Refused("ServiceFailed", f"service {name} did not start: {why}")
            if loop.time() > deadline:
                self.shutdown(name)
                raise Refused("ServiceFailed", f"service {name} does not listen on port {port}")
            await asyncio.sleep(_POLL)
        return where


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def _arguments(options: JsonObject) -> list[str]:
    given = options.get("arguments")
    if not isinstance(given, dict):
        return []
    words: list[str] = []
    for option, value in given.items():
        words.append(option)
        words += [str(item) for item in value] if isinstance(value, list) else [_word(value)]
    return [shlex.quote(word) for word in words if word]


def _word(value: JsonValue) -> str:
    return "" if value is None else str(value)


def _variables(options: JsonObject) -> dict[str, str]:
    given = options.get("envs")
    if not isinstance(given, dict):
        return {}
    return {name: str(value) for name, value in given.items()}
