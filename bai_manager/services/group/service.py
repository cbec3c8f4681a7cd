"""Projects: who works together, on what, and how much of it they used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.services.group.actions import (
    ChangeGroupMembersActionResult,
    CreateGroupActionResult,
    DeleteGroupActionResult,
    GetGroupActionResult,
    GroupDotfilesActionResult,
    ListGroupMembersActionResult,
    ListGroupsActionResult,
    PurgeGroupActionResult,
    UpdateGroupActionResult,
    UsagePerMonthActionResult,
    UsagePerPeriodActionResult,
)
from bai_manager.services.group.errors import GroupPurgeChanged, PurgeGroupActionRefused
from bai_manager.services.group.types import check_group_changes, check_group_spec
from bai_manager.services.group.usage import usage_per_month, usage_per_period
from bai_manager.services.purging import destroy_sessions, fingerprint
from bai_manager.types.dotfiles import (
    find_dotfile,
    selected_dotfiles,
    with_changed,
    with_new,
    without,
)
from bai_manager.types.period import parse_month, parse_period, parse_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from bai_manager.actions.base import ActionResult
    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.group import GroupRepository
    from bai_manager.repositories.group_purge import GroupPurgeRepository
    from bai_manager.repositories.usage import UsageRepository
    from bai_manager.services.group.actions import (
        AddGroupMemberAction,
        CreateGroupAction,
        CreateGroupDotfileAction,
        DeleteGroupAction,
        DeleteGroupDotfileAction,
        GetGroupAction,
        GroupAction,
        ListGroupDotfilesAction,
        ListGroupMembersAction,
        ListGroupsAction,
        PreviewGroupPurgeAction,
        PurgeGroupAction,
        RemoveGroupMemberAction,
        UpdateGroupAction,
        UpdateGroupDotfileAction,
        UsagePerMonthAction,
        UsagePerPeriodAction,
    )
    from bai_manager.services.purging import SessionDestroyer
    from bai_manager.types.clock import Clock
    from bai_manager.types.dotfiles import Dotfile
    from bai_manager.types.period import Period
    from bai_manager.types.usage import KernelUsage


class GroupService:
    """Manages projects; ``sessions`` ends what a purge has to end first."""

    def __init__(
        self,
        *,
        groups: GroupRepository,
        purges: GroupPurgeRepository,
        usage: UsageRepository,
        sessions: SessionDestroyer,
        clock: Clock,
        memory: ManagerMemory,
    ) -> None:
        self._groups = groups
        self._purges = purges
        self._usage = usage
        self._sessions = sessions
        self._clock = clock
        self._memory = memory

    async def list_groups(self, action: ListGroupsAction) -> ListGroupsActionResult:
        """Projects that may be seen."""
        return ListGroupsActionResult(
            groups=await self._groups.list_groups(action.query, visible=action.visible)
        )

    async def get_group(self, action: GetGroupAction) -> GetGroupActionResult:
        """One project and what it has."""
        group, holdings = await self._groups.get_group(await self._id_of(action))
        return GetGroupActionResult(group=group, holdings=holdings)

    async def create_group(self, action: CreateGroupAction) -> CreateGroupActionResult:
        """A project without members."""
        check_group_spec(action.spec)
        group, created = await self._groups.create_group(
            action.spec, if_not_exists=action.if_not_exists
        )
        return CreateGroupActionResult(group=group, created=created)

    async def update_group(self, action: UpdateGroupAction) -> UpdateGroupActionResult:
        """Change what is given and leave the rest."""
        check_group_changes(action.changes)
        group, changed = await self._groups.update_group(
            await self._id_of(action), action.changes, if_unchanged=action.if_unchanged
        )
        if changed:
            await self._memory.forget_room()
        return UpdateGroupActionResult(group=group, changed=changed)

    async def delete_group(self, action: DeleteGroupAction) -> DeleteGroupActionResult:
        """Deactivate: nothing is lost but the id in another system."""
        group = await self._groups.deactivate_group(await self._id_of(action))
        await self._memory.forget_room()
        return DeleteGroupActionResult(group=group)

    async def preview_purge(self, action: PreviewGroupPurgeAction) -> PurgeGroupActionResult:
        """What a purge would do."""
        plan = await self._purges.preview(
            await self._id_of(action), destroying=action.destroy_sessions
        )
        return PurgeGroupActionResult(plan=plan)

    async def purge_group(self, action: PurgeGroupAction) -> PurgeGroupActionResult:
        """End the project's sessions where that was chosen, then remove it, or refuse."""
        destroying = action.destroy_sessions
        plan = await self._purges.preview(await self._id_of(action), destroying=destroying)
        if plan.blockers:
            raise PurgeGroupActionRefused(plan.name, plan.blockers)
        if action.expected not in {None, fingerprint(plan)}:
            raise GroupPurgeChanged(plan.name)
        await destroy_sessions(self._sessions, plan.destroyed_sessions)
        await self._purges.purge(plan, destroying=destroying, now=self._clock())
        return PurgeGroupActionResult(plan=plan)

    async def list_members(self, action: ListGroupMembersAction) -> ListGroupMembersActionResult:
        """Users of a project."""
        group_id = await self._id_of(action)
        members = await self._groups.list_members(group_id, action.query)
        return ListGroupMembersActionResult(group_id=group_id, members=members)

    async def add_member(self, action: AddGroupMemberAction) -> ChangeGroupMembersActionResult:
        """One more user, of the same domain."""
        group_id = await self._id_of(action)
        member, added = await self._groups.add_member(group_id, action.user)
        return ChangeGroupMembersActionResult(group_id=group_id, member=member, changed=added)

    async def remove_member(
        self, action: RemoveGroupMemberAction
    ) -> ChangeGroupMembersActionResult:
        """One user less."""
        group_id = await self._id_of(action)
        member = await self._groups.remove_member(group_id, action.user)
        return ChangeGroupMembersActionResult(group_id=group_id, member=member, changed=True)

    async def usage_per_month(self, action: UsagePerMonthAction) -> UsagePerMonthActionResult:
        """What projects had in a calendar month."""
        zone = parse_zone(action.timezone)
        kernels = await self._kernels(action, parse_month(action.month, zone))
        return UsagePerMonthActionResult(groups=usage_per_month(kernels, zone))

    async def usage_per_period(self, action: UsagePerPeriodAction) -> UsagePerPeriodActionResult:
        """What projects had from one day through another."""
        zone = parse_zone(action.timezone)
        period = parse_period(action.start_date, action.end_date, zone)
        kernels = await self._kernels(action, period)
        return UsagePerPeriodActionResult(projects=usage_per_period(kernels, zone))

    async def list_dotfiles(self, action: ListGroupDotfilesAction) -> GroupDotfilesActionResult:
        """Dotfiles of a project."""
        group_id = await self._id_of(action)
        return GroupDotfilesActionResult(
            group_id=group_id,
            dotfiles=selected_dotfiles(await self._groups.dotfiles(group_id), action.query),
        )

    async def create_dotfile(self, action: CreateGroupDotfileAction) -> GroupDotfilesActionResult:
        """One more."""
        return await self._changed_dotfiles(
            action, lambda dotfiles: with_new(dotfiles, action.dotfile)
        )

    async def update_dotfile(self, action: UpdateGroupDotfileAction) -> GroupDotfilesActionResult:
        """Other content for one that is there."""

        def change(dotfiles: Sequence[Dotfile]) -> tuple[Dotfile, ...]:
            old = find_dotfile(dotfiles, action.path)
            permission = action.permission or old.permission
            return with_changed(dotfiles, replace(old, data=action.data, permission=permission))

        return await self._changed_dotfiles(action, change)

    async def delete_dotfile(self, action: DeleteGroupDotfileAction) -> GroupDotfilesActionResult:
        """One less."""
        return await self._changed_dotfiles(action, lambda dotfiles: without(dotfiles, action.path))

    async def _id_of(self, action: GroupAction[ActionResult]) -> UUID:
        """What access was decided on; where that was the whole system, the project named."""
        return action.group_id or await self._groups.resolve(action.group)

    async def _kernels(
        self, action: UsagePerMonthAction | UsagePerPeriodAction, period: Period
    ) -> list[KernelUsage]:
        return await self._usage.kernels_of_groups(
            period,
            group_ids=[] if action.group_id is None else [action.group_id],
            visible=action.visible,
        )

    async def _changed_dotfiles(
        self,
        action: GroupAction[ActionResult],
        change: Callable[[Sequence[Dotfile]], tuple[Dotfile, ...]],
    ) -> GroupDotfilesActionResult:
        group_id = await self._id_of(action)
        dotfiles = await self._groups.change_dotfiles(group_id, change)
        return GroupDotfilesActionResult(group_id=group_id, dotfiles=dotfiles)
