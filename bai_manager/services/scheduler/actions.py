"""What can be done with the scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSchedulerActionResult(ActionResult):
    """``sessions`` counts sessions that have not ended, by status, after the pass."""

    sessions: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSchedulerAction(Action[RunSchedulerActionResult]):
    """Move every session as far as it can go now."""

    entity_type: ClassVar[EntityType] = EntityType.SCHEDULER
    operation: ClassVar[Operation] = Operation.RUN

    def target(self) -> Target:
        return SystemTarget()
