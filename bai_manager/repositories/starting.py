"""Loads everything that starting a session's kernels takes, the environment included."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import and_, select

from bai_manager.clients.agent.protocol import (
    ClusterInfo,
    ImageSpec,
    KernelCreationConfig,
    MountSpec,
)
from bai_manager.models.container_registry import container_registries
from bai_manager.models.image import images
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import users
from bai_manager.sokovan.kernels import KernelStart, SessionStart
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, KernelStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.json import JsonObject

_SERVICE_PORTS_LABEL = "ai.backend.service-ports"


async def load_starts(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> list[SessionStart]:
    """The sessions that match, with those of their kernels that have an agent."""
    rows = await connection.execute(
        select(
            sessions.c.id.label("session_id"),
            sessions.c.name.label("session_name"),
            sessions.c.environ,
            sessions.c.cluster_mode,
            sessions.c.cluster_size,
            kernels.c.id.label("kernel_id"),
            kernels.c.status.label("kernel_status"),
            kernels.c.session_type,
            kernels.c.agent,
            kernels.c.agent_addr,
            kernels.c.access_key,
            kernels.c.scaling_group,
            kernels.c.cluster_role,
            kernels.c.cluster_idx,
            kernels.c.local_rank,
            kernels.c.cluster_hostname,
            kernels.c.requested_slots,
            kernels.c.resource_opts,
            kernels.c.vfolder_mounts,
            kernels.c.bootstrap_script,
            kernels.c.startup_command,
            kernels.c.internal_data,
            kernels.c.preopen_ports,
            kernels.c.uid,
            kernels.c.main_gid,
            kernels.c.gids,
            users.c.uuid.label("user_id"),
            users.c.email,
            users.c.username,
            images.c.name.label("canonical"),
            images.c.architecture,
            images.c.project,
            images.c.labels,
            images.c.config_digest,
            images.c.is_local,
            container_registries.c.registry_name,
            container_registries.c.url,
        )
        .select_from(
            sessions.join(kernels, kernels.c.session_id == sessions.c.id)
            .join(users, users.c.uuid == kernels.c.user_uuid)
            .join(
                images,
                and_(
                    images.c.name == kernels.c.image,
                    images.c.architecture == kernels.c.architecture,
                ),
            )
            .outerjoin(container_registries, container_registries.c.id == images.c.registry_id)
        )
        .where(where, kernels.c.agent.is_not(None))
        .order_by(
            sessions.c.created_at, sessions.c.id, kernels.c.cluster_role, kernels.c.cluster_idx
        )
    )
    by_session: defaultdict[UUID, list[AnyRow]] = defaultdict(list)
    for row in rows:
        by_session[row.session_id].append(row)
    return [_start(session_id, members) for session_id, members in by_session.items()]


def _start(session_id: UUID, members: Sequence[AnyRow]) -> SessionStart:
    replicas = Counter(row.cluster_role for row in members)
    shared = _shared_environ(members, replicas)
    return SessionStart(
        session_id=session_id,
        cluster=ClusterInfo(
            mode=ClusterMode.parse(members[0].cluster_mode).value,
            size=members[0].cluster_size,
            replicas=dict(replicas),
            network_config=_network(session_id, members[0]),
        ),
        image=_image(members[0]),
        kernels=[
            KernelStart(
                agent_id=row.agent,
                agent_addr=row.agent_addr,
                status=KernelStatus.parse(row.kernel_status),
                config=_config(row, shared),
            )
            for row in members
        ],
    )


def _network(session_id: UUID, row: AnyRow) -> JsonObject:
    single_node = ClusterMode.parse(row.cluster_mode) is ClusterMode.SINGLE_NODE
    if row.cluster_size > 1 and single_node:
        return {"mode": "bridge", "network_name": f"bai-singlenode-{session_id}"}
    return {}


def _config(row: AnyRow, shared: Mapping[str, str]) -> KernelCreationConfig:
    return KernelCreationConfig(
        kernel_id=row.kernel_id,
        session_id=row.session_id,
        image=_image(row),
        owner_user_id=row.user_id,
        session_type=SessionType.parse(row.session_type).value,
        cluster_mode=ClusterMode.parse(row.cluster_mode).value,
        cluster_role=row.cluster_role,
        cluster_idx=row.cluster_idx,
        cluster_hostname=row.cluster_hostname,
        local_rank=row.local_rank,
        resource_slots=ResourceSlot.from_json(row.requested_slots),
        resource_opts=row.resource_opts or {},
        environ={**shared, **_own_environ(row)},
        mounts=[MountSpec(**mount) for mount in row.vfolder_mounts or ()],
        bootstrap_script=row.bootstrap_script or None,
        startup_command=row.startup_command,
        internal_data=row.internal_data or {},
        preopen_ports=row.preopen_ports or (),
        agent_addr=row.agent_addr,
        scaling_group=row.scaling_group or "",
        uid=row.uid,
        main_gid=row.main_gid,
        supplementary_gids=row.gids or (),
    )


def _image(row: AnyRow) -> ImageSpec:
    return ImageSpec(
        canonical=row.canonical,
        architecture=row.architecture,
        project=row.project,
        registry={"name": row.registry_name or "", "url": row.url or ""},
        labels=row.labels or {},
        digest=row.config_digest,
        is_local=row.is_local,
    )


def _shared_environ(members: Sequence[AnyRow], replicas: Mapping[str, int]) -> dict[str, str]:
    """What every kernel of the session is told (``reference/state-machines.md`` §7.3)."""
    first = members[0]
    return {
        **(first.environ or {}),
        "BACKENDAI_USER_UUID": str(first.user_id),
        "BACKENDAI_USER_EMAIL": first.email,
        "BACKENDAI_USER_NAME": first.username or "",
        "BACKENDAI_SESSION_ID": str(first.session_id),
        "BACKENDAI_SESSION_NAME": first.session_name or "",
        "BACKENDAI_CLUSTER_SIZE": str(first.cluster_size),
        "BACKENDAI_CLUSTER_REPLICAS": ",".join(
            f"{role}:{count}" for role, count in replicas.items()
        ),
        "BACKENDAI_CLUSTER_HOSTS": ",".join(row.cluster_hostname for row in members),
        "BACKENDAI_ACCESS_KEY": first.access_key or "",
        "BACKENDAI_PREOPEN_PORTS": ",".join(str(port) for port in first.preopen_ports or ()),
    }


def _own_environ(row: AnyRow) -> dict[str, str]:
    return {
        "BACKENDAI_KERNEL_ID": str(row.kernel_id),
        "BACKENDAI_KERNEL_IMAGE": row.canonical,
        "BACKENDAI_CLUSTER_ROLE": row.cluster_role,
        "BACKENDAI_CLUSTER_IDX": str(row.cluster_idx),
        "BACKENDAI_CLUSTER_LOCAL_RANK": str(row.local_rank),
        "BACKENDAI_CLUSTER_HOST": row.cluster_hostname,
        "BACKENDAI_SERVICE_PORTS": (row.labels or {}).get(_SERVICE_PORTS_LABEL, ""),
    }
