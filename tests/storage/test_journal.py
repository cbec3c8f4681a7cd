"""What an upload remembers from one run to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.storage_proxy.errors import TransferBusy
from bai_manager.clients.storage_proxy.journal import UploadJournal, Version

if TYPE_CHECKING:
    from pathlib import Path

FILE = Version("sub/file\n\udcff", 10, 1_700_000_000_123_456_789)


def test_begun_and_done_are_known_to_the_next_run(tmp_path: Path) -> None:
    with UploadJournal(tmp_path, "a to b") as journal:
        journal.begin(FILE, "token")
        journal.begin(other := Version("other", 1, 1), "second")
        journal.finish(other)
    with UploadJournal(tmp_path, "a to b") as journal:
        assert journal.token(FILE) == "token"
        assert journal.token(other) is None
        assert journal.is_done(other)
        assert not journal.is_done(FILE)
        journal.drop(FILE)
    with UploadJournal(tmp_path, "a to b") as journal:
        assert journal.token(FILE) is None


@pytest.mark.parametrize(
    "changed", [Version(FILE.path, 11, FILE.modified), Version(FILE.path, 10, 1)]
)
def test_changed_file_is_neither_begun_nor_done(tmp_path: Path, changed: Version) -> None:
    with UploadJournal(tmp_path, "a to b") as journal:
        journal.begin(FILE, "token")
        assert journal.token(changed) is None
        journal.finish(FILE)
        assert not journal.is_done(changed)


def test_torn_or_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    with UploadJournal(tmp_path, "a to b") as journal:
        journal.begin(FILE, "token")
    (file,) = tmp_path.iterdir()
    with file.open("ab") as lines:
        lines.write(b'["done"]\n7\n{"a": 1}\n["done", "x", "y", "z"]\n["begun", "sub/file')
    with UploadJournal(tmp_path, "a to b") as journal:
        assert journal.token(FILE) == "token"
        journal.finish(FILE)
    with UploadJournal(tmp_path, "a to b") as journal:
        assert journal.is_done(FILE)


def test_journal_is_locked_and_for_its_owner_alone(tmp_path: Path) -> None:
    with UploadJournal(tmp_path / "j", "a to b"):
        (file,) = (tmp_path / "j").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(TransferBusy):
            UploadJournal(tmp_path / "j", "a to b")
        with UploadJournal(tmp_path / "j", "a to c"):
            pass
    with UploadJournal(tmp_path / "j", "a to b") as journal:
        journal.forget()
    assert not file.exists()


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    with UploadJournal(None, "a to b") as journal:
        journal.begin(FILE, "token")
        journal.finish(FILE)
        assert journal.is_done(FILE)
        journal.forget()
    assert [*tmp_path.iterdir()] == []
