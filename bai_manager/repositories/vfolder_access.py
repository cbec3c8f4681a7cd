"""Which folders somebody reaches, by what right, and what may be done on their hosts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, and_, case, cast, exists, func, or_, select, union_all

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolder_permissions, vfolders
from bai_manager.repositories.session import id_matches
from bai_manager.services.vfolder.errors import TooManyVFoldersFound, VFolderNotFound
from bai_manager.types.errors import InvalidQuotaScope
from bai_manager.types.folder_access import FolderAccess, FolderReach
from bai_manager.types.status import (
    VFOLDER_DEAD,
    VFOLDER_INACCESSIBLE,
    UserRole,
    VFolderOwnershipType,
    VFolderStatus,
)
from bai_manager.types.vfolder import (
    VFOLDER_PERMISSION_OWNER,
    QuotaScopeID,
    StorageHost,
    VFolderHostPermission,
    VFolderID,
    VFolderPermission,
    host_permissions_from_json,
    merged_host_permissions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Label, Subquery
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.actor import Actor
    from bai_manager.repositories.rows import AnyRow, AnySelect

    HostMap = dict[str, frozenset[VFolderHostPermission]]

_USER: Final = VFolderOwnershipType.USER.value
_GROUP: Final = VFolderOwnershipType.GROUP.value
_EVERYTHING: Final = frozenset(VFolderHostPermission)
_RIGHTS: Final = (FolderReach.OWN, FolderReach.SHARED, FolderReach.PROJECT, FolderReach.OFFICE)
_MATCH_LIMIT: Final = 50
_owners = users.alias("owners")
"""Apart from the users that a statement may join."""


def is_own(user_id: UUID) -> ColumnElement[bool]:
    return and_(vfolders.c.ownership_type == _USER, vfolders.c.user == user_id)


def is_shared_with(user_id: UUID) -> ColumnElement[bool]:
    given = select(vfolder_permissions.c.vfolder).where(vfolder_permissions.c.user == user_id)
    return and_(vfolders.c.ownership_type == _USER, vfolders.c.id.in_(given))


def is_of_project_of(user_id: UUID) -> ColumnElement[bool]:
    theirs = select(association_groups_users.c.group_id).where(
        association_groups_users.c.user_id == user_id
    )
    return and_(vfolders.c.ownership_type == _GROUP, vfolders.c.group.in_(theirs))


def is_reachable_by(user_id: UUID) -> ColumnElement[bool]:
    """Own, shared, or a project's: without any office."""
    return or_(is_own(user_id), is_shared_with(user_id), is_of_project_of(user_id))


def is_under(domain_name: str | None) -> ColumnElement[bool]:
    """What an office reaches: all, or a domain's but for folders of superadmins."""
    if domain_name is None:
        return vfolders.c.id.is_not(None)
    superadmins = exists().where(
        _owners.c.uuid == vfolders.c.user, _owners.c.role == UserRole.SUPERADMIN.value
    )
    return and_(vfolders.c.domain_name == domain_name, ~superadmins)


def grants_to(user_id: UUID) -> Subquery:
    """What was given to one user alone, ``permission`` by ``vfolder``: to be joined once.

    Nothing keeps rows apart that say different things; the most counts, ``ro`` < ``rw`` < ``wd``.
    """
    permission = func.max(cast(vfolder_permissions.c.permission, Text)).label("permission")
    return (
        select(vfolder_permissions.c.vfolder, permission)
        .where(vfolder_permissions.c.user == user_id)
        .group_by(vfolder_permissions.c.vfolder)
        .subquery("grants")
    )


def access_columns(user_id: UUID, grants: Subquery) -> tuple[Label[str], ColumnElement[Any]]:
    """``reach`` and ``granted`` of each folder, beside which ``grants_to`` the user are joined."""
    reach = case(
        (is_own(user_id), FolderReach.OWN.value),
        (is_shared_with(user_id), FolderReach.SHARED.value),
        (is_of_project_of(user_id), FolderReach.PROJECT.value),
        else_=FolderReach.OFFICE.value,
    )
    return reach.label("reach"), grants.c.permission.label("granted")


def permission_of(row: AnyRow) -> VFolderPermission:
    """The viewer's permission on the content of a row with ``access_columns``."""
    own = None if row.permission is None else VFolderPermission.parse(row.permission)
    match FolderReach(row.reach):
        case FolderReach.OWN:
            return own or VFOLDER_PERMISSION_OWNER
        case FolderReach.OFFICE:
            return VFOLDER_PERMISSION_OWNER
        case _ if row.granted is not None:
            return VFolderPermission.parse(row.granted)
        case _:
            return own or VFolderPermission.READ_ONLY


def vfid_of(row: AnyRow) -> VFolderID:
    """Old rows have no quota scope, and one that cannot be read is none."""
    scope: QuotaScopeID | None = None
    with suppress(InvalidQuotaScope):
        scope = QuotaScopeID.parse(row.quota_scope_id or "")
    return VFolderID(scope, row.id)


def host_of(row: AnyRow) -> StorageHost:
    """What stands for a host, even if it is none: one bad row spoils no list."""
    return host_in(row.host)


def host_in(text: str) -> StorageHost:
    """The same for the column."""
    proxy, _, volume = text.partition(":")
    return StorageHost(proxy, volume)


async def allowed_hosts(
    connection: AsyncConnection,
    *,
    user_id: UUID,
    access_key: str,
    group_id: UUID | None = None,
) -> HostMap:
    """What somebody may do on storage hosts: domain, projects and key pair policy united.

    ``group_id`` adds a project of which the user need be no member
    (``reference/value-types.md`` §6).
    """
    member = exists().where(
        association_groups_users.c.group_id == groups.c.id,
        association_groups_users.c.user_id == user_id,
    )
    domain = select(users.c.domain_name).where(users.c.uuid == user_id).scalar_subquery()
    maps = union_all(
        select(domains.c.allowed_vfolder_hosts).where(
            domains.c.name == domain, domains.c.is_active
        ),
        select(groups.c.allowed_vfolder_hosts).where(
            groups.c.is_active, or_(member, groups.c.id == group_id)
        ),
        select(keypair_resource_policies.c.allowed_vfolder_hosts)
        .join(keypairs, keypairs.c.resource_policy == keypair_resource_policies.c.name)
        .where(keypairs.c.access_key == access_key),
    )
    found = (await connection.scalars(maps)).all()
    return merged_host_permissions(host_permissions_from_json(one) for one in found)


async def locate_folder(
    connection: AsyncConnection, folder: str, actor: Actor, *, in_trash: bool = False
) -> tuple[FolderAccess, AnyRow]:
    """The one folder that is meant, and its row with ``domain_name``, ``user`` and ``role``.

    Raises ``VFolderNotFound`` and ``TooManyVFoldersFound``.
    """
    rows = (await connection.execute(_found(folder, actor, in_trash=in_trash))).all()
    row = _meant(folder, rows, in_trash=in_trash)
    reach = FolderReach(row.reach)
    host = host_of(row)
    granted = _EVERYTHING
    if reach is not FolderReach.OFFICE and not host.is_noop:
        hosts = await allowed_hosts(connection, user_id=actor.user_id, access_key=actor.access_key)
        granted = hosts.get(row.host, frozenset())
    access = FolderAccess(
        user_id=actor.user_id,
        id=row.id,
        name=row.name,
        vfid=vfid_of(row),
        host=host,
        unmanaged_path=row.unmanaged_path or None,
        ownership_type=VFolderOwnershipType.parse(row.ownership_type),
        status=VFolderStatus.parse(row.status),
        reach=reach,
        permission=permission_of(row),
        host_permissions=granted,
    )
    return access, row


def _found(folder: str, actor: Actor, *, in_trash: bool) -> AnySelect:
    reachable, grants = is_reachable_by(actor.user_id), grants_to(actor.user_id)
    match actor.role:
        case UserRole.SUPERADMIN | UserRole.MONITOR:
            reachable = or_(reachable, is_under(None))
        case UserRole.ADMIN:
            reachable = or_(reachable, is_under(actor.domain_name))
        case UserRole.USER:
            pass
    gone = frozenset[VFolderStatus]() if in_trash else VFOLDER_INACCESSIBLE
    return (
        select(
            vfolders.c.id,
            vfolders.c.name,
            vfolders.c.host,
            vfolders.c.quota_scope_id,
            vfolders.c.unmanaged_path,
            vfolders.c.status,
            vfolders.c.domain_name,
            vfolders.c.user,
            cast(vfolders.c.ownership_type, Text).label("ownership_type"),
            cast(vfolders.c.permission, Text).label("permission"),
            cast(users.c.role, Text).label("role"),
            users.c.email,
            groups.c.name.label("project"),
            *access_columns(actor.user_id, grants),
        )
        .select_from(
            vfolders.outerjoin(users, users.c.uuid == vfolders.c.user)
            .outerjoin(groups, groups.c.id == vfolders.c.group)
            .outerjoin(grants, grants.c.vfolder == vfolders.c.id)
        )
        .where(
            or_(vfolders.c.name == folder, id_matches(vfolders.c.id, folder)),
            reachable,
            vfolders.c.status.not_in(gone),
        )
        .order_by(is_reachable_by(actor.user_id).desc(), vfolders.c.created_at, vfolders.c.id)
        .limit(_MATCH_LIMIT)
    )


def _meant(folder: str, rows: Sequence[AnyRow], *, in_trash: bool) -> AnyRow:
    """An id wins, then names by right and life, then a prefix of an id."""
    exact = [row for row in rows if str(row.id) == folder.lower() or row.id.hex == folder.lower()]
    named = [row for row in rows if row.name == folder]
    if exact:
        return exact[0]
    if named:
        best = min(_rank(row, in_trash=in_trash) for row in named)
        named = [row for row in named if _rank(row, in_trash=in_trash) == best]
    matches = named or [*rows]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise TooManyVFoldersFound(
            folder, [f"{row.name} of {row.email or row.project} ({row.id})" for row in matches]
        )
    raise VFolderNotFound(folder)


def _rank(row: AnyRow, *, in_trash: bool) -> tuple[bool, int]:
    dead = row.status in VFOLDER_DEAD
    return dead is not in_trash, _RIGHTS.index(FolderReach(row.reach))
