"""Paths inside a virtual folder: relative, and never out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.errors import PathRefused
from bai_manager.clients.storage_proxy.protocol import UPLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.vfolder import VFolderID

OWN = ".bai-manager"
"""The folder of a local volume for what is not a virtual folder: trash, limits."""

_LONGEST_NAME = 255


def split_path(path: str) -> tuple[str, ...]:
    """The names of a path; the folder itself has none. Raises ``PathRefused``."""
    if "\0" in path:
        raise PathRefused(path, "it has a null character")
    if path.startswith("/"):
        raise PathRefused(path, "it is absolute")
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if ".." in parts:
        raise PathRefused(path, "it leads out with ..")
    if any(_size(part, path) > _LONGEST_NAME for part in parts):
        raise PathRefused(path, f"a name has at most {_LONGEST_NAME} bytes")
    if parts and parts[0] == UPLOADS:
        raise PathRefused(path, f"{UPLOADS} belongs to unfinished uploads")
    return parts


def split_entry(path: str) -> tuple[str, ...]:
    """The same for something in the folder: the folder itself is refused."""
    parts = split_path(path)
    if not parts:
        raise PathRefused(path, "it is the virtual folder itself")
    return parts


def join(parts: Sequence[str]) -> str:
    return "/".join(parts) or "."


def folder_parts(folder: VFolderID) -> tuple[str, ...]:
    """Where a folder is on its volume (``reference/storage-proxy.md`` §3)."""
    name = folder.folder.hex
    scope = () if folder.quota_scope is None else (folder.quota_scope.path,)
    return (*scope, name[:2], name[2:4], name[4:])


def _size(name: str, path: str) -> int:
    try:
        return len(name.encode(errors="surrogateescape"))
    except UnicodeEncodeError:
        raise PathRefused(path, "it has characters that no file name can have") from None
