"""Changes to sessions that exist: their names, their priority, what a restart or a check tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs
from bai_manager.repositories.history import with_history
from bai_manager.repositories.session import NAME_INDEX, resolve_session
from bai_manager.repositories.session_rows import session_with_kernels
from bai_manager.repositories.versions import check_version, version_of
from bai_manager.services.session.errors import (
    InvalidSessionState,
    SessionAlreadyExists,
    SessionNotFound,
)
from bai_manager.services.session_change.types import Transit
from bai_manager.types.status import (
    SESSION_DEAD,
    KernelStatus,
    SessionStatus,
    derive_session_status,
)
from bai_manager.types.tristate import set_fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.clients.agent.protocol import KernelCreationInfo
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_change.types import SessionChanges
    from bai_manager.types.clock import Clock


class SessionChangeRepository:
    """Each method locks the session first, and with it its kernels."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def rename(self, session_id: UUID, new_name: str) -> SessionData:
        """Another name for a RUNNING session and its kernels.

        Raises ``InvalidSessionState`` for a session that does not run, in which case the name
        stays (a real manager changes it and complains), and ``SessionAlreadyExists``.
        """
        try:
            async with self._database.transaction() as connection:
                row = await _locked(connection, session_id)
                status = SessionStatus.parse(row.status)
                if status is not SessionStatus.RUNNING:
                    raise InvalidSessionState(row.name, status, "be renamed")
                await _set_name(connection, row, new_name)
                return await session_with_kernels(connection, session_id)
        except IntegrityError as error:
            raise _named(error, new_name) from error

    async def update(
        self, session_id: UUID, changes: SessionChanges, *, if_unchanged: str | None
    ) -> tuple[SessionData, list[str]]:
        """The session as it is now, and the names of the fields that have another value.

        Raises ``RowChanged`` and ``SessionAlreadyExists``.
        """
        values = set_fields(changes)
        try:
            async with self._database.transaction() as connection:
                row = await _locked(connection, session_id)
                check_version(f"Session {row.name!r}", expected=if_unchanged, found=row.version)
                changed = [name for name, value in values.items() if getattr(row, name) != value]
                if "name" in changed:
                    await _set_name(connection, row, str(values["name"]))
                if "priority" in changed:
                    await connection.execute(
                        update(sessions)
                        .where(sessions.c.id == session_id)
                        .values(priority=values["priority"])
                    )
                return await session_with_kernels(connection, session_id), changed
        except IntegrityError as error:
            raise _named(error, str(values.get("name"))) from error

    async def record_restart(self, session_id: UUID, infos: Sequence[KernelCreationInfo]) -> None:
        """Where restarted kernels listen now; those that have ended meanwhile stay as they are."""
        async with self._database.transaction() as connection:
            await _locked(connection, session_id)
            for info in infos:
                await connection.execute(
                    update(kernels)
                    .where(
                        kernels.c.id == info.kernel_id,
                        kernels.c.status == KernelStatus.RUNNING,
                    )
                    .values(
                        container_id=info.container_id,
                        repl_in_port=info.repl_in_port,
                        repl_out_port=info.repl_out_port,
                        stdin_port=info.stdin_port,
                        stdout_port=info.stdout_port,
                        service_ports=info.service_ports,
                    )
                )

    async def transit(self, session_id: UUID) -> Transit:
        """Give a session the status that its kernels imply, where the transition is legal.

        (``state-machines.md`` §1.2, §1.3.) Raises ``NoKernels`` and ``UnusedKernelStatus``.
        """
        async with self._database.transaction() as connection:
            row = await _locked(connection, session_id)
            now = self._clock()
            statuses = await connection.scalars(
                select(kernels.c.status)
                .where(kernels.c.session_id == session_id)
                .order_by(kernels.c.cluster_role, kernels.c.cluster_idx)
            )
            was = SessionStatus.parse(row.status)
            implied = derive_session_status([KernelStatus.parse(status) for status in statuses])
            status = implied if was.may_become(implied) else was
            if status is not was:
                await connection.execute(
                    update(sessions)
                    .where(sessions.c.id == session_id, sessions.c.status == was)
                    .values(
                        status=status,
                        status_history=with_history(sessions, status, now),
                        **({"terminated_at": now} if status in SESSION_DEAD else {}),
                    )
                )
            return Transit(
                session_id=session_id,
                name=row.name,
                was=was,
                status=status,
                access_key=row.access_key or "",
            )

    async def visible_ids(
        self, names: Sequence[str], visible: Visibility | None
    ) -> list[tuple[str, UUID | None]]:
        """The session meant by each name; None for what may not be seen."""
        found: list[tuple[str, UUID | None]] = []
        async with self._database.transaction() as connection:
            for name in names:
                try:
                    session_id = await resolve_session(connection, name, visible=_seen(visible))
                except SessionNotFound:
                    found.append((name, None))
                else:
                    found.append((name, session_id))
        return found


def _seen(visible: Visibility | None) -> ColumnElement[bool] | None:
    if visible is not None and visible.user_id is not None:
        own = select(keypairs.c.access_key).where(keypairs.c.user == visible.user_id)
        return or_(sessions.c.user_uuid == visible.user_id, sessions.c.access_key.in_(own))
    if visible is not None and visible.domain_name is not None:
        return sessions.c.domain_name == visible.domain_name
    return None


async def _locked(connection: AsyncConnection, session_id: UUID) -> AnyRow:
    row = (
        await connection.execute(
            select(
                sessions.c.id,
                sessions.c.name,
                sessions.c.status,
                sessions.c.priority,
                sessions.c.access_key,
                version_of(sessions),
            )
            .where(sessions.c.id == session_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise SessionNotFound(str(session_id))
    return row


async def _set_name(connection: AsyncConnection, row: AnyRow, new_name: str) -> None:
    """Raises ``SessionAlreadyExists`` when the owner has one of that name that is not ended.

    The index that sees to it among those that run or wait leaves out sessions in ERROR.
    """
    taken = await connection.scalar(
        select(sessions.c.id)
        .where(
            sessions.c.name == new_name,
            sessions.c.access_key == row.access_key,
            sessions.c.status.not_in(SESSION_DEAD),
            sessions.c.id != row.id,
        )
        .limit(1)
    )
    if taken is not None:
        raise SessionAlreadyExists(new_name)
    await connection.execute(update(sessions).where(sessions.c.id == row.id).values(name=new_name))
    await connection.execute(
        update(kernels).where(kernels.c.session_id == row.id).values(session_name=new_name)
    )


def _named(error: IntegrityError, name: str) -> Exception:
    return SessionAlreadyExists(name) if NAME_INDEX in str(error.orig) else error
