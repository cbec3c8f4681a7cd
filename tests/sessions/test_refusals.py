"""What cannot be done is refused with a reason, a hint and the exit code of its kind."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sessions.system import System

CREATE = ["session", "create", "-o", "json", "--name", "no-1"]
REFUSED: list[tuple[str, int, str, str]] = [
    ("pyhton", 3, "image_read_not-found", "Did you mean python"),
    ("python --architecture riscv", 3, "image_read_not-found", "python"),
    ("python -r cpu=100", 5, "agent_schedule_unavailable", "even when empty"),
    ("python --cluster-size 17 --queue", 5, "session_create_unavailable", "allows 16 kernels"),
    ("python --cluster-size 0", 2, "session_create_invalid-parameters", "at least one kernel"),
    ("python --cluster-size 99999999", 2, "session_create_invalid-parameters", "more than"),
    ("python -r cpu", 2, "resource-preset_parsing_invalid-parameters", "SLOT=AMOUNT"),
    ("python -r cpu=-1", 2, "resource-preset_parsing_invalid-parameters", "0 or more"),
    ("python -r cpu=two", 2, "resource-preset_parsing_invalid-parameters", "two"),
    ("python -r gpu=1", 2, "session_check-limit_invalid-parameters", "gpu"),
    ("python -r mem=65m", 2, "session_create_invalid-parameters", "needs at least"),
    ("python -r mem=1g --shmem 1g", 2, "session_create_invalid-parameters", "memory"),
    ("python --shmem inf", 2, "api_parsing_invalid-parameters", "inf"),
    ("python --priority 101", 2, "session_create_invalid-parameters", "0 to 100"),
    ("python --tag " + 65 * "x", 2, "session_create_invalid-parameters", "65 characters"),
    ("python --type batch", 2, "session_create_invalid-parameters", "command to run"),
    ("python --batch-timeout 1h", 2, "session_create_invalid-parameters", "batch"),
    ("python --type system", 5, "scaling-group_access_not-found", "system sessions"),
    ("python --group nobody", 3, "group_read_not-found", "no member"),
    ("python --scaling-group nowhere", 5, "scaling-group_access_not-found", "nowhere"),
    ("python --env 1A=x", 2, "session_create_invalid-parameters", "1A=x"),
    ("python --owner AKIAUNKNOWN", 3, "keypair_read_not-found", "AKIAUNKNOWN"),
]
"""Words after ``session create``, the exit, the code, and a part of the message."""


def test_a_session_that_cannot_be_created_is_refused_with_its_reason(system: System) -> None:
    for words, exit_code, code, said in REFUSED:
        refused = system.run(*CREATE, *words.split())
        assert (refused.code, refused.out) == (exit_code, ""), words
        assert refused.error["code"] == code, words
        assert said in refused.error["message"], words
        assert system.statuses() == {}, words


def test_a_name_that_is_none_is_refused(system: System) -> None:
    for name in ("abc", "-abc", "abc-", "a" * 65, "from-template", "a b c d", "ñandú"):
        refused = system.run("session", "create", "python", "-o", "json", f"--name={name}")
        assert refused.code == 2, name
        assert refused.error["hint"], name
        assert system.statuses() == {}, name


def test_a_name_that_is_taken_is_refused_whoever_has_it(system: System) -> None:
    system.run(*CREATE, "python").ok()
    for owner in ({}, system.add_user("other")):
        refused = system.run(*CREATE, "python", environ=owner)
        assert refused.code == 5
        assert refused.error["code"] == "session_create_already-exists"
    assert len(system.rows("SELECT id FROM sessions")) == 1


def test_reusing_a_name_with_another_image_is_refused(system: System) -> None:
    system.run(*CREATE, "python").ok()
    assert system.run(*CREATE, "python", "--reuse").ok().json["status"] == "RUNNING"
    assert system.run(*CREATE, "shell", "--reuse").code == 5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE users SET status = 'inactive' WHERE username = %s", "user_auth_unauthorized"),
        ("UPDATE keypairs SET is_active = false WHERE user_id = %s", "user_auth_unauthorized"),
    ],
)
def test_who_is_inactive_is_denied(system: System, change: str, code: str) -> None:
    name = f"idle-{'users' in change}"
    owner = system.add_user(name)
    system.execute(change, name if "users" in change else f"{name}@example.com")
    denied = system.run(*CREATE, "python", environ=owner)
    assert denied.code == 4
    assert denied.error["code"] == code
    assert system.statuses() == {}


@pytest.mark.parametrize("name", ["BAI_SECRET_KEY", "BAI_ACCESS_KEY"])
def test_a_wrong_key_is_denied_and_the_secret_not_shown(system: System, name: str) -> None:
    owner = {**system.add_user(f"wrong-{name}"), name: "AKIANOTTHEKEY"}
    denied = system.run(*CREATE, "python", environ=owner)
    assert (denied.code, denied.error["code"]) == (4, "user_auth_unauthorized")
    assert owner["BAI_SECRET_KEY"] not in denied.err
    assert system.statuses() == {}


def test_another_one_s_session_is_not_found(system: System) -> None:
    system.run(*CREATE, "python").ok()
    other = system.add_user("stranger")
    for command in ("show", "destroy", "logs", "wait"):
        refused = system.run("session", command, "no-1", "-o", "json", environ=other)
        assert (refused.code, refused.error["code"]) == (3, "session_read_not-found")
    assert system.statuses() == {"no-1": "RUNNING"}


def test_an_ended_session_cannot_be_used(system: System) -> None:
    system.run(*CREATE, "python").ok()
    system.run("session", "destroy", "no-1").ok()
    for words in (["exec", "no-1", "1"], ["ls", "no-1"], ["interrupt", "no-1"]):
        refused = system.run("session", *words, "-o", "json")
        assert (refused.code, refused.error["code"]) == (5, "session_generic_mismatch")
        assert "TERMINATED" in refused.error["message"]
    again = system.run("session", "destroy", "no-1", "-o", "json").ok().json
    assert again["status"] is None


def test_code_that_fails_gives_its_own_exit_code_and_the_session_stays(system: System) -> None:
    system.run(*CREATE, "python").ok()
    for words, exit_code, said in (
        (["raise SystemExit(7)"], 7, ""),
        (["1/0"], 1, "ZeroDivisionError"),
        (["def f(:"], 1, "SyntaxError"),
        (["--shell", "exit 9"], 9, ""),
        (["--shell", "no-such-program"], 127, "no-such-program"),
    ):
        failed = system.run("session", "exec", "no-1", *words)
        assert failed.code == exit_code, words
        assert said in failed.err, words
        assert system.statuses() == {"no-1": "RUNNING"}, words


def test_a_database_that_stops_while_a_command_waits_is_unreachable(system: System) -> None:
    large = ["python", "-r", "cpu=60", "-r", "mem=1g"]
    system.run(*CREATE, *large).ok()
    waiting = system.start(*["session", "create", "-o", "json", "--name", "no-2"], *large)
    system.until(lambda: system.statuses().get("no-2") == "PENDING")
    with system.without_database():
        done = waiting.wait()
    assert done.code == 6
    assert "does not answer" in done.error["message"]
    assert "defect" not in done.err
    assert system.statuses() == {"no-1": "RUNNING", "no-2": "PENDING"}


def test_a_data_folder_that_cannot_be_written_is_bad_configuration(
    system: System, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(system.home / "config", home / "config")
    (home / "data").mkdir()
    (home / "data" / "local").write_text("no folder")
    refused = system.run("session", "list", "-o", "json", environ={"BAI_HOME": str(home)})
    assert refused.code == 78
    assert str(home / "data") in refused.error["message"]
    assert refused.error["hint"]


def test_a_broken_configuration_file_is_named(system: System, tmp_path: Path) -> None:
    config = tmp_path / "home" / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("profile = [")
    refused = system.run(*CREATE, "python", environ={"BAI_HOME": str(tmp_path / "home")})
    assert refused.code == 78
    assert str(config) in refused.error["message"]
