"""Setting a system up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target


@dataclass(frozen=True, kw_only=True, slots=True)
class InitializeActionResult(ActionResult):
    """``created`` names what was missing and now exists; empty when all was there."""

    profile: str
    admin_email: str
    access_key: str
    domain_name: str
    project_name: str
    scaling_group: str
    agent_id: str
    storage_host: str
    images: list[str]
    created: list[str]

    def entity_id(self) -> str | None:
        return self.profile


@dataclass(frozen=True, kw_only=True, slots=True)
class InitializeAction(Action[InitializeActionResult]):
    """Create what a local system needs, or what is missing of it."""

    entity_type: ClassVar[EntityType] = EntityType.SYSTEM
    operation: ClassVar[Operation] = Operation.INITIALIZE

    admin_email: str = "admin@localhost"
    admin_username: str = "admin"
    admin_full_name: str = "Administrator"
    domain_name: str = "default"
    project_name: str = "default"
    scaling_group: str = "default"

    def target(self) -> Target:
        return SystemTarget()
