"""Who may do what: one rule per (entity type, operation).

The roles are those of ``reference/actions.md`` §7: a superadmin may do everything; a domain
admin acts within the own domain and never on a superadmin; a user acts on what is theirs; a
monitor reads everything that its owner's administrators may read, and changes nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from bai_manager.actions.base import EntityType, Operation
from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.types.status import UserRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.actions.actor import Actor
    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.actions.targets import TargetScope


class Rule(Enum):
    """The least that an actor must be, seen from the target."""

    LOCAL_OPERATOR = "whoever can read and write the profile's data folder"
    ANYONE = "any active user"
    OWNER = "the owner, an admin of the owner's domain, or a superadmin"
    OWNER_OR_MONITOR = "the owner, an admin of the owner's domain, a monitor, or a superadmin"
    DOMAIN_ADMIN = "an admin of the domain, or a superadmin"
    DOMAIN_ADMIN_OR_MONITOR = "an admin of the domain, a monitor, or a superadmin"
    SUPERADMIN = "a superadmin"
    SUPERADMIN_OR_MONITOR = "a superadmin or a monitor"


RULES: Mapping[tuple[EntityType, Operation], Rule] = {
    (EntityType.SYSTEM, Operation.INITIALIZE): Rule.LOCAL_OPERATOR,
    (EntityType.SYSTEM, Operation.GET): Rule.LOCAL_OPERATOR,
    (EntityType.SCHEDULER, Operation.RUN): Rule.LOCAL_OPERATOR,
    (EntityType.AUTH, Operation.GET): Rule.OWNER_OR_MONITOR,
    (EntityType.AUDIT, Operation.LIST): Rule.OWNER_OR_MONITOR,
    (EntityType.AGENT, Operation.LIST): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.AGENT, Operation.GET): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.IMAGE, Operation.LIST): Rule.ANYONE,
    (EntityType.SESSION, Operation.CREATE): Rule.OWNER,
    (EntityType.SESSION, Operation.LIST): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.WAIT): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET_USAGE): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.EXECUTE): Rule.OWNER,
    (EntityType.SESSION, Operation.COMPLETE): Rule.OWNER,
    (EntityType.SESSION, Operation.INTERRUPT): Rule.OWNER,
    (EntityType.SESSION, Operation.GET_LOGS): Rule.OWNER,
    (EntityType.SESSION, Operation.LIST_FILES): Rule.OWNER,
    (EntityType.SESSION, Operation.UPLOAD_FILE): Rule.OWNER,
    (EntityType.SESSION, Operation.DOWNLOAD_FILE): Rule.OWNER,
    (EntityType.SESSION, Operation.DESTROY): Rule.OWNER,
    (EntityType.KERNEL, Operation.LIST): Rule.OWNER_OR_MONITOR,
    (EntityType.KERNEL, Operation.GET): Rule.OWNER_OR_MONITOR,
    (EntityType.KERNEL, Operation.GET_LOGS): Rule.OWNER,
    (EntityType.METRIC, Operation.LIST): Rule.ANYONE,
    (EntityType.METRIC, Operation.GET): Rule.ANYONE,
    (EntityType.METRIC, Operation.GET_LIVE): Rule.OWNER_OR_MONITOR,
    (EntityType.METRIC, Operation.RANK): Rule.ANYONE,
    (EntityType.METRIC, Operation.LIST_IDLE): Rule.ANYONE,
    (EntityType.METRIC, Operation.GET_USAGE): Rule.ANYONE,
    (EntityType.METRIC, Operation.EXPORT): Rule.ANYONE,
    (EntityType.KEYPAIR_RESOURCE_POLICY, Operation.LIST): Rule.ANYONE,
    (EntityType.KEYPAIR_RESOURCE_POLICY, Operation.GET): Rule.ANYONE,
    (EntityType.KEYPAIR_RESOURCE_POLICY, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.KEYPAIR_RESOURCE_POLICY, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.KEYPAIR_RESOURCE_POLICY, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.USER_RESOURCE_POLICY, Operation.LIST): Rule.ANYONE,
    (EntityType.USER_RESOURCE_POLICY, Operation.GET): Rule.ANYONE,
    (EntityType.USER_RESOURCE_POLICY, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.USER_RESOURCE_POLICY, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.USER_RESOURCE_POLICY, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.PROJECT_RESOURCE_POLICY, Operation.LIST): Rule.ANYONE,
    (EntityType.PROJECT_RESOURCE_POLICY, Operation.GET): Rule.ANYONE,
    (EntityType.PROJECT_RESOURCE_POLICY, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.PROJECT_RESOURCE_POLICY, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.PROJECT_RESOURCE_POLICY, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.SCALING_GROUP, Operation.LIST): Rule.ANYONE,
    (EntityType.SCALING_GROUP, Operation.GET): Rule.ANYONE,
    (EntityType.SCALING_GROUP, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.SCALING_GROUP, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.SCALING_GROUP, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.SCALING_GROUP, Operation.ASSOCIATE): Rule.SUPERADMIN,
    (EntityType.SCALING_GROUP, Operation.DISSOCIATE): Rule.SUPERADMIN,
    (EntityType.DOMAIN, Operation.LIST): Rule.ANYONE,
    (EntityType.DOMAIN, Operation.GET): Rule.ANYONE,
    (EntityType.DOMAIN, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.DOMAIN, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.DOMAIN, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.DOMAIN, Operation.PURGE): Rule.SUPERADMIN,
    (EntityType.RESOURCE_PRESET, Operation.LIST): Rule.ANYONE,
    (EntityType.RESOURCE_PRESET, Operation.GET): Rule.ANYONE,
    (EntityType.RESOURCE_PRESET, Operation.CHECK): Rule.OWNER_OR_MONITOR,
    (EntityType.RESOURCE_PRESET, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.RESOURCE_PRESET, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.RESOURCE_PRESET, Operation.DELETE): Rule.SUPERADMIN,
}

_MONITORED = frozenset(
    {Rule.OWNER_OR_MONITOR, Rule.DOMAIN_ADMIN_OR_MONITOR, Rule.SUPERADMIN_OR_MONITOR}
)
_OWNED = frozenset({Rule.OWNER, Rule.OWNER_OR_MONITOR})
_DOMAIN_ADMINISTERED = _OWNED | {Rule.DOMAIN_ADMIN, Rule.DOMAIN_ADMIN_OR_MONITOR}


def rule_for(action: type[Action[ActionResult]]) -> Rule:
    """The access rule of an action class; every action has one, and a test says so."""
    return RULES[action.entity_type, action.operation]


def is_allowed(rule: Rule, actor: Actor, scope: TargetScope) -> bool:
    """Decide one rule for one actor and target."""
    if actor.role is UserRole.SUPERADMIN or rule is Rule.ANYONE:
        return True
    if actor.role is UserRole.MONITOR:
        return rule in _MONITORED
    if rule in _OWNED and scope.owner_user_id == actor.user_id:
        return True
    return (
        actor.role is UserRole.ADMIN
        and rule in _DOMAIN_ADMINISTERED
        and scope.domain_name == actor.domain_name
        and scope.owner_role is not UserRole.SUPERADMIN
    )


def require(action: Action[ActionResult], actor: Actor, scope: TargetScope) -> None:
    """Raise ``InsufficientPrivilege`` unless the actor may run the action on its target."""
    rule = rule_for(type(action))
    if is_allowed(rule, actor, scope):
        return
    raise InsufficientPrivilege(
        f"{actor.email} ({actor.role.value}) may not {action.operation.value} this"
        f" {action.entity_type.value}: that takes {rule.value}.",
        hint="Ask an administrator, or use another profile or key pair.",
        details={"role": actor.role.value, "needs": rule.name.lower()},
    )
