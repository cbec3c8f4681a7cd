"""What can be done with users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import SystemTarget, Target, UserTarget, VisibleTarget
from bai_manager.services.user.types import UserPurgeChoices
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.services.user.types import (
        KeypairEffect,
        UsageBin,
        UserChanges,
        UserData,
        UserHoldings,
        UserPurgePlan,
        UserSpec,
    )
    from bai_manager.types.credentials import Secret

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class UserAction(Action[ResultT_co]):
    """One user, by e-mail, user name, id or unique id prefix."""

    entity_type: ClassVar[EntityType] = EntityType.USER

    user: str

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.user


@dataclass(frozen=True, kw_only=True, slots=True)
class ListUsersActionResult(ActionResult):
    users: list[UserData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListUsersAction(Action[ListUsersActionResult]):
    """List the users that the actor may see."""

    entity_type: ClassVar[EntityType] = EntityType.USER
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUserActionResult(ActionResult):
    user: UserData
    holdings: UserHoldings


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUserAction(UserAction[GetUserActionResult]):
    """Show one user and what it has."""

    operation: ClassVar[Operation] = Operation.GET

    def target(self) -> Target:
        return UserTarget(self.user)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateUserActionResult(ActionResult):
    """``created`` is False for a user that was there and was left alone, without a secret key."""

    user: UserData
    secret_key: Secret | None
    created: bool

    def entity_id(self) -> str | None:
        return str(self.user.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateUserAction(Action[CreateUserActionResult]):
    """Create a user with a key pair, memberships and a role of its own."""

    entity_type: ClassVar[EntityType] = EntityType.USER
    operation: ClassVar[Operation] = Operation.CREATE

    spec: UserSpec
    password: Secret | None = None
    if_not_exists: bool = False

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.spec.email


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateUserActionResult(ActionResult):
    """``changed`` names the fields that have another value now; ``keypairs`` changed with them."""

    user: UserData
    changed: tuple[str, ...]
    keypairs: list[KeypairEffect]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateUserAction(UserAction[UpdateUserActionResult]):
    """Change fields of a user; ``if_unchanged`` is the version that was looked at."""

    operation: ClassVar[Operation] = Operation.UPDATE

    changes: UserChanges
    if_unchanged: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteUserActionResult(ActionResult):
    """``user`` is None where there was nobody and that was to be ignored."""

    user: UserData | None
    keypairs: list[KeypairEffect]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteUserAction(UserAction[DeleteUserActionResult]):
    """Deactivate a user and its key pairs; 'user update --status active' brings the user back."""

    operation: ClassVar[Operation] = Operation.DELETE

    ignore_not_found: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeUserActionResult(ActionResult):
    """What was done, in the words of the preview."""

    plan: UserPurgePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewUserPurgeAction(UserAction[PurgeUserActionResult]):
    """Say what a purge would do and what stands in its way; ``requester`` is settled before."""

    operation: ClassVar[Operation] = Operation.PREVIEW_PURGE

    choices: UserPurgeChoices = field(default_factory=UserPurgeChoices)
    requester: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeUserAction(UserAction[PurgeUserActionResult]):
    """Remove a user for good, with all that was not given to an heir.

    ``expected`` is the fingerprint of the plan that was shown; nothing is done if it changed.
    """

    operation: ClassVar[Operation] = Operation.PURGE

    choices: UserPurgeChoices = field(default_factory=UserPurgeChoices)
    expected: str | None = None
    requester: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SetUserPasswordActionResult(ActionResult):
    user: UserData


@dataclass(frozen=True, kw_only=True, slots=True)
class SetUserPasswordAction(UserAction[SetUserPasswordActionResult]):
    """Give a user a password; ``need_password_change`` None leaves that mark as it is."""

    operation: ClassVar[Operation] = Operation.SET_PASSWORD

    password: Secret
    need_password_change: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResetUserPasswordActionResult(ActionResult):
    user: UserData
    password: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class ResetUserPasswordAction(UserAction[ResetUserPasswordActionResult]):
    """Give a user a password that nobody knows yet."""

    operation: ClassVar[Operation] = Operation.RESET_PASSWORD

    need_password_change: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUserStatsActionResult(ActionResult):
    bins: list[UsageBin]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUserStatsAction(Action[GetUserStatsActionResult]):
    """Add up what one user's kernels had in every quarter of an hour, or those of all one sees.

    ``month`` is a calendar month in ``timezone``; None is the last 30 days.
    """

    entity_type: ClassVar[EntityType] = EntityType.USER
    operation: ClassVar[Operation] = Operation.GET_STATS

    user: str | None = None
    month: str | None = None
    timezone: str = "UTC"
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget() if self.user is None else UserTarget(self.user)

    def entity_id(self) -> str | None:
        return self.user
