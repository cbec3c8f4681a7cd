"""What can go wrong with invitations (codes: ``reference/services.md`` §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.status import VFolderInvitationState


class VFolderInvitationNotFound(NotFound):
    """No invitation has that id, or none that the actor has to do with."""

    error_code = "vfolder-invitation_read_not-found"

    def __init__(self, invitation: str) -> None:
        super().__init__(
            f"There is no invitation {invitation!r}.",
            hint="List those for you with 'bai-manager vfolder invitation list', yours to others"
            " with --sent.",
            details={"invitation": invitation},
        )


class TooManyInvitationsFound(InvalidInput):
    """An id prefix fits several."""

    error_code = "vfolder-invitation_read_conflict"

    def __init__(self, invitation: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{invitation!r} begins the ids of several invitations: {', '.join(matches)}.",
            hint="Give more of the id.",
            details={"matches": [*matches]},
        )


class InvitationAnswered(Conflict):
    """It was accepted, rejected or canceled before."""

    error_code = "vfolder-invitation_update_conflict"

    def __init__(self, folder: str, state: VFolderInvitationState) -> None:
        super().__init__(
            f"The invitation to folder {folder!r} is {state.value} already.",
            hint="Only a pending one can be answered or changed.",
            details={"vfolder": folder, "state": state.value},
        )


class InviteeNotFound(NotFound):
    """Nobody active has that e-mail."""

    error_code = "user_read_not-found"

    def __init__(self, emails: Sequence[str]) -> None:
        super().__init__(
            f"No active user has the e-mail {', '.join(emails)}.",
            hint="Invitations go by the whole e-mail; nobody was invited.",
            details={"users": [*emails]},
        )
