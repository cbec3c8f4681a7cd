"""What can go wrong with files in virtual folders, besides what storage says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import BackendAIError, Conflict, InvalidInput
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from bai_manager.types.json import JsonValue


class TransferIncomplete(BackendAIError):
    """Some of several files could not be moved; each said why."""

    error_code = "vfolder_execute_internal-error"

    def __init__(self, *, failed: int, total: int, details: dict[str, JsonValue]) -> None:
        super().__init__(
            f"{failed} of {total} files could not be transferred.",
            hint="Run the same command again: it takes up what is missing.",
            details=details,
        )


class TransferAmbiguous(InvalidInput):
    """Where something is to go cannot be told."""

    error_code = "vfolder_access_invalid-parameters"


class FolderKeptElsewhere(Conflict):
    """The folder is a path of the machines that mount it; no storage serves its files."""

    error_code = "vfolder_access_not-implemented"

    def __init__(self, name: str, path: str) -> None:
        super().__init__(
            f"The files of folder {printable(name)!r} are kept at {printable(path)}, out of"
            " reach of any storage.",
            hint="Reach them there, or in a session that mounts the folder.",
            details={"vfolder": name, "unmanaged_path": path},
        )
