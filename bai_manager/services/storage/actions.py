"""What can be done with storage hosts and the quotas on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import (
    KeypairTarget,
    ProjectTarget,
    Target,
    UserTarget,
    VisibleTarget,
)

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.services.storage.types import QuotaData, StorageHostData

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListStorageHostsActionResult(ActionResult):
    hosts: list[StorageHostData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListStorageHostsAction(Action[ListStorageHostsActionResult]):
    """List the storage hosts that the actor may use, or all there are."""

    entity_type: ClassVar[EntityType] = EntityType.STORAGE
    operation: ClassVar[Operation] = Operation.LIST

    requester: UUID | None = None
    requester_key: str | None = None
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaAction(Action[ResultT_co]):
    """The quota scope of a user, of a project, or of the actor.

    ``group_id`` or ``owner_id`` is which one that is; it is settled beforehand.
    """

    entity_type: ClassVar[EntityType] = EntityType.STORAGE

    user: str | None = None
    project: str | None = None
    host: str | None = None
    group_id: UUID | None = None
    owner_id: UUID | None = None

    def target(self) -> Target:
        if self.project is not None:
            return ProjectTarget(self.project)
        return KeypairTarget() if self.user is None else UserTarget(self.user)

    def entity_id(self) -> str | None:
        found = self.group_id or self.owner_id
        return None if found is None else str(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetQuotaActionResult(ActionResult):
    quotas: list[QuotaData]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetQuotaAction(QuotaAction[GetQuotaActionResult]):
    """Show use and limit of a quota scope, on the hosts where it has folders or on one."""

    operation: ClassVar[Operation] = Operation.GET_QUOTA


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaActionResult(ActionResult):
    """The quota as it is now."""

    quota: QuotaData


@dataclass(frozen=True, kw_only=True, slots=True)
class SetQuotaAction(QuotaAction[QuotaActionResult]):
    """Limit the bytes of a quota scope on one host."""

    operation: ClassVar[Operation] = Operation.SET_QUOTA

    limit_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnsetQuotaAction(QuotaAction[QuotaActionResult]):
    """Take the limit of a quota scope on one host away."""

    operation: ClassVar[Operation] = Operation.UNSET_QUOTA
