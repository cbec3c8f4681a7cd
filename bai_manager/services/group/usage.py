"""Adding up what kernels had (``reference/services.md`` §8)."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bai_manager.services.group.usage_types import (
    GroupMonthUsage,
    KernelMonthUsage,
    KernelPeriodUsage,
    ProjectPeriodUsage,
    SessionPeriodUsage,
    TotalUsage,
)
from bai_manager.types.status import KernelStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo
    from uuid import UUID

    from bai_manager.types.usage import KernelUsage

_OF_SESSIONS: Final[Mapping[str, str]] = {
    "session_id": "session_id",
    "session_name": "session_name",
    "user_id": "user_id",
    "user_email": "user_email",
    "full_name": "full_name",
    "access_key": "access_key",
    "status": "status",
    "cluster_mode": "cluster_mode",
}
"""Keys of sessions and kernels, and where their values are."""
_OF_KERNELS: Final[Mapping[str, str]] = {
    "kernel_id": "id",
    "status_info": "status_info",
    "status_history": "status_history",
    "last_stat": "last_stat",
}
"""Keys of kernels alone."""


def usage_per_month(kernels: Sequence[KernelUsage], zone: tzinfo) -> list[GroupMonthUsage]:
    """One entry for each project that had a kernel, by the first kernel that ended."""
    return [_month_of(found, zone) for found in _grouped(kernels, lambda k: k.group_id).values()]


def usage_per_period(kernels: Sequence[KernelUsage], zone: tzinfo) -> list[ProjectPeriodUsage]:
    """The same, with sessions between projects and kernels."""
    return [_project(found, zone) for found in _grouped(kernels, lambda k: k.group_id).values()]


def total_of(kernels: Iterable[KernelUsage]) -> TotalUsage:
    """Sums of what each kernel had, however long; nothing is multiplied by time."""
    found = list(kernels)
    return TotalUsage(
        nfs=sorted({path for kernel in found for path in kernel.nfs}),
        cpu_allocated=sum((kernel.cpu_allocated for kernel in found), Decimal(0)),
        cpu_used=sum((kernel.cpu_used for kernel in found), Decimal(0)),
        mem_allocated=sum(kernel.mem_allocated for kernel in found),
        mem_used=sum(kernel.mem_used for kernel in found),
        shared_memory=sum(kernel.shared_memory for kernel in found),
        disk_allocated=0,
        disk_used=sum(kernel.disk_used for kernel in found),
        io_read=sum(kernel.io_read for kernel in found),
        io_write=sum(kernel.io_write for kernel in found),
        device_type=sorted({model for kernel in found for model in kernel.device_models}),
        smp=sum(kernel.smp for kernel in found),
        gpu_mem_allocated=sum(kernel.gpu_mem_allocated for kernel in found),
        gpu_allocated=sum((kernel.gpu_allocated for kernel in found), Decimal(0)),
    )


def used_time(created_at: datetime, terminated_at: datetime | None) -> str | None:
    """``1 day, 2:03:04``; None while it runs."""
    return None if terminated_at is None else str(terminated_at - created_at)


def used_days(created_at: datetime, terminated_at: datetime | None, zone: tzinfo) -> int | None:
    """Calendar days of a zone that were touched; None while it runs."""
    if terminated_at is None:
        return None
    return (terminated_at.astimezone(zone).date() - created_at.astimezone(zone).date()).days + 1


def _grouped(
    kernels: Iterable[KernelUsage], key: Callable[[KernelUsage], UUID]
) -> dict[UUID, list[KernelUsage]]:
    found: dict[UUID, list[KernelUsage]] = {}
    for kernel in kernels:
        found.setdefault(key(kernel), []).append(kernel)
    return found


def _month_of(kernels: list[KernelUsage], zone: tzinfo) -> GroupMonthUsage:
    total = total_of(kernels)
    sums = {f"g_{one.name}": getattr(total, one.name) for one in fields(total) if one.name != "nfs"}
    return GroupMonthUsage(
        g_id=kernels[0].group_id,
        g_name=kernels[0].group_name,
        domain_name=kernels[0].domain_name,
        c_infos=[_kernel_of_month(kernel, zone) for kernel in kernels],
        **sums,
    )


def _kernel_of_month(kernel: KernelUsage, zone: tzinfo) -> KernelMonthUsage:
    total = total_of([kernel])
    return KernelMonthUsage(
        id=kernel.id,
        session_id=kernel.session_id,
        container_id=kernel.container_id,
        domain_name=kernel.domain_name,
        group_id=kernel.group_id,
        group_name=kernel.group_name,
        name=kernel.session_name,
        access_key=kernel.access_key,
        email=kernel.user_email,
        full_name=kernel.full_name,
        agent=kernel.agent,
        used_time=used_time(kernel.created_at, kernel.terminated_at),
        used_days=used_days(kernel.created_at, kernel.terminated_at, zone),
        image_id=kernel.image,
        image_name=kernel.image,
        created_at=kernel.created_at,
        terminated_at=kernel.terminated_at,
        status=kernel.status.name,
        status_info=kernel.status_info,
        status_changed=kernel.status_changed,
        status_history=kernel.status_history,
        cluster_mode=kernel.cluster_mode,
        **{one.name: getattr(total, one.name) for one in fields(total)},
    )


def _project(kernels: list[KernelUsage], zone: tzinfo) -> ProjectPeriodUsage:
    sessions = _grouped(kernels, lambda k: k.session_id)
    return ProjectPeriodUsage(
        **_common(kernels, zone, unit="project"),
        sessions={session_id: _session(found, zone) for session_id, found in sessions.items()},
    )


def _session(kernels: list[KernelUsage], zone: tzinfo) -> SessionPeriodUsage:
    return SessionPeriodUsage(
        **_common(kernels, zone, unit="session"),
        kernels={
            kernel.id: KernelPeriodUsage(**_common([kernel], zone, unit="kernel"))
            for kernel in kernels
        },
    )


def _common(kernels: list[KernelUsage], zone: tzinfo, *, unit: str) -> dict[str, Any]:
    """The keys of every level; what a level has no one value for is None."""
    created_at = min(kernel.created_at for kernel in kernels)
    ends = [kernel.terminated_at for kernel in kernels if kernel.terminated_at is not None]
    terminated_at = max(ends) if len(ends) == len(kernels) else None
    first = kernels[0]
    known: dict[str, Any] = dict.fromkeys((*_OF_SESSIONS, *_OF_KERNELS))
    if unit != "project":
        known |= {name: _shared(kernels, attribute) for name, attribute in _OF_SESSIONS.items()}
    if unit == "kernel":
        known |= {name: getattr(first, attribute) for name, attribute in _OF_KERNELS.items()}
    history = known["status_history"] or {}
    return {
        **known,
        "status": known["status"] and known["status"].name,
        "created_at": created_at,
        "terminated_at": terminated_at,
        "scheduled_at": history.get(KernelStatus.SCHEDULED.name),
        "used_time": used_time(created_at, terminated_at),
        "used_days": used_days(created_at, terminated_at, zone),
        "project_id": first.group_id,
        "project_name": first.group_name,
        "domain_name": first.domain_name,
        "container_ids": _named(kernel.container_id for kernel in kernels),
        "images": _named(kernel.image for kernel in kernels),
        "agents": _named(kernel.agent for kernel in kernels),
        "extra_info": {},
        "group_unit": unit,
        "total_usage": total_of(kernels),
    }


def _shared(kernels: list[KernelUsage], attribute: str) -> object:
    """What all kernels agree on, else None."""
    values = {getattr(kernel, attribute) for kernel in kernels}
    return values.pop() if len(values) == 1 else None


def _named(words: Iterable[str | None]) -> list[str]:
    return sorted({word for word in words if word})
