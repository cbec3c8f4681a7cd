"""What a session and its kernels look like from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.mounts import VFolderMount
    from bai_manager.types.resource_slot import ResourceSlot
    from bai_manager.types.status import (
        ClusterMode,
        KernelStatus,
        SessionResult,
        SessionStatus,
        SessionType,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelData:
    """One kernel row. ``requested_slots`` and ``occupied_slots`` are in slot units (mem: bytes)."""

    id: UUID
    session_id: UUID
    session_name: str
    status: KernelStatus
    status_info: str | None
    status_history: Mapping[str, str]
    status_changed: datetime | None
    result: SessionResult
    exit_code: int | None
    cluster_role: str
    cluster_idx: int
    cluster_hostname: str
    local_rank: int
    image: str
    architecture: str
    agent: str | None
    agent_addr: str | None
    container_id: str | None
    requested_slots: ResourceSlot
    occupied_slots: ResourceSlot
    resource_opts: JsonObject
    service_ports: list[JsonValue]
    startup_command: str | None
    owner_access_key: str
    owner_email: str | None
    created_at: datetime
    terminated_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionData:
    """One session row with the names behind its ids; ``kernels`` is filled where one is shown.

    ``version`` changes with every write of the row.
    """

    id: UUID
    name: str
    status: SessionStatus
    status_info: str | None
    status_data: JsonObject
    status_history: Mapping[str, str]
    result: SessionResult
    session_type: SessionType
    priority: int
    cluster_mode: ClusterMode
    cluster_size: int
    domain_name: str
    group_id: UUID
    group_name: str | None
    user_id: UUID
    user_email: str | None
    access_key: str
    scaling_group: str | None
    agent_ids: list[str]
    images: list[str]
    tag: str | None
    requested_slots: ResourceSlot
    occupying_slots: ResourceSlot
    environ: Mapping[str, str]
    startup_command: str | None
    starts_at: datetime | None
    batch_timeout: int | None
    created_at: datetime
    terminated_at: datetime | None
    mounts: list[VFolderMount] = field(default_factory=list)
    kernels: list[KernelData] = field(default_factory=list)
    version: str = ""

    @property
    def main_kernel(self) -> KernelData | None:
        return next((kernel for kernel in self.kernels if kernel.cluster_role == "main"), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelSpec:
    """One kernel of a session to be created."""

    cluster_role: str
    cluster_idx: int
    local_rank: int
    cluster_hostname: str
    requested_slots: ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSpec:
    """A checked session request, ready to be enqueued; slots are for each kernel."""

    id: UUID
    creation_id: str
    name: str
    session_type: SessionType
    priority: int
    cluster_mode: ClusterMode
    kernels: tuple[KernelSpec, ...]
    image: str
    registry: str
    architecture: str
    access_key: str
    user_id: UUID
    group_id: UUID
    domain_name: str
    scaling_group: str
    tag: str | None
    environ: Mapping[str, str]
    resource_opts: JsonObject
    internal_data: JsonObject
    startup_command: str | None
    bootstrap_script: str | None
    starts_at: datetime | None
    batch_timeout: int | None
    queue: bool
    created_at: datetime
    depends_on: tuple[str, ...] = ()
    mounts: tuple[VFolderMount, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageData:
    """One image row as sessions need it; ``labels`` as stored, ``resources`` custom limits."""

    id: UUID
    name: str
    registry: str
    project: str | None
    tag: str | None
    architecture: str
    digest: str
    is_local: bool
    labels: Mapping[str, str]
    resources: JsonObject
    aliases: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerData:
    """Whose session it will be: the key pair, its user, and what new sessions inherit."""

    access_key: str
    user_id: UUID
    email: str
    username: str
    domain_name: str
    bootstrap_script: str
    sudo_session_enabled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionChanges:
    """What an update sets; ``priority`` is 0 to 100, higher first."""

    name: Maybe[str] = UNSET
    priority: Maybe[int] = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionMatch:
    """A session that fits a name or id, or the beginning of one."""

    id: UUID
    name: str
    status: SessionStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphNode:
    """A session and what it depends on directly; ``status_changed`` is its last step."""

    session_id: UUID
    session_name: str
    status: SessionStatus
    status_changed: datetime | None
    depends_on: list[UUID]


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineEntry:
    """Something that happened to a session.

    ``source`` is ``session``, a kernel's host name (``main1``), or ``audit``; ``what`` is the
    status entered or the operation; ``who`` is an e-mail.
    """

    at: datetime
    source: str
    what: str
    detail: str | None
    who: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Transit:
    """A session whose status was derived from its kernels; ``was`` is what it had before."""

    session_id: UUID
    name: str
    was: SessionStatus
    status: SessionStatus
    access_key: str
