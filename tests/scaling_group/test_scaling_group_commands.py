"""``bai-manager scaling-group``: what is typed and what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.printed import said, shape

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ask

KEYS: dict[str, type | None] = {
    "name": str,
    "description": None,
    "is_active": bool,
    "is_public": bool,
    "created_at": str,
    "wsproxy_addr": None,
    "wsproxy_api_token": None,
    "driver": str,
    "driver_opts": dict,
    "scheduler": str,
    "scheduler_opts": dict,
    "use_host_network": bool,
    "agent_counts": dict,
    "available_slots": dict,
    "occupied_slots": dict,
    "free_slots": dict,
    "largest_request": dict,
    "own_occupied_slots": None,
    "session_count": int,
    "domains": list,
    "projects": list,
    "access_keys": list,
    "version": str,
}


def _made(ask: Ask, *words: str) -> dict[str, Any]:
    """What would be created."""
    made: dict[str, Any] = said(
        ask("root", "scaling-group", "create", "gpu", *words, "--dry-run", "-o", "json")
    )
    assert made.pop("dry_run") is True
    return made


def _changed(ask: Ask, *words: str) -> dict[str, Any]:
    """What ``default`` would become."""
    changed: dict[str, Any] = said(
        ask("root", "resource-group", "update", "default", *words, "--dry-run", "-o", "json")
    )
    return changed


def test_all_that_shows_a_group_has_one_shape(ask: Ask) -> None:
    (listed,) = said(ask("root", "scaling-group", "list", "-o", "json"))
    shown = said(ask("root", "scaling-group", "show", "default", "-o", "json"))
    assert shown == listed
    for printed in (listed, _made(ask)):
        assert shape(printed) == KEYS
    assert list(_changed(ask)) == [*KEYS, "dry_run"]


def test_what_users_are_not_shown_is_null(ask: Ask) -> None:
    group = said(ask("alice", "scaling-group", "show", "default", "-o", "json"))
    assert list(group) == list(KEYS)
    assert {key: value for key, value in group.items() if value not in (None, [])} == {
        "name": "default",
        "is_active": True,
        "own_occupied_slots": {},
    }


def test_a_list_shows_agents_and_what_is_used_and_free(ask: Ask) -> None:
    done = ask("root", "scaling-group", "list", "-o", "tsv")
    row = dict(zip(done.header, done.cells[0], strict=True))
    assert row["agent_counts"] == '{"ALIVE": 1}'
    assert json.loads(row["available_slots"]) == {"cpu": "4", "mem": str(8 << 30)}
    assert json.loads(row["occupied_slots"]) == {}
    assert json.loads(row["free_slots"]) == {"cpu": "4", "mem": str(8 << 30)}
    table = ask("root", "scaling-group", "list", "-o", "table").out
    assert "1 ALIVE" in table


def test_every_format_names_the_group(ask: Ask) -> None:
    words = ("root", "resource-group", "list")
    assert ask(*words, "-o", "name").out == "default\n"
    assert yaml.safe_load(ask(*words, "-o", "yaml").out)[0]["name"] == "default"
    assert json.loads(ask(*words, "-o", "jsonl").out)["name"] == "default"
    for form in ("csv", "wide"):
        assert "default" in ask(*words, "-o", form).out


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("--description", "Fast."), "description", "Fast."),
        (("--inactive",), "is_active", False),
        (("--private",), "is_public", False),
        (("--wsproxy-addr", "http://proxy:5050"), "wsproxy_addr", "http://proxy:5050"),
        (("--driver", "other"), "driver", "other"),
        (("--driver-opt", "a=1", "--driver-opt", "b=x y"), "driver_opts", {"a": 1, "b": "x y"}),
        (("--scheduler", "DRF"), "scheduler", "drf"),
        (("--host-network",), "use_host_network", True),
    ],
)
def test_columns_are_flags(ask: Ask, words: tuple[str, ...], field: str, value: object) -> None:
    assert _made(ask, *words)[field] == value


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("--session-types", "batch,system"), "allowed_session_types", ["batch", "system"]),
        (("--pending-timeout", "1h"), "pending_timeout", 3600),
        (("--pending-timeout", "never"), "pending_timeout", 0),
        (("--agent-selection-strategy", "legacy"), "agent_selection_strategy", "legacy"),
        (("--scheduler-config", "num_retries_to_skip=3"), "config", {"num_retries_to_skip": 3}),
        (("--selector-config", "a=[1]"), "agent_selector_config", {"a": [1]}),
        (("--spread-replicas",), "enforce_spreading_endpoint_replica", True),
        (("--no-fractional-fragmentation",), "allow_fractional_resource_fragmentation", False),
        (("--route-cleanup", "degraded"), "route_cleanup_target_statuses", ["degraded"]),
    ],
)
def test_options_are_typed_flags(
    ask: Ask, words: tuple[str, ...], field: str, value: object
) -> None:
    assert _changed(ask, *words)["scheduler_opts"][field] == value


@pytest.mark.parametrize(
    "words",
    [
        ("--scheduler", "best"),
        ("--session-types", "fast"),
        ("--session-types", ","),
        ("--pending-timeout", "soon"),
        ("--agent-selection-strategy", "best"),
        ("--route-cleanup", "terminated"),
        ("--scheduler-config", "nothing"),
        ("--driver-opt", "=1"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(ask: Ask, words: tuple[str, str]) -> None:
    assert ask("root", "scaling-group", "update", "default", *words).code == 2


def test_what_may_be_absent_is_taken_away(change: Ask) -> None:
    given = ("--description", "x", "--wsproxy-addr", "y", "--scheduler-config", "a=1")
    assert change("root", "scaling-group", "update", "default", *given).code == 0
    taken = ("--no-description", "--no-wsproxy-addr", "--no-scheduler-config", "a")
    done = change("root", "scaling-group", "update", "default", *taken, "-o", "json")
    group = said(done)
    assert (group["description"], group["wsproxy_addr"]) == (None, None)
    assert group["scheduler_opts"]["config"] == {}
    assert "changed description, wsproxy_addr, scheduler_opts." in done.err


def test_the_token_comes_from_a_file_and_prints_as_stars(change: Ask, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hidden-token\n")
    words = ("scaling-group", "update", "default")
    done = change("root", *words, "--wsproxy-api-token-file", str(path), "-o", "json")
    assert said(done)["wsproxy_api_token"] == "***"
    for form in ("json", "yaml", "wide", "tsv"):
        out = change("root", "scaling-group", "show", "default", "-o", form).out
        assert "hidden" not in out
    assert (
        said(change("root", *words, "--no-wsproxy-api-token", "-o", "json"))["wsproxy_api_token"]
        is None
    )


def test_associating_prints_a_line_for_each(change: Ask) -> None:
    assert change("root", "scaling-group", "create", "gpu", "--domain", "other").code == 0
    words = ("gpu", "--domain", "default", "--domain", "other", "--project", "default/default")
    rows = said(change("root", "scaling-group", "associate", *words, "-o", "json"))
    assert rows == [
        {"scaling_group": "gpu", "scope": "domain", "name": "default", "changed": True},
        {"scaling_group": "gpu", "scope": "domain", "name": "other", "changed": False},
        {"scaling_group": "gpu", "scope": "project", "name": "default/default", "changed": True},
    ]
    rows = said(change("root", "scaling-group", "dissociate", *words[:3], "-o", "json"))
    assert rows == [{"scaling_group": "gpu", "scope": "domain", "name": "default", "changed": True}]
    asked = change("root", "scaling-group", "dissociate", "gpu", "--all")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    rows = said(change("root", "scaling-group", "dissociate", "gpu", "--all", "-y", "-o", "json"))
    assert [row["name"] for row in rows] == ["other", "default/default"]
    assert change("root", "scaling-group", "dissociate", "gpu", "--domain", "other").code == 3


def test_deleting_asks_and_says_what_goes_along(change: Ask) -> None:
    assert change("root", "scaling-group", "create", "gpu").code == 0
    slots = ("--slot", "cpu=1", "--slot", "mem=1g")
    assert change("root", "preset", "create", "p", *slots, "--scaling-group", "gpu").code == 0
    assert change("root", "scaling-group", "delete", "gpu").code == 2
    (row,) = said(change("root", "scaling-group", "delete", "gpu", "--yes", "-o", "json"))
    assert row["message"] == "deleted, with the presets p"


def test_groups_open_to_somebody_are_asked_for(ask: Ask) -> None:
    words = ("root", "scaling-group", "list", "-o", "name")
    assert ask(*words, "--domain", "default").out == "default\n"
    assert ask(*words, "--project", "default/default").out == ""
    assert ask(*words, "--domain", "none").code == 3
