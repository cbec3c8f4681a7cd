"""What is recorded about sessions: which fit a name, what they wait for, what happened to them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, literal, or_, select

from bai_manager.models.agent import agents
from bai_manager.models.audit import audit_logs
from bai_manager.models.session import kernels, session_dependencies, sessions
from bai_manager.models.user import users
from bai_manager.services.session_record.types import (
    GraphNode,
    SessionMatch,
    TimelineEntry,
)
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from sqlalchemy import CTE
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow

_SHORTEST_PREFIX = 4


class SessionRecordRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def match(self, prefix: str, owner: str | None) -> list[SessionMatch]:
        """One owner's sessions whose name or id is or begins with that; newest first."""
        by_id = cast(sessions.c.id, Text).startswith(prefix.lower(), autoescape=True)
        by_name = sessions.c.name.startswith(prefix, autoescape=True)
        statement = (
            select(sessions.c.id, sessions.c.name, sessions.c.status)
            .where(
                sessions.c.access_key == owner,
                or_(by_name, by_id) if len(prefix) >= _SHORTEST_PREFIX else by_name,
            )
            .order_by(sessions.c.created_at.desc(), sessions.c.id)
        )
        async with self._database.transaction() as connection:
            return [
                SessionMatch(id=row.id, name=row.name, status=SessionStatus.parse(row.status))
                for row in await connection.execute(statement)
            ]

    async def dependents(self, session_id: UUID, owner: str | None) -> list[UUID]:
        """The owner's sessions that depend on this one, however far; the farthest first."""
        found = _reached(session_id, upwards=True)
        statement = (
            select(found.c.id)
            .join(sessions, sessions.c.id == found.c.id)
            .where(found.c.id != session_id, sessions.c.access_key == owner)
            .group_by(found.c.id)
            .order_by(func.max(found.c.depth).desc(), found.c.id)
        )
        async with self._database.transaction() as connection:
            return [*await connection.scalars(statement)]

    async def dependency_graph(self, session_id: UUID) -> list[GraphNode]:
        """The session and all that it depends on, nearest first."""
        found = _reached(session_id, upwards=False)
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(
                    sessions.c.id,
                    sessions.c.name,
                    sessions.c.status,
                    sessions.c.status_history,
                    select(func.array_agg(session_dependencies.c.depends_on))
                    .where(session_dependencies.c.session_id == sessions.c.id)
                    .scalar_subquery()
                    .label("depends_on"),
                )
                .join(found, found.c.id == sessions.c.id)
                .group_by(sessions.c.id)
                .order_by(func.min(found.c.depth), sessions.c.created_at, sessions.c.id)
            )
            return [_node(row) for row in rows]

    async def public_host(self, agent_id: str | None) -> str | None:
        """What an agent says it is reached by from outside."""
        async with self._database.transaction() as connection:
            return await connection.scalar(
                select(agents.c.public_host).where(agents.c.id == agent_id)
            )

    async def timeline(self, session_id: UUID) -> list[TimelineEntry]:
        """Statuses of a session and of its kernels, and the audit rows about it, by time."""
        async with self._database.transaction() as connection:
            session = (
                await connection.execute(
                    select(
                        sessions.c.status,
                        sessions.c.status_info,
                        sessions.c.status_history,
                    ).where(sessions.c.id == session_id)
                )
            ).one()
            members = await connection.execute(
                select(
                    kernels.c.cluster_hostname,
                    kernels.c.status,
                    kernels.c.status_info,
                    kernels.c.status_data,
                    kernels.c.status_history,
                )
                .where(kernels.c.session_id == session_id)
                .order_by(kernels.c.cluster_role, kernels.c.cluster_idx)
            )
            entries = [*_entered("session", session, session.status_info)]
            for kernel in members:
                entries += _entered(kernel.cluster_hostname, kernel, _ending(kernel))
            entries += await _audited(connection, session_id)
        return sorted(entries, key=lambda entry: entry.at)


def _reached(session_id: UUID, *, upwards: bool) -> CTE:
    """Sessions reached over dependencies, with the number of steps; a circle is walked once."""
    here, there = session_dependencies.c.session_id, session_dependencies.c.depends_on
    if upwards:
        here, there = there, here
    start = select(
        literal(session_id, sessions.c.id.type).label("id"),
        literal(0).label("depth"),
        func.array_agg(literal(session_id, sessions.c.id.type)).label("path"),
    ).cte(recursive=True)
    return start.union_all(
        select(
            there.label("id"),
            start.c.depth + 1,
            func.array_append(start.c.path, there),
        ).where(here == start.c.id, there != func.all(start.c.path))
    )


def _node(row: AnyRow) -> GraphNode:
    times = [datetime.fromisoformat(text) for text in (row.status_history or {}).values()]
    return GraphNode(
        session_id=row.id,
        session_name=row.name or "",
        status=SessionStatus.parse(row.status),
        status_changed=max(times, default=None),
        depends_on=sorted(row.depends_on or ()),
    )


def _entered(source: str, row: AnyRow, detail: str | None) -> Iterator[TimelineEntry]:
    """One entry for each status; the row's own remark belongs to the one it has now."""
    history: Mapping[str, str] = row.status_history or {}
    for status, moment in history.items():
        yield TimelineEntry(
            at=datetime.fromisoformat(moment),
            source=source,
            what=status,
            detail=detail if status == row.status else None,
            who=None,
        )


def _ending(kernel: AnyRow) -> str | None:
    code = ((kernel.status_data or {}).get("kernel") or {}).get("exit_code")
    told = [kernel.status_info, None if code is None else f"exit code {code}"]
    return ", ".join(part for part in told if part) or None


async def _audited(connection: AsyncConnection, session_id: UUID) -> list[TimelineEntry]:
    """What was done to it, and denied, under whatever name it had."""
    rows = await connection.execute(
        select(
            audit_logs.c.created_at,
            audit_logs.c.operation,
            audit_logs.c.status,
            audit_logs.c.description,
            users.c.email,
        )
        .select_from(
            audit_logs.outerjoin(users, cast(users.c.uuid, Text) == audit_logs.c.triggered_by)
        )
        .where(audit_logs.c.entity_type == "session", audit_logs.c.entity_id == str(session_id))
        .order_by(audit_logs.c.created_at)
    )
    return [
        TimelineEntry(
            at=row.created_at,
            source="audit",
            what=row.operation,
            detail=row.status if row.description == "Success" else row.description,
            who=row.email,
        )
        for row in rows
    ]
