"""What can be done with virtual folders; their files are in ``file_actions``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import (
    FolderTarget,
    KeypairTarget,
    ProjectTarget,
    SystemTarget,
    Target,
    VisibleTarget,
)
from bai_manager.services.vfolder.types import FolderScope
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.services.vfolder.types import VFolderData, VFolderSpec
    from bai_manager.types.folder_access import FolderAccess

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderAction(Action[ResultT_co]):
    """One folder, by name, id or unique id prefix.

    ``access`` is which one that is and how the actor reaches it; it is settled beforehand.
    """

    entity_type: ClassVar[EntityType] = EntityType.VFOLDER

    vfolder: str
    access: FolderAccess | None = None

    def target(self) -> Target:
        return FolderTarget(self.vfolder)

    def entity_id(self) -> str | None:
        return self.vfolder if self.access is None else str(self.access.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListVFoldersActionResult(ActionResult):
    vfolders: list[VFolderData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListVFoldersAction(Action[ListVFoldersActionResult]):
    """List the folders that the actor can use, or all that the actor may see.

    Without a status filter deleted ones are left out; with ``trash`` there are only those.
    """

    entity_type: ClassVar[EntityType] = EntityType.VFOLDER
    operation: ClassVar[Operation] = Operation.LIST

    scope: FolderScope = FolderScope.REACHABLE
    trash: bool = False
    query: Query = field(default_factory=Query)
    requester: UUID | None = None
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderActionResult(ActionResult):
    """The folder as it is now."""

    vfolder: VFolderData

    def entity_id(self) -> str | None:
        return str(self.vfolder.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetVFolderAction(VFolderAction[VFolderActionResult]):
    """Show one folder, how full it is, and who can reach it."""

    operation: ClassVar[Operation] = Operation.GET


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateVFolderActionResult(VFolderActionResult):
    """``created`` is False for a folder that was there already and was left as it is."""

    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateVFolderAction(Action[CreateVFolderActionResult]):
    """Create a folder of the actor's own, or of a project."""

    entity_type: ClassVar[EntityType] = EntityType.VFOLDER
    operation: ClassVar[Operation] = Operation.CREATE

    spec: VFolderSpec
    if_not_exists: bool = False
    group_id: UUID | None = None
    requester_key: str | None = None

    def target(self) -> Target:
        """A path of the storage's machines could lead anywhere."""
        if self.spec.unmanaged_path is not None:
            return SystemTarget()
        return KeypairTarget() if self.spec.group is None else ProjectTarget(self.spec.group)

    def entity_id(self) -> str | None:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteVFolderAction(VFolderAction[VFolderActionResult]):
    """Move a folder to the trash, out of which it can be restored."""

    operation: ClassVar[Operation] = Operation.DELETE
