"""What can be done with presets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import (
    KeypairTarget,
    SystemTarget,
    Target,
    UserTarget,
    VisibleTarget,
)
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.resource_preset.types import (
        PresetCheck,
        ResourcePresetChanges,
        ResourcePresetData,
        ResourcePresetSpec,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListResourcePresetsActionResult(ActionResult):
    presets: list[ResourcePresetData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListResourcePresetsAction(Action[ListResourcePresetsActionResult]):
    """List presets: those for all resource groups, and those for one, or for the one named."""

    entity_type: ClassVar[EntityType] = EntityType.RESOURCE_PRESET
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    scaling_group: str | None = None
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetResourcePresetActionResult(ActionResult):
    preset: ResourcePresetData


@dataclass(frozen=True, kw_only=True, slots=True)
class GetResourcePresetAction(Action[GetResourcePresetActionResult]):
    """Show one preset, by id or by a name that one alone has."""

    entity_type: ClassVar[EntityType] = EntityType.RESOURCE_PRESET
    operation: ClassVar[Operation] = Operation.GET

    preset: str
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.preset


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateResourcePresetActionResult(ActionResult):
    """``created`` is False for one that was there already and was left as it is."""

    preset: ResourcePresetData
    created: bool

    def entity_id(self) -> str | None:
        return str(self.preset.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateResourcePresetAction(Action[CreateResourcePresetActionResult]):
    """Create a preset."""

    entity_type: ClassVar[EntityType] = EntityType.RESOURCE_PRESET
    operation: ClassVar[Operation] = Operation.CREATE

    spec: ResourcePresetSpec
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateResourcePresetActionResult(ActionResult):
    """``changed`` names the fields that have another value now."""

    preset: ResourcePresetData
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateResourcePresetAction(Action[UpdateResourcePresetActionResult]):
    """Change a preset; ``if_unchanged`` is the version that was looked at."""

    entity_type: ClassVar[EntityType] = EntityType.RESOURCE_PRESET
    operation: ClassVar[Operation] = Operation.UPDATE

    preset: str
    changes: ResourcePresetChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.preset


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteResourcePresetActionResult(ActionResult):
    """What was deleted; None where there was nothing and that was to be ignored."""

    preset: ResourcePresetData | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteResourcePresetAction(Action[DeleteResourcePresetActionResult]):
    """Delete a preset; sessions that were created from it are their own."""

    entity_type: ClassVar[EntityType] = EntityType.RESOURCE_PRESET
    operation: ClassVar[Operation] = Operation.DELETE

    preset: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.preset


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResourcePresetsActionResult(ActionResult):
    check: PresetCheck


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResourcePresetsAction(Action[CheckResourcePresetsActionResult]):
    """Say which presets fit now for a user's main key pair, or for a key pair (``owner``)."""

    entity_type: ClassVar[EntityType] = EntityType.RESOURCE_PRESET
    operation: ClassVar[Operation] = Operation.CHECK

    user: str | None = None
    owner: str | None = None
    project: str | None = None
    scaling_group: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner) if self.user is None else UserTarget(self.user)

    def entity_id(self) -> str | None:
        return self.user or self.owner
