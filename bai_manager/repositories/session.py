"""``sessions`` and ``kernels`` as callers see them: finding, listing, creating, marking."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Text, and_, cast, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from bai_manager.models.group import groups
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import users
from bai_manager.repositories.history import time_under_lock, with_history
from bai_manager.repositories.query import Field, apply_query, filters_on
from bai_manager.services.session.errors import (
    KernelNotFound,
    SessionAlreadyExists,
    SessionNotFound,
    TooManyKernelsFound,
    TooManySessionsMatched,
)
from bai_manager.services.session.types import KernelData, SessionData, SessionSpec
from bai_manager.types.query import ID, INTEGER, TEXT, TIME, FieldKind, Query
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    KERNEL_TERMINATABLE,
    SESSION_DEAD,
    SESSION_NAME_UNIQUE,
    SESSION_TERMINAL,
    SESSION_TERMINATABLE,
    ClusterMode,
    KernelStatus,
    SessionResult,
    SessionStatus,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.occupancy import QuotaState
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.types.clock import Clock
    from bai_manager.types.json import JsonObject

_MATCH_LIMIT = 10
_NAME_INDEX = "ix_sessions_unique_name_nonterminal"

_SESSION_COLUMNS = (
    sessions.c.id,
    sessions.c.name,
    sessions.c.status,
    sessions.c.status_info,
    sessions.c.status_data,
    sessions.c.status_history,
    sessions.c.result,
    sessions.c.session_type,
    sessions.c.priority,
    sessions.c.cluster_mode,
    sessions.c.cluster_size,
    sessions.c.domain_name,
    sessions.c.group_id,
    groups.c.name.label("group_name"),
    sessions.c.user_uuid,
    users.c.email.label("user_email"),
    sessions.c.access_key,
    sessions.c.scaling_group_name,
    sessions.c.agent_ids,
    sessions.c.images,
    sessions.c.tag,
    sessions.c.requested_slots,
    sessions.c.occupying_slots,
    sessions.c.environ,
    sessions.c.startup_command,
    sessions.c.starts_at,
    sessions.c.batch_timeout,
    sessions.c.created_at,
    sessions.c.terminated_at,
)
_SESSIONS = sessions.outerjoin(groups, groups.c.id == sessions.c.group_id).outerjoin(
    users, users.c.uuid == sessions.c.user_uuid
)

_KERNEL_COLUMNS = (
    kernels.c.id,
    kernels.c.session_id,
    kernels.c.session_name,
    kernels.c.status,
    kernels.c.status_info,
    kernels.c.status_data,
    kernels.c.status_history,
    kernels.c.status_changed,
    kernels.c.result,
    kernels.c.cluster_role,
    kernels.c.cluster_idx,
    kernels.c.cluster_hostname,
    kernels.c.local_rank,
    kernels.c.image,
    kernels.c.architecture,
    kernels.c.agent,
    kernels.c.agent_addr,
    kernels.c.container_id,
    kernels.c.requested_slots,
    kernels.c.occupied_slots,
    kernels.c.resource_opts,
    kernels.c.service_ports,
    kernels.c.startup_command,
    kernels.c.access_key,
    users.c.email.label("owner_email"),
    kernels.c.created_at,
    kernels.c.terminated_at,
)
_KERNELS = kernels.outerjoin(users, users.c.uuid == kernels.c.user_uuid)

SESSION_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, sessions.c.id),
    "name": Field(TEXT, sessions.c.name),
    "status": Field(FieldKind.choice(SessionStatus), sessions.c.status),
    "status_info": Field(TEXT, sessions.c.status_info),
    "session_type": Field(FieldKind.choice(SessionType), sessions.c.session_type, by_name=True),
    "result": Field(FieldKind.choice(SessionResult), sessions.c.result, by_name=True),
    "priority": Field(INTEGER, sessions.c.priority),
    "cluster_size": Field(INTEGER, sessions.c.cluster_size),
    "domain_name": Field(TEXT, sessions.c.domain_name),
    "group_name": Field(TEXT, groups.c.name),
    "user_email": Field(TEXT, users.c.email),
    "access_key": Field(TEXT, sessions.c.access_key),
    "scaling_group": Field(TEXT, sessions.c.scaling_group_name),
    "tag": Field(TEXT, sessions.c.tag),
    "created_at": Field(TIME, sessions.c.created_at),
    "terminated_at": Field(TIME, sessions.c.terminated_at),
    "starts_at": Field(TIME, sessions.c.starts_at),
}

KERNEL_FIELDS: Mapping[str, Field] = {
    "id": Field(ID, kernels.c.id),
    "session_id": Field(ID, kernels.c.session_id),
    "session_name": Field(TEXT, kernels.c.session_name),
    "status": Field(FieldKind.choice(KernelStatus), kernels.c.status),
    "cluster_role": Field(TEXT, kernels.c.cluster_role),
    "agent": Field(TEXT, kernels.c.agent),
    "image": Field(TEXT, kernels.c.image),
    "created_at": Field(TIME, kernels.c.created_at),
    "terminated_at": Field(TIME, kernels.c.terminated_at),
}


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
            return await _session_with_kernels(connection, session_id)

    async def get_by_id(self, session_id: UUID) -> SessionData:
        """One session with its kernels, by its whole id."""
        async with self._database.transaction() as connection:
            return await _session_with_kernels(connection, session_id)

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
            return await _session_with_kernels(connection, session_id) if session_id else None

    async def list_sessions(
        self, query: Query, *, owner: str | None, include_ended: bool
    ) -> list[SessionData]:
        """Sessions of one access key, or of all; without kernels."""
        statement = select(*_SESSION_COLUMNS).select_from(_SESSIONS)
        if owner is not None:
            statement = statement.where(sessions.c.access_key == owner)
        if not include_ended and not filters_on(query, "status"):
            statement = statement.where(sessions.c.status.not_in(SESSION_DEAD))
        statement = apply_query(
            statement, query, SESSION_FIELDS, default_order=(sessions.c.created_at, sessions.c.id)
        )
        async with self._database.transaction() as connection:
            return [_session(row) for row in await connection.execute(statement)]

    async def list_kernels(
        self, query: Query, *, owner: str | None, include_ended: bool
    ) -> list[KernelData]:
        """Kernels of one access key, or of all."""
        statement = select(*_KERNEL_COLUMNS).select_from(_KERNELS)
        if owner is not None:
            statement = statement.where(kernels.c.access_key == owner)
        if not include_ended and not filters_on(query, "status"):
            statement = statement.where(kernels.c.status.not_in(SESSION_DEAD))
        statement = apply_query(
            statement, query, KERNEL_FIELDS, default_order=(kernels.c.created_at, kernels.c.id)
        )
        async with self._database.transaction() as connection:
            return [_kernel(row) for row in await connection.execute(statement)]

    async def get_kernel(self, kernel: str) -> KernelData:
        """One kernel by id or unique id prefix; raises ``KernelNotFound``."""
        async with self._database.transaction() as connection:
            rows = (
                await connection.execute(
                    _kernel_select().where(id_matches(kernels.c.id, kernel)).limit(2)
                )
            ).all()
        if not rows:
            raise KernelNotFound(kernel)
        if len(rows) > 1:
            raise TooManyKernelsFound(kernel)
        return _kernel(rows[0])

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

        try:
            async with self._database.transaction() as connection:
                await lock_owner(connection, spec)
                check(await load_quota(connection, spec))
                await connection.execute(insert(sessions).values(_session_values(spec)))
                await connection.execute(
                    insert(kernels),
                    [_kernel_values(spec, index) for index in range(len(spec.kernels))],
                )
                return await _session_with_kernels(connection, spec.id)
        except IntegrityError as error:
            if _NAME_INDEX in str(error.orig):
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
            if await _mark_terminating(connection, session_id, reason, now):
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


async def resolve_session(
    connection: AsyncConnection,
    session: str,
    *,
    owner: str | None = None,
    visible: ColumnElement[bool] | None = None,
    prefer_owner: str | None = None,
) -> UUID:
    """The id of the one session meant: by id, then name, then unique id prefix.

    A session that has not ended wins over ended ones of the same name; ``prefer_owner``'s win
    over others'. Raises ``SessionNotFound`` and ``TooManySessionsMatched``.
    """
    statement = (
        select(
            sessions.c.id,
            sessions.c.name,
            sessions.c.status,
            sessions.c.created_at,
            sessions.c.access_key,
        )
        .select_from(_SESSIONS)
        .where(or_(sessions.c.name == session, id_matches(sessions.c.id, session)))
        .order_by(sessions.c.status.in_(SESSION_DEAD), sessions.c.created_at.desc())
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
    for matches in (by_id, live, by_name, rows):
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


def _kernel_select() -> AnySelect:
    return select(*_KERNEL_COLUMNS).select_from(_KERNELS)


async def _session_with_kernels(connection: AsyncConnection, session_id: UUID) -> SessionData:
    row = (
        await connection.execute(
            select(*_SESSION_COLUMNS).select_from(_SESSIONS).where(sessions.c.id == session_id)
        )
    ).one_or_none()
    if row is None:
        raise SessionNotFound(str(session_id))
    found = await connection.execute(
        _kernel_select()
        .where(kernels.c.session_id == session_id)
        .order_by(kernels.c.cluster_role, kernels.c.cluster_idx)
    )
    return _session(row, [_kernel(kernel) for kernel in found])


async def cancel_pending(
    connection: AsyncConnection, session_id: UUID, reason: str, now: datetime
) -> bool:
    """PENDING → CANCELLED with all kernels; False when it was not PENDING."""
    pending = and_(sessions.c.id == session_id, sessions.c.status == SessionStatus.PENDING)
    cancelled = await connection.execute(
        update(sessions)
        .where(pending)
        .values(
            status=SessionStatus.CANCELLED,
            status_info=reason,
            status_history=with_history(sessions, SessionStatus.CANCELLED, now),
            terminated_at=now,
        )
    )
    if cancelled.rowcount == 0:
        return False
    await connection.execute(
        update(kernels)
        .where(kernels.c.session_id == session_id)
        .values(
            status=KernelStatus.CANCELLED,
            status_info=reason,
            status_changed=now,
            status_history=with_history(kernels, KernelStatus.CANCELLED, now),
            terminated_at=now,
        )
    )
    return True


async def _mark_terminating(
    connection: AsyncConnection, session_id: UUID, reason: str, now: datetime
) -> bool:
    marked = await connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.status.in_(SESSION_TERMINATABLE))
        .values(
            status=SessionStatus.TERMINATING,
            status_info=reason,
            status_history=with_history(sessions, SessionStatus.TERMINATING, now),
        )
    )
    if marked.rowcount == 0:
        return False
    await connection.execute(
        update(kernels)
        .where(kernels.c.session_id == session_id, kernels.c.status.in_(KERNEL_TERMINATABLE))
        .values(
            status=KernelStatus.TERMINATING,
            status_info=reason,
            status_history=with_history(kernels, KernelStatus.TERMINATING, now),
        )
    )
    return True


def _session_values(spec: SessionSpec) -> dict[str, object]:
    requested = sum((kernel.requested_slots for kernel in spec.kernels), ResourceSlot({}))
    return {
        "id": spec.id,
        "creation_id": spec.creation_id,
        "name": spec.name,
        "session_type": spec.session_type.name,
        "priority": spec.priority,
        "cluster_mode": spec.cluster_mode.value,
        "cluster_size": len(spec.kernels),
        "scaling_group_name": spec.scaling_group,
        "domain_name": spec.domain_name,
        "group_id": spec.group_id,
        "user_uuid": spec.user_id,
        "access_key": spec.access_key,
        "images": [spec.image],
        "tag": spec.tag,
        "occupying_slots": {},
        "requested_slots": requested.to_json(),
        "vfolder_mounts": [],
        "environ": dict(spec.environ),
        "bootstrap_script": spec.bootstrap_script,
        "use_host_network": False,
        "batch_timeout": spec.batch_timeout,
        "created_at": spec.created_at,
        "starts_at": spec.starts_at,
        "status": SessionStatus.PENDING,
        "status_history": {SessionStatus.PENDING.name: spec.created_at.isoformat()},
        "result": SessionResult.UNDEFINED.name,
        "num_queries": 0,
        "network_type": "volatile",
    }


def _kernel_values(spec: SessionSpec, index: int) -> dict[str, object]:
    kernel = spec.kernels[index]
    return {
        "session_id": spec.id,
        "session_creation_id": spec.creation_id,
        "session_name": spec.name,
        "session_type": spec.session_type.name,
        "cluster_mode": spec.cluster_mode.value,
        "cluster_size": len(spec.kernels),
        "cluster_role": kernel.cluster_role,
        "cluster_idx": kernel.cluster_idx,
        "local_rank": kernel.local_rank,
        "cluster_hostname": kernel.cluster_hostname,
        "scaling_group": spec.scaling_group,
        "domain_name": spec.domain_name,
        "group_id": spec.group_id,
        "user_uuid": spec.user_id,
        "access_key": spec.access_key,
        "image": spec.image,
        "architecture": spec.architecture,
        "registry": spec.registry,
        "tag": spec.tag,
        "occupied_slots": {},
        "requested_slots": kernel.requested_slots.to_json(),
        "occupied_shares": {},
        "environ": [],
        "mounts": [],
        "mount_map": {},
        "vfolder_mounts": [],
        "attached_devices": {},
        "resource_opts": spec.resource_opts,
        "bootstrap_script": spec.bootstrap_script or "",
        "repl_in_port": 0,
        "repl_out_port": 0,
        "stdin_port": 0,
        "stdout_port": 0,
        "preopen_ports": [],
        "use_host_network": False,
        "created_at": spec.created_at,
        "starts_at": spec.starts_at,
        "status": KernelStatus.PENDING,
        "status_history": {KernelStatus.PENDING.name: spec.created_at.isoformat()},
        "startup_command": spec.startup_command,
        "result": SessionResult.UNDEFINED.name,
        "internal_data": spec.internal_data,
        "num_queries": 0,
    }


def _session(row: AnyRow, found: list[KernelData] | None = None) -> SessionData:
    status_data: JsonObject = row.status_data or {}
    return SessionData(
        id=row.id,
        name=row.name or "",
        status=SessionStatus.parse(row.status),
        status_info=row.status_info,
        status_data=status_data,
        status_history=row.status_history or {},
        result=SessionResult.parse(row.result),
        session_type=SessionType.parse(row.session_type),
        priority=row.priority,
        cluster_mode=ClusterMode.parse(row.cluster_mode),
        cluster_size=row.cluster_size,
        domain_name=row.domain_name,
        group_id=row.group_id,
        group_name=row.group_name,
        user_id=row.user_uuid,
        user_email=row.user_email,
        access_key=row.access_key or "",
        scaling_group=row.scaling_group_name,
        agent_ids=row.agent_ids or [],
        images=row.images or [],
        tag=row.tag,
        requested_slots=ResourceSlot.from_json(row.requested_slots),
        occupying_slots=ResourceSlot.from_json(row.occupying_slots),
        environ=row.environ or {},
        startup_command=row.startup_command
        or next((kernel.startup_command for kernel in found or [] if kernel.startup_command), None),
        starts_at=row.starts_at,
        batch_timeout=row.batch_timeout,
        created_at=row.created_at,
        terminated_at=row.terminated_at,
        kernels=found or [],
    )


def _kernel(row: AnyRow) -> KernelData:
    ended = (row.status_data or {}).get("kernel") or {}
    return KernelData(
        id=row.id,
        session_id=row.session_id,
        session_name=row.session_name or "",
        status=KernelStatus.parse(row.status),
        status_info=row.status_info,
        status_history=row.status_history or {},
        status_changed=row.status_changed,
        result=SessionResult.parse(row.result),
        exit_code=ended.get("exit_code"),
        cluster_role=row.cluster_role,
        cluster_idx=row.cluster_idx,
        cluster_hostname=row.cluster_hostname,
        local_rank=row.local_rank,
        image=row.image or "",
        architecture=row.architecture or "",
        agent=row.agent,
        agent_addr=row.agent_addr,
        container_id=row.container_id,
        requested_slots=ResourceSlot.from_json(row.requested_slots),
        occupied_slots=ResourceSlot.from_json(row.occupied_slots),
        resource_opts=row.resource_opts or {},
        service_ports=row.service_ports or [],
        startup_command=row.startup_command,
        owner_access_key=row.access_key or "",
        owner_email=row.owner_email,
        created_at=row.created_at,
        terminated_at=row.terminated_at,
    )
