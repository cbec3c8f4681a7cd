"""Who may do what to files: by permission, by host, by status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.actions.base import ActionResult
from bai_manager.app import App
from bai_manager.config import load_config
from bai_manager.errors import BackendAIError
from bai_manager.models.audit import audit_logs
from bai_manager.services.vfolder.actions import VFolderAction
from bai_manager.services.vfolder_file.actions import (
    DeleteVFolderFilesAction,
    DownloadVFolderFilesAction,
    ListVFolderFilesAction,
    MakeVFolderPathAction,
    MeasureVFolderFilesAction,
    MoveVFolderFileAction,
    ReadVFolderFileAction,
    UploadVFolderFilesAction,
)
from tests.vfolder_file.conftest import ALL

if TYPE_CHECKING:
    from tests.vfolder_file.conftest import Shelf

Kind = Callable[[str], VFolderAction[ActionResult]]


def ls(name: str) -> VFolderAction[ActionResult]:
    return ListVFolderFilesAction(vfolder=name)


def cat(name: str) -> VFolderAction[ActionResult]:
    return ReadVFolderFileAction(vfolder=name, path="a")


def du(name: str) -> VFolderAction[ActionResult]:
    return MeasureVFolderFilesAction(vfolder=name)


def download(name: str) -> VFolderAction[ActionResult]:
    return DownloadVFolderFilesAction(vfolder=name, sources=("a",), destination="-")


def mkdir(name: str) -> VFolderAction[ActionResult]:
    return MakeVFolderPathAction(vfolder=name, path="made", parents=True)


def mv(name: str) -> VFolderAction[ActionResult]:
    return MoveVFolderFileAction(vfolder=name, source="a", destination="made/")


def upload(name: str) -> VFolderAction[ActionResult]:
    return UploadVFolderFilesAction(vfolder=name, sources=("-",), destination="new")


def rm(name: str) -> VFolderAction[ActionResult]:
    return DeleteVFolderFilesAction(vfolder=name, paths=("new",))


READS: list[Kind] = [ls, du, cat, download]
WRITES: list[Kind] = [mkdir, mv, upload, rm]


def codes(shelf: Shelf, kinds: list[Kind], who: str) -> list[int]:
    """How each action ends as somebody, one after the other; 0 is well."""

    async def each() -> list[int]:
        home = str(shelf.here.parent / "bai")
        app = App(load_config({**shelf.environ(who), "BAI_HOME": home}))
        ends = []
        for kind in kinds:
            try:
                await app.processor.run(kind(shelf.name))
                ends.append(0)
            except BackendAIError as error:
                ends.append(int(error.exit_code))
        await app.close()
        return ends

    return asyncio.run(each())


def prepared(shelf: Shelf) -> None:
    shelf.fill({"a": b"1"})


def test_who_shares_a_folder_may_do_what_its_permission_says(shelf: Shelf) -> None:
    prepared(shelf)
    assert codes(shelf, [ls], "bob") == [3]
    shelf.share(shelf.world.bob, "ro")
    assert codes(shelf, [*READS, *WRITES], "bob") == [0, 0, 0, 0, 4, 4, 4, 4]
    shelf.share(shelf.world.admin, "rw")
    assert codes(shelf, WRITES, "admin") == [0, 0, 0, 0]


def test_admins_reach_files_of_their_domain_and_monitors_none(shelf: Shelf) -> None:
    prepared(shelf)
    assert codes(shelf, READS, "root") == [0, 0, 0, 0]
    assert codes(shelf, [cat, mkdir], "admin") == [0, 0]
    assert codes(shelf, [cat], "other_admin") == [3]
    assert codes(shelf, [ls, cat, mkdir], "monitor") == [4, 4, 4]


def test_host_permissions_are_asked_for_transfers_and_moves(shelf: Shelf) -> None:
    prepared(shelf)
    shelf.allow([other for other in ALL if other not in {"upload-file", "modify-vfolder"}])
    assert codes(shelf, [ls, mkdir, mv, upload, cat, download], "alice") == [0, 0, 4, 4, 0, 0]
    shelf.allow(["upload-file", "modify-vfolder"])
    assert codes(shelf, [cat, download, upload, rm, mv], "alice") == [4, 4, 0, 0, 0]


def test_status_says_whether_files_may_be_read_or_written(shelf: Shelf) -> None:
    prepared(shelf)
    for status, reads, writes in (
        ("delete-pending", 0, 5),
        ("cloning", 0, 5),
        ("error", 0, 5),
        ("delete-ongoing", 5, 5),
    ):
        shelf.change(status=status)
        assert codes(shelf, [ls, mkdir], "alice") == [reads, writes], status


def test_files_of_an_unmanaged_folder_are_said_to_be_elsewhere(shelf: Shelf) -> None:
    shelf.change(unmanaged_path="/mnt/elsewhere", host="local:noop")
    done = shelf.run("ls")
    assert done.code == 5
    assert "/mnt/elsewhere" in done.err


def test_changes_are_audited_under_their_folder(shelf: Shelf) -> None:
    prepared(shelf)
    assert codes(shelf, [ls, mkdir, rm], "alice") == [0, 0, 3]
    found = shelf.rows(
        select(audit_logs.c.entity_type, audit_logs.c.operation, audit_logs.c.status)
        .where(audit_logs.c.entity_id == str(shelf.ref.id.folder))
        .order_by(audit_logs.c.created_at)
    )
    assert [(row.entity_type, row.operation, row.status) for row in found] == [
        ("vfolder", "make_folder", "success"),
        ("vfolder", "delete_files", "error"),
    ]
