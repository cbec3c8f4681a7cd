"""What can be done with images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import ImageTarget, SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.image.types import (
        ImageChanges,
        ImageDetails,
        ImageRegistration,
        ImageUse,
        Registered,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListImagesActionResult(ActionResult):
    images: list[ImageDetails]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListImagesAction(Action[ListImagesActionResult]):
    """List what sessions can run; forgotten images only where the query asks for the status."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetImageActionResult(ActionResult):
    image: ImageDetails
    use: ImageUse

    def entity_id(self) -> str | None:
        return str(self.image.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetImageAction(Action[GetImageActionResult]):
    """Show one image, by canonical name, alias or id, and what is made of it."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.GET

    image: str
    architecture: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.image


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasImageActionResult(ActionResult):
    """``created`` is False where the alias stood for that image already."""

    image: ImageDetails
    alias: str
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasImageAction(Action[AliasImageActionResult]):
    """Give an image a short name."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.ALIAS

    image: str
    alias: str
    architecture: str | None = None
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.image


@dataclass(frozen=True, kw_only=True, slots=True)
class DealiasImageActionResult(ActionResult):
    """Which image had the alias; None where there was no such alias."""

    alias: str
    image_id: UUID | None
    image_name: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DealiasImageAction(Action[DealiasImageActionResult]):
    """Take a short name away from its image."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.DEALIAS

    alias: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.alias


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterImageActionResult(ActionResult):
    image: ImageDetails
    outcome: Registered

    def entity_id(self) -> str | None:
        return str(self.image.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterImageAction(Action[RegisterImageActionResult]):
    """Add an image that exists in a known container registry, or restore a forgotten one."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.CREATE

    registration: ImageRegistration
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.registration.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateImageActionResult(ActionResult):
    """``changed`` names the columns that have another value now."""

    image: ImageDetails
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateImageAction(Action[UpdateImageActionResult]):
    """Change the limits and facts of an image; ``if_unchanged`` is the version looked at."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.UPDATE

    image: str
    changes: ImageChanges
    architecture: str | None = None
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.image


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetImageActionResult(ActionResult):
    image: ImageDetails


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetImageAction(Action[ForgetImageActionResult]):
    """Let nothing new be made of an image; its row stays."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.FORGET

    image: str
    architecture: str | None = None

    def target(self) -> Target:
        return ImageTarget(self.image, self.architecture)

    def entity_id(self) -> str | None:
        return self.image


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeImageActionResult(ActionResult):
    """What is gone."""

    image: ImageDetails


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeImageAction(Action[PurgeImageActionResult]):
    """Delete an image's row and its aliases; a forgotten one is named by its id."""

    entity_type: ClassVar[EntityType] = EntityType.IMAGE
    operation: ClassVar[Operation] = Operation.PURGE

    image: str
    architecture: str | None = None

    def target(self) -> Target:
        return ImageTarget(self.image, self.architecture)

    def entity_id(self) -> str | None:
        return self.image
