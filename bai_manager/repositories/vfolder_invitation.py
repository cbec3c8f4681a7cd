"""Invitations to folders, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, insert, or_, select, update

from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.query import Field, apply_query, filters_on
from bai_manager.repositories.session import id_matches
from bai_manager.repositories.vfolder_limits import check_name_is_free
from bai_manager.repositories.vfolder_rbac import grant_folder
from bai_manager.repositories.vfolder_rows import check_status, lock_folder
from bai_manager.repositories.vfolder_shares import put_permission
from bai_manager.services.vfolder.errors import VFolderGrantAlreadyExists, VFolderInvalidParameter
from bai_manager.services.vfolder_invitation.errors import (
    InvitationAnswered,
    InviteeNotFound,
    TooManyInvitationsFound,
    VFolderInvitationNotFound,
)
from bai_manager.services.vfolder_invitation.types import InvitationData
from bai_manager.types.query import ID, TEXT, TIME, FieldKind
from bai_manager.types.status import (
    VFOLDER_UPDATABLE,
    UserRole,
    UserStatus,
    VFolderInvitationState,
)
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.actor import Actor
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.types.folder_access import FolderAccess
    from bai_manager.types.query import Query

_INVITATIONS = vfolder_invitations
_STATE: ColumnElement[Any] = cast(_INVITATIONS.c.state, Text)
_PERMISSION: ColumnElement[Any] = cast(_INVITATIONS.c.permission, Text)
_PENDING = VFolderInvitationState.PENDING.value
_MATCH_LIMIT = 10

INVITATION_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, _INVITATIONS.c.id),
    "vfolder_id": Field(ID, _INVITATIONS.c.vfolder),
    "vfolder_name": Field(TEXT, vfolders.c.name),
    "inviter": Field(TEXT, _INVITATIONS.c.inviter),
    "invitee": Field(TEXT, _INVITATIONS.c.invitee),
    "permission": Field(FieldKind.choice(VFolderPermission), _PERMISSION),
    "state": Field(FieldKind.choice(VFolderInvitationState), _STATE),
    "created_at": Field(TIME, _INVITATIONS.c.created_at),
    "modified_at": Field(TIME, _INVITATIONS.c.modified_at),
}


async def locate_invitation(
    connection: AsyncConnection, invitation: str, actor: Actor, *, as_inviter: bool
) -> AnyRow:
    """Its ``id``, and ``uuid``, ``role`` and ``domain_name`` of the user it belongs to.

    Raises ``VFolderInvitationNotFound`` and ``TooManyInvitationsFound``.
    """
    side = _INVITATIONS.c.inviter if as_inviter else _INVITATIONS.c.invitee
    rows = (
        await connection.execute(
            select(
                _INVITATIONS.c.id,
                users.c.uuid,
                users.c.domain_name,
                cast(users.c.role, Text).label("role"),
            )
            .select_from(_INVITATIONS.outerjoin(users, users.c.email == side))
            .where(id_matches(_INVITATIONS.c.id, invitation), _concerns(actor))
            .order_by(_INVITATIONS.c.id)
            .limit(_MATCH_LIMIT)
        )
    ).all()
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise TooManyInvitationsFound(invitation, [str(row.id) for row in rows])
    raise VFolderInvitationNotFound(invitation)


def _concerns(actor: Actor) -> ColumnElement[bool]:
    """Invitations that the actor sent or got; by office, those of the domain, or all."""
    mine = or_(_INVITATIONS.c.inviter == actor.email, _INVITATIONS.c.invitee == actor.email)
    match actor.role:
        case UserRole.SUPERADMIN | UserRole.MONITOR:
            return _INVITATIONS.c.id.is_not(None)
        case UserRole.ADMIN:
            return or_(mine, users.c.domain_name == actor.domain_name)
        case UserRole.USER:
            return mine


class VFolderInvitationRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_invitations(
        self, query: Query, *, user_id: UUID, sent: bool, answered: bool
    ) -> list[InvitationData]:
        """Oldest first."""
        me = select(users.c.email).where(users.c.uuid == user_id).scalar_subquery()
        side = _INVITATIONS.c.inviter if sent else _INVITATIONS.c.invitee
        statement = _invitation_select().where(side == me)
        if not answered and not filters_on(query, "state"):
            statement = statement.where(_INVITATIONS.c.state == _PENDING)
        statement = apply_query(
            statement,
            query,
            INVITATION_FIELDS,
            default_order=(_INVITATIONS.c.created_at, _INVITATIONS.c.id),
        )
        async with self._database.transaction() as connection:
            return [_invitation(row) for row in await connection.execute(statement)]

    async def invite(
        self, access: FolderAccess, emails: Sequence[str], permission: VFolderPermission
    ) -> tuple[list[InvitationData], list[InvitationData]]:
        """New invitations, and those of the same inviter that wait for an answer already.

        Raises ``InviteeNotFound``, ``VFolderGrantAlreadyExists``, ``VFolderInvalidParameter``
        for the owner, and ``VFolderFilterStatusFailed``.
        """
        async with self._database.transaction() as connection:
            folder = await lock_folder(connection, access.id, viewer=access.user_id)
            check_status(folder, VFOLDER_UPDATABLE, "be offered")
            if folder.owner in emails:
                raise VFolderInvalidParameter(f"{folder.owner} owns folder {folder.name!r}.")
            await _check_invitees(connection, folder.id, folder.name, emails)
            inviter = await connection.scalar(
                select(users.c.email).where(users.c.uuid == access.user_id)
            )
            between = (_INVITATIONS.c.vfolder == folder.id, _INVITATIONS.c.inviter == inviter)
            pending = await _read(
                connection,
                *between,
                _INVITATIONS.c.state == _PENDING,
                _INVITATIONS.c.invitee.in_(emails),
            )
            waiting = {one.invitee for one in pending}
            ids = [
                await connection.scalar(
                    insert(_INVITATIONS)
                    .values(
                        permission=permission.value,
                        inviter=inviter,
                        invitee=email,
                        state=_PENDING,
                        vfolder=folder.id,
                    )
                    .returning(_INVITATIONS.c.id)
                )
                for email in dict.fromkeys(emails)
                if email not in waiting
            ]
            return await _read(connection, _INVITATIONS.c.id.in_(ids)), pending

    async def accept(self, invitation_id: UUID) -> InvitationData:
        """The invitee may use the folder from now on.

        Raises ``InvitationAnswered``, ``VFolderAlreadyExists``, ``InviteeNotFound`` and
        ``VFolderFilterStatusFailed``.
        """
        async with self._database.transaction() as connection:
            asked = await _pending(connection, invitation_id)
            invitee: UUID | None = await connection.scalar(
                select(users.c.uuid)
                .where(users.c.email == asked.invitee, users.c.status == UserStatus.ACTIVE.value)
                .with_for_update(key_share=True)
            )
            if invitee is None:
                raise InviteeNotFound([asked.invitee])
            folder = await lock_folder(connection, asked.vfolder_id, viewer=invitee)
            asked = await _pending(connection, invitation_id, locked=True)
            check_status(folder, VFOLDER_UPDATABLE, "be accepted")
            await check_name_is_free(
                connection, folder.name, user_id=invitee, besides=folder.id, whose=asked.invitee
            )
            await put_permission(connection, folder.id, invitee, asked.permission)
            await grant_folder(connection, folder.id, invitee, asked.permission)
            return await _answer(connection, invitation_id, VFolderInvitationState.ACCEPTED)

    async def close(self, invitation_id: UUID, state: VFolderInvitationState) -> InvitationData:
        """Rejected or canceled. Raises ``InvitationAnswered``."""
        async with self._database.transaction() as connection:
            await _pending(connection, invitation_id, locked=True)
            return await _answer(connection, invitation_id, state)

    async def update(self, invitation_id: UUID, permission: VFolderPermission) -> InvitationData:
        """Offer something else. Raises ``InvitationAnswered``."""
        async with self._database.transaction() as connection:
            await _pending(connection, invitation_id, locked=True)
            await connection.execute(
                update(_INVITATIONS)
                .where(_INVITATIONS.c.id == invitation_id)
                .values(permission=permission.value, modified_at=func.now())
            )
            return (await _read(connection, _INVITATIONS.c.id == invitation_id))[0]


async def _check_invitees(
    connection: AsyncConnection, folder_id: UUID, name: str, emails: Sequence[str]
) -> None:
    active = await connection.scalars(
        select(users.c.email).where(
            users.c.email.in_(emails), users.c.status == UserStatus.ACTIVE.value
        )
    )
    if unknown := sorted({*emails} - {*active}):
        raise InviteeNotFound(unknown)
    having = await connection.scalars(
        select(users.c.email)
        .join(vfolder_permissions, vfolder_permissions.c.user == users.c.uuid)
        .where(vfolder_permissions.c.vfolder == folder_id, users.c.email.in_(emails))
        .order_by(users.c.email)
    )
    if found := having.all():
        raise VFolderGrantAlreadyExists(name, found)


async def _pending(
    connection: AsyncConnection, invitation_id: UUID, *, locked: bool = False
) -> InvitationData:
    if locked:
        await connection.execute(
            select(_INVITATIONS.c.id).where(_INVITATIONS.c.id == invitation_id).with_for_update()
        )
    found = await _read(connection, _INVITATIONS.c.id == invitation_id)
    if not found:
        raise VFolderInvitationNotFound(str(invitation_id))
    if found[0].state is not VFolderInvitationState.PENDING:
        raise InvitationAnswered(found[0].vfolder_name, found[0].state)
    return found[0]


async def _answer(
    connection: AsyncConnection, invitation_id: UUID, state: VFolderInvitationState
) -> InvitationData:
    await connection.execute(
        update(_INVITATIONS)
        .where(_INVITATIONS.c.id == invitation_id)
        .values(state=state.value, modified_at=func.now())
    )
    return (await _read(connection, _INVITATIONS.c.id == invitation_id))[0]


async def _read(connection: AsyncConnection, *where: ColumnElement[bool]) -> list[InvitationData]:
    rows = await connection.execute(
        _invitation_select().where(*where).order_by(_INVITATIONS.c.invitee)
    )
    return [_invitation(row) for row in rows]


def _invitation_select() -> AnySelect:
    return select(
        _INVITATIONS.c.id,
        _INVITATIONS.c.vfolder,
        vfolders.c.name,
        _INVITATIONS.c.inviter,
        _INVITATIONS.c.invitee,
        _PERMISSION.label("permission"),
        _STATE.label("state"),
        _INVITATIONS.c.created_at,
        _INVITATIONS.c.modified_at,
    ).select_from(_INVITATIONS.join(vfolders, vfolders.c.id == _INVITATIONS.c.vfolder))


def _invitation(row: AnyRow) -> InvitationData:
    return InvitationData(
        id=row.id,
        vfolder_id=row.vfolder,
        vfolder_name=row.name,
        inviter=row.inviter or "",
        invitee=row.invitee,
        permission=VFolderPermission.parse(row.permission or VFolderPermission.READ_WRITE),
        state=VFolderInvitationState.parse(row.state or _PENDING),
        created_at=row.created_at,
        modified_at=row.modified_at,
    )
