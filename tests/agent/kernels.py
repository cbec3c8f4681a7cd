"""What tests of agents have in common."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from bai_manager.clients.agent.protocol import (
    ClusterInfo,
    ExecutionMode,
    ExecutionStatus,
    ImageSpec,
    KernelCreationConfig,
    KernelReport,
    KernelState,
)
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bai_manager.clients.agent.protocol import (
        AgentClient,
        ExecutionResult,
        KernelCreationInfo,
        MountSpec,
    )
    from bai_manager.types.json import JsonObject

IMAGE = ImageSpec(
    canonical="cr.backend.ai/stable/python:3.11-ubuntu22.04",
    architecture="x86_64",
    project="stable",
    registry={"name": "cr.backend.ai", "url": "https://cr.backend.ai"},
    labels={},
    digest="sha256:0",
    is_local=True,
)


def make_config(
    *,
    session_type: str = "interactive",
    labels: Mapping[str, str] | None = None,
    slots: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    mounts: tuple[MountSpec, ...] = (),
    bootstrap_script: str | None = None,
    internal_data: JsonObject | None = None,
) -> KernelCreationConfig:
    kernel_id = uuid4()
    return KernelCreationConfig(
        kernel_id=kernel_id,
        session_id=uuid4(),
        image=replace(IMAGE, labels=labels or {}),
        owner_user_id=uuid4(),
        session_type=session_type,
        cluster_mode="single-node",
        cluster_role="main",
        cluster_idx=1,
        cluster_hostname="main1",
        local_rank=0,
        resource_slots=ResourceSlot(slots or {"cpu": "1", "mem": "1073741824"}),
        resource_opts={},
        environ={"BACKENDAI_KERNEL_ID": str(kernel_id), **(environ or {})},
        mounts=mounts,
        bootstrap_script=bootstrap_script,
        internal_data=internal_data or {},
    )


async def create(agent: AgentClient, *configs: KernelCreationConfig) -> list[KernelCreationInfo]:
    cluster = ClusterInfo(mode="single-node", size=len(configs), replicas={"main": 1})
    return await agent.create_kernels(configs[0].session_id, configs, cluster)


class KernelUnderTest:
    """A kernel and short forms of what is done to it."""

    def __init__(self, agent: AgentClient, config: KernelCreationConfig) -> None:
        self.agent = agent
        self.config = config
        self.id = config.kernel_id
        self.session_id = config.session_id

    async def turn(
        self,
        code: str = "",
        *,
        mode: ExecutionMode = ExecutionMode.QUERY,
        run_id: str | None = None,
        opts: JsonObject | None = None,
        flush_timeout: float = 10.0,
    ) -> ExecutionResult:
        return await self.agent.execute(
            self.session_id,
            self.id,
            run_id=run_id or uuid4().hex,
            mode=mode,
            code=code,
            opts=opts or {},
            flush_timeout=flush_timeout,
        )

    async def run(
        self, code: str, *, opts: JsonObject | None = None
    ) -> tuple[str, str, int | None]:
        """Run to the end; return stdout, stderr and exit code."""
        run_id = uuid4().hex
        result = await self.turn(code, run_id=run_id, opts=opts)
        console = [*result.console]
        while result.status is not ExecutionStatus.FINISHED:
            result = await self.turn(mode=ExecutionMode.CONTINUE, run_id=run_id)
            console += result.console
        return text_of(console, "stdout"), text_of(console, "stderr"), result.exit_code

    async def shell(self, command: str) -> tuple[str, str, int | None]:
        return await self.run(command, opts={"language": "shell"})

    async def report(self) -> KernelReport:
        return await report_of(self.agent, self.id)

    async def destroy(self, reason: str = "user-requested") -> None:
        await self.agent.destroy_kernel(self.id, self.session_id, reason)

    async def batch(self, command: str, limit: float | None = None) -> None:
        await self.agent.trigger_batch_execution(self.session_id, self.id, command, limit)

    async def batch_end(self) -> KernelReport:
        async def ended() -> KernelReport | None:
            report = await self.report()
            return report if report.batch_exit_code is not None else None

        report = await ended()
        while report is None:
            await asyncio.sleep(0.01)
            report = await ended()
        return report


def proc(pid: int, name: str) -> str:
    """Read what the system tells of a process; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace")
    except OSError:
        return ""


async def report_of(agent: AgentClient, kernel_id: UUID) -> KernelReport:
    (report,) = [report for report in await agent.kernel_reports() if report.kernel_id == kernel_id]
    return report


def text_of(console: object, kind: str) -> str:
    assert isinstance(console, list | tuple)
    return "".join(text for part, text in console if part == kind)


async def eventually(check: Callable[[], object], limit: float = 10.0) -> None:
    """Poll until true; fail after ``limit`` seconds."""
    deadline = asyncio.get_running_loop().time() + limit
    while not check():
        assert asyncio.get_running_loop().time() < deadline, "did not come about in time"
        await asyncio.sleep(0.01)


async def until_state(agent: AgentClient, kernel_id: UUID, state: KernelState) -> KernelReport:
    deadline = asyncio.get_running_loop().time() + 10
    while (report := await report_of(agent, kernel_id)).state is not state:
        assert asyncio.get_running_loop().time() < deadline, f"still {report}"
        await asyncio.sleep(0.01)
    return report
