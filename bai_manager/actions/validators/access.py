"""May the actor do this to that, and whose is it?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

from bai_manager.actions.access import require

if TYPE_CHECKING:
    from bai_manager.actions.actor import Actor
    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.actions.targets import TargetDirectory, TargetScope

ActionT = TypeVar("ActionT", bound="Action[ActionResult]")


class AccessValidator:
    """Locates the target, applies the access rule, and settles whose the target is."""

    def __init__(self, directory: TargetDirectory) -> None:
        self._directory = directory

    async def authorize(self, action: ActionT, actor: Actor) -> ActionT:
        """The action with its ``owner`` filled in; ``InsufficientPrivilege`` when denied.

        Raises the noun's not-found error for targets that the actor cannot see.
        """
        scope = await self._directory.locate(action.target(), actor)
        require(action, actor, scope)
        return _with_owner(action, scope)


def _with_owner(action: ActionT, scope: TargetScope) -> ActionT:
    owner = scope.owner_access_key
    if owner is None or getattr(action, "owner", owner) is not None:
        return action
    return dataclasses.replace(action, owner=owner)  # type: ignore[call-arg]
