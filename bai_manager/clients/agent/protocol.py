"""What every agent client can do: the functions of ``reference/agent-rpc.md`` §5 that actions need.

Two implementations keep the same contract tests: ``local`` (supervised processes on this
machine) and ``callosum`` (RPC to a real Backend.AI agent). Field names and value shapes are
those on the wire, so that either client can fill a kernel row without translation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.resource_slot import ResourceSlot


class ExecutionMode(StrEnum):
    """``mode`` of ``execute``: ``query`` keeps a namespace, ``batch`` runs commands of ``opts``."""

    QUERY = "query"
    BATCH = "batch"
    CONTINUE = "continue"
    INPUT = "input"


class ExecutionStatus(StrEnum):
    CONTINUED = "continued"
    CLEAN_FINISHED = "clean-finished"
    BUILD_FINISHED = "build-finished"
    FINISHED = "finished"
    EXEC_TIMEOUT = "exec-timeout"
    WAITING_INPUT = "waiting-input"


class KernelState(StrEnum):
    """What an agent knows of a kernel it was asked to create."""

    CREATING = "creating"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, kw_only=True, slots=True)
class MountSpec:
    """One virtual folder as the agent sees it (``reference/agent-rpc.md`` §6)."""

    name: str
    vfid: str
    vfsubpath: str
    host_path: str
    kernel_path: str
    mount_perm: str
    usage_mode: str = "general"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSpec:
    """``ImageConfig`` of the wire, as far as agents use it."""

    canonical: str
    architecture: str
    project: str | None
    registry: JsonObject
    labels: Mapping[str, str]
    digest: str
    is_local: bool
    auto_pull: str = "digest"


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelCreationConfig:
    """Everything an agent needs to start one kernel (``reference/agent-rpc.md`` §6)."""

    kernel_id: UUID
    session_id: UUID
    image: ImageSpec
    owner_user_id: UUID
    session_type: str
    cluster_mode: str
    cluster_role: str
    cluster_idx: int
    cluster_hostname: str
    local_rank: int
    resource_slots: ResourceSlot
    resource_opts: JsonObject
    environ: Mapping[str, str]
    mounts: Sequence[MountSpec] = ()
    bootstrap_script: str | None = None
    startup_command: str | None = None
    internal_data: JsonObject = field(default_factory=dict)
    preopen_ports: Sequence[int] = ()
    agent_addr: str = ""
    scaling_group: str = ""
    uid: int | None = None
    main_gid: int | None = None
    supplementary_gids: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterInfo:
    """``mode`` is ``single-node`` or ``multi-node``; ``replicas`` maps role to count."""

    mode: str
    size: int
    replicas: Mapping[str, int]
    network_config: JsonObject = field(default_factory=dict)
    ssh_keypair: JsonObject | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelCreationInfo:
    """One element of the ``create_kernels`` result (§7): what goes into the kernel row."""

    kernel_id: UUID
    kernel_host: str
    container_id: str
    repl_in_port: int
    repl_out_port: int
    stdin_port: int
    stdout_port: int
    service_ports: list[JsonValue]
    attached_devices: JsonObject
    occupied_slots: ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelReport:
    """What the agent knows of one kernel, live or ended, until it is forgotten.

    ``exit_code`` is that of the supervised main process or the batch command, 128 + N for
    signal N; ``reason`` is a lifecycle reason of ``reference/state-machines.md`` §3.1.
    ``batch_exit_code`` is set once a batch start-up command has ended.
    """

    kernel_id: UUID
    session_id: UUID
    state: KernelState
    creation_info: KernelCreationInfo | None = None
    exit_code: int | None = None
    batch_exit_code: int | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    last_access: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionResult:
    """One ``execute`` turn: ``console`` holds ``(kind, text)`` with kind stdout, stderr, media …"""

    run_id: str
    status: ExecutionStatus
    exit_code: int | None
    console: Sequence[tuple[str, str]]
    options: JsonObject = field(default_factory=dict)
    files: Sequence[JsonValue] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEntry:
    """One entry of ``list_files``: ``size`` in bytes, times in UTC, ``mode`` as ``-rw-r--r--``."""

    filename: str
    size: int
    mode: str
    mtime: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Completions:
    status: str
    suggestions: Sequence[str]
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelStat:
    """Live usage of one kernel: metric name → ``{"current": "…", "capacity": "…", "pct": "…",
    "unit_hint": "…", "stats.max": "…"}``, numbers as decimal text (``events-valkey.md`` §4).

    Metrics: ``cpu_util`` (percent of one core, unit ``percent``), ``cpu_used`` (milliseconds),
    ``mem`` (bytes), ``io_read``, ``io_write``, ``net_rx``, ``net_tx``, ``io_scratch_size`` (bytes).
    """

    kernel_id: UUID
    collected_at: datetime
    metrics: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitStarted:
    """The background task that commits, and the file it writes on the agent, if any."""

    task_id: str
    path: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentHealth:
    """``status`` is ok, degraded or error."""

    status: str
    version: str


class AgentClient(Protocol):
    """One agent.

    Every method raises ``AgentUnreachable`` when the agent does not answer within its limit
    (§8) and ``AgentError`` when it answers with a failure; both carry the agent id. Methods
    that name a kernel raise ``KernelNotOnAgent`` when the agent does not know it, except
    ``destroy_kernel``, for which that is success.
    """

    agent_id: str

    async def aclose(self) -> None:
        """Give up what is under way and let go of connections."""

    async def health(self) -> AgentHealth: ...

    async def gather_hwinfo(self) -> JsonObject: ...

    async def check_and_pull(self, images: Sequence[ImageSpec]) -> None:
        """Make the images available; returns when each is there or raises ``ImagePullFailed``."""

    async def create_kernels(
        self,
        session_id: UUID,
        configs: Sequence[KernelCreationConfig],
        cluster: ClusterInfo,
    ) -> list[KernelCreationInfo]:
        """Start kernels and return when each of them serves; idempotent per kernel id."""

    async def destroy_kernel(self, kernel_id: UUID, session_id: UUID, reason: str) -> None:
        """Stop and clean up. Returns after clean-up; an unknown kernel is not an error."""

    async def restart_kernel(self, kernel_id: UUID, session_id: UUID) -> KernelCreationInfo: ...

    async def interrupt_kernel(self, kernel_id: UUID) -> None: ...

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
        """One turn; ``continued`` asks for another, with mode ``continue`` and the same run id."""

    async def trigger_batch_execution(
        self, session_id: UUID, kernel_id: UUID, code: str, timeout: float | None
    ) -> None:
        """Start the batch command in the background; idempotent per kernel."""

    async def get_completions(
        self, kernel_id: UUID, text: str, opts: JsonObject
    ) -> Completions: ...

    async def get_logs(self, kernel_id: UUID) -> str: ...

    def follow_logs(self, kernel_id: UUID) -> AsyncIterator[str]:
        """The log so far, then what is added, until the kernel has ended."""

    async def list_files(self, kernel_id: UUID, path: str) -> Sequence[FileEntry]: ...

    async def upload_file(self, kernel_id: UUID, filename: str, data: bytes) -> None: ...

    async def download_single(self, kernel_id: UUID, path: str) -> bytes: ...

    async def download_file(self, kernel_id: UUID, path: str) -> bytes:
        """A tar archive of the file or folder."""

    async def start_service(
        self, kernel_id: UUID, service: str, opts: JsonObject
    ) -> JsonObject: ...

    async def shutdown_service(self, kernel_id: UUID, service: str) -> None: ...

    async def commit(
        self,
        kernel_id: UUID,
        subdir: str,
        *,
        canonical: str | None = None,
        filename: str | None = None,
        extra_labels: Mapping[str, str] | None = None,
    ) -> CommitStarted:
        """Begin to keep a kernel: in a file of ``subdir``, or as the image ``canonical``."""

    async def commit_status(self, kernel_id: UUID, subdir: str) -> str:
        """``ready``, or ``ongoing`` while a commit is under way."""

    async def push_image(self, image: ImageSpec) -> str:
        """Begin to push to the image's registry; the id of the background task."""

    async def kernel_reports(self) -> Sequence[KernelReport]:
        """Every kernel the agent knows, with its state: how starts and deaths are noticed.

        A real agent tells these by events; its client answers from ``check_running``.
        """

    async def forget_kernels(self, kernel_ids: Sequence[UUID]) -> None:
        """Drop what is kept of ended kernels, once their rows are final."""

    async def kernel_stats(self, kernel_ids: Sequence[UUID]) -> Mapping[UUID, KernelStat]:
        """Live usage; kernels that have ended are left out."""
