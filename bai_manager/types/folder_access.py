"""How somebody reaches a virtual folder, and what they may do there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.types.choice import Choice
from bai_manager.types.vfolder import VFOLDER_PERMISSION_DELETABLE, VFOLDER_PERMISSION_WRITABLE

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.types.status import VFolderOwnershipType, VFolderStatus
    from bai_manager.types.vfolder import (
        StorageHost,
        VFolderHostPermission,
        VFolderID,
        VFolderPermission,
    )


class FolderReach(Choice):
    """By what right a folder is reached, the closest first."""

    OWN = "own"
    SHARED = "shared"
    PROJECT = "project"
    OFFICE = "office"


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderAccess:
    """One folder as the actor, ``user_id``, reaches it (``reference/services.md`` §5.1).

    ``permission`` is the actor's on the content. ``host_permissions`` are what domain, projects
    and key pair policy allow the actor on the folder's host; who reaches a folder by office is
    not bound by them.
    """

    user_id: UUID
    id: UUID
    name: str
    vfid: VFolderID
    host: StorageHost
    unmanaged_path: str | None
    ownership_type: VFolderOwnershipType
    status: VFolderStatus
    reach: FolderReach
    permission: VFolderPermission
    host_permissions: frozenset[VFolderHostPermission]

    @property
    def is_owner(self) -> bool:
        """Project folders have no owner: those who administer the project stand in."""
        return self.reach is FolderReach.OWN

    @property
    def by_office(self) -> bool:
        return self.reach is FolderReach.OFFICE

    @property
    def writable(self) -> bool:
        return self.permission in VFOLDER_PERMISSION_WRITABLE

    @property
    def deletable(self) -> bool:
        return self.is_owner or self.permission in VFOLDER_PERMISSION_DELETABLE
