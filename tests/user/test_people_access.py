"""Who may do what with users, key pairs and projects: every action, on a real database.

Written down by hand from ``reference/actions.md`` §7 (users and key pairs are changed by
superadmins, projects by the admins of their domain; a monitor reads; the rest is one's own), and
held against what the one door decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.actions.errors import AuthorizationFailed
from bai_manager.actions.validators.access import AccessValidator
from bai_manager.errors import Denied, NotFound
from bai_manager.repositories.access import AccessRepository
from bai_manager.services.auth import actions as auth
from bai_manager.services.group import actions as group
from bai_manager.services.group.types import GroupChanges, GroupSpec
from bai_manager.services.keypair import actions as keypair
from bai_manager.services.keypair.types import KeypairChanges
from bai_manager.services.manifest import actions as manifest
from bai_manager.services.user import actions as user
from bai_manager.services.user.types import UserChanges, UserSpec
from bai_manager.services.user_import import actions as user_import
from bai_manager.services.user_import.types import ImportChunk
from bai_manager.types.credentials import Secret
from bai_manager.types.dotfiles import Dotfile
from bai_manager.types.status import UserStatus
from tests import seeds
from tests.architecture import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bai_manager.actions.base import Action
    from tests.seeds import Person, World
    from tests.tenants import Site

PEOPLE = ("root", "admin", "alice", "monitor")
NOUNS = {"auth", "user", "user_import", "keypair", "group", "manifest"}
S = Secret("secret")
DOTFILE = Dotfile(path=".x", permission="644", data="")

ROOT = {"root"}
ABOVE = {"root", "admin"}
READERS = {"root", "admin", "monitor"}
ALL = set(PEOPLE)


@dataclass(frozen=True)
class Case:
    """``allowed`` of root, admin and alice (of ``default``) and monitor; ``to`` says on whom."""

    action: Action[Any]
    to: str
    allowed: frozenset[str]


def _cases(world: World) -> Iterator[tuple[Action[Any], str, set[str]]]:
    alice, bob, carol, root = world.alice, world.bob, world.carol, world.root
    yield from _user_cases(world)
    yield from _keypair_cases(world)
    yield from _group_cases()
    passwords: dict[str, Any] = {"old_password": S, "new_password": S, "new_password_confirm": S}
    yield auth.UpdatePasswordAction(**passwords), "self", {"root", "admin", "alice"}
    for whose, allowed in ((alice, ABOVE | {"alice"}), (bob, ABOVE), (carol, ROOT), (root, ROOT)):
        action = auth.UpdatePasswordAction(**passwords, owner=whose.access_key)
        yield action, whose.username, allowed
    yield auth.GetIdentityAction(), "self", ALL
    yield from _bulk_cases()


def _bulk_cases() -> Iterator[tuple[Action[Any], str, set[str]]]:
    """The whole system as a document, and users of a file."""
    chunk = ImportChunk(digest="d", number=0, count=1)
    yield user_import.CheckUserImportAction(rows=()), "system", ROOT
    yield user_import.ImportUsersAction(chunk=chunk, rows=()), "system", ROOT
    yield manifest.ExportManifestAction(), "system", {"root", "monitor"}
    yield manifest.DiffManifestAction(document="", source="-"), "system", {"root", "monitor"}
    yield manifest.ApplyManifestAction(document="", source="-"), "system", ROOT


def _user_cases(world: World) -> Iterator[tuple[Action[Any], str, set[str]]]:
    spec = UserSpec(email="e@example.com", username="e", domain_name="default")
    yield user.ListUsersAction(), "visible", ALL
    yield user.GetUserStatsAction(), "visible", ALL
    yield user.CreateUserAction(spec=spec), "default", ROOT
    whom = (
        (world.alice, READERS | {"alice"}),
        (world.bob, READERS),
        (world.carol, {"root", "monitor"}),
        (world.root, {"root", "monitor"}),
    )
    for whose, readers in whom:
        name = whose.email
        yield user.GetUserAction(user=name), whose.username, readers
        yield user.GetUserStatsAction(user=name), whose.username, readers
        for action in (
            user.UpdateUserAction(user=name, changes=UserChanges()),
            user.DeleteUserAction(user=name),
            user.PurgeUserAction(user=name),
            user.PreviewUserPurgeAction(user=name),
            user.SetUserPasswordAction(user=name, password=S),
            user.ResetUserPasswordAction(user=name),
        ):
            yield action, whose.username, ROOT


def _keypair_cases(world: World) -> Iterator[tuple[Action[Any], str, set[str]]]:
    yield keypair.ListKeypairsAction(), "visible", ALL
    yield keypair.CreateKeypairAction(user="bob"), "bob", ROOT
    whom = (
        (world.alice, ABOVE | {"alice"}),
        (world.bob, ABOVE),
        (world.carol, ROOT),
        (world.root, ROOT),
    )
    for whose, owners in whom:
        key, name = whose.access_key, whose.username
        yield keypair.GetKeypairAction(owner=key), name, owners | {"monitor"}
        yield keypair.GetSSHKeypairAction(owner=key), name, owners | {"monitor"}
        for own in (
            keypair.GenerateSSHKeypairAction(owner=key),
            keypair.UploadSSHKeypairAction(owner=key, public_key="", private_key=S),
            keypair.ListKeypairDotfilesAction(owner=key),
            keypair.CreateKeypairDotfileAction(owner=key, dotfile=DOTFILE),
            keypair.UpdateKeypairDotfileAction(owner=key, path=".x", data=""),
            keypair.DeleteKeypairDotfileAction(owner=key, path=".x"),
            keypair.GetBootstrapScriptAction(owner=key),
            keypair.SetBootstrapScriptAction(owner=key, script=""),
        ):
            yield own, name, owners
        for action in (
            keypair.UpdateKeypairAction(access_key=key, changes=KeypairChanges()),
            keypair.RotateKeypairAction(access_key=key),
            keypair.DeleteKeypairAction(access_key=key),
        ):
            yield action, name, ROOT


def _group_cases() -> Iterator[tuple[Action[Any], str, set[str]]]:
    yield group.ListGroupsAction(), "visible", ALL
    yield group.UsagePerMonthAction(month="2026-03"), "visible", READERS
    period: dict[str, Any] = {"start_date": "20260301", "end_date": "20260302"}
    yield group.UsagePerPeriodAction(**period), "visible", READERS
    where = (
        ("default/default", "default", READERS | {"alice"}, READERS, ABOVE),
        ("default/closed", "default", READERS, READERS, ABOVE),
        ("other/default", "other", {"root", "monitor"}, {"root", "monitor"}, ROOT),
    )
    for name, domain, members, readers, admins in where:
        yield group.GetGroupAction(group=name), name, members
        yield group.ListGroupDotfilesAction(group=name), name, members
        yield group.ListGroupMembersAction(group=name), name, readers
        yield group.UsagePerMonthAction(month="2026-03", group=name), name, readers
        yield group.UsagePerPeriodAction(**period, group=name), name, readers
        spec = GroupSpec(name="new", domain_name=domain)
        moving = GroupChanges(domain_name="other")
        yield group.UpdateGroupAction(group=name, changes=moving), f"{name} moved", ROOT
        for action in (
            group.CreateGroupAction(spec=spec),
            group.UpdateGroupAction(group=name, changes=GroupChanges()),
            group.DeleteGroupAction(group=name),
            group.PurgeGroupAction(group=name),
            group.PreviewGroupPurgeAction(group=name),
            group.AddGroupMemberAction(group=name, user="bob"),
            group.RemoveGroupMemberAction(group=name, user="bob"),
            group.CreateGroupDotfileAction(group=name, dotfile=DOTFILE),
            group.UpdateGroupDotfileAction(group=name, path=".x", data=""),
            group.DeleteGroupDotfileAction(group=name, path=".x"),
        ):
            yield action, name, admins


async def _allowed(site: Site, action: Action[Any], person: Person) -> bool:
    validator = AccessValidator(AccessRepository(site.database))
    try:
        await validator.authorize(action, person.actor)
    except (Denied, NotFound):
        return False
    return True


async def test_every_action_is_open_to_exactly_those_whom_the_reference_names(
    shaped_people: Site,
) -> None:
    async with shaped_people.database.transaction() as connection:
        await seeds.seed_project(connection, "closed")
    wrong = []
    for action, to, allowed in _cases(shaped_people.world):
        found = {
            name
            for name in PEOPLE
            if await _allowed(shaped_people, action, getattr(shaped_people.world, name))
        }
        if found != allowed:
            wrong.append((type(action).__name__, to, found ^ allowed))
    assert wrong == []


async def test_every_action_of_these_nouns_is_among_them(people: Site) -> None:
    seen = {type(action).__name__ for action, _, _ in _cases(people.world)}
    known = {
        action.__name__
        for action in catalogue.actions()
        if action.__module__.split(".")[-2] in NOUNS
    }
    assert seen == known


@pytest.mark.parametrize("what", ["user", "key pair"])
async def test_whoever_is_inactive_may_do_nothing(people: Site, what: str) -> None:
    async with people.database.transaction() as connection:
        if what == "user":
            gone = await seeds.seed_user(connection, "gone", status=UserStatus.INACTIVE)
        else:
            gone = await seeds.seed_user(connection, "gone", keypair_active=False)
    for action, _, _ in _cases(people.world):
        await people.refused(action, AuthorizationFailed, gone)


async def test_a_denied_action_changes_nothing_and_is_recorded(people: Site) -> None:
    alice = people.world.alice
    action = user.UpdateUserAction(user="bob", changes=UserChanges(description="mine"))
    error = await people.refused(action, Denied, alice)
    assert "superadmin" in error.message
    assert (await people.run(user.GetUserAction(user="bob"))).user.description is None


async def test_a_project_is_settled_before_the_service_looks(people: Site) -> None:
    """The name alone means another project to a superadmin than to the admin of a domain."""
    validator = AccessValidator(AccessRepository(people.database))
    admin = people.world.other_admin
    settled = await validator.authorize(group.GetGroupAction(group="default"), admin.actor)
    assert settled.group_id == people.world.other_project_id
    forged = group.GetGroupAction(group="default", group_id=people.world.project_id)
    assert (await validator.authorize(forged, admin.actor)).group_id != people.world.project_id


async def test_who_asks_is_settled_before_the_service_looks(people: Site) -> None:
    validator = AccessValidator(AccessRepository(people.database))
    root = people.world.root
    action = user.PurgeUserAction(user="bob")
    for asked in (action, replace(action, requester=people.world.alice.user_id)):
        assert (await validator.authorize(asked, root.actor)).requester == root.user_id
