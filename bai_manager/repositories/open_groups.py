"""Which resource groups somebody may create sessions in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, union

from bai_manager.models.scaling_group import (
    scaling_groups,
    sgroups_for_domains,
    sgroups_for_groups,
    sgroups_for_keypairs,
)
from bai_manager.types.scaling_group_options import ScalingGroupOptions

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.repositories.database import Database
    from bai_manager.sokovan.snapshot import AgentSnapshot
    from bai_manager.types.status import SessionType


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowedGroup:
    """A resource group open to somebody, and what it takes."""

    name: str
    is_public: bool
    session_types: frozenset[SessionType]
    allow_fractional_resource_fragmentation: bool


class OpenGroupRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def allowed_groups(
        self, *, domain_name: str, group_id: UUID, access_key: str
    ) -> list[AllowedGroup]:
        """Active groups associated with the domain, the project or the key pair, by name."""
        associated = union(
            select(sgroups_for_domains.c.scaling_group).where(
                sgroups_for_domains.c.domain == domain_name
            ),
            select(sgroups_for_groups.c.scaling_group).where(
                sgroups_for_groups.c.group == group_id
            ),
            select(sgroups_for_keypairs.c.scaling_group).where(
                sgroups_for_keypairs.c.access_key == access_key
            ),
        )
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(
                    scaling_groups.c.name,
                    scaling_groups.c.is_public,
                    scaling_groups.c.scheduler_opts,
                )
                .where(scaling_groups.c.is_active, scaling_groups.c.name.in_(associated))
                .order_by(scaling_groups.c.name)
            )
            return [
                _allowed(row.name, row.is_public, ScalingGroupOptions.from_json(row.scheduler_opts))
                for row in rows
            ]

    async def agents_of(self, name: str) -> tuple[AgentSnapshot, ...]:
        """The group's agents that may take kernels, with what they hold now."""
        from bai_manager.repositories.snapshot import load_agents  # noqa: PLC0415 - not to list

        async with self._database.transaction() as connection:
            return await load_agents(connection, name)


def _allowed(name: str, is_public: bool, options: ScalingGroupOptions) -> AllowedGroup:
    return AllowedGroup(
        name=name,
        is_public=is_public,
        session_types=frozenset(options.allowed_session_types),
        allow_fractional_resource_fragmentation=options.allow_fractional_resource_fragmentation,
    )
