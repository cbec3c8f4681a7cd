"""What an invitation to a virtual folder is (``reference/services.md`` §5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.status import VFolderInvitationState
    from bai_manager.types.vfolder import VFolderPermission


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitationData:
    """One invitation; ``inviter`` and ``invitee`` are e-mails."""

    id: UUID
    vfolder_id: UUID
    vfolder_name: str
    inviter: str
    invitee: str
    permission: VFolderPermission
    state: VFolderInvitationState
    created_at: datetime | None
    modified_at: datetime | None
