"""Removing a project for good: what would happen, and making it happen (``services.md`` §8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, select, update

from bai_manager.models.app_config import app_configs
from bai_manager.models.container_registry import association_container_registries_groups
from bai_manager.models.endpoint import endpoints, routings
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.network import networks
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.group import get_group_row, lock_group
from bai_manager.repositories.rbac import remove_scope
from bai_manager.repositories.remains import (
    FOLDER_BUSY,
    FOLDER_REMOVABLE,
    alive,
    delete_services,
    folders,
    hand_to_deletion,
    live_sessions,
    mounted_folders,
    services,
)
from bai_manager.services.group.errors import GroupPurgeChanged, PurgeGroupActionRefused
from bai_manager.services.group.purge import GroupRemains, plan_purge
from bai_manager.types.status import VFolderOwnershipType

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.group.types import GroupPurgePlan


class GroupPurgeRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def preview(self, group_id: UUID, *, destroying: bool) -> GroupPurgePlan:
        """What ``purge`` would do. Raises ``GroupNotFound``."""
        async with self._database.transaction() as connection:
            group = await get_group_row(connection, group_id)
            remains = await _remains(connection, group_id, destroying=destroying, locked=False)
            return plan_purge(group, remains, destroying=destroying)

    async def purge(self, shown: GroupPurgePlan, *, destroying: bool, now: datetime) -> None:
        """Do what was shown, whose sessions have been ended.

        Raises ``PurgeGroupActionRefused`` when something stands in the way, and
        ``GroupPurgeChanged`` when anything else is not what it was.
        """
        async with self._database.transaction() as connection:
            group = await lock_group(connection, shown.group_id, for_deletion=True)
            remains = await _remains(connection, group.id, destroying=destroying, locked=True)
            plan = plan_purge(group, remains, destroying=destroying)
            if plan.blockers:
                raise PurgeGroupActionRefused(group.name, plan.blockers)
            if not _same(plan, shown) or alive(plan.destroyed_sessions):
                raise GroupPurgeChanged(group.name)
            await _carry_out(connection, plan, now)


def _same(plan: GroupPurgePlan, shown: GroupPurgePlan) -> bool:
    """Equal but for sessions, which have been ended since."""
    return replace(plan, destroyed_sessions=[]) == replace(shown, destroyed_sessions=[])


async def _carry_out(connection: AsyncConnection, plan: GroupPurgePlan, now: datetime) -> None:
    """In an order that no foreign key forbids; the row of the project takes its members along."""
    group_id = plan.group_id
    await connection.execute(delete(routings).where(routings.c.project == group_id))
    await delete_services(connection, [service.id for service in plan.deleted_endpoints])
    await hand_to_deletion(connection, [folder.id for folder in plan.deleted_folders], now=now)
    await connection.execute(delete(kernels).where(kernels.c.group_id == group_id))
    await connection.execute(delete(sessions).where(sessions.c.group_id == group_id))
    await connection.execute(delete(networks).where(networks.c.project == group_id))
    await connection.execute(
        update(session_templates)
        .where(session_templates.c.group_id == group_id)
        .values(group_id=None)
    )
    registries = association_container_registries_groups
    await connection.execute(delete(registries).where(registries.c.group_id == group_id))
    of_project = and_(
        app_configs.c.scope_type == "PROJECT", app_configs.c.scope_id == str(group_id)
    )
    await connection.execute(delete(app_configs).where(of_project))
    await remove_scope(connection, "project", str(group_id))
    await connection.execute(delete(groups).where(groups.c.id == group_id))


async def _remains(
    connection: AsyncConnection, group_id: UUID, *, destroying: bool, locked: bool
) -> GroupRemains:
    owned = and_(
        vfolders.c.group == group_id,
        vfolders.c.ownership_type == VFolderOwnershipType.GROUP.value,
    )
    live = await live_sessions(connection, sessions.c.group_id == group_id)
    ended = {session.id for session in live} if destroying else set()
    return GroupRemains(
        live_sessions=live,
        mounted_folders=await mounted_folders(connection, owned, besides=ended),
        busy_folders=await folders(
            connection, and_(owned, vfolders.c.status.in_(FOLDER_BUSY)), locked=locked
        ),
        folders=await folders(
            connection, and_(owned, vfolders.c.status.in_(FOLDER_REMOVABLE)), locked=locked
        ),
        endpoints=await services(connection, endpoints.c.project == group_id),
        counts=await _counts(connection, group_id),
    )


async def _counts(connection: AsyncConnection, group_id: UUID) -> dict[str, int]:
    counted = {
        "sessions": sessions.c.group_id,
        "kernels": kernels.c.group_id,
        "memberships": association_groups_users.c.group_id,
        "networks": networks.c.project,
        "session_templates": session_templates.c.group_id,
    }
    row = (
        await connection.execute(
            select(
                *(
                    select(func.count()).where(project == group_id).scalar_subquery().label(name)
                    for name, project in counted.items()
                )
            )
        )
    ).one()
    return dict(row._mapping)  # noqa: SLF001 - a public name
