"""Small worlds for scheduler tests: everything has a default, a test names what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from bai_manager.sokovan.snapshot import (
    AgentSnapshot,
    KeypairLimits,
    Limits,
    Occupancy,
    PendingKernel,
    PendingSession,
    SchedulingConfig,
    Snapshot,
)
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bai_manager.sokovan.snapshot import Dependency

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIB = 1 << 30


def uid(number: int) -> UUID:
    return UUID(int=number)


USER, PROJECT = uid(0xA), uid(0xB)


def slots(cpu: float | str = 1, mem: int = 0, **others: float | str) -> ResourceSlot:
    """``cuda=1`` is the slot ``cuda.device``."""
    named = {"cpu": cpu, "mem": mem * GIB}
    return ResourceSlot({**named, **{f"{name}.device": n for name, n in others.items()}})


def session(
    number: int,
    requested: ResourceSlot | Sequence[ResourceSlot] = slots(),  # noqa: B008 - immutable
    *,
    architecture: str | Sequence[str] = "x86_64",
    age: float | None = None,
    kind: SessionType = SessionType.INTERACTIVE,
    mode: ClusterMode = ClusterMode.SINGLE_NODE,
    priority: int = 10,
    access_key: str = "AK",
    user: UUID = USER,
    project: UUID = PROJECT,
    domain: str = "default",
    starts_at: datetime | None = None,
    designated: tuple[str, ...] = (),
    dependencies: tuple[Dependency, ...] = (),
    endpoint: UUID | None = None,
) -> PendingSession:
    """Number ``n`` came before ``n + 1``; its kernels have ids ``n * 1000 + index``."""
    each = [requested] if isinstance(requested, ResourceSlot) else list(requested)
    if isinstance(architecture, str):
        architecture = [architecture] * len(each)
    created = NOW - timedelta(seconds=100_000 - number if age is None else age)
    return PendingSession(
        id=uid(number),
        creation_id=f"creation-{number}",
        name=f"session-{number}",
        access_key=access_key,
        user_id=user,
        group_id=project,
        domain_name=domain,
        scaling_group="default",
        session_type=kind,
        cluster_mode=mode,
        cluster_size=len(each),
        priority=priority,
        created_at=created,
        starts_at=starts_at,
        kernels=tuple(
            PendingKernel(
                kernel_id=uid(number * 1000 + index), architecture=arch, requested_slots=one
            )
            for index, (one, arch) in enumerate(zip(each, architecture, strict=True))
        ),
        designated_agent_ids=designated,
        dependencies=dependencies,
        endpoint_id=endpoint,
    )


def agent(
    name: str,
    available: ResourceSlot = slots(8, 32),  # noqa: B008 - immutable
    occupied: ResourceSlot = slots(0),  # noqa: B008 - immutable
    *,
    architecture: str = "x86_64",
    containers: int = 0,
    replicas: dict[UUID, int] | None = None,
) -> AgentSnapshot:
    return AgentSnapshot(
        id=name,
        addr=f"tcp://{name}:6001",
        architecture=architecture,
        available=available,
        occupied=occupied,
        container_count=containers,
        endpoint_replicas=replicas or {},
    )


def world(
    pending: Iterable[PendingSession],
    agents: Iterable[AgentSnapshot] = (),
    *,
    limits: Limits | None = None,
    occupancy: Occupancy | None = None,
    config: SchedulingConfig | None = None,
) -> Snapshot:
    return Snapshot(
        now=NOW,
        scaling_group="default",
        config=config or SchedulingConfig(),
        pending=tuple(pending),
        agents=tuple(agents),
        limits=limits or Limits(),
        occupancy=occupancy or Occupancy(),
    )


def keypair_limits(
    *,
    resource_slots: ResourceSlot | None = None,
    max_concurrent_sessions: int | None = None,
    max_concurrent_sftp_sessions: int | None = None,
    max_pending_session_count: int | None = None,
    max_pending_session_resource_slots: ResourceSlot | None = None,
) -> Limits:
    """Limit the keypair ``AK``."""
    policy = KeypairLimits(
        resource_slots=resource_slots,
        max_concurrent_sessions=max_concurrent_sessions,
        max_concurrent_sftp_sessions=max_concurrent_sftp_sessions,
        max_pending_session_count=max_pending_session_count,
        max_pending_session_resource_slots=max_pending_session_resource_slots,
    )
    return Limits(keypairs={"AK": policy})
