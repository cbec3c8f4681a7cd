"""Offering folders to others, and answering such offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.vfolder.errors import (
    VFolderForbidden,
    VFolderInvalidParameter,
    VFolderNotFound,
)
from bai_manager.services.vfolder.rules import require_host_permission
from bai_manager.services.vfolder_invitation.actions import (
    InvitationActionResult,
    InviteActionResult,
    ListInvitationsActionResult,
)
from bai_manager.services.vfolder_invitation.errors import VFolderInvitationNotFound
from bai_manager.types.status import VFolderInvitationState, VFolderOwnershipType
from bai_manager.types.vfolder import VFolderHostPermission

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.base import ActionResult
    from bai_manager.repositories.vfolder_invitation import VFolderInvitationRepository
    from bai_manager.services.vfolder_invitation.actions import (
        AcceptInvitationAction,
        CancelInvitationAction,
        InvitationAction,
        InviteAction,
        ListInvitationsAction,
        RejectInvitationAction,
        UpdateInvitationAction,
    )


class VFolderInvitationService:
    def __init__(self, *, invitations: VFolderInvitationRepository) -> None:
        self._invitations = invitations

    async def invite(self, action: InviteAction) -> InviteActionResult:
        """Offer a user's folder; project folders are shared, and dot folders kept to oneself."""
        access = action.access
        if access is None:
            raise VFolderNotFound(action.vfolder)
        if access.ownership_type is VFolderOwnershipType.GROUP:
            raise VFolderInvalidParameter(
                f"Folder {access.name!r} is a project's.",
                hint=f"Share it with members: 'bai-manager vfolder share {access.name} EMAIL'.",
            )
        if access.name.startswith("."):
            raise VFolderForbidden(
                f"Folder {access.name!r} is mounted in every session of its owner; such folders"
                " are not shared.",
                hint="Share one whose name does not begin with a dot.",
            )
        require_host_permission(access, VFolderHostPermission.INVITE_OTHERS)
        invited, pending = await self._invitations.invite(access, action.emails, action.permission)
        return InviteActionResult(invited=invited, pending=pending)

    async def list_invitations(self, action: ListInvitationsAction) -> ListInvitationsActionResult:
        """To the actor, or by the actor."""
        if action.requester is None:
            return ListInvitationsActionResult(invitations=[])
        return ListInvitationsActionResult(
            invitations=await self._invitations.list_invitations(
                action.query, user_id=action.requester, sent=action.sent, answered=action.answered
            )
        )

    async def accept_invitation(self, action: AcceptInvitationAction) -> InvitationActionResult:
        """The folder is shared from now on."""
        return InvitationActionResult(invitation=await self._invitations.accept(_id_of(action)))

    async def reject_invitation(self, action: RejectInvitationAction) -> InvitationActionResult:
        """No, says who was invited."""
        return await self._closed(action, VFolderInvitationState.REJECTED)

    async def cancel_invitation(self, action: CancelInvitationAction) -> InvitationActionResult:
        """No, says who invited."""
        return await self._closed(action, VFolderInvitationState.CANCELED)

    async def update_invitation(self, action: UpdateInvitationAction) -> InvitationActionResult:
        """Another permission."""
        found = await self._invitations.update(_id_of(action), action.permission)
        return InvitationActionResult(invitation=found)

    async def _closed(
        self, action: InvitationAction[ActionResult], state: VFolderInvitationState
    ) -> InvitationActionResult:
        found = await self._invitations.close(_id_of(action), state)
        return InvitationActionResult(invitation=found)


def _id_of(action: InvitationAction[ActionResult]) -> UUID:
    if action.invitation_id is None:
        raise VFolderInvitationNotFound(action.invitation)
    return action.invitation_id
