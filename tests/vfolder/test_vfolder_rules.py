"""The life of a folder (``reference/services.md`` §5.1, ``state-machines.md`` §4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from bai_manager.clients.storage_proxy.errors import QuotaExceeded, StorageUnreachable
from bai_manager.errors import BackendAIError
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.rbac import association_scopes_entities
from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolder_invitations, vfolder_permissions, vfolders
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.storage.actions import ListStorageHostsAction
from bai_manager.services.vfolder.actions import (
    ChangeVFolderOwnerAction,
    CloneVFolderAction,
    CreateVFolderAction,
    DeleteVFolderAction,
    GetVFolderAction,
    ListVFoldersAction,
    PurgeVFolderAction,
    RenameVFolderAction,
    RestoreVFolderAction,
    UpdateVFolderAction,
)
from bai_manager.services.vfolder.errors import (
    InsufficientStoragePermission,
    ModelServiceDependencyNotCleared,
    NoStorageHost,
    OwnerUnfit,
    TooManyVFolders,
    VFolderAlreadyExists,
    VFolderDeletionNotAllowed,
    VFolderFilterStatusFailed,
    VFolderForbidden,
    VFolderInvalidParameter,
)
from bai_manager.services.vfolder.types import VFolderChanges, VFolderSpec
from bai_manager.types.errors import InvalidName
from bai_manager.types.query import Query, parse_filter
from bai_manager.types.status import VFolderStatus, VFolderUsageMode
from bai_manager.types.vfolder import VFolderPermission
from tests import seeds
from tests.people import endpoint, folder, invited, mount, shared
from tests.vfolder.sites import EVERYTHING, FREE, HOST

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.services.vfolder.types import VFolderData
    from tests.vfolder.sites import FolderSite

RO, RW = VFolderPermission.READ_ONLY, VFolderPermission.READ_WRITE


async def _do(site: FolderSite, kind: Any, vfolder: str = "data", **fields: Any) -> VFolderData:
    result = await site.run(kind(vfolder=vfolder, **fields), site.world.alice)
    found: VFolderData = result.vfolder
    return found


async def _places(site: FolderSite, folder_id: UUID) -> set[tuple[str, str]]:
    table = association_scopes_entities
    return {
        (row.scope_type, row.scope_id)
        for row in await site.rows(
            select(table).where(
                table.c.entity_type == "vfolder", table.c.entity_id == str(folder_id)
            )
        )
    }


async def _hosts(site: FolderSite, table: Any, hosts: dict[str, list[str]]) -> None:
    await site.execute(update(table).values(allowed_vfolder_hosts=hosts))


# Creating


async def test_a_user_s_folder_is_a_row_a_place_and_a_folder(shaped_folders: FolderSite) -> None:
    alice = shaped_folders.world.alice
    made = await shaped_folders.create(usage_mode=VFolderUsageMode.DATA, permission=RO)
    row = await shaped_folders.row(made.id)
    assert (row.name, row.host, row.domain_name) == ("data", HOST, "default")
    assert (row.ownership_type, row.user, row.group) == ("user", alice.user_id, None)
    assert (row.usage_mode, row.permission, row.creator) == ("data", "ro", alice.email)
    assert (row.quota_scope_id, row.cloneable) == (f"user:{alice.user_id}", False)
    assert (row.status, [*row.status_history]) == ("ready", ["READY"])
    assert row.status_changed is not None
    assert await _places(shaped_folders, made.id) == {("user", str(alice.user_id))}
    assert shaped_folders.path_of(made).is_dir()


async def test_a_project_s_folder_is_in_the_project_s_scope(shaped_folders: FolderSite) -> None:
    world = shaped_folders.world
    made = await shaped_folders.create(who=world.admin, group="default")
    row = await shaped_folders.row(made.id)
    assert (row.ownership_type, row.user, row.group) == ("group", None, world.project_id)
    assert (row.quota_scope_id, row.creator) == (f"project:{world.project_id}", "admin@example.com")
    assert await _places(shaped_folders, made.id) == {("project", str(world.project_id))}
    await shaped_folders.execute(update(groups).values(is_active=False))
    more = CreateVFolderAction(spec=VFolderSpec(name="more", group="default"))
    await shaped_folders.refused(more, VFolderInvalidParameter, world.admin)


NAMES: Final = (".bashrc", ".ssh", "/usr", "a/b", "..", "", " x", "x" * 65, "a\nb")


async def test_reserved_and_impossible_names_are_refused(folders: FolderSite) -> None:
    for name in NAMES:
        action = CreateVFolderAction(spec=VFolderSpec(name=name))
        await folders.refused(action, InvalidName, folders.world.alice)
    of_project = VFolderSpec(name=".data", group="default/default")
    await folders.refused(CreateVFolderAction(spec=of_project), VFolderInvalidParameter)
    assert (await folders.create(".local", folders.world.root, group="default/default")).project
    assert (await folders.create(".data")).owner


async def test_a_name_is_taken_by_what_one_reaches_and_by_the_trash(folders: FolderSite) -> None:
    world = folders.world
    given = uuid4()
    await folders.execute(folder("given", world.bob, id=given), shared(given, world.alice))
    await folders.execute(folder("team", world.bob, group=world.project_id))
    await folders.create("mine")
    await _do(folders, DeleteVFolderAction, "mine")
    for name in ("given", "team", "mine"):
        action = CreateVFolderAction(spec=VFolderSpec(name=name))
        await folders.refused(action, VFolderAlreadyExists, world.alice)
    await folders.create("mine", world.bob)
    await folders.set(given, status="delete-complete")
    await folders.create("given")


async def test_what_may_be_there_is_left_alone(folders: FolderSite) -> None:
    first = await folders.create(permission=RO)
    again = CreateVFolderAction(spec=VFolderSpec(name="data"), if_not_exists=True)
    result = await folders.run(again, folders.world.alice)
    assert (result.created, result.vfolder) == (False, first)


async def test_the_host_takes_a_permission_from_domain_project_or_policy(
    folders: FolderSite,
) -> None:
    action = CreateVFolderAction(spec=VFolderSpec(name="data"))
    tables = (domains, groups, keypair_resource_policies)
    await _hosts(folders, domains, {})
    await folders.refused(action, InsufficientStoragePermission, folders.world.alice)
    for number, table in enumerate(tables):
        for other in tables:
            await _hosts(folders, other, FREE if other is table else {})
        await folders.create(f"data{number}")
        await _hosts(folders, table, {HOST: ["mount-in-session"]})
        await folders.refused(action, InsufficientStoragePermission, folders.world.alice)
    elsewhere = CreateVFolderAction(spec=VFolderSpec(name="data", host="local:other"))
    await folders.refused(elsewhere, InsufficientStoragePermission, folders.world.alice)


async def test_without_a_default_the_only_host_is_taken(folders: FolderSite) -> None:
    app = folders.app(folders.world.alice)
    app.storages._map = replace(await app.storages.map(), default_host=None)
    action = CreateVFolderAction(spec=VFolderSpec(name="data"))
    with pytest.raises(NoStorageHost, match="volume1, local:volume2"):
        await app.processor.run(action)
    await _hosts(folders, domains, {"local:volume2": EVERYTHING})
    made = (await app.processor.run(action)).vfolder
    assert str(made.host) == "local:volume2"
    assert folders.path_of(made).is_dir()


async def test_the_policy_s_number_of_folders_counts_the_trash(folders: FolderSite) -> None:
    world = folders.world
    await folders.execute(
        update(user_resource_policies).values(max_vfolder_count=2),
        update(project_resource_policies).values(max_vfolder_count=1),
        folder("gone", world.alice, status="delete-complete"),
    )
    await folders.create("one")
    await folders.create("two")
    await _do(folders, DeleteVFolderAction, "two")
    three = CreateVFolderAction(spec=VFolderSpec(name="three"))
    refused = await folders.refused(three, TooManyVFolders, world.alice)
    assert (refused.details["limit"], refused.details["count"]) == (2, 2)
    await folders.create("three", world.bob)
    await folders.create("one", world.root, group="default/default")
    again = CreateVFolderAction(spec=VFolderSpec(name="two", group="default/default"))
    await folders.refused(again, TooManyVFolders)


async def test_a_model_store_takes_models_and_makes_them_read_only(folders: FolderSite) -> None:
    await folders.execute(update(groups).values(type="model-store"))
    alice = folders.world.alice
    plain = CreateVFolderAction(spec=VFolderSpec(name="llama", group="default"))
    await folders.refused(plain, VFolderInvalidParameter, alice)
    made = await folders.create("llama", group="default", usage_mode=VFolderUsageMode.MODEL)
    assert (made.permission, (await folders.row(made.id)).permission) == (RO, "ro")


async def test_a_new_quota_scope_has_the_policy_s_limit(folders: FolderSite) -> None:
    await folders.execute(update(user_resource_policies).values(max_quota_scope_size=4096))
    made = await folders.create()
    assert made.vfid.quota_scope is not None
    storage = await folders.app().storages.client("local")
    quota = await storage.quota_scope("volume1", made.vfid.quota_scope)
    assert quota.limit_bytes == 4096


async def test_an_unmanaged_folder_is_a_row_alone(folders: FolderSite) -> None:
    made = await folders.create(
        "ext", folders.world.root, unmanaged_path="/mnt/x", host="local:noop"
    )
    assert (made.unmanaged_path, folders.path_of(made).exists()) == ("/mnt/x", False)
    shown = await folders.run(GetVFolderAction(vfolder="ext"))
    assert shown.use is None
    relative = CreateVFolderAction(spec=VFolderSpec(name="y", unmanaged_path="mnt"))
    await folders.refused(relative, VFolderInvalidParameter)


async def test_what_the_storage_refuses_leaves_no_row(folders: FolderSite) -> None:
    await _hosts(folders, domains, {"local:gone": EVERYTHING})
    action = CreateVFolderAction(spec=VFolderSpec(name="data", host="local:gone"))
    await folders.refused(action, BackendAIError, folders.world.alice)
    assert await folders.count(select(vfolders)) == 0


# Showing and changing


async def test_showing_tells_use_and_who_can_reach_it(folders: FolderSite) -> None:
    world = folders.world
    made = await folders.create()
    (folders.path_of(made) / "file").write_bytes(b"12345")
    await folders.execute(shared(made.id, world.bob), invited(made.id, world.alice, world.carol))
    whole = await folders.run(GetVFolderAction(vfolder="data"), world.alice)
    assert whole.use is not None
    assert (whole.use.file_count, whole.use.used_bytes) == (1, 5)
    told = [(one.kind.value, one.name) for one in whole.holdings.shared_with]
    assert told == [
        ("owner", "alice@example.com"),
        ("user", "bob@example.com"),
        ("invited", "carol@example.com"),
    ]
    part = await folders.run(GetVFolderAction(vfolder="data"), world.bob)
    assert [one.kind.value for one in part.holdings.shared_with] == ["owner", "user"]


async def test_a_storage_that_says_nothing_leaves_the_row_to_be_shown(folders: FolderSite) -> None:
    await folders.execute(folder("far", folders.world.alice, host="moon:base"))
    shown = await folders.run(GetVFolderAction(vfolder="far"), folders.world.alice)
    assert shown.use is not None
    assert "moon" in (shown.use.error or "")


async def test_an_update_changes_what_is_given_if_nobody_was_faster(folders: FolderSite) -> None:
    made = await folders.create()
    changes = VFolderChanges(cloneable=True, permission=RW)
    action = UpdateVFolderAction(vfolder="data", changes=changes, if_unchanged=made.version)
    result = await folders.run(action, folders.world.alice)
    assert (result.changed, result.vfolder.cloneable) == (("cloneable",), True)
    if result.vfolder.version == made.version:  # one transaction for the whole test
        await folders.set(made.id, cloneable=False)
        action = replace(action, if_unchanged="0")
    await folders.refused(action, RowChanged, folders.world.alice)


async def test_a_new_name_must_be_free_and_proper(folders: FolderSite) -> None:
    alice = folders.world.alice
    await folders.create("one")
    await folders.create("two")
    await folders.refused(
        RenameVFolderAction(vfolder="one", name="two"), VFolderAlreadyExists, alice
    )
    await folders.refused(RenameVFolderAction(vfolder="one", name=".bashrc"), InvalidName, alice)
    assert (await _do(folders, RenameVFolderAction, "one", name="three")).name == "three"
    assert (await _do(folders, RenameVFolderAction, "three", name="three")).name == "three"


# The trash


async def test_delete_restore_and_purge_go_through_the_statuses(shaped_folders: FolderSite) -> None:
    site, world = shaped_folders, shaped_folders.world
    made = await site.create()
    (site.path_of(made) / "file").touch()
    await site.execute(shared(made.id, world.bob), invited(made.id, world.alice, world.carol))
    assert (await _do(site, DeleteVFolderAction)).status is VFolderStatus.DELETE_PENDING
    assert await site.count(select(vfolder_permissions)) == 1
    restored = await _do(site, RestoreVFolderAction)
    assert [*sorted(restored.status_history)] == ["DELETE_PENDING", "READY"]
    await _do(site, DeleteVFolderAction)
    await _do(site, PurgeVFolderAction)
    for table in (vfolders, vfolder_permissions, vfolder_invitations):
        assert await site.count(select(table)) == 0
    assert await _places(site, made.id) == set()
    assert not site.path_of(made).exists()


STATUSES: Final = {
    DeleteVFolderAction: {"ready", "error"},
    RestoreVFolderAction: {"delete-pending"},
    PurgeVFolderAction: {"delete-pending", "delete-ongoing", "delete-error", "delete-complete"},
    UpdateVFolderAction: {"ready", "mounted"},
}


async def test_every_step_takes_its_statuses(folders: FolderSite) -> None:
    alice = folders.world.alice
    for kind, allowed in STATUSES.items():
        more = {"changes": VFolderChanges()} if kind is UpdateVFolderAction else {}
        for status in VFolderStatus:
            found = uuid4()
            values = {"id": found, "host": "local:noop", "status": status.value}
            await folders.execute(folder(status.value, alice, **values))
            action: Any = kind(vfolder=str(found), **more)
            if status.value in allowed:
                await folders.run(action, alice)
            elif status is VFolderStatus.DELETE_COMPLETE and kind in {
                DeleteVFolderAction,
                UpdateVFolderAction,
            }:
                await folders.refused(action, BackendAIError, alice)
            else:
                refused = await folders.refused(action, VFolderFilterStatusFailed, alice)
                assert status.value in refused.message
                assert (await folders.row(found)).status == status.value


async def test_rows_that_make_no_sense_spoil_no_list(folders: FolderSite) -> None:
    alice = folders.world.alice
    for name, values in (("host", {"host": "nowhere"}), ("scope", {"quota_scope_id": "who"})):
        await folders.execute(folder(name, alice, **values))
    await _hosts(folders, domains, {"nowhere": EVERYTHING, "x:": EVERYTHING, HOST: EVERYTHING})
    found = (await folders.run(ListVFoldersAction(), alice)).vfolders
    assert [(one.name, str(one.host)) for one in found] == [("host", "nowhere:"), ("scope", HOST)]
    for one in found:
        assert (await folders.run(GetVFolderAction(vfolder=one.name), alice)).use is not None
    hosts = (await folders.run(ListStorageHostsAction(), alice)).hosts
    assert [str(one.host) for one in hosts] == [HOST]


async def test_the_trash_is_listed_apart(folders: FolderSite) -> None:
    alice = folders.world.alice
    for status in VFolderStatus:
        await folders.execute(folder(status.value, alice, status=status.value))

    async def names(**fields: Any) -> set[str]:
        found = await folders.run(ListVFoldersAction(**fields), alice)
        return {one.name for one in found.vfolders}

    assert await names(trash=True) == {"delete-pending", "delete-ongoing", "delete-error"}
    assert await names() == {"ready", "performing", "cloning", "mounted", "error"}
    query = Query(filters=(parse_filter("status=delete-complete"),))
    assert await names(query=query) == {"delete-complete"}


async def test_a_mounted_folder_stays_and_the_sessions_are_named(folders: FolderSite) -> None:
    world = folders.world
    made = await folders.create()
    async with folders.database.transaction() as connection:
        session = await seeds.seed_session(connection, world.bob, name="busy-1")
    await mount(folders, session.id, made.id, world.alice)
    refused = await folders.refused(
        DeleteVFolderAction(vfolder="data"), VFolderDeletionNotAllowed, world.alice
    )
    assert "busy-1" in refused.message
    assert str(session.id) in (refused.hint or "")
    await folders.set(made.id, status="delete-pending")
    await folders.refused(
        PurgeVFolderAction(vfolder="data"), VFolderDeletionNotAllowed, world.alice
    )
    assert folders.path_of(made).is_dir()


async def test_the_model_of_a_service_stays(folders: FolderSite) -> None:
    world = folders.world
    made = await folders.create(usage_mode=VFolderUsageMode.MODEL)
    await folders.execute(
        endpoint(world.alice, world.image_id, model=made.id, lifecycle_stage="created")
    )
    refused = await folders.refused(
        DeleteVFolderAction(vfolder="data"), ModelServiceDependencyNotCleared, world.alice
    )
    assert "chat" in refused.message


async def test_hosts_bind_their_users_but_not_those_in_office(folders: FolderSite) -> None:
    await folders.create()
    await _hosts(folders, domains, {HOST: ["create-vfolder"]})
    for action in (
        DeleteVFolderAction(vfolder="data"),
        RenameVFolderAction(vfolder="data", name="x"),
        UpdateVFolderAction(vfolder="data", changes=VFolderChanges(cloneable=True)),
    ):
        await folders.refused(action, InsufficientStoragePermission, folders.world.alice)
    await folders.run(DeleteVFolderAction(vfolder="data"), folders.world.admin)


# Cloning


def _clone(name: str = "copy", **spec: Any) -> CloneVFolderAction:
    return CloneVFolderAction(vfolder="data", spec=VFolderSpec(name=name, **spec))


async def test_a_clone_is_the_own_of_who_made_it_in_their_own_scope(
    shaped_folders: FolderSite,
) -> None:
    site, bob = shaped_folders, shaped_folders.world.bob
    source = await site.create(cloneable=True)
    (site.path_of(source) / "file").write_text("hello")
    await site.execute(shared(source.id, bob))
    made = (await site.run(_clone(host="local:volume2", permission=RO), bob)).vfolder
    assert (site.path_of(made) / "file").read_text() == "hello"
    row = await site.row(made.id)
    assert (row.user, row.quota_scope_id) == (bob.user_id, f"user:{bob.user_id}")
    assert (row.host, row.permission, row.creator) == ("local:volume2", "ro", bob.email)
    assert (row.status, [*row.status_history]) == ("ready", ["READY", "CLONING"])
    assert (await site.row(source.id)).status == "ready"
    assert await _places(site, made.id) == {("user", str(bob.user_id))}


async def test_what_may_not_be_cloned_is_left_alone(folders: FolderSite) -> None:
    alice = folders.world.alice
    made = await folders.create()
    await folders.refused(_clone(), VFolderForbidden, alice)
    await folders.set(made.id, cloneable=True)
    await _hosts(folders, domains, {**FREE, "moon:base": EVERYTHING})
    await folders.refused(_clone(host="moon:base"), VFolderInvalidParameter, alice)
    await folders.refused(_clone("data"), VFolderAlreadyExists, alice)
    await folders.execute(update(user_resource_policies).values(max_vfolder_count=1))
    await folders.refused(_clone(), TooManyVFolders, alice)
    await folders.set(made.id, status="performing")
    await folders.refused(_clone(), VFolderFilterStatusFailed, alice)
    assert await folders.count(select(vfolders)) == 1


async def test_a_clone_that_fails_leaves_nothing(folders: FolderSite) -> None:
    source = await folders.create(cloneable=True, host="local:volume1")
    (folders.path_of(source) / "file").write_bytes(bytes(8192))
    await folders.execute(update(user_resource_policies).values(max_quota_scope_size=4096))
    await folders.refused(_clone(host="local:volume2"), QuotaExceeded, folders.world.alice)
    assert (await folders.row(source.id)).status == "ready"
    assert await folders.count(select(vfolders)) == 1
    assert [*(folders.volumes / "volume2").rglob("file")] == []


async def test_a_clone_nobody_knows_the_end_of_is_completed_by_the_same_command(
    folders: FolderSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bai_manager.clients.storage_proxy.local import LocalStorageClient  # noqa: PLC0415

    source = await folders.create(cloneable=True)
    (folders.path_of(source) / "file").touch()

    async def silent(*_: object, **__: object) -> None:
        raise StorageUnreachable("local", "it was unplugged")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStorageClient, "clone_folder", silent)
        await folders.refused(_clone(), StorageUnreachable, folders.world.alice)
    assert {row.status for row in await folders.rows(select(vfolders))} == {"cloning"}
    refused = await folders.refused(
        DeleteVFolderAction(vfolder="data"), VFolderFilterStatusFailed, folders.world.alice
    )
    assert "vfolder clone" in (refused.hint or "")
    done = await folders.run(_clone(), folders.world.alice)
    assert done.resumed
    assert (folders.path_of(done.vfolder) / "file").exists()
    assert {row.status for row in await folders.rows(select(vfolders))} == {"ready"}


# Another owner


async def test_another_owner_has_the_folder_and_no_grant_on_it(shaped_folders: FolderSite) -> None:
    site, world = shaped_folders, shaped_folders.world
    made = await site.create()
    await site.execute(shared(made.id, world.bob), invited(made.id, world.alice, world.bob))
    given = await site.run(ChangeVFolderOwnerAction(vfolder=str(made.id), user="bob"))
    row = await site.row(made.id)
    assert (row.user, row.quota_scope_id) == (world.bob.user_id, f"user:{world.alice.user_id}")
    assert (given.vfolder.owner, row.creator) == (world.bob.email, world.alice.email)
    for table in (vfolder_permissions, vfolder_invitations):
        assert await site.count(select(table)) == 0
    assert await _places(site, made.id) == {("user", str(world.bob.user_id))}
    assert site.path_of(given.vfolder).is_dir()


async def test_who_cannot_own_a_folder_is_not_given_one(folders: FolderSite) -> None:
    world = folders.world
    made = await folders.create()
    action = ChangeVFolderOwnerAction(vfolder=str(made.id), user="bob")
    await folders.refused(replace(action, user="alice"), VFolderInvalidParameter)
    same_name = uuid4()
    await folders.execute(folder("data", world.bob, id=same_name))
    await folders.refused(action, VFolderAlreadyExists)
    await folders.set(same_name, name="else")
    await folders.execute(update(user_resource_policies).values(max_vfolder_count=1))
    await folders.refused(action, TooManyVFolders)
    await folders.execute(update(user_resource_policies).values(max_vfolder_count=0))
    await _hosts(folders, domains, {})
    await folders.refused(action, OwnerUnfit)
    await folders.execute(
        update(users).where(users.c.uuid == world.bob.user_id).values(status="inactive")
    )
    refused = await folders.refused(action, OwnerUnfit)
    assert "inactive" in refused.message
    of_project = uuid4()
    await folders.execute(folder("team", world.bob, id=of_project, group=world.project_id))
    await folders.refused(
        ChangeVFolderOwnerAction(vfolder=str(of_project), user="carol"), BackendAIError
    )
    assert (await folders.row(made.id)).user == world.alice.user_id
