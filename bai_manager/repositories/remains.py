"""What people and projects leave behind: found before a purge, dealt with in it.

The owner is given as a condition on the table in question, so that both are treated alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Text,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from bai_manager.models.endpoint import endpoint_tokens, endpoints
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.history import with_history
from bai_manager.types.names import VFOLDER_COLUMN, deleted_vfolder_name
from bai_manager.types.purge import EndpointRef, FolderRef, MountedFolder, SessionRef
from bai_manager.types.status import (
    KERNEL_DEAD,
    SESSION_DEAD,
    SESSION_TERMINAL,
    EndpointLifecycle,
    KernelStatus,
    SessionStatus,
    VFolderStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

FOLDER_REMOVABLE: Final = frozenset(
    {VFolderStatus.READY, VFolderStatus.DELETE_PENDING, VFolderStatus.ERROR}
)
"""Handed to deletion; what is being deleted, or is deleted, needs nothing more."""
FOLDER_BUSY: Final = frozenset(
    {VFolderStatus.PERFORMING, VFolderStatus.CLONING, VFolderStatus.MOUNTED}
)
"""Somebody works on it."""
_HEX: Final = 32
_SHARED_WITH = (
    select(func.count())
    .where(
        vfolder_permissions.c.vfolder == vfolders.c.id,
        vfolder_permissions.c.user.is_distinct_from(vfolders.c.user),
    )
    .correlate(vfolders)
    .scalar_subquery()
)
_INVITATIONS = (
    select(func.count())
    .where(vfolder_invitations.c.vfolder == vfolders.c.id)
    .correlate(vfolders)
    .scalar_subquery()
)


def session_owner() -> ColumnElement[UUID]:
    """Whose a session is: the user of its key pair, and where that is gone, who asked for it."""
    user = (
        select(keypairs.c.user)
        .where(keypairs.c.access_key == sessions.c.access_key)
        .correlate(sessions)
        .scalar_subquery()
    )
    return func.coalesce(user, sessions.c.user_uuid)


async def live_sessions(
    connection: AsyncConnection, owned: ColumnElement[bool]
) -> list[SessionRef]:
    """Sessions that are neither cancelled nor terminated, or have kernels that are not, by name.

    A session in ERROR is among them: it still holds its resources.
    """
    with_kernels = exists().where(
        kernels.c.session_id == sessions.c.id, kernels.c.status.not_in(KERNEL_DEAD)
    )
    rows = await connection.execute(
        select(sessions.c.id, sessions.c.name, sessions.c.status)
        .where(owned, or_(sessions.c.status.not_in(SESSION_DEAD), with_kernels))
        .order_by(sessions.c.name, sessions.c.id)
    )
    return [
        SessionRef(id=row.id, name=row.name or "", status=SessionStatus.parse(row.status))
        for row in rows
    ]


def alive(found: Iterable[SessionRef]) -> bool:
    """Whether one has to be ended by its agent, and not by a row alone."""
    return any(session.status not in SESSION_TERMINAL for session in found)


async def mounted_folders(
    connection: AsyncConnection, owned: ColumnElement[bool], *, besides: Collection[UUID] = ()
) -> list[MountedFolder]:
    """Folders in sessions that have not ended, but for the sessions ``besides``.

    Mounts name folders by ``<quota scope>/<hex>``.
    """
    listed = case(
        (func.jsonb_typeof(sessions.c.vfolder_mounts) == "array", sessions.c.vfolder_mounts),
        else_=literal_column("'[]'::jsonb"),
    )
    mounts = func.jsonb_array_elements(listed).table_valued(column("value", JSONB)).alias("mount")
    folder_hex = func.replace(cast(vfolders.c.id, Text), "-", "")
    rows = await connection.execute(
        select(
            vfolders.c.id.label("folder_id"),
            vfolders.c.name.label("folder_name"),
            sessions.c.id.label("session_id"),
            sessions.c.name.label("session_name"),
        )
        .select_from(
            sessions.join(mounts, true()).join(
                vfolders,
                func.right(mounts.c.value["vfid"].astext, _HEX) == folder_hex,
            )
        )
        .where(
            owned,
            sessions.c.status.not_in(SESSION_DEAD),
            sessions.c.id.not_in([*besides]),
        )
        .distinct()
        .order_by(vfolders.c.name, sessions.c.name, vfolders.c.id, sessions.c.id)
    )
    return [
        MountedFolder(
            folder_id=row.folder_id,
            folder_name=row.folder_name,
            session_id=row.session_id,
            session_name=row.session_name or "",
        )
        for row in rows
    ]


async def folders(
    connection: AsyncConnection, owned: ColumnElement[bool], *, locked: bool
) -> list[FolderRef]:
    """Folders by name, of any status; ``locked`` until the end of the transaction."""
    statement = (
        select(
            vfolders.c.id,
            vfolders.c.name,
            vfolders.c.host,
            vfolders.c.status,
            _SHARED_WITH.label("shared_with"),
            _INVITATIONS.label("invitations"),
        )
        .where(owned)
        .order_by(vfolders.c.name, vfolders.c.id)
    )
    rows = await connection.execute(
        statement.with_for_update(key_share=True) if locked else statement
    )
    return [
        FolderRef(
            id=row.id,
            name=row.name,
            host=row.host,
            status=VFolderStatus.parse(row.status),
            shared_with=row.shared_with,
            invitations=row.invitations,
        )
        for row in rows
    ]


async def services(connection: AsyncConnection, owned: ColumnElement[bool]) -> list[EndpointRef]:
    """Model services by name, destroyed ones too."""
    rows = await connection.execute(
        select(
            endpoints.c.id, endpoints.c.name, cast(endpoints.c.lifecycle_stage, Text).label("stage")
        )
        .where(owned)
        .order_by(endpoints.c.name, endpoints.c.id)
    )
    return [
        EndpointRef(id=row.id, name=row.name, lifecycle=EndpointLifecycle.parse(row.stage))
        for row in rows
    ]


async def end_errored_sessions(
    connection: AsyncConnection, session_ids: Collection[UUID], *, reason: str, now: datetime
) -> None:
    """Call sessions in ERROR terminated, which nothing else ends, and kernels left behind."""
    await connection.execute(
        update(sessions)
        .where(sessions.c.id.in_(session_ids), sessions.c.status == SessionStatus.ERROR)
        .values(
            status=SessionStatus.TERMINATED,
            status_info=reason,
            status_history=with_history(sessions, SessionStatus.TERMINATED, now),
            terminated_at=now,
        )
    )
    await connection.execute(
        update(kernels)
        .where(kernels.c.session_id.in_(session_ids), kernels.c.status.not_in(KERNEL_DEAD))
        .values(
            status=KernelStatus.TERMINATED,
            status_info=reason,
            status_changed=now,
            status_history=with_history(kernels, KernelStatus.TERMINATED, now),
            terminated_at=now,
        )
    )


async def hand_to_deletion(
    connection: AsyncConnection, folder_ids: Collection[UUID], *, now: datetime
) -> None:
    """Mark folders delete-ongoing and make room for their names; nobody may use them any more.

    (``reference/state-machines.md`` §4, the bulk deletion helper.)
    """
    suffix = deleted_vfolder_name("", now)
    await connection.execute(
        update(vfolders)
        .where(vfolders.c.id.in_(folder_ids))
        .values(
            status=VFolderStatus.DELETE_ONGOING.value,
            status_changed=now,
            status_history=with_history(vfolders, VFolderStatus.DELETE_ONGOING, now),
            name=func.left(vfolders.c.name, VFOLDER_COLUMN - len(suffix)).concat(suffix),
        )
    )
    for table in (vfolder_permissions, vfolder_invitations):
        await connection.execute(delete(table).where(table.c.vfolder.in_(folder_ids)))


async def delete_services(connection: AsyncConnection, endpoint_ids: Collection[UUID]) -> None:
    """Delete model services with their tokens; routes and scaling rules go with them."""
    await connection.execute(
        delete(endpoint_tokens).where(endpoint_tokens.c.endpoint.in_(endpoint_ids))
    )
    await connection.execute(delete(endpoints).where(endpoints.c.id.in_(endpoint_ids)))
