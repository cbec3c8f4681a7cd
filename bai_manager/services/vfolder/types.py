"""What a virtual folder is (``reference/services.md`` §5, ``value-types.md`` §5 to §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.types.choice import Choice
from bai_manager.types.status import VFolderUsageMode
from bai_manager.types.tristate import UNSET, Maybe
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.folder_access import FolderReach
    from bai_manager.types.purge import MountedFolder
    from bai_manager.types.status import VFolderOwnershipType, VFolderStatus
    from bai_manager.types.vfolder import StorageHost, VFolderID


class FolderScope(Choice):
    """Which folders a list is of; ``reachable`` are the first three together."""

    OWN = "own"
    SHARED = "shared"
    PROJECT = "project"
    REACHABLE = "reachable"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderSpec:
    """A folder to be created; without ``group`` it is the user's own."""

    name: str
    host: str | None = None
    group: str | None = None
    usage_mode: VFolderUsageMode = VFolderUsageMode.GENERAL
    permission: VFolderPermission = VFolderPermission.READ_WRITE
    cloneable: bool = False
    unmanaged_path: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderData:
    """One folder as its row says; ``version`` changes with every update of the row.

    ``permission`` is the folder's, ``my_permission`` that of who looks, by right of ``reach``.
    ``owner`` is an e-mail, ``project`` a name; one of them is null. ``max_size`` is in MiB.
    """

    id: UUID
    name: str
    host: StorageHost
    status: VFolderStatus
    ownership_type: VFolderOwnershipType
    owner: str | None
    owner_id: UUID | None
    project: str | None
    project_id: UUID | None
    domain_name: str
    usage_mode: VFolderUsageMode
    permission: VFolderPermission | None
    my_permission: VFolderPermission
    reach: FolderReach
    cloneable: bool
    vfid: VFolderID
    creator: str | None
    unmanaged_path: str | None
    max_files: int | None
    max_size: int | None
    created_at: datetime | None
    last_used: datetime | None
    status_changed: datetime | None
    status_history: dict[str, str]
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderChanges:
    """What an update sets."""

    cloneable: Maybe[bool] = UNSET
    permission: Maybe[VFolderPermission] = UNSET
    usage_mode: Maybe[VFolderUsageMode] = UNSET


class Recovery(Choice):
    """What became of a folder that was stuck, by what the storage has of it."""

    NOT_NEEDED = "not-needed"
    FILES_THERE = "files-there"
    FILES_MISSING = "files-missing"
    UNFINISHED_COPY = "unfinished-copy"


class SharerKind(Choice):
    OWNER = "owner"
    PROJECT = "project"
    USER = "user"
    INVITED = "invited"


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderSharer:
    """Somebody who can reach a folder, or was invited to; ``name`` is an e-mail or a project."""

    kind: SharerKind
    name: str
    permission: VFolderPermission | None


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderHoldings:
    """Who can reach a folder, and the sessions that have not ended in which it is."""

    shared_with: list[FolderSharer]
    mounted_in: list[MountedFolder]


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderUse:
    """How full a folder is; ``error`` says why the storage told nothing."""

    file_count: int | None
    used_bytes: int | None
    error: str | None = None
