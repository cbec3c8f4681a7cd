"""May the actor do this to that, and whose is it?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

from bai_manager.actions.access import require
from bai_manager.actions.targets import Visibility, VisibleTarget
from bai_manager.types.status import UserRole

if TYPE_CHECKING:
    from bai_manager.actions.actor import Actor
    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.actions.targets import TargetDirectory, TargetScope

ActionT = TypeVar("ActionT", bound="Action[ActionResult]")


class AccessValidator:
    """Locates the target, applies the access rule, and settles whose the target is."""

    def __init__(self, directory: TargetDirectory) -> None:
        self._directory = directory

    async def settle(self, action: ActionT, actor: Actor) -> tuple[ActionT, TargetScope]:
        """The action with what the caller left open filled in, and where its target lies.

        Raises the noun's not-found error for targets that the actor cannot see.
        """
        scope = await self._directory.locate(action.target(), actor)
        return _bound(action, scope, actor), scope

    async def authorize(self, action: ActionT, actor: Actor) -> ActionT:
        """The settled action; raises ``InsufficientPrivilege`` and what ``settle`` raises."""
        settled, scope = await self.settle(action, actor)
        require(settled, actor, scope)
        return settled


def _bound(action: ActionT, scope: TargetScope, actor: Actor) -> ActionT:
    """Fill in what the caller left open: whose or which it is, who asks, how far to look."""
    found: dict[str, object] = {  # also over what the caller says: nobody looked at that
        "group_id": scope.group_id,
        "requester": actor.user_id,
        "requester_key": actor.access_key,
        "owner_id": scope.owner_user_id,
        "invitation_id": scope.invitation_id,
        "template_id": scope.template_id,
        "access": scope.folder,
    }
    known = {name: value for name, value in found.items() if hasattr(action, name)}
    if scope.owner_access_key is not None and getattr(action, "owner", "") is None:
        known["owner"] = scope.owner_access_key
    if scope.session_id is not None:
        known["session"] = str(scope.session_id)
    if isinstance(action.target(), VisibleTarget):
        known["visible"] = visibility_of(actor)
    return dataclasses.replace(action, **known) if known else action


def visibility_of(actor: Actor) -> Visibility:
    """Superadmins and monitors see everything, admins their domain, users what is theirs."""
    match actor.role:
        case UserRole.SUPERADMIN | UserRole.MONITOR:
            return Visibility()
        case UserRole.ADMIN:
            return Visibility(domain_name=actor.domain_name)
        case UserRole.USER:
            return Visibility(domain_name=actor.domain_name, user_id=actor.user_id)
