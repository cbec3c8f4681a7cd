"""Folders in sessions of this machine (``reference/value-types.md`` §6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sessions.system import System


@pytest.fixture(autouse=True)
def no_folder_left(system: System) -> Iterator[None]:
    """Other tests' sessions would have those whose names begin with a dot."""
    yield
    system.execute("DELETE FROM vfolders")


def test_what_a_session_writes_into_a_folder_is_in_the_folder(system: System) -> None:
    for name in ("data", ".own"):
        system.run("vfolder", "create", name, "-o", "name").ok()
    run = ("session", "run", "python", "-v", "data:there", "--", "sh", "-c")
    written = system.run(*run, "echo hello > there/f; test -d .own && echo own").ok()
    assert written.out == "own\n"
    shown = system.run("vfolder", "show", "data", "-o", "json").ok().json
    assert (shown["file_count"], shown["used_bytes"], shown["mounted_in"]) == (1, 6, [])


def test_a_session_holds_its_folders_as_the_reference_writes_them(system: System) -> None:
    made = system.run("vfolder", "create", "held", "-o", "json").ok().json
    create = ("session", "create", "python", "--name", "hold-1", "-v", "held:ro")
    created = system.run(*create, "-o", "name").ok()
    assert "read-only" in created.err
    (mount,) = system.session("hold-1")["vfolder_mounts"]
    assert mount == {
        "name": "held",
        "vfid": made["vfid"],
        "host_path": mount["host_path"],
        "vfsubpath": ".",
        "mount_perm": "ro",
        "usage_mode": "general",
        "kernel_path": "/home/work/held",
    }
    (kernel,) = system.rows("SELECT mounts, mount_map, vfolder_mounts FROM kernels")
    assert kernel == {"mounts": ["held"], "mount_map": {}, "vfolder_mounts": [mount]}
    shown = system.run("session", "show", "hold-1", "-o", "tsv", "--columns", "mounts").ok()
    assert "held:/home/work/held:ro" in shown.out
    refused = system.run("vfolder", "delete", "held", "--yes", "-o", "json")
    assert (refused.code, refused.error["code"]) == (5, "vfolder_soft-delete_bad-request")
    assert "hold-1" in refused.error["message"]


def test_a_session_finds_its_dotfiles_unless_a_folder_would_be_there(
    system: System, tmp_path: Path
) -> None:
    (tmp_path / "rc").write_text("set ai\n")
    dotfile = ("user", "keypair", "dotfile")
    system.run(*dotfile, "create", ".tool/rc", "--file", str(tmp_path / "rc")).ok()
    system.run("vfolder", "create", "data", "-o", "name").ok()
    system.run(*dotfile, "create", ".hid/rc", "--file", str(tmp_path / "rc")).ok()
    run = ("session", "run", "python", "-v", "data:.hid", "--", "sh", "-c")
    assert system.run(*run, "cat .tool/rc; ls .hid").ok().out == "set ai\n"
    create = ("session", "create", "python", "-o", "json", "-v")
    for place in (".tool/rc", ".tool/rc/deep"):
        refused = system.run(*create, f"data:{place}")
        assert (refused.code, refused.error["code"]) == (5, "dotfile_create_conflict")
        assert "'.tool/rc' of the key pair" in refused.error["message"]
        assert f"'data', which is to be mounted at /home/work/{place}" in refused.error["message"]
    for path in (".tool/rc", ".hid/rc"):
        system.run(*dotfile, "delete", path, "--yes").ok()


def test_a_folder_that_is_not_there_starts_no_session(system: System) -> None:
    refused = system.run("session", "create", "python", "-v", "nowhere", "-o", "json")
    assert (refused.code, refused.error["code"]) == (3, "vfolder_read_not-found")
    assert system.statuses() == {}
