"""Policies in force: what binds somebody, and what a change would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.services.keypair_resource_policy import types as of_keypairs
from bai_manager.services.policy.actions import (
    ExplainPolicyActionResult,
    RehearsePolicyChangeActionResult,
)
from bai_manager.services.policy.limits import host_lines, limit_lines
from bai_manager.services.policy.outlook import outlook
from bai_manager.services.policy.rehearsal import rehearsed
from bai_manager.services.policy.room import marked_by_resource, nearest_of
from bai_manager.services.policy.types import LimitsInForce, PolicyKind
from bai_manager.services.project_resource_policy import types as of_projects
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.services.user_resource_policy import types as of_users
from bai_manager.sokovan.idle_facts import IdleView, idle_view
from bai_manager.sokovan.snapshot import Owner
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType

if TYPE_CHECKING:
    from bai_manager.repositories.open_groups import AllowedGroup, OpenGroupRepository
    from bai_manager.repositories.owner import OwnerRepository
    from bai_manager.repositories.policy import PolicyRepository
    from bai_manager.services.policy.actions import ExplainPolicyAction, RehearsePolicyChangeAction
    from bai_manager.services.policy.storage_use import ScopeUses
    from bai_manager.sokovan.idle_facts import IdleFacts
    from bai_manager.types.clock import Clock


_ENDS_SESSIONS: Final = frozenset({"max_session_lifetime", "idle_timeout"})


class PolicyService:
    """Explains limits; changes nothing."""

    def __init__(
        self,
        *,
        policies: PolicyRepository,
        owners: OwnerRepository,
        open_groups: OpenGroupRepository,
        uses: ScopeUses,
        idle: IdleFacts,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._owners = owners
        self._open_groups = open_groups
        self._uses = uses
        self._idle = idle
        self._clock = clock

    async def explain_policy(self, action: ExplainPolicyAction) -> ExplainPolicyActionResult:
        """Every limit on one key pair in one project, counted as at the creation of a session.

        Raises ``NoKeypair``, ``ProjectNotFound`` where the user is no member of the project,
        ``ScalingGroupNotFound`` for a resource group that is not open to them, and
        ``UnknownResourceSlot``.
        """
        access_key = (
            action.owner or ""
            if action.user is None
            else await self._owners.main_access_key(action.user)
        )
        data = await self._owners.get_owner(access_key)
        owner = Owner(
            access_key=data.access_key,
            user_id=data.user_id,
            group_id=await self._owners.resolve_project(
                data, domain_name=data.domain_name, project=action.project
            ),
            domain_name=data.domain_name,
        )
        groups = await self._groups_of(owner, action.scaling_group)
        standing = await self._policies.standing(owner, [*groups.values()], now=self._clock())
        lines = limit_lines(
            standing,
            of_user=await self._uses.of(QuotaScopeID(QuotaScopeType.USER, owner.user_id)),
            of_project=await self._uses.of(QuotaScopeID(QuotaScopeType.PROJECT, owner.group_id)),
        )
        nearest, found = nearest_of(lines), None
        if action.spec is None:
            lines = marked_by_resource(lines)
        else:
            lines, found = outlook(standing, lines, groups, action.spec)
        return ExplainPolicyActionResult(
            explained=LimitsInForce(
                access_key=owner.access_key,
                user_email=data.email,
                domain_name=owner.domain_name,
                project_name=standing.limits.group_names[owner.group_id],
                keypair_policy=standing.keypair_policy.name,
                user_policy=standing.user_policy.name,
                project_policy=standing.project_policy.name,
                scaling_groups=tuple(groups),
                nearest=nearest,
                limits=tuple(lines),
                hosts=host_lines(standing),
                outlook=found,
            )
        )

    async def rehearse_policy_change(
        self, action: RehearsePolicyChangeAction
    ) -> RehearsePolicyChangeActionResult:
        """Who would be over, and which waiting sessions it makes a difference to.

        Raises as the update itself does, but takes its changes back.
        """
        changes = action.changes
        if isinstance(changes, of_keypairs.KeypairResourcePolicyChanges):
            kind = PolicyKind.KEYPAIR
            of_keypairs.check_changes(changes)
        elif isinstance(changes, of_users.UserResourcePolicyChanges):
            kind = PolicyKind.USER
            of_users.check_changes(changes)
        else:
            kind = PolicyKind.PROJECT
            of_projects.check_changes(changes)
        now = self._clock()
        found = await self._policies.rehearse(action.policy, changes, now=now)
        idle = IdleView()
        if _ENDS_SESSIONS.intersection(found.changed):
            idle = await idle_view(self._idle, found.before.running)
        return RehearsePolicyChangeActionResult(
            rehearsal=rehearsed(kind, action.policy, found, idle, now)
        )

    async def _groups_of(self, owner: Owner, wanted: str | None) -> dict[str, AllowedGroup]:
        """The resource groups open to the owner by name, or the one that is wanted."""
        allowed = await self._open_groups.allowed_groups(
            domain_name=owner.domain_name, group_id=owner.group_id, access_key=owner.access_key
        )
        chosen = {group.name: group for group in allowed if wanted in {None, group.name}}
        if wanted is not None and not chosen:
            raise ScalingGroupNotFound(wanted)
        return chosen
