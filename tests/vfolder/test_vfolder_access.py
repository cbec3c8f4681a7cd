"""Who may do what to whose folders: decided on a real database, nothing is done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bai_manager.actions.errors import AuthorizationFailed, InsufficientPrivilege
from bai_manager.actions.validators.access import AccessValidator
from bai_manager.models.group import groups
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions
from bai_manager.services.group.errors import GroupNotFound
from bai_manager.services.storage.actions import (
    GetQuotaAction,
    ListStorageHostsAction,
    SetQuotaAction,
    UnsetQuotaAction,
)
from bai_manager.services.vfolder.actions import (
    ChangeVFolderOwnerAction,
    CloneVFolderAction,
    CreateVFolderAction,
    DeleteVFolderAction,
    GetVFolderAction,
    LeaveVFolderAction,
    ListVFoldersAction,
    PurgeVFolderAction,
    RecoverVFolderAction,
    RenameVFolderAction,
    RestoreVFolderAction,
    ShareVFolderAction,
    UnshareVFolderAction,
    UpdateVFolderAction,
)
from bai_manager.services.vfolder.errors import TooManyVFoldersFound, VFolderNotFound
from bai_manager.services.vfolder.types import (
    FolderScope,
    VFolderChanges,
    VFolderSpec,
)
from bai_manager.services.vfolder_invitation.actions import (
    AcceptInvitationAction,
    CancelInvitationAction,
    InviteAction,
    ListInvitationsAction,
    RejectInvitationAction,
    UpdateInvitationAction,
)
from bai_manager.services.vfolder_invitation.errors import VFolderInvitationNotFound
from bai_manager.types.folder_access import FolderReach
from bai_manager.types.vfolder import VFolderPermission
from tests import seeds
from tests.architecture import catalogue
from tests.people import folder, invited

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.actions.base import Action, ActionResult
    from tests.seeds import Person
    from tests.vfolder.sites import FolderSite

OWN, PROJECTS, ROOTS, OTHERS = (UUID(int=number) for number in range(1, 5))
OFFER = UUID(int=9)
SPEC: Final = VFolderSpec(name="new")
RO: Final = VFolderPermission.READ_ONLY

PEOPLE: Final = ("root", "admin", "other_admin", "alice", "reader", "deleter", "member", "monitor")
"""Of alice's folder ``reader`` has ro and ``deleter`` wd; ``member`` is in alice's project."""

MATRIX: Final[dict[str, tuple[Callable[[], Action[ActionResult]], str]]] = {
    "list": (lambda: ListVFoldersAction(scope=FolderScope.ALL), "everybody"),
    "hosts": (ListStorageHostsAction, "everybody"),
    "invitations": (ListInvitationsAction, "everybody"),
    "create own": (lambda: CreateVFolderAction(spec=SPEC), "everybody but monitor"),
    "create of a project": (
        lambda: CreateVFolderAction(spec=replace(SPEC, group="default/default")),
        "root admin",
    ),
    "create unmanaged": (
        lambda: CreateVFolderAction(spec=replace(SPEC, unmanaged_path="/mnt/x")),
        "root",
    ),
    "show": (lambda: GetVFolderAction(vfolder=str(OWN)), "root admin alice reader deleter monitor"),
    "clone": (
        lambda: CloneVFolderAction(vfolder=str(OWN), spec=SPEC),
        "root admin alice reader deleter",
    ),
    "leave": (lambda: LeaveVFolderAction(vfolder=str(OWN)), "root admin alice reader deleter"),
    "update": (
        lambda: UpdateVFolderAction(vfolder=str(OWN), changes=VFolderChanges()),
        "root admin alice deleter",
    ),
    "rename": (
        lambda: RenameVFolderAction(vfolder=str(OWN), name="n"),
        "root admin alice deleter",
    ),
    "invite": (
        lambda: InviteAction(vfolder=str(OWN), emails=("a@b",)),
        "root admin alice deleter",
    ),
    "delete": (lambda: DeleteVFolderAction(vfolder=str(OWN)), "root admin alice"),
    "restore": (lambda: RestoreVFolderAction(vfolder=str(OWN)), "root admin alice"),
    "recover": (lambda: RecoverVFolderAction(vfolder=str(OWN)), "root admin alice"),
    "purge": (lambda: PurgeVFolderAction(vfolder=str(OWN)), "root admin alice"),
    "share": (
        lambda: ShareVFolderAction(vfolder=str(OWN), emails=(), permission=RO),
        "root admin alice",
    ),
    "unshare": (lambda: UnshareVFolderAction(vfolder=str(OWN), emails=()), "root admin alice"),
    "change owner": (lambda: ChangeVFolderOwnerAction(vfolder=str(OWN), user="bob"), "root"),
    "show a project's": (
        lambda: GetVFolderAction(vfolder=str(PROJECTS)),
        "root admin alice reader deleter member monitor",
    ),
    "rename a project's": (
        lambda: RenameVFolderAction(vfolder=str(PROJECTS), name="n"),
        "root admin",
    ),
    "delete a project's": (lambda: DeleteVFolderAction(vfolder=str(PROJECTS)), "root admin"),
    "share a project's": (
        lambda: ShareVFolderAction(vfolder=str(PROJECTS), emails=(), permission=RO),
        "root admin",
    ),
    "show a superadmin's": (lambda: GetVFolderAction(vfolder=str(ROOTS)), "root monitor"),
    "show another domain's": (
        lambda: GetVFolderAction(vfolder=str(OTHERS)),
        "root other_admin monitor",
    ),
    "accept": (lambda: AcceptInvitationAction(invitation=str(OFFER)), "root admin member"),
    "reject": (lambda: RejectInvitationAction(invitation=str(OFFER)), "root admin member"),
    "cancel": (lambda: CancelInvitationAction(invitation=str(OFFER)), "root admin alice"),
    "offer otherwise": (
        lambda: UpdateInvitationAction(invitation=str(OFFER), permission=RO),
        "root admin alice",
    ),
    "own quota": (GetQuotaAction, "everybody"),
    "quota of a user": (
        lambda: GetQuotaAction(user="alice@example.com"),
        "root admin alice monitor",
    ),
    "quota of a project": (
        lambda: GetQuotaAction(project="default/default"),
        "root admin alice reader deleter member monitor",
    ),
    "set a quota": (lambda: SetQuotaAction(user="alice", limit_bytes=1), "root admin"),
    "set a quota of a project": (
        lambda: SetQuotaAction(project="default/default", limit_bytes=1),
        "root admin",
    ),
    "set one's own": (lambda: SetQuotaAction(limit_bytes=1), "root admin other_admin"),
    "unset a quota": (lambda: UnsetQuotaAction(user="alice"), "root admin"),
}
"""What is tried, and who may."""

REFUSALS: Final = (
    InsufficientPrivilege,
    VFolderNotFound,
    VFolderInvitationNotFound,
    GroupNotFound,
)


async def _people(site: FolderSite) -> dict[str, Person]:
    """The folders of the matrix, and who is who."""
    world = site.world
    async with site.database.transaction() as connection:
        deleter = await seeds.seed_user(connection, "dora", project_id=world.project_id)
        member = await seeds.seed_user(connection, "mia", project_id=world.project_id)
    await site.execute(
        folder("own", world.alice, id=OWN),
        folder("projects", world.alice, id=PROJECTS, group=world.project_id),
        folder("roots", world.root, id=ROOTS),
        folder("others", world.carol, id=OTHERS),
        invited(OWN, world.alice, member).values(id=OFFER),
    )
    for person, permission in ((world.bob, "ro"), (deleter, "wd")):
        await site.execute(
            vfolder_permissions.insert().values(
                {"vfolder": OWN, "user": person.user_id, "permission": permission}
            )
        )
    return {
        "root": world.root,
        "admin": world.admin,
        "other_admin": world.other_admin,
        "alice": world.alice,
        "reader": world.bob,
        "deleter": deleter,
        "member": member,
        "monitor": world.monitor,
    }


async def test_everybody_may_exactly_what_the_rules_give(shaped_folders: FolderSite) -> None:
    people = await _people(shaped_folders)
    validator = AccessValidator(shaped_folders.app().access)
    for what, (action, listed) in MATRIX.items():
        allowed = set()
        for name in PEOPLE:
            try:
                await validator.authorize(action(), people[name].actor)
            except REFUSALS:
                continue
            allowed.add(name)
        assert allowed == _meant(listed), what


def _meant(listed: str) -> set[str]:
    if listed.startswith("everybody"):
        return set(PEOPLE) - set(listed.split()[2:])
    return set(listed.split())


async def test_who_is_inactive_may_nothing(folders: FolderSite) -> None:
    people = await _people(folders)
    await folders.execute(
        update(users).where(users.c.uuid == people["alice"].user_id).values(status="inactive")
    )
    for action, _ in MATRIX.values():
        await folders.refused(action(), AuthorizationFailed, people["alice"])


def test_the_matrix_has_every_action_on_folders() -> None:
    tried = {type(action()) for action, _ in MATRIX.values()}
    modules = {"vfolder", "vfolder_invitation", "storage"}
    there = {
        found
        for found in catalogue.actions()
        if found.__module__ in {f"bai_manager.services.{noun}.actions" for noun in modules}
    }
    assert tried == there


async def test_members_of_a_model_store_make_folders_in_it(folders: FolderSite) -> None:
    action = CreateVFolderAction(spec=replace(SPEC, group="default"))
    validator = AccessValidator(folders.app().access)
    with pytest.raises(InsufficientPrivilege):
        await validator.authorize(action, folders.world.alice.actor)
    await folders.execute(
        update(groups).where(groups.c.id == folders.world.project_id).values(type="model-store")
    )
    settled = await validator.authorize(action, folders.world.alice.actor)
    assert settled.group_id == folders.world.project_id


# Which folder is meant


async def _meant_by(site: FolderSite, name: str, who: Person) -> UUID:
    action = GetVFolderAction(vfolder=name)
    settled = await AccessValidator(site.app().access).authorize(action, who.actor)
    assert settled.access is not None
    return settled.access.id


async def test_of_a_name_ones_own_folder_is_meant_then_a_shared_one_then_a_project_s(
    folders: FolderSite,
) -> None:
    world = folders.world
    own, shared, project = (UUID(int=number) for number in (21, 22, 23))
    await folders.execute(
        folder("data", world.bob, id=shared),
        folder("data", world.bob, id=project, group=world.project_id),
        folder("data", world.carol, id=UUID(int=24)),
        vfolder_permissions.insert().values(
            {"vfolder": shared, "user": world.alice.user_id, "permission": "ro"}
        ),
    )
    assert await _meant_by(folders, "data", world.alice) == shared
    await folders.execute(folder("data", world.alice, id=own))
    assert await _meant_by(folders, "data", world.alice) == own
    assert await _meant_by(folders, str(project), world.alice) == project
    await folders.set(own, status="delete-pending")
    assert await _meant_by(folders, "data", world.alice) == shared


async def test_a_name_that_an_office_finds_several_of_is_not_guessed(folders: FolderSite) -> None:
    world = folders.world
    await folders.execute(folder("data", world.alice), folder("data", world.bob))
    refused = await folders.refused(GetVFolderAction(vfolder="data"), TooManyVFoldersFound)
    assert "alice@example.com" in refused.message
    assert "bob@example.com" in refused.message


async def test_what_was_given_to_a_member_alone_wins_over_what_the_project_has(
    folders: FolderSite,
) -> None:
    world = folders.world
    found = UUID(int=31)
    await folders.execute(
        folder("results", world.admin, id=found, group=world.project_id, permission="ro"),
        *(
            vfolder_permissions.insert().values(
                {"vfolder": found, "user": world.alice.user_id, "permission": permission}
            )
            for permission in ("rw", "ro")  # nothing keeps rows apart; the most counts
        ),
    )
    listed = {}
    for who in (world.alice, world.bob):
        (one,) = (await folders.run(ListVFoldersAction(), who)).vfolders
        assert one.reach is FolderReach.PROJECT
        listed[who.username] = one.my_permission.value
    assert listed == {"alice": "rw", "bob": "ro"}


async def test_lists_have_what_one_uses_and_with_all_what_one_administers(
    folders: FolderSite,
) -> None:
    await _people(folders)
    world = folders.world

    async def names(who: Person, scope: FolderScope) -> set[str]:
        found = await folders.run(ListVFoldersAction(scope=scope), who)
        return {one.name for one in found.vfolders}

    assert await names(world.alice, FolderScope.REACHABLE) == {"own", "projects"}
    assert await names(world.alice, FolderScope.ALL) == {"own", "projects"}
    assert await names(world.bob, FolderScope.SHARED) == {"own"}
    assert await names(world.bob, FolderScope.PROJECT) == {"projects"}
    assert await names(world.admin, FolderScope.OWN) == set()
    assert await names(world.admin, FolderScope.ALL) == {"own", "projects"}
    for who in (world.root, world.monitor):
        assert await names(who, FolderScope.ALL) == {"own", "projects", "roots", "others"}


async def test_an_offer_is_unknown_to_whom_it_does_not_concern(folders: FolderSite) -> None:
    await _people(folders)
    action = AcceptInvitationAction(invitation=str(OFFER))
    await folders.refused(action, VFolderInvitationNotFound, folders.world.bob)
    ((state,),) = await folders.rows(select(vfolder_invitations.c.state))
    assert state == "pending"
