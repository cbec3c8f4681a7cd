"""What can be asked about policies in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, SystemTarget, Target, UserTarget

if TYPE_CHECKING:
    from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyChanges
    from bai_manager.services.policy.types import LimitsInForce, PolicyRehearsal
    from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyChanges
    from bai_manager.services.user_resource_policy.types import UserResourcePolicyChanges
    from bai_manager.types.wanted_session import WantedSession


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainPolicyActionResult(ActionResult):
    explained: LimitsInForce


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainPolicyAction(Action[ExplainPolicyActionResult]):
    """Show every limit on a user's main key pair, or on a key pair (``owner``), in a project.

    With a ``spec``, also how many such sessions would start and what they reach first.
    """

    entity_type: ClassVar[EntityType] = EntityType.POLICY
    operation: ClassVar[Operation] = Operation.EXPLAIN

    user: str | None = None
    owner: str | None = None
    project: str | None = None
    scaling_group: str | None = None
    spec: WantedSession | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner) if self.user is None else UserTarget(self.user)

    def entity_id(self) -> str | None:
        return self.user or self.owner


@dataclass(frozen=True, kw_only=True, slots=True)
class RehearsePolicyChangeActionResult(ActionResult):
    rehearsal: PolicyRehearsal


@dataclass(frozen=True, kw_only=True, slots=True)
class RehearsePolicyChangeAction(Action[RehearsePolicyChangeActionResult]):
    """Say what a change to a policy would do; ``changes`` say of which kind the policy is."""

    entity_type: ClassVar[EntityType] = EntityType.POLICY
    operation: ClassVar[Operation] = Operation.REHEARSE

    policy: str
    changes: KeypairResourcePolicyChanges | UserResourcePolicyChanges | ProjectResourcePolicyChanges

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.policy
