"""``bai-manager preset``: what is typed and what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.printed import said, shape

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

KEYS = {
    "id": str,
    "name": str,
    "resource_slots": dict,
    "shared_memory": int,
    "scaling_group_name": None,
    "version": str,
}
FIT = {
    "id": str,
    "name": str,
    "resource_slots": dict,
    "shared_memory": None,
    "scaling_group_name": None,
    "allocatable": bool,
    "outlook": str,
    "scaling_groups": list,
    "reason": None,
}
CREATE = ("preset", "create", "small", "--slot", "cpu=2", "--slot", "mem=4g", "--shmem", "512m")


@pytest.fixture
def stocked(change: Ask) -> Ask:
    """A database of one's own with the presets ``small`` and ``huge``."""
    assert change("root", *CREATE[:-2]).code == 0
    assert (
        change("root", "preset", "create", "huge", "--slot", "cpu=99", "--slot", "mem=1g").code == 0
    )
    return change


def test_create_prints_the_preset(ask: Ask) -> None:
    preset = said(ask("root", *CREATE, "--dry-run", "-o", "json"))
    assert preset.pop("dry_run") is True
    assert shape(preset) == KEYS
    assert preset["resource_slots"] == {"cpu": "2", "mem": str(4 << 30)}
    assert preset["shared_memory"] == 512 << 20


def test_presets_are_listed_shown_changed_checked_and_deleted(stocked: Ask) -> None:
    listed = said(stocked("root", "preset", "list", "-o", "json"))
    assert [preset["name"] for preset in listed] == ["huge", "small"]
    assert set(listed[0]) == set(KEYS)
    shown = said(stocked("alice", "preset", "show", "small", "-o", "json"))
    assert shown == listed[1]
    _check_is_pinned(said(stocked("alice", "preset", "check", "-o", "json")))
    updated = stocked("root", "preset", "update", "small", "--slot", "mem=8g", "-o", "json")
    assert said(updated)["resource_slots"] == {"cpu": "2", "mem": str(8 << 30)}
    assert "changed resource_slots" in updated.err
    stale = ("update", "small", "--name", "x", "--if-unchanged", shown["version"])
    assert stocked("root", "preset", *stale).code == 5
    deleted = said(stocked("root", "preset", "delete", "small", "huge", "--yes", "-o", "json"))
    assert [row["message"] for row in deleted] == ["deleted", "deleted"]
    assert said(stocked("root", "preset", "list", "-o", "json")) == []


def _check_is_pinned(check: dict[str, Any]) -> None:
    assert list(check) == [
        "access_key",
        "user_email",
        "domain_name",
        "project_name",
        "limits",
        "remaining",
        "scaling_groups",
        "presets",
    ]
    assert list(check["limits"][0]) == ["level", "name", "limit", "used", "remaining"]
    assert [one["level"] for one in check["limits"]] == ["keypair", "user", "project", "domain"]
    assert list(check["scaling_groups"][0]) == [
        "name",
        "agents",
        "using",
        "free",
        "largest",
        "remaining",
    ]
    huge, small = check["presets"]
    assert shape(small) == FIT
    assert (small["allocatable"], small["outlook"], small["scaling_groups"]) == (
        True,
        "now",
        ["default"],
    )
    assert (huge["allocatable"], huge["outlook"]) == (False, "never")
    assert check["remaining"] == {"cpu": "Infinity", "mem": "Infinity"}


def test_a_check_has_a_line_for_each_preset_where_lines_are_asked_for(stocked: Ask) -> None:
    done = stocked("alice", "preset", "check", "-o", "tsv")
    assert done.header[:3] == ["name", "allocatable", "outlook"]
    assert [cells[:3] for cells in done.cells] == [
        ["huge", "false", "never"],
        ["small", "true", "now"],
    ]
    assert stocked("alice", "preset", "check", "-o", "name").out.split() == ["huge", "small"]


def test_a_check_tells_a_person_what_fits_and_what_is_left(stocked: Ask) -> None:
    out = stocked("alice", "preset", "check", "-o", "wide").out
    assert "small (cpu=2 mem=4g): fits in default" in out
    assert "huge (cpu=99 mem=1g): never:" in out
    assert "default: cpu=3 mem=7g, at most cpu=3 mem=7g on one agent" in out


def test_every_format_names_the_presets(stocked: Ask) -> None:
    words = ("root", "preset", "list")
    assert stocked(*words, "-o", "name").out.split() == ["huge", "small"]
    rows = yaml.safe_load(stocked(*words, "-o", "yaml").out)
    lines = stocked(*words, "-o", "jsonl").out.splitlines()
    for presets in (rows, [json.loads(line) for line in lines]):
        assert [preset["name"] for preset in presets] == ["huge", "small"]
    for form in ("tsv", "csv", "table", "wide"):
        out = stocked(*words, "-o", form).out
        assert "huge" in out
        assert "small" in out


@pytest.mark.parametrize(
    "words",
    [
        ("--slot", "cpu=1"),
        ("--slot", "cpu=1", "--slot", "mem=1g", "--shmem", "1g"),
        ("--slot", "cpu=1", "--slot", "mem=1g", "--shmem", "some"),
        ("--slot", "cpu=one", "--slot", "mem=1g"),
    ],
)
def test_a_preset_that_cannot_be_is_a_usage_error(ask: Ask, words: tuple[str, ...]) -> None:
    assert ask("root", "preset", "create", "odd", *words).code == 2


def test_deleting_asks_where_it_can(ask: Ask) -> None:
    done = ask("root", "preset", "delete", "small")
    assert (done.code, "--yes" in done.err) == (2, True)
