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
    from bai_manager.services.vfolder.types import (
        FolderSharer,
        Recovery,
        VFolderChanges,
        VFolderData,
        VFolderHoldings,
        VFolderSpec,
        VFolderUse,
    )
    from bai_manager.types.folder_access import FolderAccess
    from bai_manager.types.vfolder import VFolderPermission

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
class GetVFolderActionResult(VFolderActionResult):
    """``use`` is None for a folder whose bytes no storage of ours keeps."""

    holdings: VFolderHoldings
    use: VFolderUse | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GetVFolderAction(VFolderAction[GetVFolderActionResult]):
    """Show one folder, how full it is, and who can reach it."""

    operation: ClassVar[Operation] = Operation.GET

    in_trash: bool = False

    def target(self) -> Target:
        return FolderTarget(self.vfolder, in_trash=self.in_trash)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreVFolderAction(VFolderAction[VFolderActionResult]):
    """Take a folder out of the trash."""

    operation: ClassVar[Operation] = Operation.RESTORE

    def target(self) -> Target:
        return FolderTarget(self.vfolder, in_trash=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoverVFolderActionResult(VFolderActionResult):
    """``vfolder`` is ready where its files are there, and else in the trash."""

    recovery: Recovery


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoverVFolderAction(VFolderAction[RecoverVFolderActionResult]):
    """Bring a folder out of ``error``, or out of a status in which nobody works on it any more."""

    operation: ClassVar[Operation] = Operation.RECOVER


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeVFolderAction(VFolderAction[VFolderActionResult]):
    """Remove a folder of the trash for good, with its files; completes an interrupted purge."""

    operation: ClassVar[Operation] = Operation.PURGE

    timeout: float | None = None

    def target(self) -> Target:
        return FolderTarget(self.vfolder, in_trash=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateVFolderActionResult(VFolderActionResult):
    """``changed`` names the fields that have another value now."""

    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateVFolderAction(VFolderAction[UpdateVFolderActionResult]):
    """Change settings of a folder; ``if_unchanged`` is the version that was looked at."""

    operation: ClassVar[Operation] = Operation.UPDATE

    changes: VFolderChanges
    if_unchanged: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RenameVFolderAction(VFolderAction[VFolderActionResult]):
    """Call a folder otherwise."""

    operation: ClassVar[Operation] = Operation.RENAME

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CloneVFolderActionResult(VFolderActionResult):
    """The clone; ``resumed`` when an interrupted one was completed."""

    source_id: UUID
    resumed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CloneVFolderAction(VFolderAction[CloneVFolderActionResult]):
    """Copy a folder into a new one of the actor's own; ``timeout`` is in seconds."""

    operation: ClassVar[Operation] = Operation.CLONE

    spec: VFolderSpec
    requester_key: str | None = None
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeVFolderOwnerAction(VFolderAction[VFolderActionResult]):
    """Give a user's folder to another user."""

    operation: ClassVar[Operation] = Operation.CHANGE_OWNER

    user: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareVFolderActionResult(ActionResult):
    vfolder_id: UUID
    shared_with: list[FolderSharer]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareVFolderAction(VFolderAction[ShareVFolderActionResult]):
    """Give members of a project their own permission on its folder.

    On a user's folder: change that of people who accepted an invitation.
    """

    operation: ClassVar[Operation] = Operation.SHARE

    emails: tuple[str, ...]
    permission: VFolderPermission


@dataclass(frozen=True, kw_only=True, slots=True)
class UnshareVFolderAction(VFolderAction[ShareVFolderActionResult]):
    """Take back what was given to people on a folder; the result has who is left."""

    operation: ClassVar[Operation] = Operation.UNSHARE

    emails: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaveVFolderAction(VFolderAction[VFolderActionResult]):
    """Give up a folder that another shared with the actor."""

    operation: ClassVar[Operation] = Operation.LEAVE
