"""Folders whose storage hosts a key pair policy would no longer grant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, union

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolder_permissions, vfolders
from bai_manager.types.status import VFOLDER_HARD_DELETED
from bai_manager.types.vfolder import host_permissions_from_json, merged_host_permissions

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnySelect
    from bai_manager.types.vfolder import HostPermissions, VFolderHostPermission

_members: Final = association_groups_users


@dataclass(frozen=True, kw_only=True, slots=True)
class HostLoss:
    """What a key pair could no longer do on a host, where ``folders`` are in its user's reach."""

    access_key: str
    user_email: str
    host: str
    lost: frozenset[VFolderHostPermission]
    folders: int


async def host_losses(
    connection: AsyncConnection, policy: str, before: HostPermissions, after: HostPermissions
) -> tuple[HostLoss, ...]:
    """What the policy takes from its key pairs, and neither domain nor projects give them."""
    taken = {
        host: gone
        for host, permissions in before.items()
        if (gone := permissions - after.get(host, frozenset()))
    }
    if not taken:
        return ()
    holders = (
        await connection.execute(
            select(keypairs.c.access_key, users.c.uuid, users.c.email, users.c.domain_name)
            .join(users, users.c.uuid == keypairs.c.user)
            .where(keypairs.c.resource_policy == policy)
            .order_by(users.c.email, keypairs.c.access_key)
        )
    ).all()
    of_domains = await _of_domains(connection)
    of_projects = await _of_projects(connection, policy)
    folders = await _folders(connection, policy)
    found = []
    for one in holders:
        kept = merged_host_permissions(
            (of_domains.get(one.domain_name, {}), of_projects.get(one.uuid, {}))
        )
        found += [
            HostLoss(
                access_key=one.access_key,
                user_email=one.email,
                host=host,
                lost=lost,
                folders=folders.get((one.uuid, host), 0),
            )
            for host, gone in sorted(taken.items())
            if (lost := gone - kept.get(host, frozenset()))
        ]
    return tuple(found)


async def _of_domains(connection: AsyncConnection) -> dict[str, HostPermissions]:
    rows = await connection.execute(
        select(domains.c.name, domains.c.allowed_vfolder_hosts).where(domains.c.is_active)
    )
    return {row.name: host_permissions_from_json(row.allowed_vfolder_hosts) for row in rows}


async def _of_projects(connection: AsyncConnection, policy: str) -> dict[UUID, HostPermissions]:
    """What active projects allow their members, by user."""
    rows = await connection.execute(
        select(_members.c.user_id, groups.c.allowed_vfolder_hosts)
        .join(groups, groups.c.id == _members.c.group_id)
        .where(groups.c.is_active, _members.c.user_id.in_(_bound(policy)))
    )
    found: dict[UUID, HostPermissions] = {}
    for row in rows:
        allowed = host_permissions_from_json(row.allowed_vfolder_hosts)
        found[row.user_id] = merged_host_permissions((found.get(row.user_id, {}), allowed))
    return found


async def _folders(connection: AsyncConnection, policy: str) -> dict[tuple[UUID, str], int]:
    """How many folders each reaches on each host: own, shared, and of projects."""
    reach = union(
        select(vfolders.c.user.label("reader"), vfolders.c.id, vfolders.c.host, vfolders.c.status),
        select(vfolder_permissions.c.user, vfolders.c.id, vfolders.c.host, vfolders.c.status).join(
            vfolders, vfolders.c.id == vfolder_permissions.c.vfolder
        ),
        select(_members.c.user_id, vfolders.c.id, vfolders.c.host, vfolders.c.status).join(
            vfolders, vfolders.c.group == _members.c.group_id
        ),
    ).subquery()
    rows = await connection.execute(
        select(reach.c.reader, reach.c.host, func.count().label("amount"))
        .where(reach.c.status.not_in(VFOLDER_HARD_DELETED), reach.c.reader.in_(_bound(policy)))
        .group_by(reach.c.reader, reach.c.host)
    )
    return {(row.reader, row.host): row.amount for row in rows}


def _bound(policy: str) -> AnySelect:
    return select(keypairs.c.user).where(keypairs.c.resource_policy == policy)
