"""``bai-manager group``: what is typed and printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.cli.schema import schema_of
from tests.cli.test_nouns_schema import problems
from tests.printed import said, shape

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ask

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name")
LISTED: dict[str, Any] = {
    "id": str,
    "name": str,
    "domain_name": str,
    "type": str,
    "description": None,
    "is_active": bool,
    "total_resource_slots": dict,
    "allowed_vfolder_hosts": dict,
    "resource_policy": str,
    "container_registry": None,
    "integration_id": None,
    "member_count": int,
    "created_at": str,
    "modified_at": str,
    "version": str,
}
PLAN: dict[str, Any] = {
    "group_id": str,
    "name": str,
    "domain_name": str,
    "blockers": list,
    "destroyed_sessions": list,
    "mounted_folders": list,
    "deleted_folders": list,
    "deleted_endpoints": list,
    "sessions": int,
    "kernels": int,
    "memberships": int,
    "networks": int,
    "session_templates": int,
}


def test_a_list_is_an_array_of_projects_with_these_keys(ask: Ask) -> None:
    (group,) = said(ask("root", "group", "list", "--domain", "other", "-o", "json"))
    assert shape(group) == LISTED


def test_a_project_may_be_called_a_project(ask: Ask) -> None:
    assert ask("root", "project", "list").out == ask("root", "group", "list").out


def test_one_project_has_the_counts_beside(ask: Ask) -> None:
    shown = said(ask("alice", "group", "show", "default", "-o", "json"))
    assert shape(shown) == LISTED | {"live_sessions": int, "vfolders": int, "endpoints": int}


@pytest.mark.parametrize("form", FORMATS)
def test_everything_comes_in_every_format(ask: Ask, form: str) -> None:
    for path, *words in (
        ("list",),
        ("show", "other/default"),
        ("members list", "other/default"),
        ("usage month", "2026-03"),
        ("usage period", "20260301", "20260302"),
        ("dotfile list", "other/default"),
        ("purge", "other/default", "--preview"),
    ):
        done = ask("root", "group", *path.split(), *words, "-o", form)
        assert done.code == 0, done.err
        if form == "json":
            assert list(problems(json.loads(done.out), schema_of("group", *path.split()))) == []


def test_members_have_these_keys(ask: Ask) -> None:
    members = said(ask("root", "group", "members", "list", "other/default", "-o", "json"))
    assert shape(members[0]) == {
        "user_id": str,
        "email": str,
        "username": str,
        "full_name": str,
        "status": str,
        "role": str,
    }


def test_shortcuts_and_filters_narrow_a_list(ask: Ask) -> None:
    listed = said(ask("root", "group", "list", "--domain", "other", "-o", "json"))
    assert [group["domain_name"] for group in listed] == ["other"]
    assert ask("root", "group", "list", "--filter", "colour=red").code == 2


def test_a_project_is_created_changed_and_deactivated(ask: Ask) -> None:
    words = ("create", "research", "--slot", "cpu=8", "--vfolder-host", "local:volume1=all")
    created = said(ask("admin", "group", *words, "-o", "json"))
    assert shape(created) == LISTED
    assert created["total_resource_slots"] == {"cpu": "8"}
    assert len(created["allowed_vfolder_hosts"]["local:volume1"]) == 8
    update = ("update", "research", "--slot", "mem=1g", "--container-registry", "cr.example.com/r")
    updated = said(ask("admin", "group", *update, "-o", "json"))
    assert updated["total_resource_slots"] == {"cpu": "8", "mem": "1073741824"}
    assert updated["container_registry"] == {"registry": "cr.example.com", "project": "r"}
    cleared = ("update", "research", "--no-slot", "cpu", "--no-container-registry")
    updated = said(ask("admin", "group", *cleared, "-o", "json"))
    assert updated["total_resource_slots"] == {"mem": "1073741824"}
    assert updated["container_registry"] is None
    assert "no change" in ask("admin", "group", *cleared).err
    asked = ask("admin", "group", "delete", "research")
    assert (asked.code, "research with 0 members" in asked.err) == (2, True)
    assert ask("admin", "group", "delete", "research", "--yes").code == 0
    shown = said(ask("admin", "group", "show", "research", "-o", "json"))
    assert shown["is_active"] is False


def test_a_project_that_may_be_there_is_left_alone(ask: Ask) -> None:
    done = ask("root", "group", "create", "default", "--if-not-exists")
    assert done.code == 0
    assert "existed already" in done.err
    assert ask("root", "group", "create", "default").code == 5


def test_deleting_what_is_not_there_is_well_when_ignored(ask: Ask) -> None:
    words = ("root", "group", "delete", "gone", "--yes")
    assert ask(*words).code == 3
    assert ask(*words, "--ignore-not-found").code == 0


def test_members_are_added_and_removed_one_line_each(ask: Ask) -> None:
    assert ask("admin", "group", "create", "lab").code == 0
    done = ask("admin", "group", "members", "add", "lab", "alice", "carol", "bob")
    assert done.code == 7
    assert [cells[1] for cells in done.cells] == ["OK", "FAILED", "OK"]
    again = ask("admin", "group", "members", "add", "lab", "alice", "-o", "json")
    assert json.loads(again.out)[0]["message"] == "a member already"
    assert ask("admin", "group", "members", "remove", "lab", "alice").code == 2
    removed = ask("admin", "group", "members", "remove", "lab", "alice", "--yes")
    assert removed.code == 0
    left = ask("admin", "group", "members", "list", "lab", "-o", "name")
    assert left.out == "bob@example.com\n"


def test_the_admin_of_another_domain_finds_nothing(ask: Ask) -> None:
    own = said(ask("root", "group", "show", "default/default", "-o", "json"))["id"]
    for words in (("show", own), ("members", "add", own, "alice"), ("delete", own, "--yes")):
        assert ask("other_admin", "group", *words).code == 3


def test_a_preview_prints_the_plan_and_the_purge_does_it(change: Ask) -> None:
    shown = said(change("root", "group", "purge", "other/default", "--preview", "-o", "json"))
    assert shape(shown) == PLAN
    words = ("root", "group", "purge", "other/default")
    assert change(*words).code == 2
    assert change(*words, "--confirm", "other").code == 2
    done = change(*words, "--confirm", "default", "-o", "json")
    assert said(done) == shown
    assert "memberships: 2" in done.err
    assert change("root", "group", "show", "other/default").code == 3


def test_a_purge_that_is_refused_says_what_to_run(change: Ask) -> None:
    done = change("root", "group", "purge", "default/default", "-o", "json")
    error = json.loads(done.err)["error"]
    assert (done.code, error["code"]) == (5, "group_purge_conflict")
    assert error["details"] == {"live_sessions": 1}
    assert "bai-manager session destroy" in error["hint"]


def test_usage_has_the_keys_of_a_manager(change: Ask) -> None:
    (month,) = said(change("root", "group", "usage", "month", "202603", "-o", "json"))
    assert (month["g_name"], len(month["c_infos"])) == ("default", 1)
    (project,) = said(
        change("root", "group", "usage", "period", "20260301", "20260302", "-o", "json")
    )
    assert (project["group_unit"], len(project["sessions"])) == ("project", 1)
    for words in (("month", "2026"), ("period", "20260101", "20260501")):
        assert change("root", "group", "usage", *words).code == 2


def test_dotfiles_are_written_by_admins_and_read_by_members(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "vimrc"
    file.write_text("set nu\n")
    words = ("group", "dotfile", "create", "default", ".vimrc", "--file", str(file), "-o", "json")
    assert ask("alice", *words).code == 4
    assert said(ask("admin", *words)) == [{"path": ".vimrc", "permission": "644", "size": 7}]
    shown = ("group", "dotfile", "show", "default", ".vimrc", "-o", "json")
    assert said(ask("alice", *shown))["data"] == "set nu\n"
    update = ("group", "dotfile", "update", "default", ".vimrc", "--file", str(file))
    assert ask("admin", *update, "--permission", "9").code == 2
    delete = ("group", "dotfile", "delete", "default", ".vimrc", "--yes", "-o", "json")
    assert said(ask("admin", *delete)) == []
