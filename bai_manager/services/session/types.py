"""What a session and its kernels look like from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
