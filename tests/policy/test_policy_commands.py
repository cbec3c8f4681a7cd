"""``bai-manager policy``: how limits are written and read, and the shapes programs rely on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.printed import said, shape

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

KEYPAIR: dict[str, type | None] = {
    "name": str,
    "default_for_unspecified": str,
    "total_resource_slots": dict,
    "max_session_lifetime": int,
    "max_concurrent_sessions": int,
    "max_concurrent_sftp_sessions": int,
    "max_containers_per_session": int,
    "max_pending_session_count": None,
    "max_pending_session_resource_slots": None,
    "idle_timeout": int,
    "allowed_vfolder_hosts": dict,
    "keypair_count": int,
    "created_at": str,
    "version": str,
}
USER: dict[str, type | None] = {
    "name": str,
    "max_vfolder_count": int,
    "max_quota_scope_size": int,
    "max_session_count_per_model_session": int,
    "max_customized_image_count": int,
    "user_count": int,
    "created_at": str,
    "version": str,
}
PROJECT: dict[str, type | None] = {
    "name": str,
    "max_vfolder_count": int,
    "max_quota_scope_size": int,
    "max_network_count": int,
    "project_count": int,
    "created_at": str,
    "version": str,
}
SHAPES: dict[str, dict[str, type | None]] = {"keypair": KEYPAIR, "user": USER, "project": PROJECT}
EVERY_PERMISSION = [
    "create-vfolder",
    "delete-vfolder",
    "download-file",
    "invite-others",
    "modify-vfolder",
    "mount-in-session",
    "set-user-specific-permission",
    "upload-file",
]


def _made(ask: Ask, kind: str, *words: str) -> dict[str, Any]:
    """What would be created."""
    made: dict[str, Any] = said(
        ask("root", "policy", kind, "create", "gold", *words, "--dry-run", "-o", "json")
    )
    assert made.pop("dry_run") is True
    return made


def _changed(ask: Ask, kind: str, *words: str) -> dict[str, Any]:
    """What ``default`` would become."""
    changed: dict[str, Any] = said(
        ask("root", "policy", kind, "update", "default", *words, "--dry-run", "-o", "json")
    )
    return changed


@pytest.mark.parametrize("kind", SHAPES)
def test_all_that_shows_a_policy_has_one_shape(ask: Ask, kind: str) -> None:
    (listed,) = said(ask("root", "policy", kind, "list", "-o", "json"))
    shown = said(ask("root", "policy", kind, "show", "default", "-o", "json"))
    assert shown == listed
    for printed in (listed, _made(ask, kind)):
        assert shape(printed) == SHAPES[kind]
    assert list(_changed(ask, kind)) == [*SHAPES[kind], "dry_run"]


@pytest.mark.parametrize("kind", SHAPES)
def test_every_format_names_the_policy(ask: Ask, kind: str) -> None:
    words = ("root", "policy", kind, "list")
    assert ask(*words, "-o", "name").out == "default\n"
    assert yaml.safe_load(ask(*words, "-o", "yaml").out)[0]["name"] == "default"
    assert json.loads(ask(*words, "-o", "jsonl").out)["name"] == "default"
    for form in ("tsv", "csv", "table", "wide"):
        assert "default" in ask(*words, "-o", form).out
    assert set(ask(*words, "-o", "tsv").header) == set(SHAPES[kind])


@pytest.mark.parametrize("kind", SHAPES)
def test_deleting_prints_a_line_for_each(ask: Ask, kind: str) -> None:
    done = ask("root", "policy", kind, "delete", "default", "none", "--dry-run", "-o", "json")
    assert done.code == 7
    used, missing = json.loads(done.out)
    assert used["error"]["code"] == "backendai_purge_conflict"
    assert missing["error"]["code"] == "backendai_read_not-found"


@pytest.mark.parametrize("kind", SHAPES)
def test_deleting_asks_where_it_can(ask: Ask, kind: str) -> None:
    done = ask("root", "policy", kind, "delete", "default")
    assert (done.code, "--yes" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("--default-for-unspecified", "limited"), "default_for_unspecified", "LIMITED"),
        (("--default-for-unspecified", "UNLIMITED"), "default_for_unspecified", "UNLIMITED"),
        (("--max-session-lifetime", "12h"), "max_session_lifetime", 43200),
        (("--max-session-lifetime", "unlimited"), "max_session_lifetime", 0),
        (("--max-concurrent-sessions", "5"), "max_concurrent_sessions", 5),
        (("--max-concurrent-sessions", "unlimited"), "max_concurrent_sessions", 0),
        (("--max-concurrent-sftp-sessions", "unlimited"), "max_concurrent_sftp_sessions", 0),
        (("--max-containers-per-session", "4"), "max_containers_per_session", 4),
        (("--max-pending-session-count", "7"), "max_pending_session_count", 7),
        (("--max-pending-session-count", "unlimited"), "max_pending_session_count", None),
        (("--max-pending-slot", "cpu=4"), "max_pending_session_resource_slots", {"cpu": "4"}),
        (("--idle-timeout", "30m"), "idle_timeout", 1800),
        (("--idle-timeout", "90"), "idle_timeout", 90),
        (("--idle-timeout", "unlimited"), "idle_timeout", 0),
        (("--idle-timeout", "default"), "idle_timeout", -1),
        (("--slot", "mem=64g"), "total_resource_slots", {"mem": str(64 << 30)}),
        (("--slot", "cpu=0"), "total_resource_slots", {"cpu": "0"}),
        (("--slot", "cpu=unlimited"), "total_resource_slots", {"cpu": "Infinity"}),
        (("--slot", "cuda.shares=0.5"), "total_resource_slots", {"cuda.shares": "0.5"}),
        (
            ("--vfolder-host", "local:volume1=create-vfolder,upload-file"),
            "allowed_vfolder_hosts",
            {"local:volume1": ["create-vfolder", "upload-file"]},
        ),
        (
            ("--vfolder-host", "local:volume1=all"),
            "allowed_vfolder_hosts",
            {"local:volume1": EVERY_PERMISSION},
        ),
        (
            ("--vfolder-host", "local:volume1=none"),
            "allowed_vfolder_hosts",
            {"local:volume1": []},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_limits_of_key_pairs_are_read_as_people_write_them(
    ask: Ask, words: tuple[str, str], field: str, value: object
) -> None:
    assert _made(ask, "keypair", *words)[field] == value


@pytest.mark.parametrize(
    ("kind", "words", "field", "value"),
    [
        ("user", ("--max-vfolder-count", "10"), "max_vfolder_count", 10),
        ("user", ("--max-vfolder-count", "unlimited"), "max_vfolder_count", 0),
        ("user", ("--max-quota-scope-size", "10GiB"), "max_quota_scope_size", 10 << 30),
        ("user", ("--max-quota-scope-size", "unlimited"), "max_quota_scope_size", -1),
        (
            "user",
            ("--max-session-count-per-model-session", "4"),
            "max_session_count_per_model_session",
            4,
        ),
        ("user", ("--max-customized-image-count", "0"), "max_customized_image_count", 0),
        ("project", ("--max-vfolder-count", "10"), "max_vfolder_count", 10),
        ("project", ("--max-quota-scope-size", "1.5t"), "max_quota_scope_size", 3 << 39),
        ("project", ("--max-network-count", "5"), "max_network_count", 5),
        ("project", ("--max-network-count", "unlimited"), "max_network_count", -1),
    ],
)
def test_limits_of_users_and_projects_are_read_as_people_write_them(
    ask: Ask, kind: str, words: tuple[str, str], field: str, value: int
) -> None:
    assert _changed(ask, kind, *words)[field] == value


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("keypair", ("--default-for-unspecified", "some")),
        ("keypair", ("--slot", "cpu")),
        ("keypair", ("--slot", "cpu=-1")),
        ("keypair", ("--slot", "cpu=1", "--slot", "cpu=2")),
        ("keypair", ("--max-pending-slot", "mem=much")),
        ("keypair", ("--max-containers-per-session", "0")),
        ("keypair", ("--max-pending-session-count", "-1")),
        ("keypair", ("--max-session-lifetime", "1mo")),
        ("keypair", ("--idle-timeout", "-5m")),
        ("keypair", ("--vfolder-host", "volume1=all")),
        ("keypair", ("--vfolder-host", "local:volume1=fly")),
        ("keypair", ("--vfolder-host", "local:volume1")),
        ("user", ("--max-vfolder-count", "many")),
        ("user", ("--max-quota-scope-size", "10 potatoes")),
        ("user", ("--max-customized-image-count", "-1")),
        ("project", ("--max-network-count", "-2")),
        ("project", ("--max-quota-scope-size", "inf")),
    ],
)
def test_limits_that_cannot_be_are_usage_errors(
    ask: Ask, kind: str, words: tuple[str, ...]
) -> None:
    assert ask("root", "policy", kind, "update", "default", *words).code == 2


def test_slots_and_hosts_are_dropped_and_cleared(change: Ask) -> None:
    host = "local:volume1"
    made = ("--slot", "cpu=8", "--slot", "mem=8g", "--vfolder-host", f"{host}=all")
    pending = ("--max-pending-slot", "cpu=2", "--max-pending-slot", "mem=2g")
    assert change("root", "policy", "keypair", "create", "gold", *made, *pending).code == 0

    def updated(*words: str) -> dict[str, Any]:
        done = change("root", "policy", "keypair", "update", "gold", *words, "-o", "json")
        policy: dict[str, Any] = said(done)
        return policy

    dropped = updated("--no-slot", "cpu", "--no-max-pending-slot", "mem", "--no-vfolder-host", host)
    assert dropped["total_resource_slots"] == {"mem": str(8 << 30)}
    assert dropped["max_pending_session_resource_slots"] == {"cpu": "2"}
    assert dropped["allowed_vfolder_hosts"] == {}
    cleared = updated("--clear-slots", "--slot", "cpu=1", "--clear-max-pending-slots")
    assert cleared["total_resource_slots"] == {"cpu": "1"}
    assert cleared["max_pending_session_resource_slots"] is None


def test_people_read_words_where_programs_get_numbers(ask: Ask) -> None:
    shown = ask("root", "policy", "keypair", "show", "default", "-o", "wide").out
    assert "Idle timeout   30m" in shown
    assert "Pending        unlimited" in shown
    assert "Lifetime       unlimited" in shown
    user = ask("root", "policy", "user", "show", "default", "-o", "wide").out
    assert "Quota        unlimited" in user


def test_an_update_says_what_it_changed(ask: Ask) -> None:
    words = ("root", "policy", "keypair", "update", "default", "--dry-run")
    assert "changed idle_timeout." in ask(*words, "--idle-timeout", "2h").err
    assert "no change." in ask(*words, "--idle-timeout", "30m").err
    assert "no change." in ask(*words).err
