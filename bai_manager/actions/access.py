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
    from collections.abc import Callable, Mapping

    from bai_manager.actions.actor import Actor
    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.actions.targets import TargetScope
    from bai_manager.types.folder_access import FolderAccess


class Rule(Enum):
    """The least that an actor must be, seen from the target."""

    LOCAL_OPERATOR = "whoever can read and write the profile's data folder"
    ANYONE = "any active user"
    OWNER = "the owner, an admin of the owner's domain, or a superadmin"
    OWNER_OR_MONITOR = "the owner, an admin of the owner's domain, a monitor, or a superadmin"
    MEMBER_OR_MONITOR = (
        "a member of the project, an admin of its domain, a monitor, or a superadmin"
    )
    OWNER_ONLY = "the owner, or a superadmin"
    DOMAIN_ADMIN = "an admin of the domain, or a superadmin"
    DOMAIN_ADMIN_OR_MONITOR = "an admin of the domain, a monitor, or a superadmin"
    SUPERADMIN = "a superadmin"
    SUPERADMIN_OR_MONITOR = "a superadmin or a monitor"
    SCOPE_VIEWER = (
        "the user, a member of the project, an admin of the domain, a monitor, or a superadmin"
    )
    FOLDER_CREATOR = (
        "the user whose folder it is to be; for a project's, an admin of its domain, a superadmin,"
        " or in a model store a member"
    )
    FOLDER_VIEWER = "whoever may use the folder, an admin of its domain, a monitor, or a superadmin"
    FOLDER_READER = "permission ro, rw or wd on the folder, or to be an admin of its domain"
    FOLDER_WRITER = "permission rw or wd on the folder, or to be an admin of its domain"
    FOLDER_MANAGER = "the owner of the folder, permission wd on it, or an admin of its domain"
    FOLDER_OWNER = "the owner of the folder, or an admin of its domain"


RULES: Mapping[tuple[EntityType, Operation], Rule] = {
    (EntityType.SYSTEM, Operation.INITIALIZE): Rule.LOCAL_OPERATOR,
    (EntityType.SYSTEM, Operation.GET): Rule.LOCAL_OPERATOR,
    (EntityType.SCHEDULER, Operation.RUN): Rule.LOCAL_OPERATOR,
    (EntityType.SCHEDULER, Operation.GET): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.SCHEDULER, Operation.EXPLAIN): Rule.OWNER_OR_MONITOR,
    (EntityType.SCHEDULER, Operation.FIT): Rule.OWNER_OR_MONITOR,
    (EntityType.AUTH, Operation.GET): Rule.OWNER_OR_MONITOR,
    (EntityType.AUDIT, Operation.LIST): Rule.OWNER_OR_MONITOR,
    (EntityType.AGENT, Operation.LIST): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.AGENT, Operation.GET): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.AGENT, Operation.DRAIN): Rule.SUPERADMIN,
    (EntityType.AGENT, Operation.UNDRAIN): Rule.SUPERADMIN,
    (EntityType.AGENT, Operation.RECALCULATE): Rule.SUPERADMIN,
    (EntityType.TEMPLATE, Operation.LIST): Rule.OWNER_OR_MONITOR,
    (EntityType.TEMPLATE, Operation.GET): Rule.MEMBER_OR_MONITOR,
    (EntityType.TEMPLATE, Operation.CREATE): Rule.OWNER,
    (EntityType.TEMPLATE, Operation.UPDATE): Rule.OWNER,
    (EntityType.TEMPLATE, Operation.DELETE): Rule.OWNER,
    (EntityType.CONTAINER_REGISTRY, Operation.LIST): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.CONTAINER_REGISTRY, Operation.GET): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.IMAGE, Operation.LIST): Rule.ANYONE,
    (EntityType.IMAGE, Operation.GET): Rule.ANYONE,
    (EntityType.IMAGE, Operation.ALIAS): Rule.SUPERADMIN,
    (EntityType.IMAGE, Operation.DEALIAS): Rule.SUPERADMIN,
    (EntityType.IMAGE, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.IMAGE, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.IMAGE, Operation.FORGET): Rule.OWNER_ONLY,
    (EntityType.IMAGE, Operation.PURGE): Rule.OWNER_ONLY,
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
    (EntityType.SESSION, Operation.UPDATE): Rule.OWNER,
    (EntityType.SESSION, Operation.RENAME): Rule.OWNER,
    (EntityType.SESSION, Operation.RESTART): Rule.OWNER,
    (EntityType.SESSION, Operation.CHECK_AND_TRANSIT_STATUS): Rule.OWNER,
    (EntityType.SESSION, Operation.CHECK_AND_TRANSIT_STATUS_MULTI): Rule.OWNER,
    (EntityType.SESSION, Operation.DOWNLOAD_FILES): Rule.OWNER,
    (EntityType.SESSION, Operation.MATCH): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET_STATUS_HISTORY): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET_TIMELINE): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET_DEPENDENCY_GRAPH): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET_ABUSING_REPORT): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.GET_DIRECT_ACCESS_INFO): Rule.OWNER,
    (EntityType.SESSION, Operation.LIST_SERVICES): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.START_SERVICE): Rule.OWNER,
    (EntityType.SESSION, Operation.SHUTDOWN_SERVICE): Rule.OWNER,
    (EntityType.SESSION, Operation.COMMIT): Rule.OWNER,
    (EntityType.SESSION, Operation.GET_COMMIT_STATUS): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.CONVERT_TO_IMAGE): Rule.OWNER,
    (EntityType.SESSION, Operation.GET_IDLE_CHECKS): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.LIST_IDLE_CHECKS): Rule.OWNER_OR_MONITOR,
    (EntityType.SESSION, Operation.END_IDLE): Rule.SUPERADMIN,
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
    (EntityType.POLICY, Operation.EXPLAIN): Rule.OWNER_OR_MONITOR,
    (EntityType.POLICY, Operation.REHEARSE): Rule.SUPERADMIN,
    (EntityType.AUTH, Operation.UPDATE_PASSWORD): Rule.OWNER,
    (EntityType.USER, Operation.LIST): Rule.ANYONE,
    (EntityType.USER, Operation.GET): Rule.OWNER_OR_MONITOR,
    (EntityType.USER, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.USER, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.USER, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.USER, Operation.PURGE): Rule.SUPERADMIN,
    (EntityType.USER, Operation.PREVIEW_PURGE): Rule.SUPERADMIN,
    (EntityType.USER, Operation.SET_PASSWORD): Rule.SUPERADMIN,
    (EntityType.USER, Operation.RESET_PASSWORD): Rule.SUPERADMIN,
    (EntityType.USER, Operation.GET_STATS): Rule.OWNER_OR_MONITOR,
    (EntityType.KEYPAIR, Operation.LIST): Rule.ANYONE,
    (EntityType.KEYPAIR, Operation.GET): Rule.OWNER_OR_MONITOR,
    (EntityType.KEYPAIR, Operation.CREATE): Rule.SUPERADMIN,
    (EntityType.KEYPAIR, Operation.UPDATE): Rule.SUPERADMIN,
    (EntityType.KEYPAIR, Operation.ROTATE): Rule.SUPERADMIN,
    (EntityType.KEYPAIR, Operation.DELETE): Rule.SUPERADMIN,
    (EntityType.KEYPAIR, Operation.GET_SSH_KEYPAIR): Rule.OWNER_OR_MONITOR,
    (EntityType.KEYPAIR, Operation.GENERATE_SSH_KEYPAIR): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.UPLOAD_SSH_KEYPAIR): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.LIST_DOTFILES): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.CREATE_DOTFILE): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.UPDATE_DOTFILE): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.DELETE_DOTFILE): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.GET_BOOTSTRAP_SCRIPT): Rule.OWNER,
    (EntityType.KEYPAIR, Operation.SET_BOOTSTRAP_SCRIPT): Rule.OWNER,
    (EntityType.GROUP, Operation.LIST): Rule.ANYONE,
    (EntityType.GROUP, Operation.GET): Rule.MEMBER_OR_MONITOR,
    (EntityType.GROUP, Operation.CREATE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.UPDATE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.DELETE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.PURGE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.PREVIEW_PURGE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.LIST_MEMBERS): Rule.DOMAIN_ADMIN_OR_MONITOR,
    (EntityType.GROUP, Operation.ADD_MEMBER): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.REMOVE_MEMBER): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.USAGE_PER_MONTH): Rule.DOMAIN_ADMIN_OR_MONITOR,
    (EntityType.GROUP, Operation.USAGE_PER_PERIOD): Rule.DOMAIN_ADMIN_OR_MONITOR,
    (EntityType.GROUP, Operation.LIST_DOTFILES): Rule.MEMBER_OR_MONITOR,
    (EntityType.GROUP, Operation.CREATE_DOTFILE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.UPDATE_DOTFILE): Rule.DOMAIN_ADMIN,
    (EntityType.GROUP, Operation.DELETE_DOTFILE): Rule.DOMAIN_ADMIN,
    (EntityType.USER, Operation.CHECK): Rule.SUPERADMIN,
    (EntityType.USER, Operation.IMPORT): Rule.SUPERADMIN,
    (EntityType.MANIFEST, Operation.EXPORT): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.MANIFEST, Operation.DIFF): Rule.SUPERADMIN_OR_MONITOR,
    (EntityType.MANIFEST, Operation.APPLY): Rule.SUPERADMIN,
    (EntityType.VFOLDER, Operation.LIST_FILES): Rule.FOLDER_READER,
    (EntityType.VFOLDER, Operation.MEASURE_FILES): Rule.FOLDER_READER,
    (EntityType.VFOLDER, Operation.READ_FILE): Rule.FOLDER_READER,
    (EntityType.VFOLDER, Operation.DOWNLOAD_FILE): Rule.FOLDER_READER,
    (EntityType.VFOLDER, Operation.MAKE_FOLDER): Rule.FOLDER_WRITER,
    (EntityType.VFOLDER, Operation.MOVE_FILE): Rule.FOLDER_WRITER,
    (EntityType.VFOLDER, Operation.DELETE_FILES): Rule.FOLDER_WRITER,
    (EntityType.VFOLDER, Operation.UPLOAD_FILE): Rule.FOLDER_WRITER,
    (EntityType.VFOLDER, Operation.LIST): Rule.ANYONE,
    (EntityType.VFOLDER, Operation.GET): Rule.FOLDER_VIEWER,
    (EntityType.VFOLDER, Operation.CREATE): Rule.FOLDER_CREATOR,
    (EntityType.VFOLDER, Operation.DELETE): Rule.FOLDER_OWNER,
    (EntityType.VFOLDER, Operation.RESTORE): Rule.FOLDER_OWNER,
    (EntityType.VFOLDER, Operation.RECOVER): Rule.FOLDER_OWNER,
    (EntityType.VFOLDER, Operation.PURGE): Rule.FOLDER_OWNER,
    (EntityType.VFOLDER, Operation.UPDATE): Rule.FOLDER_MANAGER,
    (EntityType.VFOLDER, Operation.RENAME): Rule.FOLDER_MANAGER,
    (EntityType.VFOLDER, Operation.CLONE): Rule.FOLDER_READER,
    (EntityType.VFOLDER, Operation.CHANGE_OWNER): Rule.SUPERADMIN,
    (EntityType.VFOLDER, Operation.SHARE): Rule.FOLDER_OWNER,
    (EntityType.VFOLDER, Operation.UNSHARE): Rule.FOLDER_OWNER,
    (EntityType.VFOLDER, Operation.LEAVE): Rule.FOLDER_READER,
    (EntityType.VFOLDER_INVITATION, Operation.INVITE): Rule.FOLDER_MANAGER,
    (EntityType.VFOLDER_INVITATION, Operation.LIST): Rule.ANYONE,
    (EntityType.VFOLDER_INVITATION, Operation.ACCEPT): Rule.OWNER,
    (EntityType.VFOLDER_INVITATION, Operation.REJECT): Rule.OWNER,
    (EntityType.VFOLDER_INVITATION, Operation.CANCEL): Rule.OWNER,
    (EntityType.VFOLDER_INVITATION, Operation.UPDATE): Rule.OWNER,
    (EntityType.STORAGE, Operation.LIST): Rule.ANYONE,
    (EntityType.STORAGE, Operation.GET_QUOTA): Rule.SCOPE_VIEWER,
    (EntityType.STORAGE, Operation.SET_QUOTA): Rule.DOMAIN_ADMIN,
    (EntityType.STORAGE, Operation.UNSET_QUOTA): Rule.DOMAIN_ADMIN,
}

_MONITORED = frozenset(
    {
        Rule.FOLDER_VIEWER,
        Rule.SCOPE_VIEWER,
        Rule.OWNER_OR_MONITOR,
        Rule.MEMBER_OR_MONITOR,
        Rule.DOMAIN_ADMIN_OR_MONITOR,
        Rule.SUPERADMIN_OR_MONITOR,
    }
)
_OWNED = frozenset({Rule.OWNER, Rule.OWNER_OR_MONITOR, Rule.OWNER_ONLY})
_FOLDER_RULES: Mapping[Rule, Callable[[FolderAccess], bool]] = {
    Rule.FOLDER_VIEWER: lambda folder: not folder.by_office,
    Rule.FOLDER_READER: lambda folder: not folder.by_office,
    Rule.FOLDER_WRITER: lambda folder: folder.writable and not folder.by_office,
    Rule.FOLDER_MANAGER: lambda folder: folder.deletable and not folder.by_office,
    Rule.FOLDER_OWNER: lambda folder: folder.is_owner,
}
_DOMAIN_ADMINISTERED = {
    Rule.OWNER,
    Rule.OWNER_OR_MONITOR,
    Rule.MEMBER_OR_MONITOR,
    Rule.DOMAIN_ADMIN,
    Rule.DOMAIN_ADMIN_OR_MONITOR,
    Rule.FOLDER_CREATOR,
    Rule.SCOPE_VIEWER,
} | _FOLDER_RULES.keys()


def rule_for(action: type[Action[ActionResult]]) -> Rule:
    """The access rule of an action class; every action has one, and a test says so."""
    return RULES[action.entity_type, action.operation]


def is_allowed(rule: Rule, actor: Actor, scope: TargetScope) -> bool:
    """Decide one rule for one actor and target."""
    if actor.role is UserRole.SUPERADMIN or rule is Rule.ANYONE:
        return True
    if actor.role is UserRole.MONITOR:
        return rule in _MONITORED
    return _in_person(rule, actor, scope) or (
        actor.role is UserRole.ADMIN
        and rule in _DOMAIN_ADMINISTERED
        and scope.domain_name == actor.domain_name
        and scope.owner_role is not UserRole.SUPERADMIN
    )


def _in_person(rule: Rule, actor: Actor, scope: TargetScope) -> bool:
    """What the actor may do without any office."""
    own = scope.owner_user_id == actor.user_id
    if rule is Rule.FOLDER_CREATOR:
        return own if scope.group_id is None else scope.is_model_store and scope.actor_is_member
    if rule is Rule.MEMBER_OR_MONITOR:
        return scope.actor_is_member
    if rule is Rule.SCOPE_VIEWER:
        return own or scope.actor_is_member
    if scope.folder is not None and rule in _FOLDER_RULES:
        return _FOLDER_RULES[rule](scope.folder)
    return rule in _OWNED and own


def require(action: Action[ActionResult], actor: Actor, scope: TargetScope) -> None:
    """Raise ``InsufficientPrivilege`` unless the actor may run the action on its target."""
    rule = rule_for(type(action))
    if is_allowed(rule, actor, scope):
        return
    raise InsufficientPrivilege(
        f"{actor.email} ({actor.role.value}) may not {_said(action.operation)} this"
        f" {action.entity_type.value.replace('_', ' ')}: that takes {rule.value}.",
        hint="Ask an administrator, or use another profile or key pair.",
        details={"role": actor.role.value, "needs": rule.name.lower()},
    )


def _said(operation: Operation) -> str:
    """What stands before "this session": ``create``, ``run 'list files' on``."""
    words = operation.value.replace("_", " ")
    return f"run {words!r} on" if " " in words else words
