"""What can be done with domains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target, VisibleTarget
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.domain.types import (
        DomainChanges,
        DomainContents,
        DomainData,
        DomainDetails,
        DomainSpec,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ListDomainsActionResult(ActionResult):
    domains: list[DomainData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListDomainsAction(Action[ListDomainsActionResult]):
    """List the domains that the actor may see: all, or the own one."""

    entity_type: ClassVar[EntityType] = EntityType.DOMAIN
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetDomainActionResult(ActionResult):
    domain: DomainDetails


@dataclass(frozen=True, kw_only=True, slots=True)
class GetDomainAction(Action[GetDomainActionResult]):
    """Show one domain and how much there is in it."""

    entity_type: ClassVar[EntityType] = EntityType.DOMAIN
    operation: ClassVar[Operation] = Operation.GET

    domain: str
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()

    def entity_id(self) -> str | None:
        return self.domain


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateDomainActionResult(ActionResult):
    """``created`` is False for one that was there already and was left as it is."""

    domain: DomainData
    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateDomainAction(Action[CreateDomainActionResult]):
    """Create a domain, with the role of its administrators and a project for models.

    The resource groups named are opened to all of it.
    """

    entity_type: ClassVar[EntityType] = EntityType.DOMAIN
    operation: ClassVar[Operation] = Operation.CREATE

    spec: DomainSpec
    scaling_groups: tuple[str, ...] = ()
    model_store: bool = True
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.spec.name


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateDomainActionResult(ActionResult):
    """``changed`` names the fields that have another value now."""

    domain: DomainData
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateDomainAction(Action[UpdateDomainActionResult]):
    """Change a domain; ``if_unchanged`` is the version that was looked at."""

    entity_type: ClassVar[EntityType] = EntityType.DOMAIN
    operation: ClassVar[Operation] = Operation.UPDATE

    domain: str
    changes: DomainChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.domain


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteDomainActionResult(ActionResult):
    """``domain`` is None where there was none; ``changed`` is False for one that was inactive."""

    domain: DomainData | None
    changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteDomainAction(Action[DeleteDomainActionResult]):
    """Deactivate a domain: nobody can begin anything in it until it is active again."""

    entity_type: ClassVar[EntityType] = EntityType.DOMAIN
    operation: ClassVar[Operation] = Operation.DELETE

    domain: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.domain


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeDomainActionResult(ActionResult):
    """What was removed with the domain; None where there was none."""

    domain: str
    purged: DomainContents | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeDomainAction(Action[PurgeDomainActionResult]):
    """Remove a domain for good, with the records of what ended in it."""

    entity_type: ClassVar[EntityType] = EntityType.DOMAIN
    operation: ClassVar[Operation] = Operation.PURGE

    domain: str
    ignore_not_found: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.domain
