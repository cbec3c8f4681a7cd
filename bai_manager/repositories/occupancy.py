"""Who may use how much, and who uses it: the numbers behind quotas and scheduling.

Slots are summed over kernels, each by its status: what a live kernel occupies, what a starting
one requested (``reference/state-machines.md`` §2). Private (system) sessions are left out of
resource sums and counted apart.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from sqlalchemy import Numeric, Text, case, cast, column, func, or_, select, true

from bai_manager.models.agent import agents
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.models.session import kernels
from bai_manager.models.user import keypairs, users
from bai_manager.sokovan.snapshot import KeypairLimits, Limits, Occupancy, Owner
from bai_manager.types.resource_slot import (
    INTRINSIC_SLOTS,
    DefaultForUnspecified,
    ResourceSlot,
)
from bai_manager.types.status import (
    KERNEL_RESOURCE_OCCUPIED,
    KERNEL_RESOURCE_REQUESTED,
    PRIVATE_SESSION_TYPES,
    KernelStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.selectable import LateralFromClause

    from bai_manager.services.session.types_request import SessionSpec

KeyT = TypeVar("KeyT", bound="Hashable")
SlotsOf: TypeAlias = "Mapping[KeyT, ResourceSlot]"

_PRIVATE = tuple(kind.name for kind in PRIVATE_SESSION_TYPES)
_ON_AGENTS = KERNEL_RESOURCE_OCCUPIED | KERNEL_RESOURCE_REQUESTED
_COMMITTED = _ON_AGENTS | {KernelStatus.PENDING}


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaState:
    """What a session create is checked against; sums include sessions that still wait."""

    limits: Limits
    occupancy: Occupancy
    max_containers_per_session: int
    known_slots: frozenset[str]


async def lock_owner(connection: AsyncConnection, spec: SessionSpec) -> None:
    """Lock every row whose limits the session counts against, always in the same order."""
    locked = (
        select(domains.c.name).where(domains.c.name == spec.domain_name),
        select(groups.c.id).where(groups.c.id == spec.group_id),
        select(users.c.uuid).where(users.c.uuid == spec.user_id),
        select(keypairs.c.access_key).where(keypairs.c.access_key == spec.access_key),
    )
    for statement in locked:
        await connection.execute(statement.with_for_update(key_share=True))


async def load_quota(connection: AsyncConnection, spec: SessionSpec) -> QuotaState:
    """Limits and committed use of one owner, waiting sessions included."""
    known = await known_slots(connection)
    containers = await connection.scalar(
        select(keypair_resource_policies.c.max_containers_per_session)
        .join(keypairs, keypairs.c.resource_policy == keypair_resource_policies.c.name)
        .where(keypairs.c.access_key == spec.access_key)
    )
    owner = Owner(
        access_key=spec.access_key,
        user_id=spec.user_id,
        group_id=spec.group_id,
        domain_name=spec.domain_name,
    )
    limits, occupancy = await load_committed(connection, known, owner)
    return QuotaState(
        limits=limits,
        occupancy=occupancy,
        max_containers_per_session=containers or 1,
        known_slots=known,
    )


async def load_committed(
    connection: AsyncConnection, known: Collection[str], owner: Owner
) -> tuple[Limits, Occupancy]:
    """What binds one owner, and what counts against it: what runs and waits, wherever it is."""
    limits = await load_limits(
        connection,
        known,
        access_keys=[owner.access_key],
        user_ids=[owner.user_id],
        group_ids=[owner.group_id],
        domain_names=[owner.domain_name],
    )
    occupancy = await load_occupancy(
        connection,
        where=or_(
            kernels.c.domain_name == owner.domain_name,
            kernels.c.user_uuid == owner.user_id,
            kernels.c.access_key == owner.access_key,
            kernels.c.group_id == owner.group_id,
        ),
        statuses=_COMMITTED,
    )
    return limits, occupancy


async def known_slots(connection: AsyncConnection) -> frozenset[str]:
    """Slot names that exist: the intrinsic ones and whatever agents report."""
    found = await connection.scalars(
        select(func.jsonb_object_keys(agents.c.available_slots)).distinct()
    )
    return frozenset(INTRINSIC_SLOTS) | frozenset(found)


async def load_limits(
    connection: AsyncConnection,
    known: Collection[str],
    *,
    access_keys: Collection[str],
    user_ids: Collection[UUID],
    group_ids: Collection[UUID],
    domain_names: Collection[str],
) -> Limits:
    """The limits of the given owners; a user's are those of the main key pair's policy."""
    policies = keypair_resource_policies
    rows = await connection.execute(
        select(
            keypairs.c.access_key,
            users.c.uuid.label("main_of"),
            policies.c.default_for_unspecified,
            policies.c.total_resource_slots,
            policies.c.max_concurrent_sessions,
            policies.c.max_concurrent_sftp_sessions,
            policies.c.max_pending_session_count,
            policies.c.max_pending_session_resource_slots,
        )
        .select_from(
            keypairs.join(policies, policies.c.name == keypairs.c.resource_policy).outerjoin(
                users, users.c.main_access_key == keypairs.c.access_key
            )
        )
        .where(or_(keypairs.c.access_key.in_(access_keys), users.c.uuid.in_(user_ids)))
    )
    of_keypairs: dict[str, KeypairLimits] = {}
    of_users: dict[UUID, ResourceSlot | None] = {}
    for row in rows:
        slots = ResourceSlot.from_policy(
            ResourceSlot.from_json(row.total_resource_slots),
            DefaultForUnspecified.parse(row.default_for_unspecified),
            known,
        )
        of_keypairs[row.access_key] = KeypairLimits(
            resource_slots=slots,
            max_concurrent_sessions=row.max_concurrent_sessions,
            max_concurrent_sftp_sessions=row.max_concurrent_sftp_sessions,
            max_pending_session_count=row.max_pending_session_count,
            max_pending_session_resource_slots=_optional_slots(
                row.max_pending_session_resource_slots
            ),
        )
        if row.main_of is not None:
            of_users[row.main_of] = slots
    projects = (
        await connection.execute(
            select(groups.c.id, groups.c.name, groups.c.total_resource_slots).where(
                groups.c.id.in_(group_ids)
            )
        )
    ).all()
    return Limits(
        keypairs=of_keypairs,
        users=of_users,
        groups={row.id: _optional_slots(row.total_resource_slots) for row in projects},
        domains={
            row.name: _optional_slots(row.total_resource_slots)
            for row in await connection.execute(
                select(domains.c.name, domains.c.total_resource_slots).where(
                    domains.c.name.in_(domain_names)
                )
            )
        },
        user_emails={
            row.uuid: row.email
            for row in await connection.execute(
                select(users.c.uuid, users.c.email).where(users.c.uuid.in_(user_ids))
            )
        },
        group_names={row.id: row.name for row in projects},
    )


async def load_occupancy(
    connection: AsyncConnection,
    *,
    where: ColumnElement[bool],
    statuses: Collection[KernelStatus] = _ON_AGENTS,
) -> Occupancy:
    """Sums and counts over the kernels that match, in the given statuses."""
    by_keypair, by_user, by_group, by_domain = await _slot_sums(connection, where, statuses)
    sessions, sftp = await _session_counts(connection, where, statuses)
    pending, pending_slots = await _pending_numbers(connection, where)
    return Occupancy(
        keypairs=by_keypair,
        users=by_user,
        groups=by_group,
        domains=by_domain,
        session_counts=sessions,
        sftp_counts=sftp,
        pending_counts=pending,
        pending_slots=pending_slots,
    )


async def agent_occupancy(
    connection: AsyncConnection, agent_ids: Collection[str]
) -> Mapping[str, ResourceSlot]:
    """What the kernels on each agent take, private sessions included."""
    slots = _slots_of_kernel()
    rows = await connection.execute(
        select(kernels.c.agent, slots.c.key, func.sum(cast(slots.c.value, Numeric)).label("amount"))
        .select_from(kernels.join(slots, true()))
        .where(kernels.c.agent.in_(agent_ids), kernels.c.status.in_(_ON_AGENTS))
        .group_by(kernels.c.agent, slots.c.key)
    )
    found = _added_up((row.agent, row.key, row.amount) for row in rows)
    return {agent_id: found.get(agent_id, ResourceSlot()) for agent_id in agent_ids}


async def _slot_sums(
    connection: AsyncConnection, where: ColumnElement[bool], statuses: Collection[KernelStatus]
) -> tuple[SlotsOf[str], SlotsOf[UUID], SlotsOf[UUID], SlotsOf[str]]:
    """By key pair, user, project and domain."""
    slots = _slots_of_kernel()
    owner = (
        kernels.c.access_key,
        kernels.c.user_uuid,
        kernels.c.group_id,
        kernels.c.domain_name,
    )
    rows = (
        await connection.execute(
            select(*owner, slots.c.key, func.sum(cast(slots.c.value, Numeric)).label("amount"))
            .select_from(kernels.join(slots, true()))
            .where(where, kernels.c.status.in_(statuses), kernels.c.session_type.not_in(_PRIVATE))
            .group_by(*owner, slots.c.key)
        )
    ).all()
    return (
        _added_up((row.access_key, row.key, row.amount) for row in rows),
        _added_up((row.user_uuid, row.key, row.amount) for row in rows),
        _added_up((row.group_id, row.key, row.amount) for row in rows),
        _added_up((row.domain_name, row.key, row.amount) for row in rows),
    )


async def _session_counts(
    connection: AsyncConnection, where: ColumnElement[bool], statuses: Collection[KernelStatus]
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Sessions and private sessions of each access key."""
    private = kernels.c.session_type.in_(_PRIVATE)
    rows = await connection.execute(
        select(
            kernels.c.access_key,
            func.count(kernels.c.session_id.distinct()).filter(~private).label("public"),
            func.count(kernels.c.session_id.distinct()).filter(private).label("private"),
        )
        .where(where, kernels.c.status.in_(statuses))
        .group_by(kernels.c.access_key)
    )
    found = rows.all()
    return (
        {row.access_key: row.public for row in found},
        {row.access_key: row.private for row in found},
    )


async def _pending_numbers(
    connection: AsyncConnection, where: ColumnElement[bool]
) -> tuple[Mapping[str, int], SlotsOf[str]]:
    """Sessions that wait, and what they ask for, of each access key."""
    waiting = (where, kernels.c.status == KernelStatus.PENDING)
    counts = await connection.execute(
        select(kernels.c.access_key, func.count(kernels.c.session_id.distinct()).label("amount"))
        .where(*waiting)
        .group_by(kernels.c.access_key)
    )
    slots = _slots_of_kernel()
    amounts = await connection.execute(
        select(
            kernels.c.access_key,
            slots.c.key,
            func.sum(cast(slots.c.value, Numeric)).label("amount"),
        )
        .select_from(kernels.join(slots, true()))
        .where(*waiting)
        .group_by(kernels.c.access_key, slots.c.key)
    )
    return (
        {row.access_key: row.amount for row in counts},
        _added_up((row.access_key, row.key, row.amount) for row in amounts),
    )


def _slots_of_kernel() -> LateralFromClause:
    """``key, value`` of each slot that a kernel counts with, as a lateral join."""
    counted = case(
        (kernels.c.status.in_(KERNEL_RESOURCE_OCCUPIED), kernels.c.occupied_slots),
        else_=kernels.c.requested_slots,
    )
    return (
        func.jsonb_each_text(counted)
        .table_valued(column("key", Text), column("value", Text))
        .lateral("slots")
    )


def _added_up(amounts: Iterable[tuple[KeyT, str, Decimal]]) -> dict[KeyT, ResourceSlot]:
    """Amounts of one slot each, added up for each key."""
    sums: defaultdict[KeyT, dict[str, Decimal]] = defaultdict(dict)
    for key, slot, amount in amounts:
        sums[key][slot] = sums[key].get(slot, Decimal(0)) + amount
    return {key: ResourceSlot(slots) for key, slots in sums.items()}


def _optional_slots(value: object) -> ResourceSlot | None:
    return ResourceSlot.from_json(value) if value else None  # type: ignore[arg-type]
