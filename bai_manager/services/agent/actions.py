"""What can be done with agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.services.agent.types import AgentData
    from bai_manager.types.json import JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class ListAgentsActionResult(ActionResult):
    agents: list[AgentData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListAgentsAction(Action[ListAgentsActionResult]):
    """List agents."""

    entity_type: ClassVar[EntityType] = EntityType.AGENT
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetAgentActionResult(ActionResult):
    """``health`` and ``hardware`` are what the agent answers; None when it does not answer."""

    agent: AgentData
    health: str | None
    hardware: JsonObject | None

    def entity_id(self) -> str | None:
        return self.agent.id


@dataclass(frozen=True, kw_only=True, slots=True)
class GetAgentAction(Action[GetAgentActionResult]):
    """Show one agent, and ask it how it is."""

    entity_type: ClassVar[EntityType] = EntityType.AGENT
    operation: ClassVar[Operation] = Operation.GET

    agent: str

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.agent
