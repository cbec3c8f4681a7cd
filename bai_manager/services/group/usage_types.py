"""What is said about the use of projects: the names are those of a manager's own reports.

Bytes, but for processors (slot units), accelerators (slot units) and ``cpu_used`` (milliseconds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from bai_manager.types.json import JsonObject
    from bai_manager.types.status import ClusterMode


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelMonthUsage:
    """One kernel of a project within a month; ``used_time`` and ``used_days`` once it ended."""

    id: UUID
    session_id: UUID
    container_id: str | None
    domain_name: str
    group_id: UUID
    group_name: str
    name: str
    access_key: str | None
    email: str | None
    full_name: str | None
    agent: str | None
    cpu_allocated: Decimal
    cpu_used: Decimal
    mem_allocated: int
    mem_used: int
    shared_memory: int
    disk_allocated: int
    disk_used: int
    io_read: int
    io_write: int
    used_time: str | None
    used_days: int | None
    device_type: list[str]
    smp: int
    gpu_mem_allocated: int
    gpu_allocated: Decimal
    nfs: list[str]
    image_id: str | None
    image_name: str | None
    created_at: datetime
    terminated_at: datetime | None
    status: str
    status_info: str | None
    status_changed: datetime | None
    status_history: Mapping[str, str]
    cluster_mode: ClusterMode


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupMonthUsage:
    """One project within a month: the sums of its kernels, and the kernels."""

    g_id: UUID
    g_name: str
    domain_name: str
    g_cpu_allocated: Decimal
    g_cpu_used: Decimal
    g_mem_allocated: int
    g_mem_used: int
    g_shared_memory: int
    g_disk_allocated: int
    g_disk_used: int
    g_io_read: int
    g_io_write: int
    g_device_type: list[str]
    g_smp: int
    g_gpu_mem_allocated: int
    g_gpu_allocated: Decimal
    c_infos: list[KernelMonthUsage]


@dataclass(frozen=True, kw_only=True, slots=True)
class TotalUsage:
    """Sums over kernels; lists hold each word once."""

    nfs: list[str]
    cpu_allocated: Decimal
    cpu_used: Decimal
    mem_allocated: int
    mem_used: int
    shared_memory: int
    disk_allocated: int
    disk_used: int
    io_read: int
    io_write: int
    device_type: list[str]
    smp: int
    gpu_mem_allocated: int
    gpu_allocated: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelPeriodUsage:
    """What is said on every level; on the upper ones, what does not hold for all is null."""

    created_at: datetime | None
    terminated_at: datetime | None
    scheduled_at: str | None
    used_time: str | None
    used_days: int | None
    user_id: UUID | None
    user_email: str | None
    full_name: str | None
    access_key: str | None
    project_id: UUID
    project_name: str
    domain_name: str
    session_id: UUID | None
    session_name: str | None
    kernel_id: UUID | None
    container_ids: list[str]
    images: list[str]
    agents: list[str]
    status: str | None
    status_info: str | None
    status_history: Mapping[str, str] | None
    cluster_mode: ClusterMode | None
    last_stat: JsonObject | None
    extra_info: JsonObject
    group_unit: str
    total_usage: TotalUsage


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionPeriodUsage(KernelPeriodUsage):
    """One session: the sums of its kernels, and the kernels by id."""

    kernels: Mapping[UUID, KernelPeriodUsage]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectPeriodUsage(KernelPeriodUsage):
    """One project: the sums of its sessions, and the sessions by id."""

    sessions: Mapping[UUID, SessionPeriodUsage]
