"""Kernels that ran within a period, with what they were given and used (``services.md`` §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select, true

from bai_manager.models.group import groups
from bai_manager.models.session import kernels
from bai_manager.models.user import users
from bai_manager.repositories.people import resolve_user
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, KernelStatus
from bai_manager.types.usage import KernelUsage

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.period import Period

_COLUMNS = (
    kernels.c.id,
    kernels.c.session_id,
    kernels.c.session_name,
    kernels.c.container_id,
    kernels.c.domain_name,
    kernels.c.group_id,
    groups.c.name.label("group_name"),
    kernels.c.access_key,
    kernels.c.user_uuid,
    users.c.email,
    users.c.full_name,
    kernels.c.agent,
    kernels.c.image,
    kernels.c.status,
    kernels.c.status_info,
    kernels.c.status_changed,
    kernels.c.status_history,
    kernels.c.cluster_mode,
    kernels.c.created_at,
    kernels.c.terminated_at,
    kernels.c.occupied_slots,
    kernels.c.attached_devices,
    kernels.c.resource_opts,
    kernels.c.vfolder_mounts,
    kernels.c.mounts,
    kernels.c.last_stat,
)
_KERNELS = kernels.join(groups, groups.c.id == kernels.c.group_id).outerjoin(
    users, users.c.uuid == kernels.c.user_uuid
)


class UsageRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def kernels_of_users(
        self, period: Period, *, user: str | None, visible: Visibility | None
    ) -> list[KernelUsage]:
        """Kernels of one user, or of all whose are visible. Raises ``UserNotFound``."""
        async with self._database.transaction() as connection:
            if user is not None:
                user_id = await resolve_user(connection, user)
                return await _within(connection, period, kernels.c.user_uuid == user_id)
            return await _within(connection, period, _visible(visible))

    async def kernels_of_groups(
        self, period: Period, *, group_ids: Collection[UUID], visible: Visibility | None
    ) -> list[KernelUsage]:
        """Kernels of some projects, or of all that are visible."""
        async with self._database.transaction() as connection:
            if group_ids:
                return await _within(connection, period, kernels.c.group_id.in_(group_ids))
            return await _within(connection, period, _visible(visible))


async def _within(
    connection: AsyncConnection, period: Period, owned: ColumnElement[bool]
) -> list[KernelUsage]:
    """Ended in the period or later, or running; created before its end. By time of ending."""
    rows = await connection.execute(
        select(*_COLUMNS)
        .select_from(_KERNELS)
        .where(
            owned,
            kernels.c.created_at < period.end,
            or_(
                kernels.c.status == KernelStatus.RUNNING,
                and_(
                    kernels.c.status == KernelStatus.TERMINATED,
                    kernels.c.terminated_at >= period.start,
                ),
            ),
        )
        .order_by(kernels.c.terminated_at.asc().nulls_last(), kernels.c.created_at, kernels.c.id)
    )
    return [_usage(row) for row in rows]


def _visible(visible: Visibility | None) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if visible is not None and visible.domain_name is not None:
        conditions.append(kernels.c.domain_name == visible.domain_name)
    if visible is not None and visible.user_id is not None:
        conditions.append(kernels.c.user_uuid == visible.user_id)
    return and_(*conditions)


def _usage(row: AnyRow) -> KernelUsage:
    return KernelUsage(
        id=row.id,
        session_id=row.session_id,
        session_name=row.session_name or "",
        container_id=row.container_id,
        domain_name=row.domain_name,
        group_id=row.group_id,
        group_name=row.group_name,
        access_key=row.access_key,
        user_id=row.user_uuid,
        user_email=row.email,
        full_name=row.full_name,
        agent=row.agent,
        image=row.image,
        status=KernelStatus.parse(row.status),
        status_info=row.status_info,
        status_changed=row.status_changed,
        status_history=row.status_history or {},
        cluster_mode=ClusterMode.parse(row.cluster_mode),
        created_at=row.created_at,
        terminated_at=row.terminated_at,
        occupied_slots=ResourceSlot.from_json(row.occupied_slots),
        attached_devices=row.attached_devices or {},
        resource_opts=row.resource_opts or {},
        vfolder_mounts=row.vfolder_mounts or [],
        mounts=row.mounts or [],
        last_stat=row.last_stat or {},
    )
