"""What is told about files in virtual folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.types.choice import Choice

if TYPE_CHECKING:
    from datetime import datetime


class FileKind(Choice):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


class TransferResult(Choice):
    """``unchanged`` was there already; ``skipped`` is nothing that can be moved (a link, …)."""

    TRANSFERRED = "transferred"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderFile:
    """``path`` is below the virtual folder, ``size`` in bytes.

    ``permissions`` are as ``ls -l`` shows them; ``link_target`` is what a symbolic link says.
    """

    path: str
    kind: FileKind
    size: int
    permissions: str
    modified_at: datetime
    link_target: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderSize:
    """What is at a path with all below it; ``size`` is in bytes.

    Either is null where the storage takes too long to count.
    """

    path: str
    files: int | None
    size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderPath:
    """A path below the virtual folder to which something was done."""

    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferredFile:
    """``path`` begins where the transfer does; ``checksum`` is the SHA-256 where it was verified.

    ``message`` says more of what was skipped or failed.
    """

    path: str
    result: TransferResult
    size: int = 0
    checksum: str | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferOptions:
    """``jobs`` files are moved at once; patterns as in 'vfolder upload --help'.

    ``verify`` reads each file back and compares; ``replace`` is for files at the target that are
    not the same.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    verify: bool = False
    replace: bool = True
    jobs: int = 8
