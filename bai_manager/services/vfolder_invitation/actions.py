"""What can be done with invitations to virtual folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import FolderTarget, InvitationTarget, Target, VisibleTarget
from bai_manager.types.query import Query
from bai_manager.types.vfolder import VFolderPermission

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.services.vfolder_invitation.types import InvitationData
    from bai_manager.types.folder_access import FolderAccess

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitationAction(Action[ResultT_co]):
    """One invitation, by id or unique id prefix; ``invitation_id`` is settled beforehand."""

    entity_type: ClassVar[EntityType] = EntityType.VFOLDER_INVITATION

    invitation: str
    invitation_id: UUID | None = None

    def target(self) -> Target:
        return InvitationTarget(self.invitation)

    def entity_id(self) -> str | None:
        return self.invitation if self.invitation_id is None else str(self.invitation_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class InviteActionResult(ActionResult):
    """``invited`` are new; ``pending`` had been invited before and did not answer."""

    invited: list[InvitationData]
    pending: list[InvitationData]


@dataclass(frozen=True, kw_only=True, slots=True)
class InviteAction(Action[InviteActionResult]):
    """Offer a folder to users, by their e-mails."""

    entity_type: ClassVar[EntityType] = EntityType.VFOLDER_INVITATION
    operation: ClassVar[Operation] = Operation.INVITE

    vfolder: str
    emails: tuple[str, ...]
    permission: VFolderPermission = VFolderPermission.READ_WRITE
    access: FolderAccess | None = None

    def target(self) -> Target:
        return FolderTarget(self.vfolder)

    def entity_id(self) -> str | None:
        return self.vfolder if self.access is None else str(self.access.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListInvitationsActionResult(ActionResult):
    invitations: list[InvitationData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListInvitationsAction(Action[ListInvitationsActionResult]):
    """List invitations to the actor, or with ``sent`` the actor's to others.

    Without a filter on the state only pending ones, unless ``answered`` asks for all.
    """

    entity_type: ClassVar[EntityType] = EntityType.VFOLDER_INVITATION
    operation: ClassVar[Operation] = Operation.LIST

    sent: bool = False
    answered: bool = False
    query: Query = field(default_factory=Query)
    requester: UUID | None = None
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitationActionResult(ActionResult):
    """The invitation as it is now."""

    invitation: InvitationData

    def entity_id(self) -> str | None:
        return str(self.invitation.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptInvitationAction(InvitationAction[InvitationActionResult]):
    """Take a folder that was offered."""

    operation: ClassVar[Operation] = Operation.ACCEPT


@dataclass(frozen=True, kw_only=True, slots=True)
class RejectInvitationAction(InvitationAction[InvitationActionResult]):
    """Turn down a folder that was offered."""

    operation: ClassVar[Operation] = Operation.REJECT


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelInvitationAction(InvitationAction[InvitationActionResult]):
    """Take back an offer that was not answered."""

    operation: ClassVar[Operation] = Operation.CANCEL

    def target(self) -> Target:
        return InvitationTarget(self.invitation, as_inviter=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateInvitationAction(InvitationAction[InvitationActionResult]):
    """Offer another permission, before an answer."""

    operation: ClassVar[Operation] = Operation.UPDATE

    permission: VFolderPermission

    def target(self) -> Target:
        return InvitationTarget(self.invitation, as_inviter=True)
