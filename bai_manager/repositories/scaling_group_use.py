"""What is on a resource group: agents, what they hold, sessions, services."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, literal_column, or_, select

from bai_manager.models.agent import agents
from bai_manager.models.endpoint import endpoints
from bai_manager.models.session import kernels, sessions
from bai_manager.repositories.occupancy import agent_occupancy
from bai_manager.services.scaling_group.types import ScalingGroupUse
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    KERNEL_RESOURCE_OCCUPIED,
    KERNEL_RESOURCE_REQUESTED,
    SESSION_DEAD,
    AgentStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bai_manager.repositories.rows import AnyRow

_ON_AGENTS = KERNEL_RESOURCE_OCCUPIED | KERNEL_RESOURCE_REQUESTED
_NOTHING = Decimal(0)


@dataclass(kw_only=True)
class AgentNumbers:
    """Sums over the agents of one resource group, as ``ScalingGroupData`` shows them."""

    counts: Counter[str] = field(default_factory=Counter)
    available: ResourceSlot = field(default_factory=ResourceSlot)
    occupied: ResourceSlot = field(default_factory=ResourceSlot)
    free: ResourceSlot = field(default_factory=ResourceSlot)
    largest: ResourceSlot = field(default_factory=ResourceSlot)

    def add(self, row: AnyRow, occupied: ResourceSlot) -> None:
        """Count one agent; what is free of it is never below zero."""
        self.counts[row.status] += 1
        if row.status != AgentStatus.ALIVE.name:
            return
        available = ResourceSlot.from_json(row.available_slots)
        self.available += available
        self.occupied += occupied
        if row.schedulable:
            left = available - occupied
            self.free += ResourceSlot({slot: max(left[slot], _NOTHING) for slot in available})
            self.largest = ResourceSlot(
                {
                    slot: max(self.largest.get(slot, _NOTHING), available.get(slot, _NOTHING))
                    for slot in self.largest.keys() | available.keys()
                }
            )


async def agent_numbers(
    connection: AsyncConnection, names: Collection[str]
) -> Mapping[str, AgentNumbers]:
    """The numbers of each resource group named, also of those without an agent."""
    rows = (
        await connection.execute(
            select(
                agents.c.id,
                agents.c.scaling_group,
                cast(agents.c.status, Text).label("status"),
                agents.c.schedulable,
                agents.c.available_slots,
            )
            .where(agents.c.scaling_group.in_(names))
            .order_by(agents.c.id)
        )
    ).all()
    occupied = await agent_occupancy(connection, [row.id for row in rows])
    numbers = {name: AgentNumbers() for name in names}
    for row in rows:
        numbers[row.scaling_group].add(row, occupied[row.id])
    return numbers


async def own_occupied(
    connection: AsyncConnection, names: Collection[str], user_id: UUID
) -> Mapping[str, ResourceSlot]:
    """What one user's kernels hold on the agents of each resource group."""
    rows = await connection.execute(
        select(agents.c.scaling_group, kernels.c.occupied_slots)
        .join(agents, agents.c.id == kernels.c.agent)
        .where(
            agents.c.scaling_group.in_(names),
            kernels.c.user_uuid == user_id,
            kernels.c.status.in_(_ON_AGENTS),
        )
    )
    found: defaultdict[str, ResourceSlot] = defaultdict(ResourceSlot)
    for row in rows:
        found[row.scaling_group] += ResourceSlot.from_json(row.occupied_slots)
    return found


async def use_of(connection: AsyncConnection, name: str) -> ScalingGroupUse:
    """What refers to a resource group.

    An upgraded database has another column of endpoints that refers to one
    (``reference/schema-differences.txt``); a row as JSON has it or not.
    """
    ended = sessions.c.status.in_(SESSION_DEAD)
    of_sessions = sessions.c.scaling_group_name == name
    old_reference = literal_column("to_jsonb(endpoints) ->> 'scaling_group'", Text)
    row = (
        await connection.execute(
            select(
                _count(agents.c.scaling_group == name).label("agents"),
                _count(of_sessions, ~ended).label("live_sessions"),
                _count(of_sessions, ended).label("ended_sessions"),
                _count(kernels.c.scaling_group == name).label("kernels"),
                _count(or_(endpoints.c.resource_group == name, old_reference == name)).label(
                    "endpoints"
                ),
            )
        )
    ).one()
    return ScalingGroupUse(**row._mapping)  # noqa: SLF001 - a public name


def _count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).where(*conditions).scalar_subquery()
