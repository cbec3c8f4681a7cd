"""Looking at what a system depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target

if TYPE_CHECKING:
    from bai_manager.services.status.types import DependencyData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetStatusActionResult(ActionResult):
    """Every dependency of the profile, reachable or not."""

    dependencies: list[DependencyData]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetStatusAction(Action[GetStatusActionResult]):
    """Ask every dependency of the profile how it is; needs no key pair."""

    entity_type: ClassVar[EntityType] = EntityType.SYSTEM
    operation: ClassVar[Operation] = Operation.GET

    def target(self) -> Target:
        return SystemTarget()
