"""What metrics need of the database: names behind ids, running kernels, slot-hours."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Numeric,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from bai_manager.models.group import groups
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import users
from bai_manager.repositories.session import id_matches, resolve_session
from bai_manager.services.group.errors import GroupNotFound
from bai_manager.services.metric.types import LiveKernel, SlotHours, UsageDimension
from bai_manager.services.session.errors import (
    KernelNotFound,
    SessionNotFound,
    TooManyKernelsFound,
)
from bai_manager.services.user.errors import UserNotFound
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import KERNEL_RESOURCE_OCCUPIED, KernelStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.actions.targets import Visibility
    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow, AnySelect
    from bai_manager.services.metric.actions import ContainerMetricOptionalLabel

_HOUR: Final = Decimal(3600)

_NAMED: Final[Sequence[tuple[str, ColumnElement[UUID], ColumnElement[str]]]] = (
    ("session_id", sessions.c.id, sessions.c.name),
    (
        "kernel_id",
        kernels.c.id,
        func.concat(kernels.c.session_name, "/", kernels.c.cluster_hostname),
    ),
    ("user_id", users.c.uuid, users.c.email),
    ("project_id", groups.c.id, groups.c.name),
)


class MetricRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def label_values(
        self, labels: ContainerMetricOptionalLabel, visible: Visibility
    ) -> dict[str, list[str]]:
        """Exported label → the values that fit, what the actor may see being one condition.

        Someone who sees everything may also name ids that no row has (any more). Raises the
        not-found and too-many errors of sessions, kernels, users and projects.
        """
        found: dict[str, list[str]] = {}
        async with self._database.transaction() as connection:
            if labels.agents:
                found["agent_id"] = [*labels.agents]
            if labels.kernels:
                found["kernel_id"] = [
                    await _kernel(connection, kernel, visible) for kernel in labels.kernels
                ]
            if labels.sessions:
                found["session_id"] = [
                    await _session(connection, session, visible) for session in labels.sessions
                ]
            if labels.users:
                found["user_id"] = [await _user(connection, user, visible) for user in labels.users]
            elif visible.user_id is not None:
                found["user_id"] = [str(visible.user_id)]
            if labels.groups:
                found["project_id"] = [
                    project
                    for group in labels.groups
                    for project in await _projects(connection, group, visible)
                ]
            elif visible.domain_name is not None and visible.user_id is None:
                found["project_id"] = await _projects(connection, None, visible)
        return found

    async def names(self, ids: Mapping[str, Collection[str]]) -> dict[tuple[str, str], str]:
        """``(label, id)`` → what people call it, in one query; kernels are ``session/hostname``.

        Values that are no ids, unknown, or of a label without names are left out.
        """
        named = [
            select(literal(label), cast(id_, Text), name).where(id_.in_(_uuids(ids[label])))
            for label, id_, name in _NAMED
            if ids.get(label)
        ]
        if not named:
            return {}
        async with self._database.transaction() as connection:
            rows = await connection.execute(union_all(*named))
            return {(label, id_): name or id_ for label, id_, name in rows}

    async def running_kernels(self, visible: Visibility) -> list[LiveKernel]:
        """Kernels that run on an agent and that the actor may see."""
        async with self._database.transaction() as connection:
            return await _live(connection, _seen(visible))

    async def kernels_of(self, session: str, owner: str | None) -> list[LiveKernel]:
        """The running kernels of one session. Raises ``SessionNotFound``, ``TooMany…``."""
        async with self._database.transaction() as connection:
            session_id = await resolve_session(connection, session, owner=owner)
            return await _live(connection, kernels.c.session_id == session_id)

    async def slot_hours(
        self,
        *,
        start: datetime,
        end: datetime,
        now: datetime,
        by: UsageDimension,
        visible: Visibility,
    ) -> list[SlotHours]:
        """What kernels held from ``start`` to before ``end``, added up in the database.

        A kernel holds its slots from its first RUNNING until it ended; one that still runs, or
        is being terminated, up to ``now``.
        """
        held = _held_seconds(start, end, now)
        async with self._database.transaction() as connection:
            rows = await connection.execute(_slot_hours_statement(held, by, _seen(visible)))
            return _added_up(rows.all())


async def _session(connection: AsyncConnection, session: str, visible: Visibility) -> str:
    condition = _seen(visible, sessions.c.domain_name, sessions.c.user_uuid)
    try:
        return str(await resolve_session(connection, session, visible=condition))
    except SessionNotFound:
        return _unknown_id(session, visible, SessionNotFound)


async def _kernel(connection: AsyncConnection, kernel: str, visible: Visibility) -> str:
    statement = (
        select(kernels.c.id).where(id_matches(kernels.c.id, kernel), _seen(visible)).limit(2)
    )
    matches = (await connection.scalars(statement)).all()
    if len(matches) > 1:
        raise TooManyKernelsFound(kernel)
    return str(matches[0]) if matches else _unknown_id(kernel, visible, KernelNotFound)


async def _user(connection: AsyncConnection, user: str, visible: Visibility) -> str:
    statement = select(users.c.uuid).where(
        or_(users.c.email == user, cast(users.c.uuid, Text) == user.lower())
    )
    statement = statement.where(_seen(visible, users.c.domain_name, users.c.uuid))
    found = (await connection.scalars(statement)).one_or_none()
    if found is None:
        return _unknown_id(user, visible, UserNotFound)
    return str(found)


async def _projects(
    connection: AsyncConnection, group: str | None, visible: Visibility
) -> list[str]:
    """Projects of that name or id in what may be seen, or all of those; names repeat in domains."""
    statement = select(groups.c.id)
    if group is not None:
        statement = statement.where(
            or_(groups.c.name == group, cast(groups.c.id, Text) == group.lower())
        )
    if visible.domain_name is not None:
        statement = statement.where(groups.c.domain_name == visible.domain_name)
    found = [str(project_id) for project_id in await connection.scalars(statement)]
    if group is None or found:
        return found
    return [_unknown_id(group, visible, GroupNotFound)]


def _unknown_id(given: str, visible: Visibility, error: Callable[[str], Exception]) -> str:
    """A whole id that no row has, for someone who sees everything; else the error."""
    if visible.domain_name is None and visible.user_id is None:
        try:
            return str(UUID(given))
        except ValueError:
            pass
    raise error(given)


def _uuids(texts: Collection[str]) -> list[UUID]:
    """Those that are ids; exporters write ``undefined`` for what they do not know."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _seen(
    visible: Visibility,
    domain: ColumnElement[str] = kernels.c.domain_name,
    user: ColumnElement[UUID] = kernels.c.user_uuid,
) -> ColumnElement[bool]:
    """What the actor may see."""
    conditions: list[ColumnElement[bool]] = [true()]
    if visible.domain_name is not None:
        conditions.append(domain == visible.domain_name)
    if visible.user_id is not None:
        conditions.append(user == visible.user_id)
    return and_(*conditions)


def _history(status: KernelStatus) -> ColumnElement[datetime]:
    """When a kernel reached a status, from ``status_history``; NULL if it was not written."""
    return cast(kernels.c.status_history[status.name].astext, DateTime(timezone=True))


_STARTED = func.coalesce(_history(KernelStatus.RUNNING), kernels.c.created_at)


async def _live(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[LiveKernel]:
    statement = (
        select(
            kernels.c.id,
            kernels.c.session_id,
            kernels.c.session_name,
            kernels.c.cluster_hostname,
            kernels.c.agent,
            kernels.c.agent_addr,
            kernels.c.user_uuid,
            users.c.email,
            kernels.c.group_id,
            groups.c.name.label("group_name"),
            kernels.c.occupied_slots,
            _STARTED.label("started_at"),
        )
        .select_from(
            kernels.outerjoin(users, users.c.uuid == kernels.c.user_uuid).outerjoin(
                groups, groups.c.id == kernels.c.group_id
            )
        )
        .where(
            kernels.c.status == KernelStatus.RUNNING,
            kernels.c.agent.is_not(None),
            kernels.c.agent_addr.is_not(None),
            condition,
        )
        .order_by(kernels.c.created_at, kernels.c.session_id, kernels.c.cluster_idx)
    )
    return [_live_kernel(row) for row in await connection.execute(statement)]


def _live_kernel(row: AnyRow) -> LiveKernel:
    return LiveKernel(
        kernel_id=row.id,
        session_id=row.session_id,
        session_name=row.session_name or "",
        cluster_hostname=row.cluster_hostname,
        agent_id=row.agent,
        agent_addr=row.agent_addr,
        user_id=row.user_uuid,
        user_email=row.email or str(row.user_uuid),
        project_id=row.group_id,
        project_name=row.group_name or str(row.group_id),
        occupied_slots=ResourceSlot.from_json(row.occupied_slots),
        started_at=row.started_at,
    )


def _held_seconds(start: datetime, end: datetime, now: datetime) -> ColumnElement[Decimal]:
    """Seconds within the period during which a kernel held its slots; 0 or less if none.

    An end that was not written is when the row last changed; that of an ERROR as well, since
    nobody says when its container went.
    """
    ended = case(
        (kernels.c.status.in_(KERNEL_RESOURCE_OCCUPIED), literal(now, DateTime(timezone=True))),
        else_=func.coalesce(
            kernels.c.terminated_at,
            _history(KernelStatus.TERMINATED),
            kernels.c.status_changed,
            _STARTED,
        ),
    )
    last = func.least(ended, literal(min(end, now), DateTime(timezone=True)))
    first = func.greatest(_STARTED, literal(start, DateTime(timezone=True)))
    return cast(func.extract("epoch", last - first), Numeric)


def _slot_hours_statement(
    held: ColumnElement[Decimal], by: UsageDimension, condition: ColumnElement[bool]
) -> AnySelect:
    owner_id, owner_name, owner_domain = _OWNERS[by]
    held_by = (
        select(
            owner_id.label("id"),
            owner_name.label("name"),
            owner_domain.label("domain_name"),
            kernels.c.id.label("kernel_id"),
            kernels.c.session_id,
            held.label("seconds"),
            _SLOTS.label("slots"),
        )
        .select_from(
            kernels.outerjoin(users, users.c.uuid == kernels.c.user_uuid).outerjoin(
                groups, groups.c.id == kernels.c.group_id
            )
        )
        .where(condition, kernels.c.occupied_slots != {}, held > 0)
        .subquery()
    )
    slot = (
        func.jsonb_each_text(held_by.c.slots)
        .table_valued(column("key", Text), column("value", Text))
        .lateral("slot")
    )
    owner = (held_by.c.id, held_by.c.name, held_by.c.domain_name)
    whole = select(
        *owner,
        literal(None, Text).label("slot"),
        func.sum(held_by.c.seconds).label("amount"),
        func.count(held_by.c.session_id.distinct()).label("sessions"),
        func.count().label("kernels"),
    ).group_by(*owner)
    each = (
        select(
            *owner,
            slot.c.key,
            func.sum(cast(slot.c.value, Numeric) * held_by.c.seconds),
            literal(0),
            literal(0),
        )
        .select_from(held_by.join(slot, true()))
        .group_by(*owner, slot.c.key)
    )
    both = union_all(whole, each).subquery()
    return select(both).order_by(both.c.name, both.c.domain_name, both.c.slot.nulls_first())


_SLOTS = kernels.c.occupied_slots
_OWNERS: Mapping[
    UsageDimension, tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]]
] = {
    UsageDimension.USER: (
        cast(kernels.c.user_uuid, Text),
        func.coalesce(users.c.email, cast(kernels.c.user_uuid, Text)),
        kernels.c.domain_name,
    ),
    UsageDimension.GROUP: (
        cast(kernels.c.group_id, Text),
        func.coalesce(groups.c.name, cast(kernels.c.group_id, Text)),
        kernels.c.domain_name,
    ),
    UsageDimension.DOMAIN: (
        kernels.c.domain_name,
        kernels.c.domain_name,
        kernels.c.domain_name,
    ),
}


def _added_up(rows: Sequence[AnyRow]) -> list[SlotHours]:
    """The row without a slot, then those of each slot, of every owner."""
    amounts: dict[tuple[str, str], dict[str, Decimal]] = {}
    heads: list[AnyRow] = []
    for row in rows:
        if row.slot is None:
            heads.append(row)
        else:
            amounts.setdefault((row.id, row.domain_name), {})[row.slot] = row.amount / _HOUR
    return [
        SlotHours(
            id=row.id,
            name=row.name,
            domain_name=row.domain_name,
            sessions=row.sessions,
            kernels=row.kernels,
            kernel_hours=_rounded(row.amount / _HOUR),
            slot_hours=ResourceSlot(
                {
                    slot: _rounded(amount)
                    for slot, amount in sorted(amounts.get((row.id, row.domain_name), {}).items())
                }
            ),
        )
        for row in heads
    ]


_MICRO: Final = Decimal("0.000001")


def _rounded(hours: Decimal) -> Decimal:
    """To a millionth of an hour, without trailing zeros."""
    rounded = hours.quantize(_MICRO).normalize()
    return rounded if rounded.as_tuple().exponent <= 0 else rounded.quantize(Decimal(1))  # type: ignore[operator]
