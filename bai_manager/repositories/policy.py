"""Everything that binds one key pair, and everybody whom one policy binds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users, groups
from bai_manager.models.user import keypairs, users
from bai_manager.repositories.host_losses import HostLoss, host_losses
from bai_manager.repositories.occupancy import known_slots, load_committed
from bai_manager.repositories.policy_rehearsal import (
    Rehearsal,
    bound_by,
    bound_otherwise,
    count_of,
)
from bai_manager.repositories.resource_policy import (
    KeypairResourcePolicyRepository,
    ProjectResourcePolicyRepository,
    UserResourcePolicyRepository,
)
from bai_manager.repositories.snapshot import load_agents, load_config
from bai_manager.repositories.stock import project_stocks, user_stocks
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicyData,
)
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicyData,
)
from bai_manager.sokovan.snapshot import Limits, Occupancy, Snapshot
from bai_manager.types.vfolder import host_permissions_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.open_groups import AllowedGroup
    from bai_manager.repositories.policy_rehearsal import PolicyChanges, PolicyData
    from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyData
    from bai_manager.sokovan.quota import CountUse
    from bai_manager.sokovan.snapshot import Owner
    from bai_manager.types.vfolder import HostPermissions


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
            before = await bound_by(connection, name, changes, now)
            hosts = await self._hosts(connection, name, changes)
            trial = await connection.begin_nested()
            try:
                policy, changed = await self._change(connection, name, changes)
                after = await bound_otherwise(connection, before, policy)
                lost: tuple[HostLoss, ...] = ()
                if isinstance(policy, KeypairResourcePolicyData):
                    allowed = policy.allowed_vfolder_hosts
                    lost = await host_losses(connection, name, hosts, allowed)
            finally:
                await trial.rollback()
        return Rehearsal(
            count=count_of(policy), changed=changed, before=before, after=after, lost=lost
        )

    async def _hosts(
        self, connection: AsyncConnection, name: str, changes: PolicyChanges
    ) -> HostPermissions:
        """What a key pair policy allows on storage hosts; the others say nothing of them."""
        if not isinstance(changes, KeypairResourcePolicyChanges):
            return {}
        return (await self._of_keypairs.one(connection, name)).allowed_vfolder_hosts

    async def _change(
        self, connection: AsyncConnection, name: str, changes: PolicyChanges
    ) -> tuple[PolicyData, tuple[str, ...]]:
        if isinstance(changes, KeypairResourcePolicyChanges):
            return await self._of_keypairs.change(connection, name, changes)
        if isinstance(changes, UserResourcePolicyChanges):
            return await self._of_users.change(connection, name, changes)
        return await self._of_projects.change(connection, name, changes)


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
