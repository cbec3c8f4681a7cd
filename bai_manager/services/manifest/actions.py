"""What can be done with a system as a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.manifest.types import Plan, Section
    from bai_manager.types.json import JsonObject

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestAction(Action[ResultT_co]):
    """The whole system, as far as a document describes one."""

    entity_type: ClassVar[EntityType] = EntityType.MANIFEST

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportManifestActionResult(ActionResult):
    """``document`` maps ``version`` and sections to what a document has there."""

    document: JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportManifestAction(ManifestAction[ExportManifestActionResult]):
    """Write a system as a document, without secrets; no ``sections`` are all of them."""

    operation: ClassVar[Operation] = Operation.EXPORT

    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffManifestActionResult(ActionResult):
    plan: Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffManifestAction(ManifestAction[DiffManifestActionResult]):
    """Say what applying a document would change.

    ``document`` is YAML, ``source`` what it is called in messages; ``requester`` is settled
    before.
    """

    operation: ClassVar[Operation] = Operation.DIFF

    document: str
    source: str
    prune: bool = False
    requester: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyManifestActionResult(ActionResult):
    """What was done."""

    plan: Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyManifestAction(ManifestAction[ApplyManifestActionResult]):
    """Make a system what a document says, all of it or nothing.

    ``expected`` is the fingerprint of the plan that was shown; nothing is done if it changed.
    """

    operation: ClassVar[Operation] = Operation.APPLY

    document: str
    source: str
    prune: bool = False
    expected: str | None = None
    requester: UUID | None = None
