"""Looking at files of a folder, and changing them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bai_manager.cli.schema import schema_of
from tests.cli.test_nouns_schema import problems

if TYPE_CHECKING:
    from tests.vfolder_file.conftest import Run, Shelf


def test_listing_is_in_order_with_kind_size_and_permissions(shelf: Shelf, run: Run) -> None:
    shelf.fill({"b": b"12", "a/deep": b"1", "a.txt": b""})
    (shelf.place / "link").symlink_to("b")
    listed = run("ls")
    assert listed.header == ["path", "kind", "size", "modified_at", "permissions", "link_target"]
    assert [cells[:2] for cells in listed.cells] == [
        ["a", "folder"],
        ["a.txt", "file"],
        ["b", "file"],
        ["link", "link"],
    ]
    assert listed.cells[2][2::2] == ["2", "-rw-r--r--"]
    assert listed.cells[3][5] == "b"


def test_recursive_listing_is_json_as_its_schema_says(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a/deep/c": b"1", "a/b": b""})
    said = json.loads(run("ls", "-R", "-o", "json").out)
    assert [entry["path"] for entry in said] == ["a", "a/b", "a/deep", "a/deep/c"]
    assert list(problems(said, schema_of("vfolder", "ls"))) == []
    assert run("ls", "a/b", "-o", "name").out == "a/b\n"
    assert run("ls", "a/deep", "-o", "name").out == "a/deep/c\n"


def test_listing_of_what_is_not_there_fails_and_prints_nothing(run: Run) -> None:
    done = run("ls", "nothing", "-o", "json")
    assert (done.code, done.out) == (3, "")
    assert json.loads(done.err)["error"]["code"] == "vfolder_access_not-found"


def test_hostile_names_are_shown_harmlessly_and_kept_exactly(shelf: Shelf, run: Run) -> None:
    shelf.fill({"\x1b[31mred\n[bold]": b""})
    assert "\x1b" not in run("ls", "-o", "table").out
    assert json.loads(run("ls", "-o", "json").out)[0]["path"] == "\x1b[31mred\n[bold]"


def test_sizes_are_told_for_folders_as_deep_as_asked(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a/b/c": b"123", "a/d": b"1", "e": b"22"})
    assert run("du", "--depth", "1").cells == [["4", "2", "a"], ["6", "3", "."]]
    assert run("du", "a", "--depth", "1").cells == [["3", "1", "a/b"], ["4", "2", "a"]]
    assert run("du").cells == [["6", "3", "."]]
    assert run("du", "e").cells == [["2", "1", "e"]]


def test_file_is_printed_byte_for_byte(shelf: Shelf, run: Run) -> None:
    shelf.fill({"file": b"one\ntwo"})
    assert run("cat", "file").out == "one\ntwo"


def test_folders_are_made_and_those_above_only_when_asked(shelf: Shelf, run: Run) -> None:
    refused = run("mkdir", "a/b")
    assert refused.code == 3
    made = run("mkdir", "a/b", "c", "-p")
    assert [cells[:2] for cells in made.cells] == [["a/b", "OK"], ["c", "OK"]]
    assert (shelf.place / "a" / "b").is_dir()
    assert run("mkdir", "c", "d").code == 7
    assert (shelf.place / "d").is_dir()


def test_files_are_moved_into_folders_and_replace_nothing(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a": b"1", "sub/b": b"2", "c": b"3"})
    assert run("mv", "a", "sub").cells == [["sub/a"]]
    assert run("mv", "sub/a", "new/name").cells == [["new/name"]]
    assert run("mv", "c", "sub/b").code == 5
    assert shelf.stored() == {"new/name": b"1", "sub/b": b"2", "c": b"3"}


def test_removing_says_what_is_lost_and_takes_all_or_nothing(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a": b"123", "sub/b": b"4", "c": b""})
    unasked = run("rm", "a", "sub", "-r")
    assert unasked.code == 2
    assert "2 files of 4 bytes" in unasked.err
    assert run("rm", "a", "sub", "--yes").code == 5
    assert run("rm", "a", "nothing", "--yes").code == 3
    assert len(shelf.stored()) == 3
    assert run("rm", "a", "sub", "-r", "--yes").cells == [["a"], ["sub"]]
    assert run("rm", "c", "nothing", "--ignore-not-found", "--yes").cells == [["c"]]
    assert shelf.stored() == {}


def test_a_folder_below_none_says_how_both_are_made(shelf: Shelf, run: Run) -> None:
    refused = run("mkdir", "a/b/c")
    assert refused.code == 3
    assert "There is no a/b in the folder" in refused.err
    assert "-p" in refused.err
    assert run("mkdir", "a/b/c", "-p").code == 0
    assert (shelf.place / "a" / "b" / "c").is_dir()


def test_dry_run_refuses_what_would_fail_and_changes_nothing(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a": b"1", "sub/b": b"2"})
    assert run("rm", "sub", "--dry-run").code == 5
    for words in (("rm", "sub", "-r"), ("mkdir", "x/y", "-p"), ("mv", "a", "sub")):
        done = run(*words, "--dry-run")
        assert done.code == 0
        assert "nothing was changed" in done.err
    assert shelf.stored() == {"a": b"1", "sub/b": b"2"}


def test_paths_that_lead_out_are_refused(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a": b"1"})
    (shelf.place / "out").symlink_to("/etc")
    for words in (
        ("ls", ".."),
        ("cat", "../../x"),
        ("cat", "out/passwd"),
        ("mkdir", "/x"),
        ("mv", "a", "../a"),
        ("rm", "..", "--yes"),
        ("upload", str(shelf.here), "--to", "../x"),
    ):
        assert run(*words).code == 2, words
