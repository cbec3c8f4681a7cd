"""Keeping the work folder of a local kernel as an archive.

Archives are below ``.commits`` of the agent's folder, in a folder for each owner, ``0600``.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

FOLDER: Final = ".commits"
_TOP: Final = "work"


class CannotCommit(Exception):
    """What is asked for cannot be kept; the text says why."""


def commit_file(root: str, owner: str, filename: str) -> Path:
    """Where it goes; raises ``CannotCommit`` for a name that is no name of a file."""
    for name in (owner, filename):
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise CannotCommit(f"{name!r} is no name of a file")
    return Path(root, FOLDER, owner, filename)


def keep(work: str, mounted: Collection[str], path: Path) -> None:
    """Pack the folder ``work`` without what is mounted, paths below it; whole or not at all.

    Links are kept as links, sockets are left out. Raises ``CannotCommit``.
    """
    left_out = {f"{_TOP}/{target}" for target in mounted}

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if member.name in left_out else member

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with (
                os.fdopen(descriptor, "wb") as file,
                tarfile.open(fileobj=file, mode="w:gz") as tar,
            ):
                tar.add(work, arcname=_TOP, filter=wanted)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotCommit(f"the work folder cannot be packed: {error}") from error
