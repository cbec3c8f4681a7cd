"""Everything that binds one key pair, and everybody whom one policy binds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import or_, select

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.session import kernels, sessions
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.occupancy import (
    known_slots,
    load_committed,
    load_limits,
    load_occupancy,
)
from bai_manager.repositories.resource_policy import (
    KeypairResourcePolicyRepository,
    ProjectResourcePolicyRepository,
    UserResourcePolicyRepository,
)
from bai_manager.repositories.snapshot import limits_of, load_agents, load_config, load_snapshot
from bai_manager.repositories.stock import bounds_of, oldest_sessions, project_stocks, user_stocks
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
from bai_manager.types.vfolder import host_permissions_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.open_groups import AllowedGroup
    from bai_manager.services.project_resource_policy.types import (
        ProjectResourcePolicyChanges,
        ProjectResourcePolicyData,
    )
    from bai_manager.sokovan.quota import CountUse
    from bai_manager.sokovan.snapshot import Owner
    from bai_manager.types.vfolder import HostPermissions

    PolicyChanges: TypeAlias = (
        KeypairResourcePolicyChanges | UserResourcePolicyChanges | ProjectResourcePolicyChanges
    )
    PolicyData: TypeAlias = (
        KeypairResourcePolicyData | UserResourcePolicyData | ProjectResourcePolicyData
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class HostGrant:
    """What one row allows on storage hosts."""

    source: str
    hosts: HostPermissions


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What binds one owner, and what counts against it, waiting sessions included.

    ``main_policy`` is the policy of the user's main key pair, which binds the user whatever key
    pair is used; None where there is no main one. ``groups`` are one snapshot for each resource
    group in question, with nobody waiting.
    """

    now: datetime
    owner: Owner
    slots: tuple[str, ...]
    limits: Limits
    occupancy: Occupancy
    keypair_policy: KeypairResourcePolicyData
    main_policy: str | None
    user_policy: UserResourcePolicyData
    project_policy: ProjectResourcePolicyData
    stocks: tuple[CountUse, ...]
    hosts: tuple[HostGrant, ...]
    groups: tuple[Snapshot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """Those whom a policy binds that have anything, and what waits in their resource groups.

    ``access_keys`` are the key pairs, ``main_of`` the users whose main key pair is among them.
    """

    access_keys: tuple[str, ...] = ()
    main_of: tuple[UUID, ...] = ()
    limits: Limits
    occupancy: Occupancy
    stocks: tuple[CountUse, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """The same people without a change and with it; ``changed`` names the fields."""

    count: int
    changed: tuple[str, ...]
    before: Bound
    after: Bound


class PolicyRepository:
    """Reads what policies amount to, also what a changed one would."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_keypairs = KeypairResourcePolicyRepository(database)
        self._of_users = UserResourcePolicyRepository(database)
        self._of_projects = ProjectResourcePolicyRepository(database)

    async def standing(
        self, owner: Owner, open_groups: Sequence[AllowedGroup], *, now: datetime
    ) -> Standing:
        """All that binds an owner, at one moment."""
        async with self._database.transaction() as connection:
            known = await known_slots(connection)
            limits, occupancy = await load_committed(connection, known, owner)
            keypair_policy, main_policy, user_policy, project_policy = await _policy_names(
                connection, owner
            )
            of_keypair = await self._of_keypairs.one(connection, keypair_policy)
            return Standing(
                now=now,
                owner=owner,
                slots=tuple(sorted(known)),
                limits=limits,
                occupancy=occupancy,
                keypair_policy=of_keypair,
                main_policy=main_policy,
                user_policy=await self._of_users.one(connection, user_policy),
                project_policy=await self._of_projects.one(connection, project_policy),
                stocks=(
                    *await user_stocks(connection, users.c.uuid == owner.user_id),
                    *await project_stocks(connection, groups.c.id == owner.group_id),
                ),
                hosts=(
                    HostGrant(
                        source=f"key pair policy {of_keypair.name}",
                        hosts=of_keypair.allowed_vfolder_hosts,
                    ),
                    *await _host_grants(connection, owner),
                ),
                groups=tuple(
                    [
                        replace(
                            await _empty_queue(connection, group.name, now),
                            limits=limits,
                            occupancy=occupancy,
                        )
                        for group in open_groups
                    ]
                ),
            )

    async def rehearse(self, name: str, changes: PolicyChanges, *, now: datetime) -> Rehearsal:
        """Change a policy, look at everybody it binds without and with it, and take it back.

        What people have is read once, so that nothing but the policy makes a difference. Raises
        the kind's not-found error.
        """
        async with self._database.transaction() as connection:
            before = await _bound(connection, name, changes, now)
            trial = await connection.begin_nested()
            try:
                policy, changed = await self._change(connection, name, changes)
                after = await _bound_otherwise(connection, before, policy)
            finally:
                await trial.rollback()
        return Rehearsal(count=_count(policy), changed=changed, before=before, after=after)

    async def _change(
        self, connection: AsyncConnection, name: str, changes: PolicyChanges
    ) -> tuple[PolicyData, tuple[str, ...]]:
        if isinstance(changes, KeypairResourcePolicyChanges):
            return await self._of_keypairs.change(connection, name, changes)
        if isinstance(changes, UserResourcePolicyChanges):
            return await self._of_users.change(connection, name, changes)
        return await self._of_projects.change(connection, name, changes)


def _count(policy: PolicyData) -> int:
    """How many a policy binds."""
    if isinstance(policy, KeypairResourcePolicyData):
        return policy.keypair_count
    if isinstance(policy, UserResourcePolicyData):
        return policy.user_count
    return policy.project_count


async def _bound_otherwise(connection: AsyncConnection, before: Bound, policy: PolicyData) -> Bound:
    """The same people with the limits that hold now."""
    bounds = bounds_of(policy)
    stocks = tuple(replace(use, limit=bounds[use.counted]) for use in before.stocks)
    if not before.access_keys:
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
    )


async def _bound(
    connection: AsyncConnection, name: str, changes: PolicyChanges, now: datetime
) -> Bound:
    if isinstance(changes, KeypairResourcePolicyChanges):
        return await _bound_keypairs(connection, name, now)
    if isinstance(changes, UserResourcePolicyChanges):
        stocks = await user_stocks(connection, users.c.resource_policy == name)
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
        stocks=await oldest_sessions(connection, keypairs.c.resource_policy == name, now),
        snapshots=tuple(
            [await load_snapshot(connection, group, now=now) for group in groups_in_question]
        ),
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


async def _policy_names(
    connection: AsyncConnection, owner: Owner
) -> tuple[str, str | None, str, str]:
    """The policies of the key pair, of the user's main key pair, of the user, of the project."""
    main = keypairs.alias("main")
    row = (
        await connection.execute(
            select(
                keypairs.c.resource_policy.label("of_keypair"),
                main.c.resource_policy.label("of_main"),
                users.c.resource_policy.label("of_user"),
            )
            .select_from(
                keypairs.join(users, users.c.uuid == keypairs.c.user).outerjoin(
                    main, main.c.access_key == users.c.main_access_key
                )
            )
            .where(keypairs.c.access_key == owner.access_key)
        )
    ).one()
    of_project = await connection.scalar(
        select(groups.c.resource_policy).where(groups.c.id == owner.group_id)
    )
    return row.of_keypair, row.of_main, row.of_user, of_project or ""


async def _empty_queue(connection: AsyncConnection, group: str, now: datetime) -> Snapshot:
    """A resource group with its agents, and nobody waiting."""
    return Snapshot(
        now=now,
        scaling_group=group,
        config=await load_config(connection, group),
        agents=await load_agents(connection, group),
    )


async def _host_grants(connection: AsyncConnection, owner: Owner) -> list[HostGrant]:
    """What the domain and all active projects of the user in it allow."""
    domain = await connection.scalar(
        select(domains.c.allowed_vfolder_hosts).where(
            domains.c.name == owner.domain_name, domains.c.is_active
        )
    )
    members = association_groups_users
    projects = await connection.execute(
        select(groups.c.name, groups.c.allowed_vfolder_hosts)
        .join(members, members.c.group_id == groups.c.id)
        .where(
            members.c.user_id == owner.user_id,
            groups.c.domain_name == owner.domain_name,
            groups.c.is_active,
        )
        .order_by(groups.c.name)
    )
    return [
        HostGrant(source=f"domain {owner.domain_name}", hosts=host_permissions_from_json(domain)),
        *(
            HostGrant(
                source=f"project {row.name}",
                hosts=host_permissions_from_json(row.allowed_vfolder_hosts),
            )
            for row in projects
        ),
    ]
