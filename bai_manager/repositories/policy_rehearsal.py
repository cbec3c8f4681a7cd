"""Everybody whom one policy binds, as they are and with other limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import or_, select

from bai_manager.models.group import groups
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.idle import running_sessions
from bai_manager.repositories.occupancy import known_slots, load_limits, load_occupancy
from bai_manager.repositories.snapshot import limits_of, load_snapshot
from bai_manager.repositories.stock import (
    bounds_of,
    large_sessions,
    model_services,
    project_stocks,
    user_stocks,
)
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicyData,
)
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicyData,
)
from bai_manager.sokovan.snapshot import Limits, Occupancy, Snapshot
from bai_manager.types.status import KERNEL_DEAD, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.host_losses import HostLoss
    from bai_manager.services.project_resource_policy.types import (
        ProjectResourcePolicyChanges,
        ProjectResourcePolicyData,
    )
    from bai_manager.sokovan.idle import RunningSession
    from bai_manager.sokovan.quota import CountUse

    PolicyChanges: TypeAlias = (
        KeypairResourcePolicyChanges | UserResourcePolicyChanges | ProjectResourcePolicyChanges
    )
    PolicyData: TypeAlias = (
        KeypairResourcePolicyData | UserResourcePolicyData | ProjectResourcePolicyData
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """Those whom a policy binds that have anything, and what waits in their resource groups.

    ``access_keys`` are the key pairs, ``main_of`` the users whose main key pair is among them;
    ``running`` is what idle checks look at.
    """

    access_keys: tuple[str, ...] = ()
    main_of: tuple[UUID, ...] = ()
    limits: Limits
    occupancy: Occupancy
    stocks: tuple[CountUse, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    running: tuple[RunningSession, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """The same people without a change and with it; ``changed`` names the fields.

    ``lost`` is what the change takes from them on storage hosts.
    """

    count: int
    changed: tuple[str, ...]
    before: Bound
    after: Bound
    lost: tuple[HostLoss, ...]


def count_of(policy: PolicyData) -> int:
    """How many a policy binds."""
    if isinstance(policy, KeypairResourcePolicyData):
        return policy.keypair_count
    if isinstance(policy, UserResourcePolicyData):
        return policy.user_count
    return policy.project_count


async def bound_otherwise(connection: AsyncConnection, before: Bound, policy: PolicyData) -> Bound:
    """The same people with the limits that hold now."""
    bounds = bounds_of(policy)
    stocks = tuple(replace(use, limit=bounds[use.counted]) for use in before.stocks)
    if not before.access_keys or not isinstance(policy, KeypairResourcePolicyData):
        return replace(before, stocks=stocks)
    return replace(
        before,
        limits=await _limits_of(connection, before.access_keys, before.main_of),
        stocks=stocks,
        snapshots=tuple(
            [
                replace(snapshot, limits=await limits_of(connection, snapshot.pending))
                for snapshot in before.snapshots
            ]
        ),
        running=tuple(
            replace(
                session,
                max_session_lifetime=policy.max_session_lifetime,
                idle_timeout=policy.idle_timeout,
            )
            for session in before.running
        ),
    )


async def bound_by(
    connection: AsyncConnection, name: str, changes: PolicyChanges, now: datetime
) -> Bound:
    if isinstance(changes, KeypairResourcePolicyChanges):
        return await _bound_keypairs(connection, name, now)
    if isinstance(changes, UserResourcePolicyChanges):
        theirs = users.c.resource_policy == name
        stocks = (
            *await user_stocks(connection, theirs),
            *await model_services(connection, theirs),
        )
    else:
        stocks = await project_stocks(connection, groups.c.resource_policy == name)
    return Bound(limits=Limits(), occupancy=Occupancy(), stocks=stocks)


async def _bound_keypairs(connection: AsyncConnection, name: str, now: datetime) -> Bound:
    """Those of them who have something running or waiting: nobody else can be over.

    What runs counts here, not what waits: whether that starts is the scheduler's to say.
    """
    busy = select(kernels.c.access_key).where(kernels.c.status.not_in(KERNEL_DEAD))
    busy_users = select(kernels.c.user_uuid).where(kernels.c.status.not_in(KERNEL_DEAD))
    rows = (
        await connection.execute(
            select(keypairs.c.access_key, users.c.uuid.label("main_of"))
            .select_from(
                keypairs.outerjoin(users, users.c.main_access_key == keypairs.c.access_key)
            )
            .where(
                keypairs.c.resource_policy == name,
                or_(keypairs.c.access_key.in_(busy), users.c.uuid.in_(busy_users)),
            )
            .order_by(keypairs.c.access_key)
        )
    ).all()
    access_keys = tuple(row.access_key for row in rows)
    main_of = tuple(row.main_of for row in rows if row.main_of is not None)
    theirs = or_(kernels.c.access_key.in_(access_keys), kernels.c.user_uuid.in_(main_of))
    groups_in_question = await _waited_in(connection, access_keys, main_of)
    return Bound(
        access_keys=access_keys,
        main_of=main_of,
        limits=await _limits_of(connection, access_keys, main_of),
        occupancy=await load_occupancy(connection, where=theirs),
        stocks=await large_sessions(connection, keypairs.c.resource_policy == name),
        snapshots=tuple(
            [await load_snapshot(connection, group, now=now) for group in groups_in_question]
        ),
        running=tuple(await running_sessions(connection, keypairs.c.resource_policy == name)),
    )


async def _limits_of(
    connection: AsyncConnection, access_keys: Sequence[str], user_ids: Sequence[UUID]
) -> Limits:
    return await load_limits(
        connection,
        await known_slots(connection),
        access_keys=access_keys,
        user_ids=user_ids,
        group_ids=(),
        domain_names=(),
    )


async def _waited_in(
    connection: AsyncConnection, access_keys: Sequence[str], user_ids: Sequence[UUID]
) -> list[str]:
    """Resource groups in which something of theirs waits."""
    found = await connection.scalars(
        select(sessions.c.scaling_group_name)
        .where(
            sessions.c.status == SessionStatus.PENDING,
            or_(sessions.c.access_key.in_(access_keys), sessions.c.user_uuid.in_(user_ids)),
        )
        .distinct()
        .order_by(sessions.c.scaling_group_name)
    )
    return [group for group in found if group is not None]
