"""What can be done with the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.services.audit.types import AuditData


@dataclass(frozen=True, kw_only=True, slots=True)
class ListAuditLogsActionResult(ActionResult):
    """``logs`` newest first."""

    logs: list[AuditData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListAuditLogsAction(Action[ListAuditLogsActionResult]):
    """List what one user's key pair did (the actor's own when None), or everybody."""

    entity_type: ClassVar[EntityType] = EntityType.AUDIT
    operation: ClassVar[Operation] = Operation.LIST

    owner: str | None = None
    everybody: bool = False
    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget() if self.everybody else KeypairTarget(self.owner)
