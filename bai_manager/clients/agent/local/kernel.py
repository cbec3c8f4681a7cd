"""One kernel as its supervisor runs it: interpreter, runs, batch command, services."""

# ruff: noqa: PTH118 - paths are text here: see state.py
from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local import state
from bai_manager.clients.agent.local.batch import Batch
from bai_manager.clients.agent.local.interpreter import Interpreter
from bai_manager.clients.agent.local.jobs import Jobs
from bai_manager.clients.agent.local.logs import LogStore
from bai_manager.clients.agent.local.process import kill_below
from bai_manager.clients.agent.local.runs import (
    BASH,
    FINISHED,
    CommandRun,
    QueryRun,
    Refused,
    Run,
)
from bai_manager.clients.agent.local.services import Services
from bai_manager.clients.agent.local.stats import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.clients.agent.local.spec import KernelSpec
    from bai_manager.types.json import JsonObject

_POLL = 0.01
_SECOND_LOOK = 0.05


class Kernel:
    """Answers of the methods are JSON; what cannot be done raises ``Refused``."""

    def __init__(self, folder: str, spec: KernelSpec, on_task_end: Callable[[], None]) -> None:
        """``on_task_end`` is called when the batch command has ended and that is recorded."""
        self._folder = folder
        self._spec = spec
        self._on_task_end = on_task_end
        work = os.path.join(folder, state.WORK)
        self.log = LogStore(folder, spec.log_limit)
        self._jobs = Jobs(self.log, spec.limits, work)
        self._interpreter = Interpreter(self._jobs, spec.environ)
        self._batch = Batch(self._jobs, self.log, spec.environ, self._on_batch_end)
        self._services = Services(
            self._jobs, spec.environ, spec.service_commands, spec.service_paths
        )
        self._sampler = Sampler(work, spec.limits, self._on_excess)
        self._runs: dict[str, Run] = {}
        self._current: Run | None = None
        self._cleaning: set[asyncio.Task[None]] = set()
        self._record: JsonObject = {}

    async def boot(self) -> None:
        """Run the bootstrap script; its failure is told in the log and is no reason to stop."""
        for note in self._spec.notes:
            self.log.append(f"{note}\n")
        self._watcher = asyncio.create_task(self._sampler.watch(self._is_busy))
        if self._spec.has_bootstrap:
            await self._bootstrap()

    def announce(self, info: JsonObject) -> None:
        """Tell everybody that the kernel serves."""
        self._write_record(info=info)

    async def execute(self, request: JsonObject, owner: object) -> JsonObject:
        """One turn of an execution."""
        run_id, mode = str(request["run_id"]), request["mode"]
        code = str(request["code"])
        if mode in {"query", "batch"}:
            run = await self._begin(run_id, str(mode), code, request, owner)
        else:
            run = self._find_run(run_id)
            run.owner = owner
            if mode == "input":
                run.give_input(code)
        flush_timeout = request["flush_timeout"]
        told = await run.turn(flush_timeout if isinstance(flush_timeout, int | float) else 2.0)
        if told["status"] == FINISHED:
            self._forget(run)
        return told

    def on_owner_gone(self, owner: object) -> None:
        """End the runs whose turns nobody will take any more."""
        for run in [run for run in self._runs.values() if run.owner is owner]:
            del self._runs[run.run_id]
            task = asyncio.create_task(self._abandon(run))
            self._cleaning.add(task)
            task.add_done_callback(self._cleaning.discard)

    def interrupt(self) -> None:
        """Interrupt what is in the foreground: the current run, otherwise the batch command."""
        if self._current is not None and not self._current.has_ended:
            self._current.interrupt()
        elif self._batch.is_running:
            self._batch.interrupt()

    async def complete(self, text: str) -> JsonObject:
        if self._current is not None and not self._current.has_ended:
            return {"status": "failed", "suggestions": [], "error": "code is running"}
        found = await self._interpreter.complete(text)
        return {"status": "finished", "suggestions": [*found], "error": None}

    async def restart(self) -> JsonObject:
        """End every process, then begin again in the same folder."""
        await self.end_processes()
        if self._spec.has_bootstrap:
            await self._bootstrap()
        info = self._record["info"]
        return info if isinstance(info, dict) else {}

    def start_batch(self, command: str, timeout: float | None) -> None:
        if not self._batch.has_started:
            self._sampler.wake()
            self._batch.start(command, timeout)

    async def start_service(self, name: str, options: JsonObject) -> JsonObject:
        self._sampler.wake()
        return {"status": "started", **await self._services.start(name, options)}

    def shutdown_service(self, name: str) -> None:
        self._services.shutdown(name)

    async def metrics(self) -> JsonObject:
        return await self._sampler.metrics()

    async def end_processes(self) -> None:
        """Ask every process to end, kill those that have not after the grace time."""
        deadline = asyncio.get_running_loop().time() + self._spec.stop_grace
        self._jobs.terminate_all()
        while self._jobs.any_child():
            if asyncio.get_running_loop().time() > deadline:
                await self._kill_all()
                return
            await asyncio.sleep(_POLL)

    async def _kill_all(self) -> None:
        while not self._jobs.kill_all():
            self.log.append("A process cannot be killed; trying again.\n")
            await asyncio.sleep(1)

    async def _bootstrap(self) -> None:
        script = os.path.join(self._folder, state.BOOTSTRAP)
        exit_code = await self._jobs.start([BASH, script], self._spec.environ).exited
        if exit_code != 0:
            self.log.append(f"The bootstrap script ended with exit code {exit_code}.\n")

    async def _begin(
        self, run_id: str, mode: str, code: str, request: JsonObject, owner: object
    ) -> Run:
        await self._become_free()
        if run_id in self._runs:
            raise Refused("RunExists", f"run {run_id} has been started before")
        given = request.get("opts")
        opts = given if isinstance(given, dict) else {}
        self._sampler.wake()
        if mode == "query" and opts.get("language") != "shell":
            return await self._begin_query(run_id, code, owner)
        steps = _steps(mode, code, opts)
        run = CommandRun(run_id, owner, self._jobs, self._spec.environ, steps)
        self._current = self._runs[run_id] = run
        return run

    async def _become_free(self) -> None:
        """Wait for the end of a run that nobody follows any more; raise for any other."""
        if self._current is not None and not self._current.has_ended:
            await asyncio.sleep(_SECOND_LOOK)  # its caller may be gone and the news under way
        if self._cleaning:
            await asyncio.wait(tuple(self._cleaning))
        if self._current is not None:
            if not self._current.has_ended:
                raise Refused("Busy", f"the kernel is busy with run {self._current.run_id}")
            self._current.stop_listening()

    async def _begin_query(self, run_id: str, code: str, owner: object) -> Run:
        run = QueryRun(run_id, owner, self._interpreter)
        self._current = self._runs[run_id] = run
        try:
            await run.start(code)
        except Refused:
            self._forget(run)
            raise
        return run

    def _find_run(self, run_id: str) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            raise Refused("NoSuchRun", f"run {run_id} is not known, or has ended")
        return run

    def _forget(self, run: Run) -> None:
        self._runs.pop(run.run_id, None)
        if self._current is run:
            self._current = None

    async def _abandon(self, run: Run) -> None:
        await run.abandon()
        if self._current is run:
            self._current = None

    def _is_busy(self) -> bool:
        running = self._current is not None and not self._current.has_ended
        return running or self._batch.is_running or self._services.any_running

    def _on_batch_end(self, exit_code: int, reason: str) -> None:
        ended: JsonObject = {"exit_code": exit_code, "reason": reason, "ended_at": time.time()}
        self._write_record(batch=ended)
        self._on_task_end()

    def _write_record(self, **facts: JsonObject) -> None:
        self._record.update(facts)
        state.write_json(os.path.join(self._folder, state.STATE), self._record)

    def _on_excess(self, pid: int, used: int) -> None:
        limit = self._spec.memory or 0
        text = f"Killed: out of memory ({used / 2**20:.0f} of {limit / 2**20:.0f} MiB in use).\n"
        job = self._jobs.find(pid)
        if job is not None:
            job.over_memory = text
            self._jobs.kill(job)
        else:
            self.log.append(text)
            kill_below(pid, reap=self._jobs.reap, include_root=True)


def _steps(mode: str, code: str, opts: JsonObject) -> list[tuple[str, str]]:
    """List closing status and command line of each step (``reference/agent-rpc.md`` §5)."""
    if mode == "query":
        return [(FINISHED, code)]
    steps = [
        (status, str(opts[name]))
        for name, status in (("clean", "clean-finished"), ("build", "build-finished"))
        if opts.get(name)
    ]
    command = opts.get("exec") or code
    if command or not steps:
        steps.append((FINISHED, str(command)))
    return steps
