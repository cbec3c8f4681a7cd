"""The dotfiles that a session finds in its home (``reference/value-types.md`` §6.1, §12.1)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from bai_manager.services.session.errors import DotfileMountConflict
from bai_manager.types.mounts import HOME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.dotfiles import GivenDotfile
    from bai_manager.types.json import JsonValue
    from bai_manager.types.mounts import VFolderMount


def told_to_agents(given: Sequence[GivenDotfile]) -> list[JsonValue]:
    """As ``internal_data["dotfiles"]`` of kernels has them: in reverse."""
    return [
        {"path": one.dotfile.path, "perm": one.dotfile.permission, "data": one.dotfile.data}
        for one in reversed(given)
    ]


def refuse_conflicts(given: Sequence[GivenDotfile], mounts: Sequence[VFolderMount]) -> None:
    """Raise ``DotfileMountConflict`` for a dotfile where a folder is to be, or above it."""
    for one in given:
        path = posixpath.normpath(posixpath.join(HOME, one.dotfile.path))
        for mount in mounts:
            if f"{mount.kernel_path}/".startswith(f"{path}/"):
                raise DotfileMountConflict(one, mount)
