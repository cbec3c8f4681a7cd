"""The supervisor's side of the interpreter (``runner.py``): started when first needed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.runs import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.clients.agent.local.jobs import Job, Jobs
    from bai_manager.clients.agent.local.runs import QueryRun
    from bai_manager.types.json import JsonObject

_RUNNER = os.path.join(os.path.dirname(__file__), "runner.py")  # noqa: PTH118, PTH120 - no pathlib
_SEND_LIMIT = 10.0
_COMPLETION_LIMIT = 5.0
_LONGEST_MESSAGE = 4 * 2**20


class Interpreter:
    def __init__(self, jobs: Jobs, environ: Mapping[str, str]) -> None:
        self._jobs = jobs
        self._environ = environ
        self._job: Job | None = None
        self._control: socket.socket | None = None
        self._buffer = bytearray()
        self._run: QueryRun | None = None
        self._completions: asyncio.Future[list[str]] | None = None
        self._asked = 0
        self._has_begun = self._is_interrupt_due = False

    def ensure(self) -> Job:
        """Return the running interpreter; start one when there is none."""
        if self._job is None or not self._job.is_running:
            self._start()
        if self._job is None:
            raise Refused("NoInterpreter", "the interpreter does not start")
        return self._job

    async def run(self, code: str, run: QueryRun) -> None:
        """Begin to run code; ``run`` is told what becomes of it."""
        self._run = run
        self._has_begun = self._is_interrupt_due = False
        await self._send_all({"op": "run", "code": code})

    def send(self, message: JsonObject) -> None:
        """Send a short message."""
        if self._control is not None:
            try:
                self._control.send(json.dumps(message).encode() + b"\n")
            except OSError as error:
                raise Refused("NoInterpreter", f"the interpreter is gone: {error}") from error

    async def complete(self, text: str) -> list[str]:
        """Names that ``text`` may go on with; nothing may be running."""
        self.ensure()
        self._asked += 1
        self._completions = asyncio.get_running_loop().create_future()
        await self._send_all({"op": "complete", "id": self._asked, "text": text})
        try:
            return await asyncio.wait_for(self._completions, _COMPLETION_LIMIT)
        except TimeoutError:
            self.interrupt()
            raise Refused("CompletionTimeout", "the objects in the namespace hang") from None
        finally:
            self._completions = None

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the code, at once or as soon as it has begun."""
        if self._run is not None and not self._has_begun:
            self._is_interrupt_due = True
        elif self._job is not None:
            self._job.interrupt()

    def kill(self) -> None:
        if self._job is not None:
            self._jobs.kill(self._job)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        argv = [sys.executable, "-I", "-u", _RUNNER, str(theirs.fileno())]
        with theirs:
            job = self._jobs.start(argv, self._environ, inherit=[theirs.fileno()])
        self._job, self._control = job, ours
        self._buffer.clear()
        asyncio.get_running_loop().add_reader(ours, self._on_readable, ours)
        job.exited.add_done_callback(lambda exited: self._on_exit(job, ours, exited.result()))

    async def _send_all(self, message: JsonObject) -> None:
        if self._control is None:
            raise Refused("NoInterpreter", "the interpreter has ended")
        data = json.dumps(message).encode() + b"\n"
        try:
            await asyncio.wait_for(
                asyncio.get_running_loop().sock_sendall(self._control, data), _SEND_LIMIT
            )
        except (TimeoutError, OSError) as error:
            self.kill()
            raise Refused("NoInterpreter", "the interpreter did not take the code") from error

    def _on_readable(self, control: socket.socket) -> None:
        try:
            chunk = control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(control)
            return
        self._buffer += chunk
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        for line in lines:
            self._on_message(line)
        if len(self._buffer) > _LONGEST_MESSAGE:  # code in the interpreter wrote it, not we
            self.kill()

    def _on_message(self, line: bytearray) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if message.get("op") == "completions" and message.get("id") == self._asked:
            self._on_completions(message)
        elif self._run is not None and message.get("op") == "begun":
            self._has_begun = True
            if self._is_interrupt_due:
                self.interrupt()
        elif self._run is not None and message.get("op") == "ask":
            self._run.on_ask(password=message.get("password") is True)
        elif self._run is not None and message.get("op") == "done":
            run, self._run = self._run, None
            exit_code = message.get("exit_code")
            run.on_done(exit_code if isinstance(exit_code, int) else 1)

    def _on_completions(self, message: JsonObject) -> None:
        found = message.get("suggestions")
        waiting = self._completions
        if isinstance(found, list) and waiting is not None and not waiting.done():
            waiting.set_result([str(suggestion) for suggestion in found])

    def _on_exit(self, job: Job, control: socket.socket, exit_code: int) -> None:
        if control.fileno() >= 0:
            self._on_readable(control)  # what it still had to say before it ended
            asyncio.get_running_loop().remove_reader(control)
            control.close()
        if self._control is control:
            self._job = self._control = None
        if self._run is not None:
            run, self._run = self._run, None
            run.on_crash(exit_code, job.over_memory or _describe_end(exit_code))
        if self._completions is not None and not self._completions.done():
            self._completions.set_result([])


def _describe_end(exit_code: int) -> str:
    try:
        how = f"was killed by {signal.Signals(exit_code - 128).name}"
    except ValueError:
        how = f"ended itself with exit code {exit_code}"
    return f"The interpreter {how}. Its variables are lost; the next run starts a new one.\n"
