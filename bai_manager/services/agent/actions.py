"""What can be done with agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.services.agent.types import AgentData, AgentSession, OccupancyChange
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


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainAgentActionResult(ActionResult):
    """``changed`` is False when it was closed before; ``sessions`` still hold something on it."""

    agent: AgentData
    changed: bool
    sessions: list[AgentSession]

    def entity_id(self) -> str | None:
        return self.agent.id


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainAgentAction(Action[DrainAgentActionResult]):
    """Give an agent no new kernels, and wait until the last one on it has ended if told to.

    ``timeout`` is in seconds; None waits without end.
    """

    entity_type: ClassVar[EntityType] = EntityType.AGENT
    operation: ClassVar[Operation] = Operation.DRAIN

    agent: str
    wait: bool = False
    timeout: float | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.agent


@dataclass(frozen=True, kw_only=True, slots=True)
class UndrainAgentActionResult(ActionResult):
    """``changed`` is False when it was open before."""

    agent: AgentData
    changed: bool

    def entity_id(self) -> str | None:
        return self.agent.id


@dataclass(frozen=True, kw_only=True, slots=True)
class UndrainAgentAction(Action[UndrainAgentActionResult]):
    """Let an agent have new kernels again."""

    entity_type: ClassVar[EntityType] = EntityType.AGENT
    operation: ClassVar[Operation] = Operation.UNDRAIN

    agent: str

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.agent


@dataclass(frozen=True, kw_only=True, slots=True)
class RecalculateUsageActionResult(ActionResult):
    """Every agent looked at, those that were right included."""

    agents: list[OccupancyChange]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecalculateUsageAction(Action[RecalculateUsageActionResult]):
    """Count what the kernels on agents hold, and correct the rows that say otherwise.

    Without ``agents`` it is done to all.
    """

    entity_type: ClassVar[EntityType] = EntityType.AGENT
    operation: ClassVar[Operation] = Operation.RECALCULATE

    agents: tuple[str, ...] = ()

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return ",".join(self.agents) or None
