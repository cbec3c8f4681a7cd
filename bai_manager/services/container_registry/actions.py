"""What can be done with container registries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.services.container_registry.types import ContainerRegistryData


@dataclass(frozen=True, kw_only=True, slots=True)
class ListContainerRegistriesActionResult(ActionResult):
    registries: list[ContainerRegistryData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListContainerRegistriesAction(Action[ListContainerRegistriesActionResult]):
    """List container registries, one for each of their projects."""

    entity_type: ClassVar[EntityType] = EntityType.CONTAINER_REGISTRY
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetContainerRegistryActionResult(ActionResult):
    registry: ContainerRegistryData

    def entity_id(self) -> str | None:
        return str(self.registry.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetContainerRegistryAction(Action[GetContainerRegistryActionResult]):
    """Show one by ``REGISTRY/PROJECT``, by its name when it is the only one of it, or by id."""

    entity_type: ClassVar[EntityType] = EntityType.CONTAINER_REGISTRY
    operation: ClassVar[Operation] = Operation.GET

    registry: str

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.registry
