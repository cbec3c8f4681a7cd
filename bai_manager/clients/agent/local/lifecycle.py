"""How kernels begin and end, seen by the caller."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable
from bai_manager.clients.agent.local import state
from bai_manager.clients.agent.local.folder import KernelFolder, kernel_folders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.local.spec import Hook, KernelSpec
    from bai_manager.clients.agent.protocol import KernelCreationConfig
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject

BOOTSTRAP_TIMEOUT = "bootstrap-timeout"

_TERM_MARGIN = 5.0
_KILL_LIMIT = 10.0
_SHORTEST_POLL, _LONGEST_POLL = 0.005, 0.05


class Options(NamedTuple):
    """Seconds and bytes, see ``LocalAgentClient``."""

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
        """Start kernels and return what each says of itself once all of them serve.

        A kernel that is up, or being started by somebody else, is left as it is. When one
        fails, those started here are ended again.
        """
        started: list[KernelFolder] = []
        folders = [self.folder(config.kernel_id) for config in configs]
        try:
            for folder, config in zip(folders, configs, strict=True):
                if await self._launch(folder, config):
                    started.append(folder)
            return await asyncio.gather(*map(self._serving, folders))
        except (AgentError, AgentUnreachable):
            for folder in started:
                await self.end(folder, state.FAILED_TO_START)
            raise

    async def end(self, folder: KernelFolder, reason: str) -> None:
        """Stop a kernel, or what is left of it, and clean up; its record and log stay.

        Whoever keeps it is asked first, then killed. Raises ``AgentUnreachable`` when even that
        does not help.
        """
        lock = await self._take_over(folder, reason)
        try:
            await asyncio.to_thread(self._settle, folder, reason)
            if folder.exists:
                await asyncio.to_thread(folder.bury)
            else:
                os.unlink(folder.lock_path)  # noqa: PTH108 - made by the attempt to lock
        finally:
            os.close(lock)

    def settle_remains(self, folder: KernelFolder) -> None:
        """Give a kernel that nobody keeps, and that has no record of its end, one."""
        lock = folder.try_lock()
        if lock is not None:
            try:
                self._settle(folder, state.UNKNOWN)
            finally:
                os.close(lock)

    async def forget(self, folder: KernelFolder) -> None:
        """Remove what is left of an ended kernel; one that is alive stays."""
        async for _ in _polls():
            lock = folder.try_lock()
            if lock is not None:
                break
            if not folder.has_ended:
                return
        else:
            return
        try:
            self._settle(folder, state.UNKNOWN)
            await asyncio.to_thread(folder.remove)
        finally:
            os.close(lock)

    async def _launch(self, folder: KernelFolder, config: KernelCreationConfig) -> bool:
        """Say whether it was this call that started the kernel."""
        async with _within(self._options.start_limit) as polls:
            async for _ in polls:
                if folder.is_serving or folder.is_starting:
                    return False
                lock = folder.try_lock()
                if lock is not None:
                    await asyncio.to_thread(self._launch_locked, folder, config, lock)
                    return True
        raise AgentUnreachable(self._agent_id, f"kernel {folder.kernel_id} is held by another process")
