"""Who may do what to files: by permission, by host, by status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bai_manager.models.audit import audit_logs
from tests.vfolder_file.conftest import ALL

if TYPE_CHECKING:
    from tests.vfolder_file.conftest import Run, Shelf

READS = (("ls",), ("du",), ("cat", "a"), ("download", "a", "--to", "HERE/back"))
WRITES = (
    ("mkdir", "made", "-p"),
    ("mv", "a", "b"),
    ("mv", "b", "a"),
    ("upload", "HERE/new"),
    ("rm", "new", "--yes"),
)


def codes(shelf: Shelf, calls: tuple[tuple[str, ...], ...], who: str) -> list[int]:
    here = str(shelf.here)
    return [
        shelf.run(*(word.replace("HERE", here) for word in call), who=who).code for call in calls
    ]


def prepared(shelf: Shelf) -> None:
    shelf.fill({"a": b"1"})
    (shelf.here / "new").write_bytes(b"2")


def test_who_shares_a_folder_may_do_what_its_permission_says(shelf: Shelf) -> None:
    prepared(shelf)
    assert codes(shelf, (READS[0],), "bob") == [3]
    shelf.share(shelf.world.bob, "ro")
    assert codes(shelf, READS, "bob") == [0] * 4
    assert codes(shelf, WRITES, "bob") == [4] * 5
    shelf.share(shelf.world.admin, "rw")
    assert codes(shelf, WRITES, "admin") == [0] * 5


def test_admins_reach_files_of_their_domain_and_monitors_none(shelf: Shelf) -> None:
    prepared(shelf)
    assert codes(shelf, READS, "root") == [0] * 4
    assert codes(shelf, (READS[2], WRITES[0]), "admin") == [0, 0]
    assert codes(shelf, (READS[2],), "other_admin") == [3]
    assert codes(shelf, (READS[0], READS[2], WRITES[0]), "monitor") == [4, 4, 4]


def test_host_permissions_are_asked_for_transfers_and_moves(shelf: Shelf) -> None:
    prepared(shelf)
    without = {"upload-file": WRITES[3], "download-file": READS[3], "modify-vfolder": WRITES[1]}
    for permission, call in without.items():
        shelf.allow([other for other in ALL if other != permission])
        assert codes(shelf, (call, ("ls",)), "alice") == [4, 0], permission
    assert codes(shelf, (READS[2],), "alice") == [0]
    shelf.allow(["download-file"])
    assert codes(shelf, (READS[2],), "alice") == [0]


def test_status_says_whether_files_may_be_read_or_written(shelf: Shelf) -> None:
    prepared(shelf)
    for status, reads, writes in (
        ("delete-pending", 0, 5),
        ("cloning", 0, 5),
        ("error", 0, 5),
        ("delete-ongoing", 5, 5),
    ):
        shelf.change(status=status)
        assert codes(shelf, (READS[0], WRITES[0]), "alice") == [reads, writes], status


def test_files_of_an_unmanaged_folder_are_said_to_be_elsewhere(shelf: Shelf) -> None:
    shelf.change(unmanaged_path="/mnt/elsewhere", host="local:noop")
    done = shelf.run("ls")
    assert done.code == 5
    assert "/mnt/elsewhere" in done.err


def test_changes_are_audited_under_their_folder(shelf: Shelf, run: Run) -> None:
    prepared(shelf)
    run("ls")
    run("mkdir", "x")
    run("rm", "nothing", "--yes")
    found = shelf.rows(
        select(audit_logs.c.entity_type, audit_logs.c.operation, audit_logs.c.status)
        .where(audit_logs.c.entity_id == str(shelf.ref.id.folder))
        .order_by(audit_logs.c.created_at)
    )
    assert [(row.entity_type, row.operation, row.status) for row in found] == [
        ("vfolder", "make_folder", "success"),
        ("vfolder", "delete_files", "error"),
    ]
