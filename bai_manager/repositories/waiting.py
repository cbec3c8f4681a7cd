"""What explaining a session that waits, or one that is not there yet, takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, not_, or_, select

from bai_manager.models.agent import agents
from bai_manager.models.session import sessions
from bai_manager.repositories.occupancy import known_slots, load_limits, load_quota
from bai_manager.repositories.session import resolve_session
from bai_manager.repositories.snapshot import load_agents, load_occupancy_of, load_snapshot
from bai_manager.services.scheduler.types import ClosedAgent
from bai_manager.types.status import AgentStatus, SessionStatus

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.occupancy import QuotaState
    from bai_manager.services.session.types_request import SessionSpec
    from bai_manager.sokovan.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The session meant, and where it waits, if it does."""

    id: UUID
    name: str
    status: SessionStatus
    status_info: str | None
    scaling_group: str


class WaitingRepository:
    """Reads only; nothing is locked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, session: str, owner: str | None) -> Found:
        """By id, name or unique id prefix; raises as ``resolve_session``."""
        async with self._database.transaction() as connection:
            session_id = await resolve_session(connection, session, owner=owner)
            row = (
                await connection.execute(
                    select(
                        sessions.c.name,
                        sessions.c.status,
                        sessions.c.status_info,
                        sessions.c.scaling_group_name,
                    ).where(sessions.c.id == session_id)
                )
            ).one()
        return Found(
            id=session_id,
            name=row.name or str(session_id),
            status=SessionStatus.parse(row.status),
            status_info=row.status_info,
            scaling_group=row.scaling_group_name or "",
        )

    async def snapshot(
        self, group: str, *, now: datetime, joined_by: SessionSpec | None = None
    ) -> Snapshot:
        """The group as the scheduler sees it, also while nobody waits in it.

        With ``joined_by``, limits and waiting sessions of that owner are in it, those of other
        resource groups included.
        """
        async with self._database.transaction() as connection:
            snapshot = await load_snapshot(connection, group, now=now)
            if joined_by is None:
                return snapshot
            known = await known_slots(connection)
            limits = await load_limits(
                connection,
                known,
                access_keys=[joined_by.access_key, *snapshot.limits.keypairs],
                user_ids=[joined_by.user_id, *snapshot.limits.users],
                group_ids=[joined_by.group_id, *snapshot.limits.groups],
                domain_names=[joined_by.domain_name, *snapshot.limits.domains],
            )
            waiting = (await load_quota(connection, joined_by)).occupancy
            occupancy = replace(
                await load_occupancy_of(connection, group),
                pending_counts=waiting.pending_counts,
                pending_slots=waiting.pending_slots,
            )
            machines = snapshot.agents or await load_agents(connection, group)
            return replace(snapshot, agents=machines, limits=limits, occupancy=occupancy)

    async def closed_agents(self, group: str) -> list[ClosedAgent]:
        """Agents of the group that get no kernels, whatever they have."""
        status = cast(agents.c.status, Text)
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(agents.c.id, status.label("status"), agents.c.schedulable)
                .where(
                    agents.c.scaling_group == group,
                    or_(status != AgentStatus.ALIVE.name, not_(agents.c.schedulable)),
                )
                .order_by(agents.c.id)
            )
            return [
                ClosedAgent(
                    agent=row.id,
                    status=AgentStatus.parse(row.status),
                    schedulable=row.schedulable,
                )
                for row in rows
            ]

    async def quota(self, spec: SessionSpec) -> QuotaState:
        """What creating the session would be checked against."""
        async with self._database.transaction() as connection:
            return await load_quota(connection, spec)
