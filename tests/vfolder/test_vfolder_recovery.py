"""Ways out of the statuses in which something or somebody gave up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select

from bai_manager.clients.storage_proxy.errors import StorageUnknown, StorageUnreachable
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.models.vfolder import vfolders
from bai_manager.services.vfolder.actions import (
    CloneVFolderAction,
    DeleteVFolderAction,
    PurgeVFolderAction,
    RecoverVFolderAction,
    RestoreVFolderAction,
)
from bai_manager.services.vfolder.errors import (
    VFolderDeletionNotAllowed,
    VFolderFilesMissing,
    VFolderFilterStatusFailed,
)
from bai_manager.services.vfolder.types import Recovery, VFolderSpec
from tests import seeds
from tests.people import end_session, folder, mount

if TYPE_CHECKING:
    import pytest

    from tests.vfolder.sites import FolderSite

STUCK = ("error", "cloning", "performing", "mounted")


async def _recovered(site: FolderSite, vfolder: str = "data") -> tuple[Recovery, str]:
    result = await site.run(RecoverVFolderAction(vfolder=vfolder), site.world.alice)
    return result.recovery, result.vfolder.status.value


async def test_a_stuck_folder_whose_files_are_there_is_ready(folders: FolderSite) -> None:
    made = await folders.create()
    for status in STUCK:
        # What a manager that died in a clone leaves of a folder it made: no history but this.
        history = {status.upper(): "2026-01-02T03:04:05+00:00"}
        await folders.set(made.id, status=status, status_history=history)
        assert await _recovered(folders) == (Recovery.FILES_THERE, "ready")
        assert (await folders.row(made.id)).status_history.keys() == {"READY", *history}
    assert await _recovered(folders) == (Recovery.NOT_NEEDED, "ready")


async def test_a_stuck_folder_without_files_is_trash_for_good(folders: FolderSite) -> None:
    alice = folders.world.alice
    for status in STUCK:
        await folders.execute(folder(status, alice, status=status))
        assert await _recovered(folders, status) == (Recovery.FILES_MISSING, "delete-pending")
        refused = await folders.refused(
            RestoreVFolderAction(vfolder=status), VFolderFilesMissing, alice
        )
        assert "has none of it" in refused.message
        await folders.run(PurgeVFolderAction(vfolder=status), alice)
    assert await folders.count(select(vfolders)) == 0


async def test_of_a_clone_that_nobody_completes_the_source_is_ready_and_the_copy_trash(
    folders: FolderSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = folders.world.alice
    await folders.create(cloneable=True)

    async def cut_off(client: LocalStorageClient, _: Any, target: Any, **__: Any) -> None:
        await client.create_folder(target)
        raise StorageUnreachable("local", "it was unplugged")

    clone = CloneVFolderAction(vfolder="data", spec=VFolderSpec(name="copy"))
    with monkeypatch.context() as patched:
        patched.setattr(LocalStorageClient, "clone_folder", cut_off)
        await folders.refused(clone, StorageUnreachable, alice)
    assert await _recovered(folders, "data") == (Recovery.FILES_THERE, "ready")
    assert await _recovered(folders, "copy") == (Recovery.UNFINISHED_COPY, "delete-pending")
    refused = await folders.refused(
        RestoreVFolderAction(vfolder="copy"), VFolderFilesMissing, alice
    )
    assert "not completed" in refused.message
    await folders.run(PurgeVFolderAction(vfolder="copy"), alice)
    assert (await folders.run(clone, alice)).vfolder.status == "ready"


async def test_a_clone_that_was_given_up_meanwhile_is_not_called_complete(
    folders: FolderSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = folders.world.alice
    await folders.create(cloneable=True)

    async def outrun(client: LocalStorageClient, _: Any, target: Any, **__: Any) -> None:
        await client.create_folder(target)
        await _recovered(folders, "copy")

    monkeypatch.setattr(LocalStorageClient, "clone_folder", outrun)
    clone = CloneVFolderAction(vfolder="data", spec=VFolderSpec(name="copy"))
    refused = await folders.refused(clone, VFolderFilterStatusFailed, alice)
    assert "'copy' is delete-pending" in refused.message
    statuses = {row.name: row.status for row in await folders.rows(select(vfolders))}
    assert statuses == {"data": "ready", "copy": "delete-pending"}


async def test_a_folder_that_a_session_has_is_left_alone(folders: FolderSite) -> None:
    alice = folders.world.alice
    there, gone = await folders.create(), uuid4()
    await folders.execute(folder("gone", alice, id=gone, status="error"))
    async with folders.database.transaction() as connection:
        session = await seeds.seed_session(connection, alice, name="busy-1")
    await mount(folders, session.id, gone, alice)
    refused = await folders.refused(
        RecoverVFolderAction(vfolder="gone"), VFolderDeletionNotAllowed, alice
    )
    assert "busy-1" in refused.message
    await mount(folders, session.id, there.id, alice)
    await folders.set(there.id, status="mounted")
    await folders.refused(RecoverVFolderAction(vfolder="data"), VFolderDeletionNotAllowed, alice)
    await folders.set(there.id, status="error")
    assert await _recovered(folders) == (Recovery.FILES_THERE, "ready")
    await end_session(folders, session.id)
    assert await _recovered(folders, "gone") == (Recovery.FILES_MISSING, "delete-pending")


async def test_a_storage_that_cannot_be_asked_decides_nothing(folders: FolderSite) -> None:
    alice, far = folders.world.alice, uuid4()
    await folders.execute(folder("far", alice, id=far, host="moon:base", status="error"))
    await folders.refused(RecoverVFolderAction(vfolder="far"), StorageUnknown, alice)
    assert (await folders.row(far)).status == "error"
    await folders.set(far, host="local:noop")
    assert await _recovered(folders, "far") == (Recovery.FILES_THERE, "ready")


async def test_what_is_in_the_trash_is_restored_or_purged_instead(folders: FolderSite) -> None:
    alice = folders.world.alice
    made = await folders.create()
    for status in ("delete-pending", "delete-ongoing", "delete-error"):
        await folders.set(made.id, status=status)
        refused = await folders.refused(
            RecoverVFolderAction(vfolder="data"), VFolderFilterStatusFailed, alice
        )
        assert "vfolder " in (refused.hint or "")
    await folders.set(made.id, status="error")
    await folders.run(DeleteVFolderAction(vfolder="data"), alice)
    await folders.run(RestoreVFolderAction(vfolder="data"), alice)
    assert (await folders.row(made.id)).status == "ready"


async def test_a_removal_that_another_began_is_completed(folders: FolderSite) -> None:
    site, alice = folders, folders.world.alice
    for status in ("delete-ongoing", "delete-error", "delete-complete"):
        made = await site.create()
        (site.path_of(made) / "file").touch()
        name = "data_deleted_2026-01-02T03:04:05"  # a manager's purge of users renames
        await site.set(made.id, status=status, name=name, status_history=None)
        await site.refused(RestoreVFolderAction(vfolder=name), VFolderFilterStatusFailed, alice)
        await site.run(PurgeVFolderAction(vfolder=name), alice)
        assert not site.path_of(made).exists()
    assert await site.count(select(vfolders)) == 0
