"""The local agent: kernels are supervised processes on this machine."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, KernelNotOnAgent
from bai_manager.clients.agent.local import reports, state
from bai_manager.clients.agent.local.connection import Connection, Failure, NoAnswer
from bai_manager.clients.agent.local.lifecycle import Lifecycle, Options, wait_for
from bai_manager.clients.agent.protocol import (
    AgentHealth,
    CommitStarted,
    Completions,
    ExecutionStatus,
)
from bai_manager.types.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar
    from uuid import UUID

    from bai_manager.clients.agent.local.files import WorkTree
    from bai_manager.clients.agent.local.folder import KernelFolder
    from bai_manager.clients.agent.local.spec import Hook
    from bai_manager.clients.agent.protocol import (
        ClusterInfo,
        ExecutionMode,
        ExecutionResult,
        FileEntry,
        ImageSpec,
        KernelCreationConfig,
        KernelCreationInfo,
        KernelReport,
        KernelStat,
    )
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject
    from bai_manager.types.resource_slot import ResourceSlot

    T = TypeVar("T")

_CALL_LIMIT = 30.0
_COMPLETION_LIMIT = 10.0
_SERVICE_LIMIT = 20.0
_TURN_MARGIN = 10.0
_SILENCE_LIMIT = 15.0
_LOG_LIMIT = 10 * 2**20


class LocalAgentClient:
    """An ``AgentClient`` without an agent: each kernel is a detached supervisor process.

    A kernel outlives the process that created it. What it writes, where it is, and how it ended
    is in a folder of its own below ``root`` (see ``state``), which is all that processes using
    the same root share.

    **No isolation.** Kernels run as the user who runs this, on the machine's own Python and
    shell, whatever the image says; the image gives labels and service commands only
    (``ai.backend.local.service.<name>``: a command line with ``{port}``). Limits hold as far as
    a process without privileges can set them (see ``limits``, ``stats``).

    **Mounts** are symbolic links in the work folder. ``ro`` is kept by ``upload_file``; code of
    the session itself could write, because that takes a mount namespace, which an ordinary user
    cannot count on. A folder whose kernel path is not below ``/home/work`` is not mounted, and
    the log says so.
    """

    def __init__(
        self,
        agent_id: str,
        root: Path,
        *,
        available_slots: ResourceSlot | None = None,
        on_kernel_end: Sequence[str] | None = None,
        on_kernel_end_environ: Mapping[str, str] | None = None,
        log_limit: int = _LOG_LIMIT,
        start_limit: float = 300.0,
        stop_grace: float = 2.0,
        clock: Clock = system_clock,
    ) -> None:
        """``available_slots``: None takes what the machine has.

        ``on_kernel_end`` is a program the supervisor starts, detached and silent, when a kernel
        or its batch command ends by itself. It has a minimal environment (no ``BAI_`` variables,
        see ``creation.SUPERVISOR_VARIABLES``) and what ``on_kernel_end_environ`` adds.

        Seconds: ``start_limit`` for a kernel to serve, its bootstrap script included;
        ``stop_grace`` between asking its processes to end and killing them. ``log_limit`` is in
        bytes.
        """
        self.agent_id = agent_id
        self._available_slots = available_slots
        self._start_limit = start_limit
        self._clock = clock
        hook = _hook(on_kernel_end, on_kernel_end_environ or {})
        options = Options(log_limit, start_limit, stop_grace, hook)
        self._root = os.path.abspath(root)  # noqa: PTH100 - links stay links
        self._kernels = Lifecycle(agent_id, self._root, options, clock)
        self._turns: dict[str, Connection] = {}

    async def aclose(self) -> None:
        """Give up the executions that have not been followed to their end: they are ended."""
        while self._turns:
            await self._turns.popitem()[1].close()

    def available_slots(self) -> ResourceSlot:
        """Say what kernels may occupy together: as configured, or all the machine has."""
        if self._available_slots is not None:
            return self._available_slots
        from bai_manager.clients.agent.local.host import describe_host  # noqa: PLC0415 - start-up

        return describe_host().available_slots

    async def health(self) -> AgentHealth:
        from bai_manager import __version__  # noqa: PLC0415 - here only

        return AgentHealth(status="ok", version=__version__)

    async def gather_hwinfo(self) -> JsonObject:
        slots = self.available_slots().to_json()
        return {
            device: {"status": "healthy", "status_info": None, "metadata": {"slots": amount}}
            for device, amount in slots.items()
        }

    async def check_and_pull(self, images: Sequence[ImageSpec]) -> None:
        """Do nothing: a kernel runs on what the machine has, so every image is there."""

    async def create_kernels(
        self,
        session_id: UUID,
        configs: Sequence[KernelCreationConfig],
        cluster: ClusterInfo,
    ) -> list[KernelCreationInfo]:
        """Start kernels; when one of them fails, those started by this call are ended again.

        A kernel that has ended is started anew, from nothing.
        """
        del session_id, cluster  # they are in the configurations and environments
        started = await self._kernels.start(configs)
        return [
            reports.creation_info_of(config.kernel_id, info)
            for config, info in zip(configs, started, strict=True)
        ]

    async def destroy_kernel(self, kernel_id: UUID, session_id: UUID, reason: str) -> None:
        del session_id
        await self._kernels.end(self._kernels.folder(kernel_id), reason)

    async def restart_kernel(self, kernel_id: UUID, session_id: UUID) -> KernelCreationInfo:
        """End every process of the kernel and begin anew in the same folder."""
        del session_id
        info = await self._call(kernel_id, {"op": "restart"}, self._start_limit)
        return reports.creation_info_of(kernel_id, info)

    async def interrupt_kernel(self, kernel_id: UUID) -> None:
        self._kernels.folder(kernel_id).mark_access()
        await self._call(kernel_id, {"op": "interrupt"})

    async def execute(
        self,
        session_id: UUID,
        kernel_id: UUID,
        *,
        run_id: str,
        mode: ExecutionMode,
        code: str,
        opts: JsonObject,
        flush_timeout: float,
    ) -> ExecutionResult:
        """One turn. ``query`` runs Python, or with ``{"language": "shell"}`` a command line.

        The run belongs to the process that takes its turns: when that ends, so does the run.
        """
        del session_id
        request: JsonObject = {
            "op": "execute",
            "run_id": run_id,
            "mode": mode.value,
            "code": code,
            "opts": opts,
            "flush_timeout": flush_timeout,
        }
        folder = self._serving(kernel_id)
        folder.mark_access()
        async with self._talk(folder):
            told = await self._take_turn(folder, run_id, request, flush_timeout + _TURN_MARGIN)
            return reports.execution_result_of(run_id, told)

    async def trigger_batch_execution(
        self,
        session_id: UUID,
        kernel_id: UUID,
        code: str,
        timeout: float | None,
    ) -> None:
        del session_id
        await self._call(kernel_id, {"op": "batch", "command": code, "timeout": timeout})

    async def get_completions(self, kernel_id: UUID, text: str, opts: JsonObject) -> Completions:
        """Suggest for the name at the end of ``text``, in the interpreter's namespace."""
        del opts
        self._kernels.folder(kernel_id).mark_access()
        answer = await self._call(kernel_id, {"op": "complete", "text": text}, _COMPLETION_LIMIT)
        found, error = answer.get("suggestions"), answer.get("error")
        return Completions(
            status=str(answer.get("status")),
            suggestions=[str(name) for name in found] if isinstance(found, list) else [],
            error=None if error is None else str(error),
        )

    async def get_logs(self, kernel_id: UUID) -> str:
        from bai_manager.clients.agent.local.logs import read_log  # noqa: PLC0415 - start-up

        return await asyncio.to_thread(read_log, self._known(kernel_id).path)

    async def follow_logs(self, kernel_id: UUID) -> AsyncIterator[str]:
        folder = self._known(kernel_id)
        await wait_for(lambda: None if folder.is_starting else True, self._start_limit)
        if not folder.is_serving:
            yield await self.get_logs(kernel_id)
            return
        async with self._talk(folder):
            connection = await Connection.open(folder.path, _CALL_LIMIT)
            try:
                await connection.send({"op": "follow"}, _CALL_LIMIT)
                while not (message := await connection.receive(_SILENCE_LIMIT)).get("end"):
                    if text := message.get("text"):
                        yield str(text)
            except NoAnswer:
                if folder.is_serving:
                    raise
            finally:
                await connection.close()

    async def list_files(self, kernel_id: UUID, path: str) -> Sequence[FileEntry]:
        return await self._in_work(kernel_id, lambda tree: tree.list(path))

    async def upload_file(self, kernel_id: UUID, filename: str, data: bytes) -> None:
        await self._in_work(kernel_id, lambda tree: tree.write(filename, data))

    async def download_single(self, kernel_id: UUID, path: str) -> bytes:
        return await self._in_work(kernel_id, lambda tree: tree.read(path))

    async def download_file(self, kernel_id: UUID, path: str) -> bytes:
        return await self._in_work(kernel_id, lambda tree: tree.archive(path))

    async def start_service(self, kernel_id: UUID, service: str, opts: JsonObject) -> JsonObject:
        """Return ``{"status": "started", "port": N}`` once it accepts connections on loopback."""
        self._kernels.folder(kernel_id).mark_access()
        request: JsonObject = {"op": "start-service", "name": service, "opts": opts}
        return await self._call(kernel_id, request, _SERVICE_LIMIT)

    async def shutdown_service(self, kernel_id: UUID, service: str) -> None:
        await self._call(kernel_id, {"op": "shutdown-service", "name": service})

    async def commit(
        self,
        kernel_id: UUID,
        subdir: str,
        *,
        canonical: str | None = None,
        filename: str | None = None,
        extra_labels: Mapping[str, str] | None = None,  # noqa: ARG002 - of images
    ) -> CommitStarted:
        """Pack the work folder, without what is mounted there, before this returns.

        What has no container has no image: ``canonical`` raises ``AgentError``.
        """
        from bai_manager.clients.agent.local.commits import (  # noqa: PLC0415 - here only
            CannotCommit,
            commit_file,
        )

        if canonical is not None:
            why = "a process of this machine has no image to keep"
            raise AgentError(self.agent_id, "CannotCommit", why)
        try:
            path = commit_file(self._root, subdir, filename or f"{kernel_id}.tar.gz")
            await self._in_work(kernel_id, lambda tree: tree.keep(path))
        except CannotCommit as error:
            raise AgentError(self.agent_id, "CannotCommit", str(error)) from None
        return CommitStarted(task_id="", path=str(path))

    async def commit_status(self, kernel_id: UUID, subdir: str) -> str:  # noqa: ARG002
        """A commit has ended when it returns."""
        self._known(kernel_id)
        return "ready"

    async def push_image(self, image: ImageSpec) -> str:
        raise AgentError(self.agent_id, "CannotPush", f"{image.canonical} is no image to push")

    async def kernel_reports(self) -> Sequence[KernelReport]:
        """Read the state files; nobody is asked. Remains of a kernel nobody keeps are ended."""
        found = []
        for folder in self._kernels.folders():
            if not folder.has_ended and not folder.is_held:
                self._kernels.settle_remains(folder)
            found.append(reports.report_on(folder))
        return found

    async def forget_kernels(self, kernel_ids: Sequence[UUID]) -> None:
        """Remove what is left of ended kernels; one that is alive stays."""
        for kernel_id in kernel_ids:
            await self._kernels.forget(self._kernels.folder(kernel_id))

    async def kernel_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        found = await asyncio.gather(*map(self._stat, kernel_ids))
        return {stat.kernel_id: stat for stat in found if stat is not None}

    async def _stat(self, kernel_id: UUID) -> KernelStat | None:
        try:
            metrics = await self._call(kernel_id, {"op": "stats"})
        except KernelNotOnAgent:
            return None
        return reports.stat_of(kernel_id, metrics, self._clock())

    async def _take_turn(
        self, folder: KernelFolder, run_id: str, request: JsonObject, limit: float
    ) -> JsonObject:
        """Ask over the connection that the run belongs to, and keep that until the run is over."""
        known = self._turns.pop(run_id, None)
        connection = known or await Connection.open(folder.path, _CALL_LIMIT)
        keep = False
        try:
            told = await connection.ask(request, limit)
            keep = told.get("status") != ExecutionStatus.FINISHED.value
        except Failure:
            keep = known is not None  # the run goes on; only this turn was refused
            raise
        else:
            return told
        finally:
            if keep:
                self._turns[run_id] = connection
            else:
                await connection.close()

    async def _call(
        self, kernel_id: UUID, request: JsonObject, limit: float = _CALL_LIMIT
    ) -> JsonObject:
        folder = self._serving(kernel_id)
        async with self._talk(folder):
            connection = await Connection.open(folder.path, limit)
            try:
                return await connection.ask(request, limit)
            finally:
                await connection.close()

    @asynccontextmanager
    async def _talk(self, folder: KernelFolder) -> AsyncIterator[None]:
        """Turn what goes wrong between us and a supervisor into the errors of the protocol."""
        try:
            yield
        except Failure as failure:
            raise AgentError(self.agent_id, failure.name, failure.message) from None
        except (NoAnswer, ValueError) as error:
            if not folder.is_serving:
                raise KernelNotOnAgent(self.agent_id, folder.kernel_id) from error
            why = f"the supervisor of kernel {folder.kernel_id}: {error}"
            raise AgentUnreachable(self.agent_id, why) from error

    def _known(self, kernel_id: UUID) -> KernelFolder:
        """Return the folder of a kernel, alive or ended."""
        folder = self._kernels.folder(kernel_id)
        if not folder.exists:
            raise KernelNotOnAgent(self.agent_id, kernel_id)
        return folder

    def _serving(self, kernel_id: UUID) -> KernelFolder:
        folder = self._known(kernel_id)
        if folder.is_starting:
            raise AgentError(self.agent_id, "NotReady", f"kernel {kernel_id} is being created")
        if not folder.is_serving:
            raise KernelNotOnAgent(self.agent_id, kernel_id)
        return folder

    async def _in_work(self, kernel_id: UUID, act: Callable[[WorkTree], T]) -> T:
        """Do something with the files of a kernel, alive or ended by itself."""
        from bai_manager.clients.agent.local.files import (  # noqa: PLC0415 - start-up time
            FileRefused,
            WorkTree,
        )
        from bai_manager.clients.agent.local.spec import KernelSpec  # noqa: PLC0415

        folder = self._known(kernel_id)
        spec = folder.read(state.SPEC)
        if spec is None or not folder.has_work:
            raise KernelNotOnAgent(self.agent_id, kernel_id)
        folder.mark_access()
        tree = WorkTree(folder.work, KernelSpec.from_json(spec).mounts)
        try:
            return await asyncio.to_thread(act, tree)
        except FileRefused as refused:
            raise AgentError(self.agent_id, refused.name, refused.message) from None


def _hook(argv: Sequence[str] | None, environ: Mapping[str, str]) -> Hook | None:
    if not argv:
        return None
    from bai_manager.clients.agent.local.spec import Hook  # noqa: PLC0415 - start-up time

    return Hook(argv=tuple(argv), environ=dict(environ))
