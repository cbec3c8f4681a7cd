"""What can be done with kernels; everything that changes them goes through their session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KernelTarget, KeypairTarget, SystemTarget, Target
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.session.types import KernelData


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKernelsActionResult(ActionResult):
    kernels: list[KernelData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKernelsAction(Action[ListKernelsActionResult]):
    """List kernels of one key pair (the actor's own when None), or of everybody."""

    entity_type: ClassVar[EntityType] = EntityType.KERNEL
    operation: ClassVar[Operation] = Operation.LIST

    owner: str | None = None
    everybody: bool = False
    include_ended: bool = False
    query: Query = field(default_factory=Query)

    def target(self) -> Target:
        return SystemTarget() if self.everybody else KeypairTarget(self.owner)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKernelActionResult(ActionResult):
    kernel: KernelData

    def entity_id(self) -> str | None:
        return str(self.kernel.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKernelAction(Action[GetKernelActionResult]):
    """Show one kernel, by id or unique id prefix."""

    entity_type: ClassVar[EntityType] = EntityType.KERNEL
    operation: ClassVar[Operation] = Operation.GET

    kernel: str

    def target(self) -> Target:
        return KernelTarget(self.kernel)

    def entity_id(self) -> str | None:
        return self.kernel


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKernelLogsActionResult(ActionResult):
    kernel_id: UUID
    logs: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKernelLogsAction(Action[GetKernelLogsActionResult]):
    """The log of one kernel; kept after it has ended."""

    entity_type: ClassVar[EntityType] = EntityType.KERNEL
    operation: ClassVar[Operation] = Operation.GET_LOGS

    kernel: str

    def target(self) -> Target:
        return KernelTarget(self.kernel)

    def entity_id(self) -> str | None:
        return self.kernel
