"""Running sessions as idle checks see them, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.history import time_under_lock
from bai_manager.repositories.transitions import Phase, in_phase, move_sessions, terminate_kernels
from bai_manager.sokovan.idle import RunningSession
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import KernelStatus, SessionStatus, SessionType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.clock import Clock

_policies = keypair_resource_policies


class IdleRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def running(
        self, *, with_lifetime_only: bool = False, with_inference: bool = False
    ) -> list[RunningSession]:
        """RUNNING sessions whose main kernel runs, inference left out unless asked for.

        ``with_lifetime_only``: only those whose policy ends them by age.
        """
        where = [_policies.c.max_session_lifetime > 0] if with_lifetime_only else []
        async with self._database.transaction() as connection:
            return await running_sessions(connection, *where, with_inference=with_inference)

    async def time(self) -> datetime:
        """By the clock of the database, which rows are written with."""
        async with self._database.transaction() as connection:
            return (await connection.execute(select(func.now()))).scalar_one()

    async def end_idle(self, session_id: UUID, *, reason: str, clock: Clock) -> bool:
        """RUNNING → TERMINATING with its kernels; False when it was not RUNNING any more."""
        async with in_phase(self._database, Phase.TERMINATING) as connection:
            now = await time_under_lock(connection, session_id, clock)
            moved = await move_sessions(
                connection,
                [session_id],
                SessionStatus.TERMINATING,
                now,
                sessions.c.status == SessionStatus.RUNNING,
                status_info=reason,
            )
            if moved:
                await terminate_kernels(connection, session_id, reason, now)
            return bool(moved)


async def running_sessions(
    connection: AsyncConnection, *where: ColumnElement[bool], with_inference: bool = False
) -> list[RunningSession]:
    """RUNNING sessions that match whose main kernel runs, inference left out unless asked for."""
    if not with_inference:
        where = (*where, sessions.c.session_type != SessionType.INFERENCE.name)
    owner = kernels.join(sessions, sessions.c.id == kernels.c.session_id).join(
        keypairs.join(_policies, _policies.c.name == keypairs.c.resource_policy).join(
            users, users.c.uuid == keypairs.c.user
        ),
        keypairs.c.access_key == sessions.c.access_key,
    )
    rows = await connection.execute(
        select(
            kernels.c.id,
            kernels.c.session_id,
            kernels.c.cluster_role,
            kernels.c.agent,
            kernels.c.agent_addr,
            kernels.c.occupied_slots,
            kernels.c.created_at,
            sessions.c.session_type,
            sessions.c.requested_slots,
            sessions.c.name,
            sessions.c.access_key,
            users.c.email,
            users.c.created_at.label("user_created_at"),
            _policies.c.max_session_lifetime,
            _policies.c.idle_timeout,
        )
        .select_from(owner)
        .where(
            sessions.c.status == SessionStatus.RUNNING,
            kernels.c.status == KernelStatus.RUNNING,
            *where,
        )
        .order_by(kernels.c.session_id, kernels.c.local_rank)
    )
    of_session: dict[UUID, list[AnyRow]] = {}
    for row in rows:
        of_session.setdefault(row.session_id, []).append(row)
    found = [_running(own) for own in of_session.values()]
    return [session for session in found if session is not None]


def _running(rows: Sequence[AnyRow]) -> RunningSession | None:
    main = next((row for row in rows if row.cluster_role == "main"), None)
    if main is None:
        return None
    return RunningSession(
        session_id=main.session_id,
        session_type=SessionType.parse(main.session_type),
        created_at=main.created_at,
        user_created_at=main.user_created_at,
        max_session_lifetime=main.max_session_lifetime or 0,
        idle_timeout=main.idle_timeout,
        devices=frozenset(
            slot.partition(".")[0]
            for slot, amount in ResourceSlot.from_json(main.requested_slots).items()
            if amount
        ),
        main_kernel=main.id,
        memory={
            row.id: float(ResourceSlot.from_json(row.occupied_slots).get("mem", 0)) for row in rows
        },
        places={row.id: (row.agent, row.agent_addr) for row in rows if row.agent},
        name=main.name or "",
        access_key=main.access_key,
        user_email=main.email,
    )
