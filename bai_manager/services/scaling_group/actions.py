"""What can be done with resource groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target, VisibleTarget
from bai_manager.services.scaling_group.types import Scopes
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.scaling_group.types import (
        Association,
        ScalingGroupChanges,
        ScalingGroupData,
        ScalingGroupSpec,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListScalingGroupsActionResult(ActionResult):
    scaling_groups: list[ScalingGroupData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListScalingGroupsAction(Action[ListScalingGroupsActionResult]):
    """List resource groups that the actor may see; with ``open_to``, the active ones of those."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    open_to: Scopes = field(default_factory=Scopes)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetScalingGroupActionResult(ActionResult):
    scaling_group: ScalingGroupData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetScalingGroupAction(Action[GetScalingGroupActionResult]):
    """Show one resource group."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.GET

    scaling_group: str
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.scaling_group


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateScalingGroupActionResult(ActionResult):
    """``created`` is False for one that was there already and was left as it is."""

    scaling_group: ScalingGroupData
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateScalingGroupAction(Action[CreateScalingGroupActionResult]):
    """Create a resource group, open to whom ``scopes`` names."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.CREATE

    spec: ScalingGroupSpec
    scopes: Scopes = field(default_factory=Scopes)
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.spec.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateScalingGroupActionResult(ActionResult):
    """``changed`` names the columns that have another value now."""

    scaling_group: ScalingGroupData
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateScalingGroupAction(Action[UpdateScalingGroupActionResult]):
    """Change a resource group; ``if_unchanged`` is the version that was looked at."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.UPDATE

    scaling_group: str
    changes: ScalingGroupChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.scaling_group


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteScalingGroupActionResult(ActionResult):
    """What was deleted, None where there was nothing; ``presets`` were for this group alone."""

    scaling_group: ScalingGroupData | None
    presets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteScalingGroupAction(Action[DeleteScalingGroupActionResult]):
    """Delete a resource group that nothing refers to, and the presets that are for it alone."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.DELETE

    scaling_group: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.scaling_group


@dataclass(frozen=True, kw_only=True, slots=True)
class AssociateScalingGroupsActionResult(ActionResult):
    associations: list[Association]


@dataclass(frozen=True, kw_only=True, slots=True)
class AssociateScalingGroupsAction(Action[AssociateScalingGroupsActionResult]):
    """Open resource groups to domains, projects and key pairs."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.ASSOCIATE

    scaling_groups: tuple[str, ...]
    scopes: Scopes

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return ",".join(self.scaling_groups)


@dataclass(frozen=True, kw_only=True, slots=True)
class DissociateScalingGroupsActionResult(ActionResult):
    associations: list[Association]


@dataclass(frozen=True, kw_only=True, slots=True)
class DissociateScalingGroupsAction(Action[DissociateScalingGroupsActionResult]):
    """Close resource groups to those named, or to all they are open to."""

    entity_type: ClassVar[EntityType] = EntityType.SCALING_GROUP
    operation: ClassVar[Operation] = Operation.DISSOCIATE

    scaling_groups: tuple[str, ...]
    scopes: Scopes = field(default_factory=Scopes)
    everybody: bool = False
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return ",".join(self.scaling_groups)
