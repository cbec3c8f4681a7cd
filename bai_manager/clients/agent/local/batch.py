"""The start-up command of a batch session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.runs import BASH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bai_manager.clients.agent.local.jobs import Job, Jobs
    from bai_manager.clients.agent.local.logs import LogStore

TASK_FINISHED = "task-finished"
TASK_FAILED = "task-failed"
TASK_TIMEOUT = "task-timeout"

_TIMED_OUT = 124


class Batch:
    """Runs once; ``on_end`` is called with exit code and lifecycle reason."""

    def __init__(
        self,
        jobs: Jobs,
        log: LogStore,
        environ: Mapping[str, str],
        on_end: Callable[[int, str], None],
    ) -> None:
        self._jobs = jobs
        self._log = log
        self._environ = environ
        self._on_end = on_end
        self._job: Job | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._timed_out = False

    @property
    def has_started(self) -> bool:
        return self._job is not None

    @property
    def is_running(self) -> bool:
        return self._job is not None and self._job.is_running

    def start(self, command: str, timeout: float | None) -> None:
        job = self._job = self._jobs.start([BASH, "-c", command], self._environ)
        if timeout is not None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(timeout, self._on_timeout, job, timeout)
        job.exited.add_done_callback(lambda exited: self._finish(job, exited.result()))

    def interrupt(self) -> None:
        if self._job is not None:
            self._job.interrupt()

    def _on_timeout(self, job: Job, timeout: float) -> None:
        self._timed_out = True
        self._log.append(f"The batch command was ended: its {timeout:g} seconds are over.\n")
        self._jobs.kill(job)

    def _finish(self, job: Job, exit_code: int) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        job.drain()
        if job.over_memory:
            self._log.append(job.over_memory)
        if self._timed_out:
            self._on_end(_TIMED_OUT, TASK_TIMEOUT)
        else:
            self._on_end(exit_code, TASK_FAILED if exit_code else TASK_FINISHED)
