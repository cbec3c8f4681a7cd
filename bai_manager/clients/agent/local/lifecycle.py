"""How kernels begin and end, seen by the caller."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable
from bai_manager.clients.agent.local import state
from bai_manager.clients.agent.local.folder import KernelFolder, kernel_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar
    from uuid import UUID

    from bai_manager.clients.agent.local.spec import Hook
    from bai_manager.clients.agent.protocol import KernelCreationConfig
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject

    T = TypeVar("T")

_STOP_MARGIN = 5.0
_KILL_LIMIT = 10.0
_FORGET_LIMIT = 5.0
_SHORTEST_POLL, _LONGEST_POLL, _POLL_GROWTH = 0.002, 0.05, 1.1
_SOMEBODY_ELSE = -1


class Options(NamedTuple):
    """Seconds and bytes; what they mean is said at ``LocalAgentClient``."""

    log_limit: int
    start_limit: float
    stop_grace: float
    hook: Hook | None


class Lifecycle:
    def __init__(self, agent_id: str, root: str, options: Options, clock: Clock) -> None:
        self._agent_id = agent_id
        self._root = root
        self._options = options
        self._clock = clock

    def folder(self, kernel_id: UUID) -> KernelFolder:
        return KernelFolder(self._root, kernel_id)

    def folders(self) -> Iterator[KernelFolder]:
        return kernel_folders(self._root)

    async def start(self, configs: Sequence[KernelCreationConfig]) -> list[JsonObject]:
        """Start kernels and return what each says of itself, once all of them serve.

        A kernel that is up is left as it is. When one fails, those started here are ended.
        """
        started: list[KernelFolder] = []
        folders = [self.folder(config.kernel_id) for config in configs]
        try:
            for folder, config in zip(folders, configs, strict=True):
                lock = await self._claim(folder)
                if lock != _SOMEBODY_ELSE:
                    started.append(folder)
                    await asyncio.to_thread(self._launch, folder, config, lock)
            return await asyncio.gather(*map(self._serving, folders))
        except (AgentError, AgentUnreachable):
            for folder in started:
                await self.end(folder, state.FAILED_TO_START)
            raise

    async def end(self, folder: KernelFolder, reason: str) -> None:
        """Stop a kernel, or what is left of it, and clean up; its record and its log stay.

        Who keeps it is asked, then killed. Raises ``AgentUnreachable`` when nothing helps.
        """
        lock = await self._take_over(folder, reason)
        try:
            self._settle(folder, reason)
            if folder.exists:
                await asyncio.to_thread(folder.bury)
            else:
                folder.remove()
        finally:
            os.close(lock)

    def settle_remains(self, folder: KernelFolder) -> None:
        """End what is left of a kernel nobody keeps, and record that."""
        lock = folder.try_lock()
        if lock is not None:
            try:
                self._settle(folder, state.UNKNOWN)
            finally:
                os.close(lock)

    async def forget(self, folder: KernelFolder) -> None:
        """Remove what is left of an ended kernel; one that is alive stays."""

        def attempt() -> int | None:
            lock = folder.try_lock()
            return _SOMEBODY_ELSE if lock is None and not folder.has_ended else lock

        lock = await wait_for(attempt, _FORGET_LIMIT)
        if lock is None or lock == _SOMEBODY_ELSE:
            return
        try:
            self._settle(folder, state.UNKNOWN)
            await asyncio.to_thread(folder.remove)
        finally:
            os.close(lock)

    async def _claim(self, folder: KernelFolder) -> int:
        """Take the lock of a kernel that is not up. A start by somebody else is waited for, and
        made up for when it comes to nothing.
        """

        def attempt() -> int | None:
            return _SOMEBODY_ELSE if folder.is_serving else folder.try_lock()

        lock = await wait_for(attempt, self._options.start_limit)
        if lock is None:
            raise AgentUnreachable(self._agent_id, f"kernel {folder.kernel_id} is held elsewhere")
        return lock

    def _launch(self, folder: KernelFolder, config: KernelCreationConfig, lock: int) -> None:
        """Make the folder and start the guardian, which inherits the lock."""
        from bai_manager.clients.agent.local import creation  # noqa: PLC0415 - start-up time

        try:
            spec = creation.make_spec(
                config,
                work=folder.work,
                taken_cpus=self._taken_cpus(),
                log_limit=self._options.log_limit,
                stop_grace=self._options.stop_grace,
                hook=self._options.hook,
            )
            dotfiles = creation.make_dotfiles(config)
            folder.prepare(spec, config.bootstrap_script, dotfiles)
            folder.launch(lock, creation.supervisor_environ(os.environ, spec.kernel_id))
        except creation.CannotCreate as error:
            raise AgentError(self._agent_id, error.name, error.message) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise AgentError(self._agent_id, type(error).__name__, str(error)) from error
        finally:
            os.close(lock)

    async def _serving(self, folder: KernelFolder) -> JsonObject:
        """Wait until a kernel serves; return what it says of itself."""

        def look() -> JsonObject | None:
            if folder.is_serving:
                return folder.creation_info()
            if not folder.is_held:
                raise self._failed_to_start(folder)
            return None

        info = await wait_for(look, self._options.start_limit)
        if info is None:
            raise AgentError(
                self._agent_id,
                "StartTimeout",
                f"kernel {folder.kernel_id} does not serve after {self._options.start_limit:g} s",
            )
        return info

    def _failed_to_start(self, folder: KernelFolder) -> AgentError:
        ended = folder.read(state.EXIT) or {}
        reason = str(ended.get("reason", state.UNKNOWN))
        parts = [f"kernel {folder.kernel_id} ended while it started", reason, folder.last_words()]
        return AgentError(self._agent_id, "StartFailed", ": ".join(filter(None, parts)))

    async def _take_over(self, folder: KernelFolder, reason: str) -> int:
        """Make whoever keeps the kernel end it, and take its lock."""
        asked = False

        def ask() -> int | None:
            nonlocal asked
            lock = folder.try_lock()
            if lock is None:
                folder.ask_to_stop(reason)
                asked = asked or folder.signal(signal.SIGTERM)
            return lock

        def kill() -> int | None:
            folder.signal(signal.SIGKILL)
            return folder.try_lock()

        lock = await wait_for(ask, self._options.stop_grace + _STOP_MARGIN)
        if lock is None:
            lock = await wait_for(kill, _KILL_LIMIT)
        if lock is None:
            raise AgentUnreachable(self._agent_id, f"kernel {folder.kernel_id} does not end")
        return lock

    def _settle(self, folder: KernelFolder, reason: str) -> None:
        folder.settle(reason, self._clock().timestamp())

    def _taken_cpus(self) -> list[tuple[int, ...]]:
        from bai_manager.clients.agent.local.spec import integers  # noqa: PLC0415 - start-up time

        specs = (folder.read(state.SPEC) for folder in self.folders() if folder.is_held)
        return [integers(spec["cpus"]) for spec in specs if spec is not None]


async def wait_for(attempt: Callable[[], T | None], limit: float) -> T | None:
    """Repeat until there is a result; None after ``limit`` seconds."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + limit, _SHORTEST_POLL
    while (result := attempt()) is None and loop.time() < deadline:
        await asyncio.sleep(pause)
        pause = min(pause * _POLL_GROWTH, _LONGEST_POLL)
    return result
