"""The agent of a dry run: does nothing, and answers as one would that did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.agent.errors import AgentError
from bai_manager.clients.agent.protocol import (
    AgentHealth,
    CommitStarted,
    Completions,
    ExecutionResult,
    ExecutionStatus,
    KernelCreationInfo,
    KernelReport,
    KernelState,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from uuid import UUID

    from bai_manager.clients.agent.protocol import (
        AgentClient,
        ClusterInfo,
        ExecutionMode,
        FileEntry,
        ImageSpec,
        KernelCreationConfig,
        KernelStat,
    )
    from bai_manager.types.json import JsonObject


class RehearsalAgent:
    """Reads go to the real agent; whatever would change something is only remembered."""

    def __init__(self, real: AgentClient) -> None:
        self.agent_id = real.agent_id
        self._real = real
        self._created: dict[UUID, KernelReport] = {}
        self._destroyed: set[UUID] = set()

    async def aclose(self) -> None:
        await self._real.aclose()

    async def health(self) -> AgentHealth:
        return await self._real.health()

    async def gather_hwinfo(self) -> JsonObject:
        return await self._real.gather_hwinfo()

    async def check_and_pull(self, images: Sequence[ImageSpec]) -> None:
        pass

    async def create_kernels(
        self,
        session_id: UUID,
        configs: Sequence[KernelCreationConfig],
        cluster: ClusterInfo,  # noqa: ARG002 - the protocol's
    ) -> list[KernelCreationInfo]:
        infos = [_pretended(config) for config in configs]
        for info in infos:
            self._created[info.kernel_id] = KernelReport(
                kernel_id=info.kernel_id,
                session_id=session_id,
                state=KernelState.RUNNING,
                creation_info=info,
            )
        return infos

    async def destroy_kernel(self, kernel_id: UUID, session_id: UUID, reason: str) -> None:  # noqa: ARG002
        self._created.pop(kernel_id, None)
        self._destroyed.add(kernel_id)

    async def restart_kernel(self, kernel_id: UUID, session_id: UUID) -> KernelCreationInfo:  # noqa: ARG002
        reports = {report.kernel_id: report for report in await self.kernel_reports()}
        report = reports.get(kernel_id)
        if report is None or report.creation_info is None:
            raise AgentError(self.agent_id, "KernelNotFound", f"kernel {kernel_id} does not run")
        return report.creation_info

    async def interrupt_kernel(self, kernel_id: UUID) -> None:
        pass

    async def execute(
        self,
        session_id: UUID,  # noqa: ARG002 - the protocol's, as below
        kernel_id: UUID,  # noqa: ARG002
        *,
        run_id: str,
        mode: ExecutionMode,  # noqa: ARG002
        code: str,  # noqa: ARG002
        opts: JsonObject,  # noqa: ARG002
        flush_timeout: float,  # noqa: ARG002
    ) -> ExecutionResult:
        return ExecutionResult(
            run_id=run_id, status=ExecutionStatus.FINISHED, exit_code=0, console=()
        )

    async def trigger_batch_execution(
        self, session_id: UUID, kernel_id: UUID, code: str, timeout: float | None
    ) -> None:
        pass

    async def get_completions(self, kernel_id: UUID, text: str, opts: JsonObject) -> Completions:
        return await self._real.get_completions(kernel_id, text, opts)

    async def get_logs(self, kernel_id: UUID) -> str:
        return await self._real.get_logs(kernel_id)

    def follow_logs(self, kernel_id: UUID) -> AsyncIterator[str]:
        return self._real.follow_logs(kernel_id)

    async def list_files(self, kernel_id: UUID, path: str) -> Sequence[FileEntry]:
        return await self._real.list_files(kernel_id, path)

    async def upload_file(self, kernel_id: UUID, filename: str, data: bytes) -> None:
        pass

    async def download_single(self, kernel_id: UUID, path: str) -> bytes:
        return await self._real.download_single(kernel_id, path)

    async def download_file(self, kernel_id: UUID, path: str) -> bytes:
        return await self._real.download_file(kernel_id, path)

    async def start_service(self, kernel_id: UUID, service: str, opts: JsonObject) -> JsonObject:  # noqa: ARG002
        return {"status": "started"}

    async def shutdown_service(self, kernel_id: UUID, service: str) -> None:
        pass

    async def commit(
        self,
        kernel_id: UUID,  # noqa: ARG002 - the protocol's, as below
        subdir: str,  # noqa: ARG002
        *,
        canonical: str | None = None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        extra_labels: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> CommitStarted:
        return CommitStarted(task_id="", path=None)

    async def commit_status(self, kernel_id: UUID, subdir: str) -> str:
        return await self._real.commit_status(kernel_id, subdir)

    async def push_image(self, image: ImageSpec) -> str:  # noqa: ARG002 - the protocol's
        return ""

    async def kernel_reports(self) -> Sequence[KernelReport]:
        real = [
            report
            for report in await self._real.kernel_reports()
            if report.kernel_id not in self._destroyed
        ]
        return [*real, *self._created.values()]

    async def forget_kernels(self, kernel_ids: Sequence[UUID]) -> None:
        pass

    async def kernel_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        return await self._real.kernel_stats(kernel_ids)


def _pretended(config: KernelCreationConfig) -> KernelCreationInfo:
    return KernelCreationInfo(
        kernel_id=config.kernel_id,
        kernel_host="127.0.0.1",
        container_id="",
        repl_in_port=0,
        repl_out_port=0,
        stdin_port=0,
        stdout_port=0,
        service_ports=[],
        attached_devices={},
        occupied_slots=config.resource_slots,
    )
