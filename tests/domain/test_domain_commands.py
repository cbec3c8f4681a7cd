"""``bai-manager domain``: what is typed, what is shown, what it asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.printed import said, shape

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

KEYS = {
    "name": str,
    "description": None,
    "is_active": bool,
    "created_at": str,
    "modified_at": str,
    "total_resource_slots": dict,
    "allowed_vfolder_hosts": dict,
    "allowed_docker_registries": list,
    "integration_id": None,
    "dotfiles": str,
    "scaling_groups": list,
    "user_count": int,
    "project_count": int,
    "session_count": int,
    "version": str,
}
CONTENTS = [
    "users",
    "projects",
    "model_store",
    "folders",
    "live_kernels",
    "live_sessions",
    "live_services",
    "kernels",
    "sessions",
    "services",
    "templates",
    "scaling_groups",
    "roles",
]


def test_a_list_is_an_array_of_domains(ask: Ask) -> None:
    default, other = said(ask("root", "domain", "list", "-o", "json"))
    assert shape(default) == KEYS
    assert (default["name"], other["name"]) == ("default", "other")


def test_show_adds_what_is_in_the_domain(ask: Ask) -> None:
    domain = said(ask("root", "domain", "show", "other", "-o", "json"))
    contents = domain.pop("contents")
    assert shape(domain) == KEYS
    assert list(contents) == CONTENTS
    assert (contents["users"], contents["projects"]) == (2, 1)


def test_create_and_update_print_the_domain(ask: Ask) -> None:
    created = said(ask("root", "domain", "create", "lab", "--dry-run", "-o", "json"))
    updated = said(ask("root", "domain", "update", "other", "--dry-run", "-o", "json"))
    for printed in (created, updated):
        assert printed.pop("dry_run") is True
        assert shape(printed) == KEYS


def test_delete_prints_a_line_for_each_domain(ask: Ask) -> None:
    words = ("domain", "delete", "other", "none", "--dry-run", "-o", "json")
    done = ask("root", *words)
    assert done.code == 7
    deleted, missing = json.loads(done.out)
    assert (deleted["target"], deleted["result"]) == ("other", "OK")
    assert deleted["message"] == "deactivated"
    assert missing["error"]["code"] == "domain_read_not-found"


def test_purge_prints_what_goes(ask: Ask) -> None:
    done = ask("root", "domain", "purge", "none", "--ignore-not-found", "-o", "json")
    assert said(done) == {"domain": "none", "purged": None}


def test_every_format_has_the_same_names(ask: Ask) -> None:
    words = ("root", "domain", "list")
    assert ask(*words, "-o", "name").out.split() == ["default", "other"]
    assert [row["name"] for row in yaml.safe_load(ask(*words, "-o", "yaml").out)] == [
        "default",
        "other",
    ]
    lines = ask(*words, "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["default", "other"]
    for form in ("tsv", "csv", "table", "wide"):
        out = ask(*words, "-o", form).out
        assert all(name in out for name in ("default", "other"))


def test_tsv_has_a_column_for_each_thing_shown(ask: Ask) -> None:
    header = ask("root", "domain", "list", "-o", "tsv").header
    assert header == [
        "name",
        "is_active",
        "total_resource_slots",
        "user_count",
        "project_count",
        "session_count",
        "scaling_groups",
        "description",
        "allowed_vfolder_hosts",
        "allowed_docker_registries",
        "integration_id",
        "created_at",
        "modified_at",
        "version",
    ]


def test_slots_hosts_and_registries_are_read_as_people_write_them(ask: Ask) -> None:
    done = ask(
        "root",
        *("domain", "create", "lab", "--dry-run", "-o", "json"),
        *("--slot", "cpu=8", "--slot", "mem=64g", "--slot", "cuda.device=unlimited"),
        *("--vfolder-host", "local:volume1=create-vfolder,upload-file"),
        *("--docker-registry", "cr.example.com", "--scaling-group", "default", "--inactive"),
    )
    domain = said(done)
    slots = {"cpu": "8", "mem": str(64 << 30), "cuda.device": "Infinity"}
    assert domain["total_resource_slots"] == slots
    assert domain["allowed_vfolder_hosts"] == {"local:volume1": ["create-vfolder", "upload-file"]}
    assert domain["allowed_docker_registries"] == ["cr.example.com"]
    assert domain["scaling_groups"] == ["default"]
    assert domain["is_active"] is False


@pytest.mark.parametrize(
    "words",
    [
        ("--slot", "cpu"),
        ("--slot", "cpu=-1"),
        ("--slot", "mem=much"),
        ("--vfolder-host", "local:volume1"),
        ("--vfolder-host", "volume1=all"),
        ("--vfolder-host", "local:volume1=fly"),
        ("--description", "x" * 513),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(ask: Ask, words: tuple[str, str]) -> None:
    assert ask("root", "domain", "create", "lab", *words).code == 2


def test_nobody_to_ask_needs_yes_and_says_what_is_affected(ask: Ask) -> None:
    done = ask("root", "domain", "delete", "default")
    assert done.code == 2
    assert "default: 5 users, 1 project, 0 live sessions" in done.err
    assert "--yes" in done.err


def test_a_purge_asks_for_the_name_and_says_what_is_lost(ask: Ask) -> None:
    unconfirmed = ask("root", "domain", "purge", "other")
    mistaken = ask("root", "domain", "purge", "other", "--confirm", "Other")
    assert (unconfirmed.code, mistaken.code) == (2, 2)
    assert "1 association with resource groups" in unconfirmed.err
    assert '--confirm "other"' in unconfirmed.err


def test_a_domain_lives_and_goes(change: Ask) -> None:
    """Once with nothing rehearsed."""
    assert change("root", "domain", "create", "lab", "--slot", "cpu=4").code == 0
    updated = change("root", "domain", "update", "lab", "--slot", "mem=8g", "--no-slot", "cpu")
    assert "changed total_resource_slots" in updated.err
    assert change("root", "domain", "delete", "lab", "--yes").code == 0
    shown = said(change("root", "domain", "show", "lab", "-o", "json"))
    assert (shown["is_active"], shown["total_resource_slots"]) == (False, {"mem": str(8 << 30)})
    assert change("root", "domain", "purge", "lab", "--confirm", "lab").code == 0
    assert change("root", "domain", "show", "lab").code == 3


def test_an_update_that_changes_nothing_says_so(ask: Ask) -> None:
    done = ask("root", "domain", "update", "other", "--active")
    assert (done.code, "no change" in done.err) == (0, True)
