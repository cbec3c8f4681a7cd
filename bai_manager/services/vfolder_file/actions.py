"""What can be done with files in virtual folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import ActionResult, Operation
from bai_manager.services.vfolder.actions import VFolderAction
from bai_manager.services.vfolder_file.types import TransferOptions

if TYPE_CHECKING:
    from bai_manager.services.vfolder_file.types import VFolderPath, VFolderSize


@dataclass(frozen=True, kw_only=True, slots=True)
class ListVFolderFilesActionResult(ActionResult):
    """``count`` is how many entries the sink took."""

    path: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ListVFolderFilesAction(VFolderAction[ListVFolderFilesActionResult]):
    """List what is at a path; the sink gets the entries while they are found."""

    operation: ClassVar[Operation] = Operation.LIST_FILES

    path: str = "."
    recursive: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureVFolderFilesActionResult(ActionResult):
    """The path itself comes last, after folders in it."""

    sizes: list[VFolderSize]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureVFolderFilesAction(VFolderAction[MeasureVFolderFilesActionResult]):
    """Count files and bytes at a path, and in folders ``depth`` levels below it."""

    operation: ClassVar[Operation] = Operation.MEASURE_FILES

    path: str = "."
    depth: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadVFolderFileActionResult(ActionResult):
    """``size`` is how many bytes the sink took."""

    path: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadVFolderFileAction(VFolderAction[ReadVFolderFileActionResult]):
    """Read a file into the sink."""

    operation: ClassVar[Operation] = Operation.READ_FILE

    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderPathsActionResult(ActionResult):
    paths: list[VFolderPath]


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeVFolderPathAction(VFolderAction[VFolderPathsActionResult]):
    """Make a folder in a folder; with ``parents`` those above it, too, and one that is there."""

    operation: ClassVar[Operation] = Operation.MAKE_FOLDER

    path: str
    parents: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveVFolderFileAction(VFolderAction[VFolderPathsActionResult]):
    """Rename a file or folder, or move it into a folder; nothing is replaced."""

    operation: ClassVar[Operation] = Operation.MOVE_FILE

    source: str
    destination: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteVFolderFilesAction(VFolderAction[VFolderPathsActionResult]):
    """Remove files, and ``recursive`` folders with all that is in them: all or none."""

    operation: ClassVar[Operation] = Operation.DELETE_FILES

    paths: tuple[str, ...]
    recursive: bool = False
    ignore_missing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferVFolderFilesActionResult(ActionResult):
    """How many files had which result; ``size`` is the bytes of those transferred."""

    transferred: int
    unchanged: int
    skipped: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadVFolderFilesAction(VFolderAction[TransferVFolderFilesActionResult]):
    """Send files and folders of this machine; the sink is told of each file.

    ``sources`` are paths, or a single ``-`` for what the sink reads.
    """

    operation: ClassVar[Operation] = Operation.UPLOAD_FILE

    sources: tuple[str, ...]
    destination: str | None = None
    options: TransferOptions = field(default_factory=TransferOptions)


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadVFolderFilesAction(VFolderAction[TransferVFolderFilesActionResult]):
    """Fetch files and folders to this machine; the sink is told of each file.

    Without ``sources`` all that is in the folder.
    """

    operation: ClassVar[Operation] = Operation.DOWNLOAD_FILE

    sources: tuple[str, ...] = ()
    destination: str | None = None
    options: TransferOptions = field(default_factory=TransferOptions)
