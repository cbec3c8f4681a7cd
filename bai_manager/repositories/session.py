"""``sessions`` and ``kernels`` as callers see them: finding, listing, creating, marking."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Text, cast, false, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.history import time_under_lock
from bai_manager.repositories.query import apply_query, filters_on
from bai_manager.repositories.session_rows import (
    KERNEL_FIELDS,
    SESSION_FIELDS,
    SESSIONS_WITH_OWNERS,
    kernel_of,
    kernel_select,
    session_of,
    session_select,
    session_with_kernels,
)
from bai_manager.repositories.session_writes import (
    cancel_pending,
    insert_dependencies,
    insert_session,
    mark_terminating,
)
from bai_manager.services.session.errors import (
    KernelNotFound,
    SessionAlreadyExists,
    SessionNotFound,
    TooManyKernelsFound,
    TooManySessionsMatched,
)
from bai_manager.types.status import (
    SESSION_DEAD,
    SESSION_NAME_UNIQUE,
    SESSION_TERMINAL,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.occupancy import QuotaState
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.services.session.types import KernelData, SessionData
    from bai_manager.services.session.types_request import SessionSpec
    from bai_manager.types.clock import Clock
    from bai_manager.types.query import Query

_MATCH_LIMIT = 10
NAME_INDEX = "ix_sessions_unique_name_nonterminal"


class SessionRepository:
    """Reads and guarded writes of sessions; the scheduler's steps are in ``scheduler``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any_unfinished(self) -> bool:
        """Whether a session has not ended, so that the scheduler may have something to do."""
        async with self._database.transaction() as connection:
            unfinished = select(sessions.c.id).where(sessions.c.status.not_in(SESSION_TERMINAL))
            return bool(await connection.scalar(select(unfinished.exists())))

    async def get_session(self, session: str, owner: str | None) -> SessionData:
        """One session with its kernels, by name, id or unique id prefix, ended ones included.

        Raises ``SessionNotFound`` and ``TooManySessionsMatched``.
        """
        async with self._database.transaction() as connection:
            session_id = await resolve_session(connection, session, owner=owner)
            return await session_with_kernels(connection, session_id)

    async def get_by_id(self, session_id: UUID) -> SessionData:
        """One session with its kernels, by its whole id."""
        async with self._database.transaction() as connection:
            return await session_with_kernels(connection, session_id)

    async def find_live(self, name: str, owner: str) -> SessionData | None:
        """The owner's session of that name that has not ended, if any."""
        async with self._database.transaction() as connection:
            session_id = await connection.scalar(
                select(sessions.c.id).where(
                    sessions.c.name == name,
                    sessions.c.access_key == owner,
                    sessions.c.status.in_(SESSION_NAME_UNIQUE),
                )
            )
            return await session_with_kernels(connection, session_id) if session_id else None

    async def list_sessions(
        self, query: Query, *, owner: str | None, include_ended: bool
    ) -> list[SessionData]:
        """Sessions of one access key, or of all; without kernels."""
        statement = session_select()
        if owner is not None:
            statement = statement.where(sessions.c.access_key == owner)
        if not include_ended and not filters_on(query, "status"):
            statement = statement.where(sessions.c.status.not_in(SESSION_DEAD))
        statement = apply_query(
            statement, query, SESSION_FIELDS, default_order=(sessions.c.created_at, sessions.c.id)
        )
        async with self._database.transaction() as connection:
            return [session_of(row) for row in await connection.execute(statement)]

    async def list_kernels(
        self, query: Query, *, owner: str | None, include_ended: bool
    ) -> list[KernelData]:
        """Kernels of one access key, or of all."""
        statement = kernel_select()
        if owner is not None:
            statement = statement.where(kernels.c.access_key == owner)
        if not include_ended and not filters_on(query, "status"):
            statement = statement.where(kernels.c.status.not_in(SESSION_DEAD))
        statement = apply_query(
            statement, query, KERNEL_FIELDS, default_order=(kernels.c.created_at, kernels.c.id)
        )
        async with self._database.transaction() as connection:
            return [kernel_of(row) for row in await connection.execute(statement)]

    async def get_kernel(self, kernel: str) -> KernelData:
        """One kernel by id or unique id prefix; raises ``KernelNotFound``."""
        async with self._database.transaction() as connection:
            rows = (
                await connection.execute(
                    kernel_select().where(id_matches(kernels.c.id, kernel)).limit(2)
                )
            ).all()
        if not rows:
            raise KernelNotFound(kernel)
        if len(rows) > 1:
            raise TooManyKernelsFound(kernel)
        return kernel_of(rows[0])

    async def stored_log(self, kernel_id: UUID) -> bytes | None:
        """The log of an ended kernel, UTF-8; None when none was kept."""
        async with self._database.transaction() as connection:
            return await connection.scalar(
                select(kernels.c.container_log).where(kernels.c.id == kernel_id)
            )

    async def enqueue(self, spec: SessionSpec, check: Callable[[QuotaState], None]) -> SessionData:
        """Insert a PENDING session with its kernels, if ``check`` accepts the quota state.

        The owner's key pair, user, project and domain rows are locked first, so that whatever
        the check counts cannot change before the commit. Raises what ``check`` raises, and
        ``SessionAlreadyExists`` when the name is taken.
        """
        from bai_manager.repositories.occupancy import (  # noqa: PLC0415 - only creating counts
            load_quota,
            lock_owner,
        )
        from bai_manager.repositories.session_mounts import hold_folders  # noqa: PLC0415

        try:
            async with self._database.transaction() as connection:
                await lock_owner(connection, spec)
                await hold_folders(connection, spec.mounts)
                check(await load_quota(connection, spec))
                await insert_session(connection, spec)
                await insert_dependencies(connection, spec.id, await _meant(connection, spec))
                return await session_with_kernels(connection, spec.id)
        except IntegrityError as error:
            if NAME_INDEX in str(error.orig):
                raise SessionAlreadyExists(spec.name) from error
            raise

    async def mark_destroyed(
        self, session_id: UUID, *, reason: str, clock: Clock
    ) -> SessionStatus | None:
        """Cancel a PENDING session, or mark a started one TERMINATING, with its kernels.

        Returns the new status, or None when there was nothing to do
        (``reference/state-machines.md`` §7.4).
        """
        async with self._database.transaction() as connection:
            now = await time_under_lock(connection, session_id, clock)
            if await cancel_pending(connection, session_id, reason, now):
                return SessionStatus.CANCELLED
            if await mark_terminating(connection, session_id, reason, now):
                return SessionStatus.TERMINATING
            return None

    async def count_execution(self, session_id: UUID, kernel_id: UUID) -> None:
        """Add one to the usage counters of a session and its kernel."""
        async with self._database.transaction() as connection:
            await connection.execute(
                update(sessions)
                .where(sessions.c.id == session_id)
                .values(num_queries=func.coalesce(sessions.c.num_queries, 0) + 1)
            )
            await connection.execute(
                update(kernels)
                .where(kernels.c.id == kernel_id)
                .values(num_queries=func.coalesce(kernels.c.num_queries, 0) + 1)
            )


async def _meant(connection: AsyncConnection, spec: SessionSpec) -> list[UUID]:
    """The sessions that a new one waits for: its owner's by name or id, others' by whole id."""
    found = []
    for name in spec.depends_on:
        try:
            found.append(await resolve_session(connection, name, owner=spec.access_key))
        except SessionNotFound:
            others = await connection.scalar(
                select(sessions.c.id).where(cast(sessions.c.id, Text) == name.lower())
            )
            if others is None:
                raise
            found.append(others)
    return found


async def resolve_session(
    connection: AsyncConnection,
    session: str,
    *,
    owner: str | None = None,
    visible: ColumnElement[bool] | None = None,
    prefer_owner: str | None = None,
) -> UUID:
    """The id of the one session meant: by id, then name, then unique id prefix.

    A session that has not ended wins over ended ones of the same name, and of ended ones of one
    owner the newest; ``prefer_owner``'s win over others'. Raises ``SessionNotFound`` and
    ``TooManySessionsMatched``.
    """
    by_exact_id = func.coalesce(cast(sessions.c.id, Text) == session.lower(), false())
    own = func.coalesce(sessions.c.access_key == prefer_owner, false())
    statement = (
        select(
            sessions.c.id,
            sessions.c.name,
            sessions.c.status,
            sessions.c.created_at,
            sessions.c.access_key,
        )
        .select_from(SESSIONS_WITH_OWNERS)
        .where(or_(sessions.c.name == session, id_matches(sessions.c.id, session)))
        .order_by(
            by_exact_id.desc(),
            own.desc(),
            sessions.c.name != session,
            sessions.c.status.in_(SESSION_DEAD),
            sessions.c.created_at.desc(),
        )
        .limit(_MATCH_LIMIT)
    )
    if owner is not None:
        statement = statement.where(sessions.c.access_key == owner)
    if visible is not None:
        statement = statement.where(visible)
    rows = (await connection.execute(statement)).all()
    rows = [row for row in rows if row.access_key == prefer_owner] or list(rows)
    by_id = [row for row in rows if str(row.id) == session.lower()]
    by_name = [row for row in rows if row.name == session]
    live = [row for row in by_name if row.status not in SESSION_DEAD]
    newest = by_name[:1] if len({row.access_key for row in by_name}) == 1 else by_name
    for matches in (by_id, live, newest, rows):
        if matches:
            return _only(session, matches)
    raise SessionNotFound(session)


def _only(session: str, matches: Sequence[AnyRow]) -> UUID:
    if len(matches) == 1:
        found: UUID = matches[0].id
        return found
    raise TooManySessionsMatched(
        session,
        [
            {
                "session_id": str(row.id),
                "session_name": row.name,
                "status": row.status,
                "created_at": row.created_at.isoformat(),
            }
            for row in matches
        ],
    )


_SHORTEST_PREFIX = 4


def id_matches(column: ColumnElement[UUID], text: str) -> ColumnElement[bool]:
    """Whether an id is the given text, or begins with it when that is long enough."""
    prefix = text.lower()
    if len(prefix) < _SHORTEST_PREFIX or not set(prefix) <= set("0123456789abcdef-"):
        return column.is_(None)
    try:
        return column == UUID(prefix)
    except ValueError:
        return cast(column, Text).startswith(prefix)
