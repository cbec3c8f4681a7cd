"""``bai-manager user`` and ``auth password``: what is typed, printed and written."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from bai_manager.cli.schema import schema_of
from tests.cli.test_nouns_schema import problems
from tests.people import quick_hash
from tests.printed import said, shape

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Ask

ALICE = "alice@example.com"
FORMATS = ("table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name")

LISTED: dict[str, Any] = {
    "id": str,
    "email": str,
    "username": str,
    "full_name": str,
    "description": None,
    "status": str,
    "status_info": None,
    "role": str,
    "domain_name": str,
    "projects": list,
    "resource_policy": str,
    "main_access_key": str,
    "keypair_count": int,
    "has_password": bool,
    "need_password_change": bool,
    "password_changed_at": str,
    "allowed_client_ip": None,
    "totp_activated": bool,
    "sudo_session_enabled": bool,
    "container_uid": None,
    "container_main_gid": None,
    "container_gids": None,
    "integration_id": None,
    "created_at": str,
    "modified_at": str,
    "version": str,
}
PLAN: dict[str, Any] = {
    "user_id": str,
    "email": str,
    "heir": None,
    "blockers": list,
    "destroyed_sessions": list,
    "mounted_folders": list,
    "migrated_folders": list,
    "deleted_folders": list,
    "delegated_endpoints": list,
    "deleted_endpoints": list,
    "keypairs": list,
    "memberships": int,
    "folder_permissions": int,
    "invitations": int,
    "session_templates": int,
    "error_logs": int,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real hash takes a quarter of a second."""
    monkeypatch.setattr("bai_manager.types.password.hash_password", quick_hash)


@pytest.fixture
def someone(ask: Ask) -> str:
    """A user of the test's own in the database that the module shares."""
    email = f"{uuid4().hex[:8]}@example.com"
    words = ("create", email, "--full-name", "Some One", "--project", "default", "-q")
    assert ask("root", "user", *words).code == 0
    return email


# What is printed


def test_a_list_is_an_array_of_users_with_these_keys(ask: Ask) -> None:
    users = said(ask("root", "user", "list", "--domain", "other", "-o", "json"))
    assert [shape(user) for user in users] == [LISTED, LISTED]


def test_one_user_has_the_counts_beside(ask: Ask) -> None:
    shown = said(ask("root", "user", "show", "alice", "-o", "json"))
    counts = dict.fromkeys(("active_keypairs", "live_sessions", "vfolders", "endpoints"), int)
    assert shape(shown) == LISTED | counts


@pytest.mark.parametrize("form", FORMATS)
def test_lists_and_users_come_in_every_format(ask: Ask, form: str) -> None:
    for words in (("list",), ("show", "alice"), ("stats", "--month", "2026-03")):
        done = ask("root", "user", *words, "-o", form)
        assert done.code == 0, done.err
        if form == "json":
            assert list(problems(json.loads(done.out), schema_of("user", words[0]))) == []
    assert ALICE in ask("root", "user", "list", "-o", form).out


def test_names_are_e_mails_that_select_again(ask: Ask) -> None:
    words = ("--domain", "other", "--role", "user", "-o", "name")
    (name,) = ask("root", "user", "list", *words).out.split()
    assert said(ask("root", "user", "show", name, "-o", "json"))["username"] == "carol"


def test_shortcuts_and_filters_narrow_a_list(ask: Ask) -> None:
    words = ("--domain", "other", "--status", "active", "--filter", "role=admin")
    assert ask("root", "user", "list", *words, "-o", "name").out == "other-admin@example.com\n"
    assert ask("root", "user", "list", "--sort", "-email", "--limit", "1", "-o", "name").out == (
        "root@example.com\n"
    )


@pytest.mark.parametrize("words", [("--filter", "colour=red"), ("--columns", "x"), ("--role", "x")])
def test_what_a_list_does_not_have_is_a_usage_error(ask: Ask, words: tuple[str, str]) -> None:
    assert ask("root", "user", "list", *words).code == 2


def test_statistics_have_a_bin_for_every_quarter_and_tables_leave_out_empty_ones(
    ask: Ask,
) -> None:
    bins = said(ask("root", "user", "stats", "--month", "2026-02", "-o", "json"))
    assert len(bins) == 28 * 96
    assert shape(bins[0]) == {
        "date": str,
        "num_sessions": int,
        "cpu_allocated": int,
        "mem_allocated": int,
        "gpu_allocated": str,
        "io_read_bytes": int,
        "io_write_bytes": int,
        "disk_used": int,
    }
    table = ask("root", "user", "stats", "--month", "2026-02", "-o", "table")
    assert "2688 of 2688" in table.err


# Creating


def test_a_user_is_created_and_the_secret_key_written_for_its_owner_alone(
    ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "eve.env"
    words = ("create", "eve1@example.com", "--project", "default", "--secret-file", str(file))
    done = ask("root", "user", *words, "-o", "json")
    created = said(done)
    assert shape(created) == LISTED | {"full_name": None, "secret_key": str}
    assert created["secret_key"] == "***"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert lines["BAI_ACCESS_KEY"] == created["main_access_key"]
    assert len(lines["BAI_SECRET_KEY"]) == 40
    assert lines["BAI_SECRET_KEY"] not in done.out + done.err


def test_a_secret_key_is_printed_when_asked_for(ask: Ask) -> None:
    created = said(ask("root", "user", "create", "eve2@example.com", "--show", "-o", "json"))
    assert len(created["secret_key"]) == 40


def test_a_secret_key_that_was_told_to_nobody_is_spoken_of(ask: Ask) -> None:
    done = ask("root", "user", "create", "eve3@example.com")
    assert "keypair rotate" in done.err
    assert "no password" in done.err
    assert "no project" in done.err


def test_nothing_is_created_when_the_secret_has_no_place(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_text("mine")
    done = ask("root", "user", "create", "eve4@example.com", "--secret-file", str(file))
    assert (done.code, file.read_text()) == (1, "mine")
    assert ask("root", "user", "show", "eve4@example.com").code == 3


def test_a_secret_file_is_gone_when_creating_fails(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "never"
    assert ask("root", "user", "create", ALICE, "--secret-file", str(file)).code == 5
    assert not file.exists()


def test_a_dry_run_creates_neither_user_nor_file(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "never"
    words = ("create", "eve5@example.com", "--secret-file", str(file), "--dry-run")
    assert ask("root", "user", *words).code == 0
    assert not file.exists()
    assert ask("root", "user", "show", "eve5@example.com").code == 3


def test_a_user_that_may_be_there_is_left_alone(ask: Ask) -> None:
    done = ask("root", "user", "create", ALICE, "--if-not-exists", "--role", "admin")
    assert done.code == 0
    assert "existed already" in done.err
    assert said(ask("root", "user", "show", ALICE, "-o", "json"))["role"] == "user"


def test_a_password_is_read_from_a_private_file_only(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    file.chmod(0o644)
    words = ("user", "create", "eve6@example.com", "--password-file", str(file))
    refused = ask("root", *words)
    assert refused.code == 78
    assert "chmod 600" in refused.err
    file.chmod(0o600)
    assert ask("root", *words).code == 0
    assert said(ask("root", "user", "show", "eve6@example.com", "-o", "json"))["has_password"]


# Updating


def test_what_is_given_is_set_and_what_is_named_is_cleared(ask: Ask, someone: str) -> None:
    words = ("update", someone, "--description", "New.", "--unset", "full-name", "--sudo")
    done = ask("root", "user", *words, "-o", "json")
    updated = said(done)
    assert (updated["description"], updated["full_name"]) == ("New.", None)
    assert updated["sudo_session_enabled"] is True
    assert "changed full_name, description, sudo_session_enabled" in done.err
    again = ask("root", "user", *words)
    assert "no change" in again.err


def test_key_pairs_that_change_with_the_role_are_named(ask: Ask, someone: str) -> None:
    done = ask("root", "user", "update", someone, "--role", "admin")
    assert "an administrator's now" in done.err


def test_a_status_says_that_key_pairs_have_their_own(ask: Ask, someone: str) -> None:
    done = ask("root", "user", "update", someone, "--status", "inactive")
    assert "Key pairs keep their own state" in done.err


def test_a_version_that_is_gone_is_exit_code_5(ask: Ask, someone: str) -> None:
    version = said(ask("root", "user", "show", someone, "-o", "json"))["version"]
    words = ("root", "user", "update", someone, "--if-unchanged", version, "--description")
    assert (ask(*words, "one").code, ask(*words, "two").code) == (0, 5)


def test_memberships_are_left_with_unset_projects(ask: Ask, someone: str) -> None:
    done = ask("root", "user", "update", someone, "--unset", "projects", "-o", "json")
    assert said(done)["projects"] == []


@pytest.mark.parametrize(
    "words",
    [("--role", "king"), ("--unset", "email"), ("--allowed-client-ip", "here")],
)
def test_what_makes_no_sense_is_a_usage_error(ask: Ask, words: tuple[str, str]) -> None:
    assert ask("root", "user", "update", "alice", *words).code == 2


# Deleting and purging


def test_deleting_asks_first_and_says_what_it_does(change: Ask) -> None:
    asked = change("root", "user", "delete", "alice")
    assert asked.code == 2
    assert "1 active key pair" in asked.err
    assert "1 session" in asked.err
    done = change("root", "user", "delete", "alice", "nobody", "--yes")
    assert done.code == 7
    assert [cells[1] for cells in done.cells] == ["OK", "FAILED"]
    assert change("root", "user", "delete", "nobody", "--yes", "--ignore-not-found").code == 0


def test_a_preview_prints_the_plan_and_changes_nothing(ask: Ask, someone: str) -> None:
    plan = said(ask("root", "user", "purge", someone, "--preview", "-o", "json"))
    assert shape(plan) == PLAN
    assert said(ask("root", "user", "purge", someone, "--preview", "-o", "json")) == plan


def test_a_preview_says_what_is_in_the_way(change: Ask) -> None:
    plan = said(change("root", "user", "purge", "alice", "--preview", "-o", "json"))
    (blocker,) = plan["blockers"]
    assert (blocker["what"], blocker["count"]) == ("live_sessions", 1)
    table = change("root", "user", "purge", "alice", "--preview", "-o", "table").out
    assert "bai-manager session destroy" in table


def test_a_purge_that_is_refused_says_what_to_run(change: Ask) -> None:
    done = change("root", "user", "purge", "alice", "--confirm", ALICE, "-o", "json")
    assert (done.code, done.out) == (5, "")
    error = json.loads(done.err)["error"]
    assert (error["code"], error["details"]) == ("user_purge_conflict", {"live_sessions": 1})
    assert "--destroy-sessions" in error["hint"]


def test_a_purge_wants_the_name(ask: Ask, someone: str) -> None:
    shown = said(ask("root", "user", "purge", someone, "--preview", "-o", "json"))
    assert ask("root", "user", "purge", someone).code == 2
    assert ask("root", "user", "purge", someone, "--yes").code == 2
    assert ask("root", "user", "purge", someone, "--confirm", "someone").code == 2
    done = ask("root", "user", "purge", someone, "--confirm", someone, "-o", "json")
    assert said(done) == shown
    assert "memberships: 1" in done.err
    assert ask("root", "user", "show", someone).code == 3


def test_a_dry_run_of_a_purge_needs_no_name(ask: Ask, someone: str) -> None:
    done = ask("root", "user", "purge", someone, "--dry-run")
    assert done.code == 0
    assert "dry run" in done.err
    assert ask("root", "user", "show", someone).code == 0


# Passwords


def test_a_password_is_set_from_a_file(ask: Ask, someone: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("correct horse\n")
    words = ("password", "set", someone, "--password-file", str(file), "--need-password-change")
    done = ask("root", "user", *words, "-o", "json")
    user = said(done)
    assert shape(user) == LISTED
    assert user["need_password_change"] is True
    assert "correct horse" not in done.out + done.err


def test_a_password_is_not_asked_for_where_nobody_is(ask: Ask, someone: str) -> None:
    done = ask("root", "user", "password", "set", someone)
    assert done.code == 2
    assert "--password-stdin" in done.err


def test_a_reset_wants_to_know_whom_to_tell(ask: Ask, someone: str, tmp_path: Path) -> None:
    assert ask("root", "user", "password", "reset", someone).code == 2
    shown = said(ask("root", "user", "password", "reset", someone, "--show", "-o", "json"))
    assert shape(shown) == {"email": str, "password": str, "need_password_change": bool}
    assert len(shown["password"]) == 20
    file = tmp_path / someone
    done = ask("root", "user", "password", "reset", someone, "--secret-file", str(file))
    assert file.read_text().strip() not in done.out + done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_people_change_their_own_password_with_the_old_one(change: Ask, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for file, text in ((old, "first"), (new, "second")):
        file.touch(0o600)
        file.write_text(text)
    set_ = ("user", "password", "set", "alice", "--password-file", str(old))
    assert change("root", *set_).code == 0
    own = ("auth", "password", "--old-password-file", str(old), "--password-file", str(new))
    assert shape(said(change("alice", *own, "-o", "json"))) == {"user_id": str, "access_key": str}
    assert change("alice", *own).code == 4


@pytest.mark.parametrize("form", ["table", "json"])
def test_no_secret_is_in_what_is_traced(ask: Ask, someone: str, tmp_path: Path, form: str) -> None:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("correct horse")
    words = ("password", "set", someone, "--password-file", str(file), "--trace", "-o", form)
    done = ask("root", "user", *words)
    assert done.code == 0
    assert "correct horse" not in done.out + done.err
