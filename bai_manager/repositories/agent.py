"""``agents``: who runs kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, select

from bai_manager.models.agent import agents
from bai_manager.models.session import kernels
from bai_manager.repositories.query import Field, apply_query
from bai_manager.services.agent.errors import AgentNotFound
from bai_manager.services.agent.types import AgentData
from bai_manager.types.query import TEXT, TIME, TRUTH, FieldKind
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import (
    KERNEL_RESOURCE_OCCUPIED,
    KERNEL_RESOURCE_REQUESTED,
    AgentStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.repositories.database import Database
    from bai_manager.repositories.rows import AnyRow
    from bai_manager.types.query import Query

_KERNEL_COUNT = (
    select(func.count())
    .where(
        kernels.c.agent == agents.c.id,
        kernels.c.status.in_(KERNEL_RESOURCE_OCCUPIED | KERNEL_RESOURCE_REQUESTED),
    )
    .scalar_subquery()
    .label("kernel_count")
)
_COLUMNS = (
    agents.c.id,
    cast(agents.c.status, Text).label("status"),
    agents.c.status_changed,
    agents.c.region,
    agents.c.scaling_group,
    agents.c.schedulable,
    agents.c.available_slots,
    agents.c.occupied_slots,
    agents.c.addr,
    agents.c.version,
    agents.c.architecture,
    agents.c.first_contact,
    agents.c.lost_at,
    _KERNEL_COUNT,
)

AGENT_FIELDS: Mapping[str, Field] = {
    "id": Field(TEXT, agents.c.id),
    "status": Field(FieldKind.choice(AgentStatus), agents.c.status, by_name=True),
    "scaling_group": Field(TEXT, agents.c.scaling_group),
    "schedulable": Field(TRUTH, agents.c.schedulable),
    "architecture": Field(TEXT, agents.c.architecture),
    "version": Field(TEXT, agents.c.version),
    "addr": Field(TEXT, agents.c.addr),
    "first_contact": Field(TIME, agents.c.first_contact),
}


class AgentRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_agents(self, query: Query) -> list[AgentData]:
        """Agents with what their kernels take."""
        statement = apply_query(
            select(*_COLUMNS), query, AGENT_FIELDS, default_order=(agents.c.id,)
        )
        async with self._database.transaction() as connection:
            return [_agent(row) for row in await connection.execute(statement)]

    async def get_agent(self, agent_id: str) -> AgentData:
        """One agent; raises ``AgentNotFound``."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(select(*_COLUMNS).where(agents.c.id == agent_id))
            ).one_or_none()
        if row is None:
            raise AgentNotFound(agent_id)
        return _agent(row)

    async def key_and_version(self, agent_id: str) -> tuple[str | None, str]:
        """The agent's CURVE key (Z85, None for plain TCP) and release; raises ``AgentNotFound``."""
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    select(agents.c.public_key, agents.c.version).where(agents.c.id == agent_id)
                )
            ).one_or_none()
        if row is None:
            raise AgentNotFound(agent_id)
        return row.public_key, row.version


def _agent(row: AnyRow) -> AgentData:
    return AgentData(
        id=row.id,
        status=AgentStatus.parse(row.status),
        status_changed=row.status_changed,
        region=row.region,
        scaling_group=row.scaling_group,
        schedulable=row.schedulable,
        available_slots=ResourceSlot.from_json(row.available_slots),
        occupied_slots=ResourceSlot.from_json(row.occupied_slots),
        addr=row.addr,
        version=row.version,
        architecture=row.architecture,
        first_contact=row.first_contact,
        lost_at=row.lost_at,
        kernel_count=row.kernel_count,
    )
