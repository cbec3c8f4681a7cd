"""What can be done with images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.services.session.types import ImageData


@dataclass(frozen=True, kw_only=True, slots=True)
class ListImagesActionResult(ActionResult):
    images: list[ImageData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListImagesAction(Action[ListImagesActionResult]):
    """List what sessions can run."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget()
