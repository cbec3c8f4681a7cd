"""Executions: a piece of code or some command lines, told in turns."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.jobs import STDERR, Console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.clients.agent.local.interpreter import Interpreter
    from bai_manager.clients.agent.local.jobs import Job, Jobs
    from bai_manager.types.json import JsonObject

CONTINUED = "continued"
FINISHED = "finished"
WAITING_INPUT = "waiting-input"

BASH = "/bin/bash"
_PATIENCE = 2.0


class Refused(Exception):
    """A request that cannot be done; ``name`` is what a program can tell it by."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class Run(ABC):
    """One execution and what it has written that nobody has taken yet."""

    def __init__(self, run_id: str, owner: object) -> None:
        self.run_id = run_id
        self.owner = owner
        """The connection that takes the turns; when it closes, the run is abandoned."""
        self.status = CONTINUED
        self.options: JsonObject = {}
        self._job: Job | None = None
        self._console = Console()
        self._changed = asyncio.Event()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._epilogue = ""
        self._settled = False

    @property
    def has_ended(self) -> bool:
        """Nothing of it will run any more; its last output may still have to be taken."""
        return self._ended.done()

    async def turn(self, limit: float) -> JsonObject:
        """Tell what there is to tell, at the latest after ``limit`` seconds."""
        self._begin_turn()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        while not self._has_news():
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - loop.time())
            except TimeoutError:
                break
            self._changed.clear()
        told: JsonObject = {
            "status": self.status,
            "exit_code": self._ended.result() if self._settled else None,
            "options": self.options,
            "console": [[kind, text] for kind, text in self._console.take()],
        }
        if self._job is not None:
            self._job.resume()
        return told

    async def abandon(self) -> None:
        """End it: by an interrupt, or by force when that does not help within two seconds."""
        self.stop_listening()
        self.interrupt()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._ended), _PATIENCE)
        if not self._ended.done():
            self._kill()
            await self._ended
        self._settle()

    def stop_listening(self) -> None:
        """Let the program write on, though nobody takes what it writes."""
        self._console.discarding = True
        if self._job is not None:
            self._job.resume()
            if self._ended.done():
                self._settle()

    def give_input(self, text: str) -> None:
        del text
        raise Refused("NotWaiting", "the run does not wait for input")

    def interrupt(self) -> None:
        if self._job is not None:
            self._job.interrupt()

    @abstractmethod
    def _begin_turn(self) -> None: ...

    @abstractmethod
    def _kill(self) -> None: ...

    def _watch(self, job: Job) -> None:
        self._job = job
        job.attach(self._console, self._changed)

    def _end(self, exit_code: int, epilogue: str = "") -> None:
        if not self._ended.done():
            self._ended.set_result(exit_code)
            self._epilogue = epilogue
            self._changed.set()

    def _has_news(self) -> bool:
        self._settle()
        return self._settled or self.status == WAITING_INPUT or self._console.is_full

    def _settle(self) -> None:
        """When it has ended, take over what is still in the pipes."""
        if self._settled or not self._ended.done() or self._job is None:
            return
        if not self._job.drain():
            return
        self._job.detach()
        self._settled = True
        if self._epilogue:
            self._console.add(STDERR, self._epilogue)
            self._job.stderr.note(self._epilogue)
        self.status = FINISHED


class QueryRun(Run):
    """Code in the interpreter's namespace."""

    def __init__(self, run_id: str, owner: object, interpreter: Interpreter) -> None:
        super().__init__(run_id, owner)
        self._interpreter = interpreter
        self._interrupted = False

    async def start(self, code: str) -> None:
        self._watch(self._interpreter.ensure())
        await self._interpreter.run(code, self)

    def give_input(self, text: str) -> None:
        if self.status != WAITING_INPUT:
            super().give_input(text)
        self.status = CONTINUED
        self.options = {}
        self._interpreter.send({"op": "input", "text": text})

    def interrupt(self) -> None:
        self._interrupted = True
        self._interpreter.interrupt()

    def on_ask(self, *, password: bool) -> None:
        if self._job is not None:
            self._job.drain()
        self._interrupted = False
        self.status = WAITING_INPUT
        self.options = {"is_password": password}
        self._changed.set()

    def on_done(self, exit_code: int) -> None:
        self.status = CONTINUED
        self.options = {}
        self._end(exit_code)

    def on_crash(self, exit_code: int, message: str) -> None:
        self.status = CONTINUED
        self.options = {}
        self._end(exit_code, message)

    def _begin_turn(self) -> None:
        """Any turn will do: the code runs from the start."""

    def _has_news(self) -> bool:
        """After an interrupt, that it waited for input is old: tell what becomes of it."""
        stale = self._interrupted and self.status == WAITING_INPUT
        if not stale:
            return super()._has_news()
        self._settle()
        return self._settled or self._console.is_full

    def _kill(self) -> None:
        self._interpreter.kill()


class CommandRun(Run):
    """Command lines one after the other, each with its own closing status.

    When one of them fails, those after it are left out.
    """

    def __init__(
        self,
        run_id: str,
        owner: object,
        jobs: Jobs,
        environ: Mapping[str, str],
        steps: Sequence[tuple[str, str]],
    ) -> None:
        """Begin the first of ``steps``: closing status (``finished`` for the last), command."""
        super().__init__(run_id, owner)
        self._jobs = jobs
        self._environ = environ
        self._steps = list(steps)
        self._closing = FINISHED
        self._next()

    @property
    def has_ended(self) -> bool:
        return super().has_ended and not self._steps

    def _next(self) -> None:
        self._closing, command = self._steps.pop(0)
        job = self._jobs.start([BASH, "-c", command], self._environ)
        self._watch(job)
        job.exited.add_done_callback(lambda exited: self._on_exit(job, exited.result()))

    def _on_exit(self, job: Job, exit_code: int) -> None:
        if exit_code != 0:
            self._steps.clear()
        self._end(exit_code, job.over_memory or "")

    def _settle(self) -> None:
        super()._settle()
        if self._settled and (self._steps or self._closing != FINISHED):
            self.status = self._closing

    def _begin_turn(self) -> None:
        """Begin the next step when the turn before told the end of one."""
        if not self._settled or self.status == FINISHED:
            return
        if not self._steps:
            self._closing = self.status = FINISHED
            return
        self._ended = asyncio.get_running_loop().create_future()
        self._settled = False
        self.status = CONTINUED
        self._next()

    def _kill(self) -> None:
        self._steps.clear()
        if self._job is not None:
            self._jobs.kill(self._job)
