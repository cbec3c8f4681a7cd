"""What the scheduler has before it, and who is at it: queues, statuses, locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, cast, func, select, text

from bai_manager.models.agent import agents
from bai_manager.models.base import Timestamp
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.session import sessions
from bai_manager.repositories.transitions import Phase
from bai_manager.services.scheduler.types import LockData, QueueData
from bai_manager.types.status import SESSION_TERMINAL, AgentStatus, SessionStatus

if TYPE_CHECKING:
    from datetime import datetime

    from bai_manager.repositories.database import Database

_LOCKS = text(
    """
    SELECT locks.objid, locks.granted, locks.pid, activity.application_name,
           host(activity.client_addr) AS client, activity.xact_start
      FROM pg_locks AS locks
      LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
     WHERE locks.locktype = 'advisory' AND locks.classid = 0 AND locks.objsubid = 1
       AND locks.objid = ANY (:phases)
       AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     ORDER BY locks.objid, NOT locks.granted, locks.pid
    """
)
"""``pg_advisory_lock(bigint)``: the upper half of the key is ``classid``, the lower ``objid``."""


class SchedulerStatusRepository:
    """Reads only, and takes no lock of the scheduler's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self) -> dict[str, int]:
        """How many sessions are in each status that is not terminal."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(sessions.c.status, func.count().label("amount"))
                .where(sessions.c.status.not_in(SESSION_TERMINAL))
                .group_by(sessions.c.status)
                .order_by(sessions.c.status)
            )
            return {row.status: row.amount for row in rows}

    async def queues(self) -> list[QueueData]:
        """Every resource group that has agents, or sessions that wait."""
        waiting = (
            select(
                sessions.c.scaling_group_name.label("name"),
                func.count().label("pending"),
                func.max(sessions.c.priority).label("highest_priority"),
                func.min(sessions.c.created_at).label("oldest"),
            )
            .where(sessions.c.status == SessionStatus.PENDING)
            .group_by(sessions.c.scaling_group_name)
            .subquery()
        )
        open_ones = and_(agents.c.status == AgentStatus.ALIVE.name, agents.c.schedulable)
        machines = (
            select(
                agents.c.scaling_group.label("name"),
                func.count().label("agents"),
                func.count().filter(open_ones).label("schedulable"),
            )
            .group_by(agents.c.scaling_group)
            .subquery()
        )
        both = waiting.outerjoin(machines, machines.c.name == waiting.c.name, full=True)
        name = func.coalesce(waiting.c.name, machines.c.name)
        statement = (
            select(
                name.label("name"),
                scaling_groups.c.scheduler,
                waiting.c.pending,
                waiting.c.highest_priority,
                waiting.c.oldest,
                machines.c.agents,
                machines.c.schedulable,
            )
            .select_from(both.outerjoin(scaling_groups, scaling_groups.c.name == name))
            .order_by(name)
        )
        async with self._database.transaction() as connection:
            return [
                QueueData(
                    scaling_group=row.name or "",
                    scheduler=row.scheduler,
                    pending=row.pending or 0,
                    highest_priority=row.highest_priority,
                    oldest=row.oldest,
                    agents=row.agents or 0,
                    schedulable_agents=row.schedulable or 0,
                )
                for row in await connection.execute(statement)
            ]

    async def last_decision(self) -> datetime | None:
        """When a session that lives was placed, or refused a place, last."""
        tried = cast(sessions.c.status_data["scheduler"]["last_try"].astext, Timestamp)
        placed = cast(sessions.c.status_history["SCHEDULED"].astext, Timestamp)
        latest = func.greatest(func.max(tried), func.max(placed))
        async with self._database.transaction() as connection:
            found: datetime | None = await connection.scalar(
                select(latest).where(sessions.c.status.not_in(SESSION_TERMINAL))
            )
            return found

    async def locks(self) -> list[LockData]:
        """Who holds, or waits for, the lock of a phase in this database."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(_LOCKS, {"phases": [phase.value for phase in Phase]})
            return [
                LockData(
                    lock=row.objid,
                    phase=Phase(row.objid).name,
                    granted=row.granted,
                    pid=row.pid,
                    application=row.application_name or "",
                    client=row.client,
                    since=row.xact_start,
                )
                for row in rows
            ]
