"""Who may do what: every role against every rule, on every kind of target."""

from __future__ import annotations

from uuid import UUID

import pytest

from bai_manager.actions.access import Rule, is_allowed, require, rule_for
from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.actions.targets import SessionTarget, Target, TargetScope
from bai_manager.actions.validators.access import AccessValidator
from bai_manager.services.session.actions import CreateSessionAction, GetSessionAction
from bai_manager.services.session_inside.actions import ListFilesAction
from bai_manager.types.status import UserRole
from tests.actions.parts import ReadThing, WriteThing, actor

OWNER = UUID(int=50)


def _scope(
    domain: str | None = "default",
    owner: UUID | None = OWNER,
    role: UserRole | None = UserRole.USER,
) -> TargetScope:
    return TargetScope(domain_name=domain, owner_user_id=owner, owner_role=role)


SCOPES = {
    "own": _scope(owner=UUID(int=1)),
    "same domain": _scope(),
    "admin in same domain": _scope(role=UserRole.ADMIN),
    "superadmin in same domain": _scope(role=UserRole.SUPERADMIN),
    "other domain": _scope("other"),
    "domain itself": _scope(owner=None, role=None),
    "other domain itself": _scope("other", None, None),
    "own project": TargetScope(domain_name="default", actor_is_member=True),
    "whole system": TargetScope(),
}
ALL = frozenset(SCOPES)
NONE: frozenset[str] = frozenset()
OF_DOMAIN = ALL - {
    "superadmin in same domain",
    "other domain",
    "other domain itself",
    "whole system",
}
OWN = frozenset({"own"})
OF_FOLDERS = [rule for rule in Rule if rule.name.startswith("FOLDER_")]
"""What a folder gives is in ``tests/vfolder``; none of these targets is one."""

# role → rule → the targets on which it is allowed; the actor is user 1 of the domain "default"
MATRIX: dict[UserRole, dict[Rule, frozenset[str]]] = {
    UserRole.SUPERADMIN: dict.fromkeys(Rule, ALL),
    UserRole.ADMIN: {
        Rule.LOCAL_OPERATOR: NONE,
        Rule.ANYONE: ALL,
        Rule.OWNER: OF_DOMAIN,
        Rule.OWNER_OR_MONITOR: OF_DOMAIN,
        Rule.MEMBER_OR_MONITOR: OF_DOMAIN,
        Rule.OWNER_ONLY: OWN,
        Rule.DOMAIN_ADMIN: OF_DOMAIN,
        Rule.DOMAIN_ADMIN_OR_MONITOR: OF_DOMAIN,
        Rule.SUPERADMIN: NONE,
        Rule.SUPERADMIN_OR_MONITOR: NONE,
        Rule.SCOPE_VIEWER: OF_DOMAIN,
        **dict.fromkeys(OF_FOLDERS, OF_DOMAIN),
    },
    UserRole.USER: {
        Rule.LOCAL_OPERATOR: NONE,
        Rule.ANYONE: ALL,
        Rule.OWNER: OWN,
        Rule.OWNER_OR_MONITOR: OWN,
        Rule.MEMBER_OR_MONITOR: frozenset({"own project"}),
        Rule.OWNER_ONLY: OWN,
        Rule.DOMAIN_ADMIN: NONE,
        Rule.DOMAIN_ADMIN_OR_MONITOR: NONE,
        Rule.SUPERADMIN: NONE,
        Rule.SUPERADMIN_OR_MONITOR: NONE,
        Rule.SCOPE_VIEWER: frozenset({"own", "own project"}),
        **dict.fromkeys(OF_FOLDERS, NONE),
        Rule.FOLDER_CREATOR: OWN,
    },
    UserRole.MONITOR: {
        Rule.LOCAL_OPERATOR: NONE,
        Rule.ANYONE: ALL,
        Rule.OWNER: NONE,
        Rule.OWNER_OR_MONITOR: ALL,
        Rule.MEMBER_OR_MONITOR: ALL,
        Rule.OWNER_ONLY: NONE,
        Rule.DOMAIN_ADMIN: NONE,
        Rule.DOMAIN_ADMIN_OR_MONITOR: ALL,
        Rule.SUPERADMIN: NONE,
        Rule.SUPERADMIN_OR_MONITOR: ALL,
        Rule.SCOPE_VIEWER: ALL,
        **dict.fromkeys(OF_FOLDERS, NONE),
        Rule.FOLDER_VIEWER: ALL,
    },
}


@pytest.mark.parametrize("role", UserRole)
@pytest.mark.parametrize("rule", Rule)
def test_a_role_is_allowed_exactly_on_these_targets(role: UserRole, rule: Rule) -> None:
    allowed = {name for name, scope in SCOPES.items() if is_allowed(rule, actor(role), scope)}
    assert allowed == MATRIX[role][rule]


def test_nobody_without_a_domain_matches_what_has_none() -> None:
    lost = actor(UserRole.ADMIN, domain="")
    assert not is_allowed(Rule.DOMAIN_ADMIN, lost, TargetScope())


def test_a_denial_says_who_may_not_do_what_and_what_it_takes() -> None:
    action = CreateSessionAction(name="train-1", image="python")
    with pytest.raises(InsufficientPrivilege) as denied:
        require(action, actor(), _scope())
    assert denied.value.message == (
        "user1@example.com (user) may not create this session:"
        " that takes the owner, an admin of the owner's domain, or a superadmin."
    )
    assert denied.value.details == {"role": "user", "needs": "owner"}
    with pytest.raises(InsufficientPrivilege, match="may not run 'list files' on this session"):
        require(ListFilesAction(session="train-1"), actor(), _scope())


def test_the_rule_is_that_of_noun_and_operation() -> None:
    assert rule_for(ReadThing) is Rule.OWNER_OR_MONITOR
    assert rule_for(WriteThing) is Rule.OWNER


class Directory:
    """Knows one target."""

    def __init__(self, scope: TargetScope) -> None:
        self._scope = scope
        self.asked: list[Target] = []

    async def locate(self, target: Target, actor: object) -> TargetScope:  # noqa: ARG002
        self.asked.append(target)
        return self._scope


MINE = TargetScope(
    domain_name="default",
    owner_user_id=UUID(int=1),
    owner_role=UserRole.USER,
    owner_access_key="AKIAMINE",
)


async def test_whose_target_it_is_is_settled_before_the_service_sees_the_action() -> None:
    directory = Directory(MINE)
    action = GetSessionAction(session="train-1")
    settled = await AccessValidator(directory).authorize(action, actor())
    assert settled == GetSessionAction(session="train-1", owner="AKIAMINE")
    assert directory.asked == [SessionTarget("train-1", None)]


async def test_an_owner_that_was_named_is_kept() -> None:
    action = GetSessionAction(session="train-1", owner="AKIANAMED")
    settled = await AccessValidator(Directory(MINE)).authorize(action, actor())
    assert settled is action


async def test_what_is_denied_is_not_settled() -> None:
    validator = AccessValidator(Directory(_scope("other")))
    with pytest.raises(InsufficientPrivilege):
        await validator.authorize(GetSessionAction(session="train-1"), actor())
