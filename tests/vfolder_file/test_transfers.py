"""Uploads and downloads as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.schema import schema_of
from bai_manager.services.vfolder_file.destinations import placed
from tests.cli.test_nouns_schema import problems
from tests.storage.helpers import make_tree, read_tree

if TYPE_CHECKING:
    from tests.vfolder_file.conftest import Run, Shelf

FILES = {"a.csv": b"one", "sub/b.csv": b"two", "sub/c.tmp": b"3"}


def test_folder_goes_in_and_out_under_its_name(shelf: Shelf, run: Run) -> None:
    source = make_tree(shelf.here / "src", FILES)
    up = run("upload", str(source))
    assert (up.code, up.first) == (0, set(FILES))
    assert "3 files of 7 bytes" in up.err
    assert shelf.stored() == {f"src/{name}": data for name, data in FILES.items()}
    back = shelf.here / "back"
    assert run("download", "src", "--to", str(back)).code == 0
    assert read_tree(back) == FILES
    again = run("download", "src/", "--to", str(back), "-o", "json")
    assert {one["result"] for one in json.loads(again.out)} == {"unchanged"}
    assert list(problems(json.loads(again.out), schema_of("vfolder", "download"))) == []


def test_patterns_choose_and_verifying_tells_checksums(shelf: Shelf, run: Run) -> None:
    make_tree(shelf.here, FILES)
    words = ("--include", "*.csv", "--exclude", "sub/", "--verify", "-o", "jsonl")
    done = run("upload", f"{shelf.here}/", *words)
    (line,) = done.out.splitlines()
    assert json.loads(line)["checksum"].startswith("7692c3ad3540")
    assert shelf.stored() == {"a.csv": b"one"}


def test_several_sources_are_told_apart(shelf: Shelf, run: Run) -> None:
    make_tree(shelf.here, {"x/same": b"1", "y/same": b"2", "z": b"3"})
    sources = [str(shelf.here / name) for name in ("x", "y", "z")]
    done = run("upload", *sources, "--to", "in")
    assert done.first == {f"{sources[0]}/same", f"{sources[1]}/same", sources[2]}
    assert shelf.stored() == {"in/x/same": b"1", "in/y/same": b"2", "in/z": b"3"}
    assert run("download", "in/x", "in/z", "--to", str(shelf.here / "back")).code == 0
    assert read_tree(shelf.here / "back") == {"x/same": b"1", "z": b"3"}


def test_one_failure_of_several_is_exit_seven_and_said_beside_its_file(
    shelf: Shelf, run: Run
) -> None:
    shelf.fill({"src/a.csv/in the way": b""})
    source = make_tree(shelf.here / "src", FILES)
    done = run("upload", str(source), "-o", "json")
    results = {one["path"]: one for one in json.loads(done.out)}
    assert done.code == 7
    assert results["a.csv"]["result"] == "failed"
    assert results["a.csv"]["error"]["code"] == "vfolder_access_mismatch"
    assert results["sub/b.csv"]["result"] == "transferred"
    assert "1 of 3 files" in done.err
    shown = run("upload", str(source), "-o", "table")
    assert (shown.code, len(shown.out.splitlines())) == (7, 1)
    assert shown.out.startswith("FAILED   a.csv")


def test_failure_of_the_only_file_is_its_own(shelf: Shelf, run: Run) -> None:
    shelf.fill({"taken": b"old"})
    make_tree(shelf.here, {"taken": b"new"})
    refused = run("upload", str(shelf.here / "taken"), "--no-replace", "-o", "json")
    assert (refused.code, json.loads(refused.out)[0]["result"]) == (5, "failed")
    assert shelf.stored() == {"taken": b"old"}
    assert run("upload", str(shelf.here / "nothing")).code == 1
    assert run("download", "nothing").code == 3


def test_of_several_sources_those_that_are_there_are_moved(shelf: Shelf, run: Run) -> None:
    here = make_tree(shelf.here, {"good": b"1"})
    done = run("upload", str(here / "missing"), str(here / "good"), "-o", "json")
    results = {Path(one["path"]).name: one["result"] for one in json.loads(done.out)}
    assert (done.code, results) == (7, {"missing": "failed", "good": "transferred"})
    back = ("download", "good", "gone", "--to", str(here / "back"), "-o", "json")
    done = run(*back)
    results = {one["path"]: one["result"] for one in json.loads(done.out)}
    assert (done.code, results) == (7, {"good": "transferred", "gone": "failed"})
    assert (here / "back" / "good").read_bytes() == b"1"


def test_dry_run_refuses_to_put_a_file_where_a_folder_is(shelf: Shelf, run: Run) -> None:
    shelf.fill({"src/a.csv/in the way": b"", "file": b""})
    source = make_tree(shelf.here / "src", {"a.csv": b"1", "b.csv": b"2"})
    done = run("upload", str(source), "--dry-run", "-o", "json")
    results = {one["path"]: one["result"] for one in json.loads(done.out)}
    assert (done.code, results) == (7, {"a.csv": "failed", "b.csv": "transferred"})
    assert run("upload", str(source / "b.csv"), "--to", "file/b.csv", "--dry-run").code == 5


def test_dry_run_tells_what_would_be_moved(shelf: Shelf, run: Run) -> None:
    shelf.fill({"there": b"1"})
    source = make_tree(shelf.here / "src", FILES)
    assert run("upload", str(source), "--dry-run").first == set(FILES)
    done = run("download", "--to", str(shelf.here / "back"), "--dry-run")
    assert (done.code, done.first) == (0, {"there"})
    assert shelf.stored() == {"there": b"1"}
    assert not (shelf.here / "back").exists()


def test_without_paths_all_of_it_comes_into_a_folder_of_its_name(
    shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.fill({"a": b"1"})
    monkeypatch.chdir(shelf.here)
    run("download")
    assert read_tree(shelf.here) == {f"{shelf.name}/a": b"1"}
    shelf.change(name="../out")
    done = shelf.typed("vfolder", "download", "../out", env=shelf.environ("alice"))
    assert done.code == 2
    assert "--to" in done.err
    assert read_tree(shelf.here) == {f"{shelf.name}/a": b"1"}


def test_file_can_go_to_standard_output(shelf: Shelf, run: Run) -> None:
    shelf.fill({"a": b"one\n"})
    assert run("download", "a", "--to", "-").out == "one\n"
    assert run("download", "--to", "-").code == 2


def test_standard_input_is_stored_whole_or_after_an_interrupt_not_at_all(shelf: Shelf) -> None:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BAI_")},
        **shelf.environ("alice"),
        "BAI_HOME": str(shelf.here.parent / "bai"),
    }
    words = [sys.executable, "-m", "bai_manager", "vfolder", "upload", shelf.name, "-", "--to"]

    def started(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*words, name], env=environ, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )

    whole, stopped = started("whole"), started("stopped")
    assert whole.communicate(b"x" * 300_000, timeout=20)[1]
    assert whole.returncode == 0
    assert stopped.stdin is not None
    stopped.stdin.write(b"some")
    stopped.stdin.flush()
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate(timeout=20)
    assert stopped.returncode == 130
    assert b"goes on" in err
    assert shelf.stored() == {"whole": b"x" * 300_000}


@pytest.mark.parametrize(
    ("sources", "destination", "is_folder", "targets"),
    [
        (["a"], None, False, ["./a"]),
        (["d/a"], "b", False, ["b"]),
        (["d/a"], "b", True, ["b/a"]),
        (["d/a"], "b/", False, ["b/a"]),
        (["d/a", "c"], "b", False, ["b/a", "b/c"]),
        (["d/"], "b", True, ["b"]),
        (["."], None, False, ["."]),
        (["/x/y"], "b/", False, ["b/y"]),
    ],
)
def test_things_go_where_cp_would_put_them(
    sources: list[str], destination: str | None, is_folder: bool, targets: list[str]
) -> None:
    pairs = placed(sources, destination, is_folder=is_folder)
    assert pairs == [*zip(sources, targets, strict=True)]
