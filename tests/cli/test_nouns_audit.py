"""``bai-manager audit``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import HOSTILE

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

SEEDED = ("audit", "list", "--filter", "entity_id=old,new,bobs", "--columns", "entity_id")


def test_ones_own_entries_come_newest_first(ask: Ask) -> None:
    done = ask("alice", *SEEDED)
    assert (done.code, done.out) == (0, "entity_id\nnew\nold\n")


def test_everybodys_entries_are_for_superadmins_and_monitors(ask: Ask) -> None:
    assert ask("root", *SEEDED, "--all").first == {"old", "new", "bobs"}
    assert ask("monitor", *SEEDED, "--all").first == {"old", "new", "bobs"}
    assert ask("alice", *SEEDED, "--all").code == 4


def test_since_takes_an_age_and_a_time(ask: Ask) -> None:
    assert ask("alice", *SEEDED, "--since", "1h").first == {"new"}
    assert ask("alice", *SEEDED, "--since", "2026-02-28").first == {"new", "old"}


def test_since_goes_with_other_filters(ask: Ask) -> None:
    done = ask("alice", *SEEDED, "--since", "2026-02-28", "--status", "success")
    assert done.first == {"old"}


def test_a_time_that_cannot_be_read_is_a_usage_error(ask: Ask) -> None:
    done = ask("alice", "audit", "list", "--since", "recently")
    assert (done.code, done.out) == (2, "")


def test_nobody_elses_trail_is_shown_to_a_user(ask: Ask) -> None:
    assert ask("alice", *SEEDED).first.isdisjoint({"bobs"})
    assert ask("bob", *SEEDED).first == {"bobs"}


def test_json_holds_seconds_times_and_exact_texts(ask: Ask) -> None:
    done = ask("alice", "audit", "list", "--filter", "entity_id=new", "-o", "json")
    (entry,) = json.loads(done.out)
    assert entry["duration"] == 1.5
    assert entry["user_email"] == "alice@example.com"
    assert entry["description"] == HOSTILE
    assert entry["created_at"].endswith("Z")


def test_a_hostile_description_is_shown_and_not_obeyed(ask: Ask) -> None:
    for form in ("table", "wide", "tsv"):
        out = ask("alice", "audit", "list", "--filter", "entity_id=new", "-o", form).out
        assert r"\x1b[31mred" in out
        assert "\x1b" not in out


def test_nothing_found_is_an_empty_array(ask: Ask) -> None:
    assert ask("alice", "audit", "list", "--filter", "entity_id=x", "-o", "json").out == "[]\n"


def test_a_denial_is_in_the_trail_of_who_was_denied(ask: Ask) -> None:
    assert ask("carol", "agent", "show", "i-local").code == 4
    done = ask("carol", "audit", "list", "--filter", "entity_type=agent", "-o", "json")
    entry = json.loads(done.out)[0]
    assert (entry["operation"], entry["entity_id"], entry["status"]) == ("get", "i-local", "error")
    assert entry["description"].startswith("Denied: ")
