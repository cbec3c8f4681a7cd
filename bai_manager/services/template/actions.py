"""What can be done with templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import (
    KeypairTarget,
    Target,
    TemplateTarget,
    Visibility,
    VisibleTarget,
)
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.template.types import TemplateData
    from bai_manager.types.json import JsonObject

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateAction(Action[ResultT_co]):
    """One template, by id, the beginning of it, or name; the actor's own come first.

    ``template_id`` is settled before the service sees the action.
    """

    entity_type: ClassVar[EntityType] = EntityType.TEMPLATE

    template: str
    template_id: UUID | None = None

    def target(self) -> Target:
        return TemplateTarget(self.template)

    def entity_id(self) -> str | None:
        return self.template


@dataclass(frozen=True, kw_only=True, slots=True)
class ListTemplatesActionResult(ActionResult):
    templates: list[TemplateData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListTemplatesAction(Action[ListTemplatesActionResult]):
    """List templates of one's own and of one's projects; an admin's domain, or all."""

    entity_type: ClassVar[EntityType] = EntityType.TEMPLATE
    operation: ClassVar[Operation] = Operation.LIST

    include_deleted: bool = False
    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateResult(ActionResult):
    """The template as it is now."""

    template: TemplateData

    def entity_id(self) -> str | None:
        return str(self.template.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetTemplateAction(TemplateAction[TemplateResult]):
    """Show one template."""

    operation: ClassVar[Operation] = Operation.GET


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateTemplateActionResult(TemplateResult):
    """``created`` is False when one of that name was left as it is."""

    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateTemplateAction(Action[CreateTemplateActionResult]):
    """Keep a template for the user of a key pair, and for a project when one is named.

    ``name`` wins over that of the body.
    """

    entity_type: ClassVar[EntityType] = EntityType.TEMPLATE
    operation: ClassVar[Operation] = Operation.CREATE

    body: JsonObject
    name: str | None = None
    group: str | None = None
    owner: str | None = None
    if_not_exists: bool = False

    def target(self) -> Target:
        return KeypairTarget(self.owner)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateTemplateActionResult(TemplateResult):
    """``changed`` names the fields that have another value now."""

    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateTemplateAction(TemplateAction[UpdateTemplateActionResult]):
    """Put another body in the place of a template's, or give it another name."""

    operation: ClassVar[Operation] = Operation.UPDATE

    body: JsonObject | None = None
    name: str | None = None
    if_unchanged: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteTemplateAction(TemplateAction[TemplateResult]):
    """Let nothing be created from a template any more; its row stays."""

    operation: ClassVar[Operation] = Operation.DELETE
