"""What a folder holds, told before something is done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.cli.verbs import counted
from bai_manager.services.vfolder.actions import GetVFolderAction
from bai_manager.services.vfolder.errors import VFolderNotFound
from bai_manager.services.vfolder.types import SharerKind
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.status import VFolderStatus

if TYPE_CHECKING:
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.vfolder.actions import GetVFolderActionResult


_ORDINARY = {VFolderStatus.READY, VFolderStatus.DELETE_PENDING}


def holdings(cli: Cli, folders: list[str]) -> str:
    """What would be touched, as far as can be told before asking."""
    if len(folders) != 1 or cli.flags.yes or cli.flags.dry_run:
        return counted(len(folders), "folder")
    try:
        return described(cli.execute(GetVFolderAction(vfolder=folders[0])))
    except VFolderNotFound:
        return counted(1, "folder")


def described(found: GetVFolderActionResult) -> str:
    folder, use = found.vfolder, found.use
    owner = folder.owner or folder.project
    size = BinarySize(use.used_bytes) if use is not None and use.used_bytes is not None else None
    facts = [
        *([] if folder.status in _ORDINARY else [folder.status.value]),
        *([counted(use.file_count, "file")] if use is not None else []),
        *([str(size)] if size is not None else []),
        *([shared] if (shared := _others(found)) else []),
    ]
    return f"folder {folder.name} of {owner} ({', '.join(facts) or folder.status.value})"


def _others(found: GetVFolderActionResult) -> str:
    others = [one for one in found.holdings.shared_with if one.kind is SharerKind.USER]
    return f"shared with {counted(len(others), 'user')}" if others else ""
