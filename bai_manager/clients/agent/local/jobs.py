"""Programs started by the supervisor: their start, their output, their end."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local import limits, process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.clients.agent.local.logs import LogStore

STDOUT = "stdout"
STDERR = "stderr"

_CHUNK = 65536
_PART = 4096


class Console:
    """Output that somebody is waiting for, as ``(kind, text)``.

    When it is full the pipes are left alone, so the program waits. When nobody will come for
    more (``discarding``), what is added is dropped.
    """

    def __init__(self, limit: int = 2**18) -> None:
        self._limit = limit
        self._held = 0
        self._parts: deque[tuple[str, str]] = deque()
        self.discarding = False

    @property
    def is_full(self) -> bool:
        return self._held >= self._limit and not self.discarding

    def add(self, kind: str, text: str) -> None:
        if not text or self.discarding:
            return
        self._held += len(text)
        if self._parts and self._parts[-1][0] == kind and len(self._parts[-1][1]) < _PART:
            text = self._parts.pop()[1] + text
        self._parts.append((kind, text))

    def take(self) -> list[tuple[str, str]]:
        parts, self._held = list(self._parts), 0
        self._parts.clear()
        return parts


class Pump:
    """Moves what comes out of one pipe to the log, and to a console while one is attached.

    A character that is cut in two by the pipe is held until the rest of it arrives.
    """

    def __init__(self, fd: int, kind: str, log: LogStore, before: Pump | None = None) -> None:
        """``before`` is emptied first when both have something: output, then its traceback."""
        os.set_blocking(fd, False)
        self._fd = fd
        self._kind = kind
        self._log = log
        self._before = before
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._loop = asyncio.get_running_loop()
        self._console: Console | None = None
        self._changed: asyncio.Event | None = None
        self._open = True
        self.resume()

    def attach(self, console: Console, changed: asyncio.Event) -> None:
        self._console, self._changed = console, changed
        self.resume()

    def detach(self) -> None:
        self._deliver(self._decoder.decode(b"", final=True))
        self._console = self._changed = None
        self.resume()

    def resume(self) -> None:
        if self._open and not self._is_blocked:
            self._loop.add_reader(self._fd, self._on_readable)

    def drain(self) -> bool:
        """Read what is there; say whether that was all of it."""
        while self._open:
            if self._is_blocked:
                return False
            if not self._read():
                break
        return True

    def note(self, text: str) -> None:
        """Write to the log what the supervisor has to say about the program."""
        self._log.append(text)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    @property
    def _is_blocked(self) -> bool:
        return self._console is not None and self._console.is_full

    def _on_readable(self) -> None:
        if self._before is not None:
            self._before._read()  # noqa: SLF001 - the same class
        self._read()
        if self._is_blocked:
            self._loop.remove_reader(self._fd)
            if self._changed is not None:
                self._changed.set()

    def _read(self) -> bool:
        """Move one chunk; say whether there may be more."""
        if not self._open:
            return False
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        self._deliver(self._decoder.decode(chunk, final=not chunk))
        if not chunk:
            self.close()
        return bool(chunk)

    def _deliver(self, text: str) -> None:
        if text:
            self._log.append(text)
            if self._console is not None:
                self._console.add(self._kind, text)


class Job:
    """One program the supervisor started, leader of its own session and process group."""

    def __init__(self, pid: int, stdout: Pump, stderr: Pump) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.over_memory: str | None = None
        """Set when it is killed for using too much memory: what to tell about it."""

    @property
    def is_running(self) -> bool:
        return not self.exited.done()

    def interrupt(self) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGINT)

    def drain(self) -> bool:
        return all([self.stdout.drain(), self.stderr.drain()])

    def attach(self, console: Console, changed: asyncio.Event) -> None:
        self.stdout.attach(console, changed)
        self.stderr.attach(console, changed)

    def detach(self) -> None:
        self.stdout.detach()
        self.stderr.detach()

    def resume(self) -> None:
        self.stdout.resume()
        self.stderr.resume()


class Jobs:
    """All programs of one kernel, and the only place where ended children are collected."""

    def __init__(self, log: LogStore, bounds: limits.Limits, work: str) -> None:
        self._log = log
        self._limits = bounds
        self._work = work
        self._running: dict[int, Job] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def __iter__(self) -> list[Job]:
        return list(self._running.values())

    def any_child(self) -> bool:
        """Say whether anything is left, orphans included."""
        self.reap()
        return bool(process.children(os.getpid()))

    def find(self, pid: int) -> Job | None:
        return self._running.get(pid)

    def start(
        self, argv: Sequence[str], environ: Mapping[str, str], *, inherit: Sequence[int] = ()
    ) -> Job:
        """Start a program in the work folder, with both outputs in pipes and no input.

        A program that cannot be executed ends with 127 and says why on its standard error.
        """
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        parent = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                self._become(argv, environ, (out_write, err_write), inherit, parent)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.close(out_write)
            os.close(err_write)
        stdout = Pump(out_read, STDOUT, self._log)
        job = Job(pid, stdout, Pump(err_read, STDERR, self._log, before=stdout))
        self._running[pid] = job
        return job

    def _become(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        outputs: tuple[int, int],
        inherit: Sequence[int],
        parent: int,
    ) -> None:
        try:
            os.setsid()
            process.die_with_parent(signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(128 + signal.SIGKILL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number, fd in enumerate(outputs, start=1):
                os.dup2(fd, number)
            for fd in inherit:
                os.set_inheritable(fd, True)
            os.umask(0o022)
            os.chdir(self._work)
            limits.apply(self._limits)
            process.restore_signals()
            os.execvpe(argv[0], [*argv], environ)  # noqa: S606 - shells are named in argv
        except BaseException as error:  # noqa: BLE001 - this process must not go on
            os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def kill(self, job: Job) -> None:
        """Kill a program and everything below it."""
        if job.is_running:
            process.kill_below(job.pid, reap=self.reap, include_root=True)

    def kill_all(self) -> bool:
        """Kill everything there is; say whether all of it is gone."""
        return process.kill_below(os.getpid(), reap=self.reap)

    def terminate_all(self) -> None:
        for stat in process.descendants(os.getpid()):
            process.send_signal(stat.identity, signal.SIGTERM)

    def reap(self) -> None:
        """Collect every child that has ended, orphans of the session included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            job = self._running.pop(pid, None)
            if job is not None and not job.exited.done():
                job.exited.set_result(process.exit_code_of(status))
