"""Removing a user for good: what would happen, and making it happen (``services.md`` §7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, delete, exists, func, select, update

from bai_manager.models.app_config import app_configs
from bai_manager.models.audit import error_logs
from bai_manager.models.endpoint import endpoint_tokens, endpoints, routings
from bai_manager.models.group import association_groups_users
from bai_manager.models.rbac import association_scopes_entities
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.people import resolve_user
from bai_manager.repositories.rbac import remove_scope
from bai_manager.repositories.remains import (
    FOLDER_BUSY,
    FOLDER_REMOVABLE,
    alive,
    delete_services,
    end_errored_sessions,
    folders,
    hand_to_deletion,
    live_sessions,
    mounted_folders,
    services,
    session_owner,
)
from bai_manager.repositories.user_changes import keep_a_superadmin
from bai_manager.repositories.user_rows import get_user_row, lock_user
from bai_manager.services.user.errors import NoHeir, UserPurgeChanged, UserPurgeFailure
from bai_manager.services.user.purge import UserRemains, plan_purge
from bai_manager.services.user.types import Endpoints, SharedFolders
from bai_manager.types.lifecycle import KernelLifecycleEventReason as Reason
from bai_manager.types.status import UserStatus, VFolderOwnershipType

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.services.user.types import UserData, UserPurgeChoices, UserPurgePlan
    from bai_manager.types.purge import EndpointRef

_USER_SCOPE: Final = "user"


class UserPurgeRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def preview(
        self, user: str, choices: UserPurgeChoices, *, requester: UUID | None
    ) -> UserPurgePlan:
        """What ``purge`` would do. Raises ``UserNotFound``, ``NoHeir`` and ``LastSuperadmin``."""
        async with self._database.transaction() as connection:
            found = await get_user_row(connection, await resolve_user(connection, user))
            await keep_a_superadmin(connection, found)
            heir = await _heir(connection, found, choices, requester, locked=False)
            remains = await _remains(connection, found, heir, choices, locked=False)
            return plan_purge(found, heir, choices, remains)

    async def purge(
        self,
        shown: UserPurgePlan,
        choices: UserPurgeChoices,
        *,
        requester: UUID | None,
        now: datetime,
    ) -> None:
        """Do what was shown, whose sessions have been ended.

        Raises ``UserPurgeFailure`` when something stands in the way, ``UserPurgeChanged`` when
        anything else is not what it was, ``NoHeir`` and ``LastSuperadmin``.
        """
        async with self._database.transaction() as connection:
            found = await lock_user(connection, shown.user_id, for_deletion=True)
            await keep_a_superadmin(connection, found)
            heir = await _heir(connection, found, choices, requester, locked=True)
            remains = await _remains(connection, found, heir, choices, locked=True)
            plan = plan_purge(found, heir, choices, remains)
            if plan.blockers:
                raise UserPurgeFailure(found.email, plan.blockers)
            if not _same(plan, shown) or alive(plan.destroyed_sessions):
                raise UserPurgeChanged(found.email)
            await _carry_out(connection, found, heir, plan, now)


async def _carry_out(
    connection: AsyncConnection,
    user: UserData,
    heir: UserData | None,
    plan: UserPurgePlan,
    now: datetime,
) -> None:
    """In an order that no foreign key forbids."""
    errored = [session.id for session in plan.destroyed_sessions]
    await end_errored_sessions(connection, errored, reason=Reason.USER_PURGED.value, now=now)
    if heir is not None:
        await _migrate_folders(connection, user, heir, plan)
        await _delegate_endpoints(connection, user, heir, plan.delegated_endpoints)
    await delete_services(connection, [service.id for service in plan.deleted_endpoints])
    await hand_to_deletion(connection, [folder.id for folder in plan.deleted_folders], now=now)
    await _give_back_routes(connection, user)
    for table, condition in _of_user(user):
        await connection.execute(delete(table).where(condition))
    await remove_scope(connection, _USER_SCOPE, str(user.id))
    await connection.execute(delete(users).where(users.c.uuid == user.id))


def _of_user(user: UserData) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """The rows that go with a user, whatever was chosen."""
    return (
        (vfolder_permissions, vfolder_permissions.c.user == user.id),
        (vfolder_invitations, vfolder_invitations.c.invitee == user.email),
        (session_templates, session_templates.c.user_uuid == user.id),
        (error_logs, error_logs.c.user == user.id),
        (
            app_configs,
            and_(app_configs.c.scope_type == "USER", app_configs.c.scope_id == str(user.id)),
        ),
        (association_groups_users, association_groups_users.c.user_id == user.id),
        (keypairs, keypairs.c.user == user.id),
    )


def _same(plan: UserPurgePlan, shown: UserPurgePlan) -> bool:
    """Equal but for sessions, which have been ended since."""
    return replace(plan, destroyed_sessions=[]) == replace(shown, destroyed_sessions=[])


async def _heir(
    connection: AsyncConnection,
    user: UserData,
    choices: UserPurgeChoices,
    requester: UUID | None,
    *,
    locked: bool,
) -> UserData | None:
    """Who gets what is migrated or delegated; None where nothing is. Raises ``NoHeir``."""
    gives = {
        choices.shared_folders is SharedFolders.MIGRATE,
        choices.endpoints is Endpoints.DELEGATE,
    }
    if True not in gives:
        return None
    heir_id = requester if choices.heir is None else await resolve_user(connection, choices.heir)
    if heir_id is None or heir_id == user.id:
        raise NoHeir(
            f"{user.email} cannot inherit from itself.", hint="Name another user with --heir USER."
        )
    heir = await (lock_user if locked else get_user_row)(connection, heir_id)
    if heir.status is not UserStatus.ACTIVE:
        raise NoHeir(
            f"{heir.email} is {heir.status.value}, so it can inherit nothing.",
            hint="Name an active user with --heir USER.",
        )
    if choices.endpoints is Endpoints.DELEGATE and heir.main_access_key is None:
        raise NoHeir(
            f"{heir.email} has no main key pair, under which the sessions of model services run.",
            hint=f"Give one with 'bai-manager user update {heir.email} --main-access-key KEY'.",
        )
    return heir


async def _remains(
    connection: AsyncConnection,
    user: UserData,
    heir: UserData | None,
    choices: UserPurgeChoices,
    *,
    locked: bool,
) -> UserRemains:
    owned = and_(
        vfolders.c.user == user.id, vfolders.c.ownership_type == VFolderOwnershipType.USER.value
    )
    shared = exists().where(
        vfolder_permissions.c.vfolder == vfolders.c.id, vfolder_permissions.c.user != user.id
    )
    of_services = set()
    own_services = await services(connection, endpoints.c.session_owner == user.id)
    if choices.endpoints is Endpoints.DELEGATE:
        of_services = await _sessions_of(connection, own_services)
    live = [
        session
        for session in await live_sessions(connection, session_owner() == user.id)
        if session.id not in of_services
    ]
    ended = {session.id for session in live} if choices.destroy_sessions else set()
    return UserRemains(
        live_sessions=live,
        mounted_folders=await mounted_folders(connection, owned, besides=ended),
        busy_folders=await folders(
            connection, and_(owned, vfolders.c.status.in_(FOLDER_BUSY)), locked=locked
        ),
        shared_folders=await folders(
            connection,
            and_(owned, shared, vfolders.c.status.in_(FOLDER_REMOVABLE)),
            locked=locked,
        ),
        other_folders=await folders(
            connection,
            and_(owned, ~shared, vfolders.c.status.in_(FOLDER_REMOVABLE)),
            locked=locked,
        ),
        heirs_folder_names=frozenset()
        if heir is None
        else frozenset(
            await connection.scalars(select(vfolders.c.name).where(vfolders.c.user == heir.id))
        ),
        endpoints=own_services,
        keypairs=list(
            await connection.scalars(
                select(keypairs.c.access_key)
                .where(keypairs.c.user == user.id)
                .order_by(keypairs.c.access_key)
            )
        ),
        counts=await _counts(connection, user),
    )


async def _counts(connection: AsyncConnection, user: UserData) -> dict[str, int]:
    counted = {
        "memberships": association_groups_users,
        "folder_permissions": vfolder_permissions,
        "invitations": vfolder_invitations,
        "session_templates": session_templates,
        "error_logs": error_logs,
    }
    conditions = dict(_of_user(user))
    row = (
        await connection.execute(
            select(
                *(
                    select(func.count()).where(conditions[table]).scalar_subquery().label(name)
                    for name, table in counted.items()
                )
            )
        )
    ).one()
    return dict(row._mapping)  # noqa: SLF001 - a public name


async def _sessions_of(connection: AsyncConnection, services_: list[EndpointRef]) -> set[UUID]:
    """Sessions that model services run in."""
    ids = [service.id for service in services_]
    return set(
        await connection.scalars(
            select(routings.c.session).where(
                routings.c.endpoint.in_(ids), routings.c.session.is_not(None)
            )
        )
    )


async def _migrate_folders(
    connection: AsyncConnection, user: UserData, heir: UserData, plan: UserPurgePlan
) -> None:
    """The heir owns the folders, in the quota scope they were in, under names that are free."""
    for folder in plan.migrated_folders:
        await connection.execute(
            update(vfolders)
            .where(vfolders.c.id == folder.id)
            .values(user=heir.id, name=folder.new_name or folder.name)
        )
    ids = [folder.id for folder in plan.migrated_folders]
    await connection.execute(
        delete(vfolder_permissions).where(
            vfolder_permissions.c.vfolder.in_(ids), vfolder_permissions.c.user == heir.id
        )
    )
    await connection.execute(
        delete(vfolder_invitations).where(
            vfolder_invitations.c.vfolder.in_(ids), vfolder_invitations.c.invitee == heir.email
        )
    )
    places = association_scopes_entities
    texts = [str(folder_id) for folder_id in ids]
    in_scope = and_(places.c.scope_type == _USER_SCOPE, places.c.entity_id.in_(texts))
    await connection.execute(delete(places).where(in_scope, places.c.scope_id == str(heir.id)))
    await connection.execute(
        update(places)
        .where(in_scope, places.c.scope_id == str(user.id))
        .values(scope_id=str(heir.id))
    )


async def _give_back_routes(connection: AsyncConnection, user: UserData) -> None:
    """A route of somebody else's service belongs to the service's owner."""
    await connection.execute(
        update(routings)
        .where(routings.c.session_owner == user.id, endpoints.c.id == routings.c.endpoint)
        .values(session_owner=endpoints.c.session_owner)
    )


async def _delegate_endpoints(
    connection: AsyncConnection,
    user: UserData,
    heir: UserData,
    delegated: list[EndpointRef],
) -> None:
    """The heir owns the services with their tokens, routes and sessions."""
    ids = [service.id for service in delegated]
    of_services = await _sessions_of(connection, delegated)
    creator = case((endpoints.c.created_user == user.id, heir.id), else_=endpoints.c.created_user)
    await connection.execute(
        update(endpoints)
        .where(endpoints.c.id.in_(ids))
        .values(session_owner=heir.id, created_user=creator)
    )
    for table in (endpoint_tokens, routings):
        await connection.execute(
            update(table).where(table.c.endpoint.in_(ids)).values(session_owner=heir.id)
        )
    new_owner = {"user_uuid": heir.id, "access_key": heir.main_access_key}
    await connection.execute(
        update(sessions).where(sessions.c.id.in_(of_services)).values(new_owner)
    )
    await connection.execute(
        update(kernels).where(kernels.c.session_id.in_(of_services)).values(new_owner)
    )
