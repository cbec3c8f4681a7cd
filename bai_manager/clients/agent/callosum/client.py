"""The client of an agent of a real cluster."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from bai_manager.clients.agent.callosum import shapes
from bai_manager.clients.agent.callosum.caller import Caller
from bai_manager.clients.agent.callosum.errors import ClusterExtraMissing
from bai_manager.clients.agent.callosum.functions import Function, Limits
from bai_manager.clients.agent.callosum.logs import added
from bai_manager.clients.agent.callosum.parallel import in_parallel
from bai_manager.clients.agent.errors import AgentError, ImagePullFailed, KernelNotOnAgent
from bai_manager.clients.agent.protocol import KernelReport, KernelState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from bai_manager.clients.agent.callosum.caller import FoundRegistration
    from bai_manager.clients.agent.callosum.packing import Packable
    from bai_manager.clients.agent.callosum.records import KernelRecord, KernelRecords, LiveUsage
    from bai_manager.clients.agent.protocol import (
        AgentHealth,
        ClusterInfo,
        CommitStarted,
        Completions,
        ExecutionMode,
        ExecutionResult,
        FileEntry,
        ImageSpec,
        KernelCreationConfig,
        KernelCreationInfo,
        KernelStat,
    )
    from bai_manager.types.json import JsonObject

_HOME: Final = "/home/work/"
_API_VERSION: Final = 3
_TURN_MARGIN: Final = 10.0
_LARGEST_UPLOAD: Final = 2**20
"""Bytes; what is larger could never be downloaded again."""

_AT_ONCE: Final = 8
_PULL_PAUSE: Final = 0.5


class CallosumAgentClient:
    """An ``AgentClient`` that speaks to the agent at ``addr``, ``tcp://HOST:PORT``.

    Every call has a connection of its own and a limit. What the agent answers is read without
    loading a pickle (see ``pickles``); what cannot be read is as good as no answer.

    Where the agent itself does not tell, others are asked: ``records`` for its kernels, without
    which ``kernel_reports`` and ``restart_kernel`` raise ``AgentError``, and ``usage`` for
    ``kernel_stats``, likewise.
    """

    def __init__(
        self,
        agent_id: str,
        addr: str,
        *,
        registration: FoundRegistration,
        manager_keypair: Path | None = None,
        limits: Limits | None = None,
        records: KernelRecords | None = None,
        usage: LiveUsage | None = None,
        log_pause: float = 1.0,
    ) -> None:
        """``registration`` may be a function, which is awaited before the first call.

        ``manager_keypair`` is a certificate file of ZeroMQ, read when the agent has a key.
        ``log_pause`` is the time in seconds between two looks at a log that is followed.
        Raises ``ClusterExtraMissing``.
        """
        for package, module in (("pyzmq", "zmq"), ("msgpack", "msgpack")):
            if find_spec(module) is None:
                raise ClusterExtraMissing(package)
        self.agent_id = agent_id
        self._addr = addr
        self._limits = limits or Limits()
        self._agent = Caller(
            agent_id,
            addr,
            registration=registration,
            manager_keypair=manager_keypair,
            limits=self._limits,
        )
        self._records = records
        self._usage = usage
        self._log_pause = log_pause

    async def aclose(self) -> None:
        """Do nothing: a call closes its connection when it ends."""

    async def health(self) -> AgentHealth:
        return await self._agent.ask(Function.HEALTH, shapes.health)

    async def gather_hwinfo(self) -> JsonObject:
        return await self._agent.ask(Function.GATHER_HWINFO, shapes.json_object)

    async def check_and_pull(self, images: Sequence[ImageSpec]) -> None:
        """Return when the agent pulls none of them any more.

        That one could not be pulled is told by an event only, so it is not known here. Raises
        ``ImagePullFailed`` when it takes too long.
        """
        configs = {image.canonical: shapes.image_config(image) for image in images}
        await self._agent.ask(Function.CHECK_AND_PULL, shapes.nothing, configs)
        for canonical in configs:
            try:
                async with asyncio.timeout(self._limits.pull):
                    await self._until_pulled(canonical)
            except TimeoutError:
                why = f"it is still being pulled after {self._limits.pull:g} s"
                raise ImagePullFailed(self.agent_id, canonical, why) from None

    async def create_kernels(
        self,
        session_id: UUID,
        configs: Sequence[KernelCreationConfig],
        cluster: ClusterInfo,
    ) -> list[KernelCreationInfo]:
        """Start kernels; a network that ``cluster`` names must be there.

        On a running cluster its manager does this. The agent is not asked whether it has the
        kernels already, because it would not tell their ports; and one that is not waited for
        any more may start all the same.
        """
        kernel_ids = [config.kernel_id for config in configs]
        return await self._agent.ask(
            Function.CREATE_KERNELS,
            partial(shapes.created, wanted=kernel_ids),
            str(session_id),
            [str(kernel_id) for kernel_id in kernel_ids],
            [shapes.kernel_config(config, self._addr) for config in configs],
            shapes.cluster_info(cluster),
            {config.kernel_id: shapes.image_of(config.image) for config in configs},
        )

    async def destroy_kernel(self, kernel_id: UUID, session_id: UUID, reason: str) -> None:
        """Rows change when the cluster's manager has taken the event that follows.

        A kernel that ends by itself meanwhile makes the agent fail; it is gone all the same.
        """
        arguments = (str(kernel_id), str(session_id), reason)
        destroying = self._agent.ask(Function.DESTROY_KERNEL, shapes.nothing, *arguments)
        with suppress(KernelNotOnAgent):
            await self._agent.of_kernel(kernel_id, destroying)

    async def restart_kernel(self, kernel_id: UUID, session_id: UUID) -> KernelCreationInfo:
        records = {record.kernel_id: record for record in await self._own_records()}
        record = records.get(kernel_id)
        if record is None:
            raise KernelNotOnAgent(self.agent_id, kernel_id)
        await self._agent.require_known(kernel_id)
        return await self._agent.ask(
            Function.RESTART_KERNEL,
            partial(shapes.restarted, before=record.creation_info),
            str(session_id),
            str(kernel_id),
            shapes.image_of(record.image),
            {},
        )

    async def interrupt_kernel(self, kernel_id: UUID) -> None:
        await self._agent.ask_kernel(kernel_id, Function.INTERRUPT_KERNEL, shapes.nothing)

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
        """One turn. The run belongs to the kernel: it goes on when this process ends."""
        return await self._agent.of_kernel(
            kernel_id,
            self._agent.ask(
                Function.EXECUTE,
                partial(shapes.turn, run_id=run_id),
                str(session_id),
                str(kernel_id),
                _API_VERSION,
                run_id,
                mode.value,
                code,
                cast("Packable", opts),
                flush_timeout,
                limit=max(self._limits.work, flush_timeout + _TURN_MARGIN),
            ),
        )

    async def trigger_batch_execution(
        self, session_id: UUID, kernel_id: UUID, code: str, timeout: float | None
    ) -> None:
        """Start the batch command; the agent does not say whether one runs already."""
        await self._agent.require_known(kernel_id)
        await self._agent.ask(
            Function.TRIGGER_BATCH_EXECUTION,
            shapes.nothing,
            str(session_id),
            str(kernel_id),
            code,
            timeout,
        )

    async def get_completions(self, kernel_id: UUID, text: str, opts: JsonObject) -> Completions:
        function = Function.GET_COMPLETIONS
        wire_opts = cast("Packable", opts)
        return await self._agent.ask_kernel(
            kernel_id, function, shapes.completions, text, wire_opts
        )

    async def get_logs(self, kernel_id: UUID) -> str:
        return await self._agent.ask_kernel(kernel_id, Function.GET_LOGS, shapes.log_text)

    async def follow_logs(self, kernel_id: UUID) -> AsyncIterator[str]:
        """Look again and again; what comes between the last look and the end is not seen."""
        seen = await self.get_logs(kernel_id)
        if seen:
            yield seen
        while True:
            await asyncio.sleep(self._log_pause)
            try:
                now = await self.get_logs(kernel_id)
            except KernelNotOnAgent:
                return
            if text := added(seen, now):
                yield text
            seen = now

    async def list_files(self, kernel_id: UUID, path: str) -> Sequence[FileEntry]:
        return await self._agent.ask_kernel(
            kernel_id, Function.LIST_FILES, shapes.file_entries, path
        )

    async def upload_file(self, kernel_id: UUID, filename: str, data: bytes) -> None:
        """Write a file below ``/home/work``: 1 MiB at most, as everywhere on a cluster."""
        if len(data) > _LARGEST_UPLOAD:
            why = f"{filename} has {len(data)} bytes; an agent takes {_LARGEST_UPLOAD} at most"
            raise AgentError(self.agent_id, "ValueError", why)
        inner = filename.removeprefix(_HOME)
        await self._agent.ask_kernel(kernel_id, Function.UPLOAD_FILE, shapes.nothing, inner, data)

    async def download_single(self, kernel_id: UUID, path: str) -> bytes:
        """Read one file; the agent refuses what packs to more than 1 MiB."""
        return await self._agent.ask_kernel(
            kernel_id, Function.DOWNLOAD_SINGLE, shapes.content, path
        )

    async def download_file(self, kernel_id: UUID, path: str) -> bytes:
        """A tar archive; the agent refuses more than 1 MiB of it."""
        return await self._agent.ask_kernel(kernel_id, Function.DOWNLOAD_FILE, shapes.content, path)

    async def start_service(self, kernel_id: UUID, service: str, opts: JsonObject) -> JsonObject:
        wanted = cast("Packable", {"arguments": {}, "envs": {}, **opts})
        function = Function.START_SERVICE
        return await self._agent.ask_kernel(kernel_id, function, shapes.service, service, wanted)

    async def shutdown_service(self, kernel_id: UUID, service: str) -> None:
        await self._agent.require_known(kernel_id)
        await self._agent.ask(Function.SHUTDOWN_SERVICE, shapes.nothing, str(kernel_id), service)

    async def commit(
        self,
        kernel_id: UUID,
        subdir: str,
        *,
        canonical: str | None = None,
        filename: str | None = None,
        extra_labels: Mapping[str, str] | None = None,
    ) -> CommitStarted:
        """Begin to keep the container as an image, in a file of ``subdir`` or as ``canonical``.

        The task goes on in the background, and who needs its end asks ``commit_status``.
        """
        await self._agent.require_known(kernel_id)
        return await self._agent.ask(
            Function.COMMIT,
            shapes.commit_started,
            str(kernel_id),
            subdir,
            canonical=canonical,
            filename=filename,
            extra_labels={**(extra_labels or {})},
        )

    async def commit_status(self, kernel_id: UUID, subdir: str) -> str:
        """``ready`` or ``ongoing``."""
        function = Function.GET_COMMIT_STATUS
        return await self._agent.ask_kernel(kernel_id, function, shapes.commit_status, subdir)

    async def push_image(self, image: ImageSpec) -> str:
        """Begin to push to the image's registry; return the id of the background task."""
        reference, registry = shapes.image_of(image), shapes.registry_of(image)
        return await self._agent.ask(Function.PUSH_IMAGE, shapes.task_id, reference, registry)

    async def purge_images(
        self, canonicals: Sequence[str], *, force: bool, noprune: bool
    ) -> Mapping[str, str | None]:
        """Remove images from the agent; return each with why it is still there, if it is."""
        function = Function.PURGE_IMAGES
        return await self._agent.ask(function, shapes.purged_images, [*canonicals], force, noprune)

    async def kernel_reports(self) -> Sequence[KernelReport]:
        """Ask for each kernel of the records; those that the agent does not know are left out."""
        records = await self._own_records()
        found = await in_parallel(records, self._report, at_once=_AT_ONCE)
        return [report for report in found if report is not None]

    async def forget_kernels(self, kernel_ids: Sequence[UUID]) -> None:
        """Do nothing: an agent forgets an ended kernel by itself."""

    async def kernel_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        if self._usage is None:
            why = "it leaves live usage in Valkey, which nobody was given to read"
            raise AgentError(self.agent_id, "UsageNotRead", why)
        return await self._usage(kernel_ids)

    async def _until_pulled(self, canonical: str) -> None:
        pulling = True
        while pulling:
            await asyncio.sleep(_PULL_PAUSE)
            pulling = await self._agent.ask(Function.CHECK_PULLING, shapes.truth, canonical)

    async def _own_records(self) -> Sequence[KernelRecord]:
        if self._records is None:
            why = "it does not list its kernels, and nobody was given who does"
            raise AgentError(self.agent_id, "KernelsNotListed", why)
        return await self._records(self.agent_id)

    async def _report(self, record: KernelRecord) -> KernelReport | None:
        """``check_creating`` is also true of a kernel that runs."""
        kernel_id = str(record.kernel_id)
        if await self._agent.ask(Function.CHECK_RUNNING, shapes.truth, kernel_id):
            state = KernelState.RUNNING
        elif await self._agent.ask(Function.CHECK_CREATING, shapes.truth, kernel_id):
            state = KernelState.CREATING
        else:
            return None
        return KernelReport(
            kernel_id=record.kernel_id,
            session_id=record.session_id,
            state=state,
            creation_info=record.creation_info if state is KernelState.RUNNING else None,
        )
