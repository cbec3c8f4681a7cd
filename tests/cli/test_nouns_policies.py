"""``policy keypair``, ``policy user`` and ``policy project``, where it matters in both shapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ask, Done

KINDS = ("keypair", "user", "project")
FIELD = {
    "keypair": ("--max-concurrent-sessions", "max_concurrent_sessions"),
    "user": ("--max-vfolder-count", "max_vfolder_count"),
    "project": ("--max-network-count", "max_network_count"),
}
READS = ("list", "show default")
WRITES = ("create other", "update default {flag} 4", "delete default --yes")


def shown(change: Ask, kind: str, name: str) -> dict[str, Any]:
    done = change("root", "policy", kind, "show", name, "-o", "json")
    assert done.code == 0, done.err
    policy: dict[str, Any] = json.loads(done.out)
    return policy


def code_and_error(done: Done) -> tuple[int, str]:
    return done.code, json.loads(done.err)["error"]["code"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_is_created_shown_updated_and_deleted(both: Ask, kind: str) -> None:
    flag, field = FIELD[kind]
    assert both("root", "policy", kind, "create", "gold", flag, "7").code == 0
    assert shown(both, kind, "gold")[field] == 7
    assert both("root", "policy", kind, "update", "gold", flag, "9").code == 0
    assert shown(both, kind, "gold")[field] == 9
    assert both("root", "policy", kind, "delete", "gold", "--yes").code == 0
    assert both("root", "policy", kind, "show", "gold").code == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_taken_is_a_conflict_unless_one_may_be_there(change: Ask, kind: str) -> None:
    again = ("root", "policy", kind, "create", "default")
    assert code_and_error(change(*again, "-o", "json")) == (5, "backendai_create_already-exists")
    assert change(*again, "--if-not-exists").code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_in_use_is_not_deleted_and_says_by_whom(change: Ask, kind: str) -> None:
    done = change("root", "policy", kind, "delete", "default", "--yes", "-o", "json")
    assert code_and_error(done) == (5, "backendai_purge_conflict")
    assert shown(change, kind, "default")["name"] == "default"


@pytest.mark.parametrize("kind", KINDS)
def test_deleting_what_is_not_there_is_not_found_unless_ignored(change: Ask, kind: str) -> None:
    assert change("root", "policy", kind, "delete", "none", "--yes").code == 3
    assert change("root", "policy", kind, "delete", "none", "--yes", "--ignore-not-found").code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_changed_since_it_was_shown_is_left_alone(both: Ask, kind: str) -> None:
    flag, field = FIELD[kind]
    version = shown(both, kind, "default")["version"]
    update = ("root", "policy", kind, "update", "default", flag)
    assert both(*update, "5", "--if-unchanged", version).code == 0
    assert both(*update, "6", "--if-unchanged", version).code == 5
    assert shown(both, kind, "default")[field] == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_changes_nothing(change: Ask, kind: str) -> None:
    flag, field = FIELD[kind]
    before = shown(change, kind, "default")[field]
    assert change("root", "policy", kind, "update", "default", flag, "77", "--dry-run").code == 0
    assert shown(change, kind, "default")[field] == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("person", ["admin", "alice", "monitor"])
@pytest.mark.parametrize("words", WRITES)
def test_only_a_superadmin_changes_policies(ask: Ask, kind: str, person: str, words: str) -> None:
    verb = words.format(flag=FIELD[kind][0]).split()
    assert ask(person, "policy", kind, *verb).code == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("person", ["root", "admin", "alice", "monitor"])
@pytest.mark.parametrize("words", READS)
def test_people_see_the_policies_that_bind_them(
    ask: Ask, kind: str, person: str, words: str
) -> None:
    done = ask(person, "policy", kind, *words.split(), "-o", "json")
    assert done.code == 0, done.err
    assert '"default"' in done.out


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_does_not_see_the_policies_of_others(change: Ask, kind: str) -> None:
    assert change("root", "policy", kind, "create", "gold").code == 0
    assert change("alice", "policy", kind, "show", "gold").code == 3
    listed = change("alice", "policy", kind, "list", "-o", "name").out.split()
    assert listed == ["default"]


def test_slots_are_read_as_people_write_them(change: Ask) -> None:
    create = ("root", "policy", "keypair", "create", "gold")
    assert (
        change(*create, "--slot", "cpu=8", "--slot", "mem=64g", "--idle-timeout", "30m").code == 0
    )
    policy = shown(change, "keypair", "gold")
    assert policy["total_resource_slots"] == {"cpu": "8", "mem": str(64 * 2**30)}
    assert policy["idle_timeout"] == 1800


@pytest.mark.parametrize(
    "words",
    [("--slot", "cpu=many"), ("--idle-timeout", "soon"), ("--max-concurrent-sessions", "x")],
)
def test_values_that_do_not_parse_are_refused(change: Ask, words: tuple[str, str]) -> None:
    done = change("root", "policy", "keypair", "create", "gold", *words)
    assert done.code == 2
    assert change("root", "policy", "keypair", "show", "gold").code == 3
