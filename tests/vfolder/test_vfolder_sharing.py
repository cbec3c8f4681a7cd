"""Offers, answers, shares (``reference/services.md`` §5.3, §5.4); hosts and quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from bai_manager.errors import InvalidInput
from bai_manager.models.domain import domains
from bai_manager.models.group import association_groups_users
from bai_manager.models.rbac import (
    association_scopes_entities,
    object_permissions,
    permission_groups,
    roles,
)
from bai_manager.models.resource_policy import user_resource_policies
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions
from bai_manager.services.storage.actions import (
    GetQuotaAction,
    ListStorageHostsAction,
    SetQuotaAction,
    UnsetQuotaAction,
)
from bai_manager.services.vfolder.actions import (
    GetVFolderAction,
    LeaveVFolderAction,
    ShareVFolderAction,
    UnshareVFolderAction,
)
from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    NotSharedWith,
    ShareTargetNotFound,
    VFolderAlreadyExists,
    VFolderFilterStatusFailed,
    VFolderForbidden,
    VFolderGrantAlreadyExists,
    VFolderInvalidParameter,
    VFolderNotFound,
)
from bai_manager.services.vfolder_invitation.actions import (
    AcceptInvitationAction,
    CancelInvitationAction,
    InviteAction,
    ListInvitationsAction,
    RejectInvitationAction,
    UpdateInvitationAction,
)
from bai_manager.services.vfolder_invitation.errors import InvitationAnswered, InviteeNotFound
from bai_manager.types.vfolder import VFolderPermission
from tests.people import folder, shared
from tests.vfolder.sites import EVERYTHING, HOST

if TYPE_CHECKING:
    from bai_manager.services.vfolder_invitation.types import InvitationData
    from tests.seeds import Person
    from tests.vfolder.sites import FolderSite

RO, RW, WD = VFolderPermission
BOB, CAROL = "bob@example.com", "carol@example.com"


async def _offer(site: FolderSite, *emails: str, name: str = "data") -> list[InvitationData]:
    action = InviteAction(vfolder=name, emails=emails or (BOB,), permission=RW)
    result = await site.run(action, site.world.alice)
    return [*result.invited, *result.pending]


async def _granted(site: FolderSite, folder_id: UUID) -> dict[str, str]:
    """Who has what on a folder, by e-mail."""
    statement = (
        select(users.c.email, vfolder_permissions.c.permission)
        .join(users, users.c.uuid == vfolder_permissions.c.user)
        .where(vfolder_permissions.c.vfolder == folder_id)
    )
    return {row.email: row.permission for row in await site.rows(statement)}


async def _role_of(site: FolderSite, person: Person) -> UUID:
    role = uuid4()
    await site.execute(
        insert(roles).values(id=role, name="theirs"),
        insert(permission_groups).values(
            role_id=role, scope_type="user", scope_id=str(person.user_id)
        ),
    )
    return role


async def _operations(site: FolderSite, role: UUID, folder_id: UUID) -> set[str]:
    table = object_permissions
    found = await site.rows(
        select(table.c.operation).where(
            table.c.role_id == role, table.c.entity_id == str(folder_id)
        )
    )
    return {row.operation for row in found}


async def test_an_accepted_offer_is_a_permission_a_place_and_a_grant(
    shaped_folders: FolderSite,
) -> None:
    site, bob = shaped_folders, shaped_folders.world.bob
    made, role = await site.create(), await _role_of(site, shaped_folders.world.bob)
    (offer,) = await _offer(site)
    await site.refused(GetVFolderAction(vfolder="data"), VFolderNotFound, bob)
    answered = await site.run(AcceptInvitationAction(invitation=str(offer.id)[:8]), bob)
    assert (answered.invitation.state.value, answered.invitation.modified_at is None) == (
        "accepted",
        False,
    )
    assert await _granted(site, made.id) == {BOB: "rw"}
    assert await _operations(site, role, made.id) == {"read", "update", "soft-delete"}
    places = association_scopes_entities
    scopes = await site.rows(select(places.c.scope_id).where(places.c.entity_id == str(made.id)))
    assert {row.scope_id for row in scopes} == {
        str(bob.user_id),
        str(site.world.alice.user_id),
    }
    await site.run(LeaveVFolderAction(vfolder="data"), bob)
    assert await _granted(site, made.id) == {}
    assert await _operations(site, role, made.id) == set()
    assert await site.count(select(places).where(places.c.entity_id == str(made.id))) == 1


async def test_only_a_pending_offer_is_answered_or_changed(folders: FolderSite) -> None:
    alice, bob = folders.world.alice, folders.world.bob
    await folders.create()
    ends: tuple[tuple[Any, Person, str], ...] = (
        (AcceptInvitationAction, bob, "accepted"),
        (RejectInvitationAction, bob, "rejected"),
        (CancelInvitationAction, alice, "canceled"),
    )
    for kind, who, state in ends:
        (offer,) = await _offer(folders)
        name = str(offer.id)
        changed = UpdateInvitationAction(invitation=name, permission=RO)
        assert (await folders.run(changed, alice)).invitation.permission is RO
        assert (await folders.run(kind(invitation=name), who)).invitation.state.value == state
        for again, by in (*((one, by) for one, by, _ in ends), (None, alice)):
            action = changed if again is None else again(invitation=name)
            refused = await folders.refused(action, InvitationAnswered, by)
            assert state in refused.message
        await folders.execute(vfolder_permissions.delete())
    listed = await folders.run(ListInvitationsAction(answered=True), bob)
    states = {one.state.value for one in listed.invitations}
    assert states == {"accepted", "rejected", "canceled"}
    assert (await folders.run(ListInvitationsAction(), bob)).invitations == []


async def test_nobody_is_asked_twice_and_all_must_exist(folders: FolderSite) -> None:
    alice = folders.world.alice
    made = await folders.create()
    (first,) = await _offer(folders)
    result = await folders.run(InviteAction(vfolder="data", emails=(BOB, CAROL)), alice)
    assert [one.invitee for one in result.invited] == [CAROL]
    assert [one.id for one in result.pending] == [first.id]
    sent = await folders.run(ListInvitationsAction(sent=True), alice)
    assert {one.invitee for one in sent.invitations} == {BOB, CAROL}
    nobody = InviteAction(vfolder="data", emails=("admin@example.com", "nobody@example.com"))
    refused = await folders.refused(nobody, InviteeNotFound, alice)
    assert "nobody@example.com" in refused.message
    assert await folders.count(select(vfolder_invitations)) == 2
    await folders.execute(shared(made.id, folders.world.admin))
    having = InviteAction(vfolder="data", emails=("admin@example.com",))
    await folders.refused(having, VFolderGrantAlreadyExists, alice)
    oneself = InviteAction(vfolder="data", emails=(alice.email,))
    await folders.refused(oneself, VFolderInvalidParameter, alice)


async def test_what_is_not_offered(folders: FolderSite) -> None:
    world = folders.world
    await folders.create(".mine")
    made = await folders.create()
    await folders.execute(folder("team", world.alice, group=world.project_id, permission="wd"))
    for name, error in ((".mine", VFolderForbidden), ("team", VFolderInvalidParameter)):
        await folders.refused(InviteAction(vfolder=name, emails=(BOB,)), error, world.alice)
    action = InviteAction(vfolder="data", emails=(BOB,))
    await folders.set(made.id, status="delete-pending")
    await folders.refused(action, VFolderFilterStatusFailed, world.alice)
    await folders.set(made.id, status="ready")
    await folders.execute(update(domains).values(allowed_vfolder_hosts={HOST: ["upload-file"]}))
    await folders.refused(action, InsufficientStoragePermission, world.alice)


async def test_an_offer_is_accepted_while_folder_and_name_allow_it(folders: FolderSite) -> None:
    bob = folders.world.bob
    made = await folders.create()
    (offer,) = await _offer(folders)
    accept = AcceptInvitationAction(invitation=str(offer.id))
    theirs = await folders.create(who=bob)
    await folders.refused(accept, VFolderAlreadyExists, bob)
    await folders.set(theirs.id, name="other")
    await folders.set(made.id, status="delete-pending")
    await folders.refused(accept, VFolderFilterStatusFailed, bob)
    await folders.set(made.id, status="ready")
    await folders.run(accept, bob)
    assert await _granted(folders, made.id) == {BOB: "rw"}


async def test_a_project_s_folder_is_shared_with_its_members(folders: FolderSite) -> None:
    world = folders.world
    made = await folders.create("team", world.admin, group="default")
    share = ShareVFolderAction(vfolder="team", emails=(BOB, "alice@example.com"), permission=RW)
    result = await folders.run(share, world.admin)
    assert [one.name for one in result.shared_with] == ["alice@example.com", BOB]
    await folders.run(ShareVFolderAction(vfolder="team", emails=(BOB,), permission=WD), world.admin)
    assert await _granted(folders, made.id) == {"alice@example.com": "rw", BOB: "wd"}
    for email in (CAROL, "admin@example.com", "nobody@example.com"):
        strangers = ShareVFolderAction(vfolder="team", emails=(BOB, email), permission=RO)
        refused = await folders.refused(strangers, ShareTargetNotFound, world.admin)
        assert refused.details["users"] == [email]
    await folders.refused(LeaveVFolderAction(vfolder="team"), VFolderInvalidParameter, world.bob)
    left = await folders.run(UnshareVFolderAction(vfolder="team", emails=(BOB,)), world.admin)
    assert [one.name for one in left.shared_with] == ["default", "alice@example.com"]
    again = UnshareVFolderAction(vfolder="team", emails=(BOB,))
    nothing = await folders.refused(again, NotSharedWith, world.admin)
    assert "invitation cancel" in (nothing.hint or "")
    await folders.execute(association_groups_users.delete())
    gone = ShareVFolderAction(vfolder="team", emails=(BOB,), permission=RO)
    await folders.refused(gone, ShareTargetNotFound, world.root)


async def test_what_an_invitee_may_do_is_changed_by_the_owner(folders: FolderSite) -> None:
    world = folders.world
    made, role = await folders.create(), await _role_of(folders, world.bob)
    (offer,) = await _offer(folders)
    await folders.run(AcceptInvitationAction(invitation=str(offer.id)), world.bob)
    change = ShareVFolderAction(vfolder="data", emails=(BOB,), permission=RO)
    await folders.run(change, world.alice)
    assert await _granted(folders, made.id) == {BOB: "ro"}
    assert await _operations(folders, role, made.id) == {"read"}
    stranger = ShareVFolderAction(vfolder="data", emails=(CAROL,), permission=RO)
    refused = await folders.refused(stranger, ShareTargetNotFound, world.alice)
    assert "vfolder invite" in (refused.hint or "")


# Hosts and quotas


async def test_hosts_are_those_one_may_use_and_bytes_are_for_those_who_see_all(
    folders: FolderSite,
) -> None:
    allowed = {HOST: ["upload-file"], "moon:base": EVERYTHING}
    await folders.execute(update(domains).values(allowed_vfolder_hosts=allowed))
    mine = (await folders.run(ListStorageHostsAction(), folders.world.alice)).hosts
    assert [str(one.host) for one in mine] == [HOST, "moon:base"]
    assert [one.is_default for one in mine] == [True, False]
    assert [one.value for one in mine[0].permissions] == ["upload-file"]
    assert (mine[0].capacity_bytes, mine[0].used_percent is None) == (None, False)
    assert "moon" in (mine[1].error or "")
    everything = (await folders.run(ListStorageHostsAction())).hosts
    assert [str(one.host) for one in everything] == [HOST, "local:volume2", "moon:base"]
    assert (everything[1].capacity_bytes or 0) > 0
    assert {"quota", "vfolder"} <= {*everything[1].capabilities}


async def test_a_quota_is_set_shown_and_taken_away(folders: FolderSite) -> None:
    world = folders.world
    await folders.execute(update(user_resource_policies).values(max_quota_scope_size=1 << 30))
    await folders.execute(folder("odd", world.alice, host="no host"))
    (nothing,) = (await folders.run(GetQuotaAction(), world.alice)).quotas
    assert (nothing.used_bytes, nothing.limit_bytes, nothing.policy_limit) == (0, None, 1 << 30)
    made = await folders.create()
    (folders.path_of(made) / "file").write_bytes(bytes(100))
    (shown,) = (await folders.run(GetQuotaAction(), world.alice)).quotas
    assert (shown.limit_bytes, shown.policy_limit, shown.used_bytes) == (1 << 30, 1 << 30, 100)
    assert str(shown.scope) == f"user:{world.alice.user_id}"
    set_ = SetQuotaAction(user="alice", limit_bytes=4096)
    assert (await folders.run(set_, world.admin)).quota.limit_bytes == 4096
    unset = UnsetQuotaAction(user="alice", host=HOST)
    assert (await folders.run(unset, world.admin)).quota.limit_bytes is None
    await folders.refused(SetQuotaAction(user="alice", limit_bytes=0), InvalidInput)
    project = SetQuotaAction(project="default/default", limit_bytes=1, host="local:volume2")
    quota = (await folders.run(project)).quota
    assert (str(quota.scope), str(quota.host)) == (f"project:{world.project_id}", "local:volume2")
