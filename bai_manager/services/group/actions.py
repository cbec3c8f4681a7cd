"""What can be done with projects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import (
    DomainTarget,
    ProjectTarget,
    SystemTarget,
    Target,
    VisibleTarget,
)
from bai_manager.types.query import Query
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.targets import Visibility
    from bai_manager.services.group.types import (
        GroupChanges,
        GroupData,
        GroupHoldings,
        GroupPurgePlan,
        GroupSpec,
        MemberData,
    )
    from bai_manager.services.group.usage_types import GroupMonthUsage, ProjectPeriodUsage
    from bai_manager.types.dotfiles import Dotfile

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupAction(Action[ResultT_co]):
    """One project, by name, ``DOMAIN/NAME``, id or unique id prefix.

    ``group_id`` is which one that is among those the actor may see; it is settled beforehand.
    """

    entity_type: ClassVar[EntityType] = EntityType.GROUP

    group: str
    group_id: UUID | None = None

    def target(self) -> Target:
        return ProjectTarget(self.group)

    def entity_id(self) -> str | None:
        return self.group if self.group_id is None else str(self.group_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListGroupsActionResult(ActionResult):
    groups: list[GroupData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListGroupsAction(Action[ListGroupsActionResult]):
    """List the projects that the actor may see: a user's own, a domain's, or all."""

    entity_type: ClassVar[EntityType] = EntityType.GROUP
    operation: ClassVar[Operation] = Operation.LIST

    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupActionResult(ActionResult):
    """The project as it is now."""

    group: GroupData

    def entity_id(self) -> str | None:
        return str(self.group.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GetGroupActionResult(GroupActionResult):
    holdings: GroupHoldings


@dataclass(frozen=True, kw_only=True, slots=True)
class GetGroupAction(GroupAction[GetGroupActionResult]):
    """Show one project and what it has."""

    operation: ClassVar[Operation] = Operation.GET


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateGroupActionResult(GroupActionResult):
    """``created`` is False for a project that was there already and was left as it is."""

    created: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateGroupAction(Action[CreateGroupActionResult]):
    """Create a project, and the role of its administrators."""

    entity_type: ClassVar[EntityType] = EntityType.GROUP
    operation: ClassVar[Operation] = Operation.CREATE

    spec: GroupSpec
    if_not_exists: bool = False

    def target(self) -> Target:
        return DomainTarget(self.spec.domain_name)

    def entity_id(self) -> str | None:
        return f"{self.spec.domain_name}/{self.spec.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateGroupActionResult(GroupActionResult):
    """``changed`` names the fields that have another value now."""

    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateGroupAction(GroupAction[UpdateGroupActionResult]):
    """Change fields of a project; ``if_unchanged`` is the version that was looked at."""

    operation: ClassVar[Operation] = Operation.UPDATE

    changes: GroupChanges
    if_unchanged: str | None = None

    def target(self) -> Target:
        """Moving a project takes rights in both domains."""
        if self.changes.domain_name is not UNSET:
            return SystemTarget()
        return ProjectTarget(self.group)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteGroupActionResult(GroupActionResult):
    """The project, inactive now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteGroupAction(GroupAction[DeleteGroupActionResult]):
    """Deactivate a project; 'group update --active' brings it back."""

    operation: ClassVar[Operation] = Operation.DELETE


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeGroupActionResult(ActionResult):
    """What was done, in the words of the preview."""

    plan: GroupPurgePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewGroupPurgeAction(GroupAction[PurgeGroupActionResult]):
    """Say what a purge would do and what stands in its way."""

    operation: ClassVar[Operation] = Operation.PREVIEW_PURGE

    destroy_sessions: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeGroupAction(GroupAction[PurgeGroupActionResult]):
    """Remove a project for good, with the history of its sessions.

    ``expected`` is the fingerprint of the plan that was shown; nothing is done if it changed.
    """

    operation: ClassVar[Operation] = Operation.PURGE

    destroy_sessions: bool = False
    expected: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListGroupMembersActionResult(ActionResult):
    group_id: UUID
    members: list[MemberData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListGroupMembersAction(GroupAction[ListGroupMembersActionResult]):
    """List the members of a project."""

    operation: ClassVar[Operation] = Operation.LIST_MEMBERS

    query: Query = field(default_factory=Query)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeGroupMembersActionResult(ActionResult):
    """``changed`` is False where the user was (or was not) a member already."""

    group_id: UUID
    member: MemberData
    changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AddGroupMemberAction(GroupAction[ChangeGroupMembersActionResult]):
    """Make a user of the same domain a member of a project."""

    operation: ClassVar[Operation] = Operation.ADD_MEMBER

    user: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveGroupMemberAction(GroupAction[ChangeGroupMembersActionResult]):
    """Make a user no member of a project any more; sessions go on."""

    operation: ClassVar[Operation] = Operation.REMOVE_MEMBER

    user: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UsagePerMonthActionResult(ActionResult):
    groups: list[GroupMonthUsage]


@dataclass(frozen=True, kw_only=True, slots=True)
class UsagePerMonthAction(Action[UsagePerMonthActionResult]):
    """Add up what projects had in a calendar month of a time zone: one project, or all one sees."""

    entity_type: ClassVar[EntityType] = EntityType.GROUP
    operation: ClassVar[Operation] = Operation.USAGE_PER_MONTH

    month: str
    timezone: str = "UTC"
    group: str | None = None
    group_id: UUID | None = None
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget() if self.group is None else ProjectTarget(self.group)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsagePerPeriodActionResult(ActionResult):
    projects: list[ProjectPeriodUsage]


@dataclass(frozen=True, kw_only=True, slots=True)
class UsagePerPeriodAction(Action[UsagePerPeriodActionResult]):
    """Add up what projects had from one day through another: one project, or all one sees."""

    entity_type: ClassVar[EntityType] = EntityType.GROUP
    operation: ClassVar[Operation] = Operation.USAGE_PER_PERIOD

    start_date: str
    end_date: str
    timezone: str = "UTC"
    group: str | None = None
    group_id: UUID | None = None
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget() if self.group is None else ProjectTarget(self.group)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDotfilesActionResult(ActionResult):
    """All dotfiles of the project, as they are now."""

    group_id: UUID
    dotfiles: tuple[Dotfile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListGroupDotfilesAction(GroupAction[GroupDotfilesActionResult]):
    """List the dotfiles that sessions of a project start with."""

    operation: ClassVar[Operation] = Operation.LIST_DOTFILES

    query: Query = field(default_factory=Query)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateGroupDotfileAction(GroupAction[GroupDotfilesActionResult]):
    """Add a dotfile to a project."""

    operation: ClassVar[Operation] = Operation.CREATE_DOTFILE

    dotfile: Dotfile


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateGroupDotfileAction(GroupAction[GroupDotfilesActionResult]):
    """Change a dotfile of a project; ``permission`` None leaves that as it is."""

    operation: ClassVar[Operation] = Operation.UPDATE_DOTFILE

    path: str
    data: str
    permission: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteGroupDotfileAction(GroupAction[GroupDotfilesActionResult]):
    """Delete a dotfile of a project."""

    operation: ClassVar[Operation] = Operation.DELETE_DOTFILE

    path: str
