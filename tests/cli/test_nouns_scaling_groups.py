"""``scaling-group`` where it matters in both shapes of the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

WRITES = (
    "create gpu",
    "update default --description x",
    "delete default --yes",
    "associate default --domain default",
    "dissociate default --domain default",
)


def shown(change: Ask, name: str, person: str = "root") -> dict[str, Any]:
    done = change(person, "scaling-group", "show", name, "-o", "json")
    assert done.code == 0, done.err
    group: dict[str, Any] = json.loads(done.out)
    return group


def test_a_group_is_created_with_typed_options_and_shown(both: Ask) -> None:
    create = ("root", "scaling-group", "create", "gpu")
    options = ("--scheduler", "lifo", "--pending-timeout", "1h", "--session-types", "batch")
    assert both(*create, *options).code == 0
    group = shown(both, "gpu")
    assert group["scheduler"] == "lifo"
    assert group["scheduler_opts"]["pending_timeout"] == 3600
    assert group["scheduler_opts"]["allowed_session_types"] == ["batch"]


def test_an_update_changes_what_is_given_and_nothing_else(change: Ask) -> None:
    before = shown(change, "default")
    update = ("root", "scaling-group", "update", "default", "--description", "Fast ones.")
    assert change(*update).code == 0
    after = shown(change, "default")
    assert after["description"] == "Fast ones."
    assert after["scheduler_opts"] == before["scheduler_opts"]


def test_a_group_that_changed_since_it_was_shown_is_left_alone(change: Ask) -> None:
    version = shown(change, "default")["version"]
    update = ("root", "scaling-group", "update", "default", "--if-unchanged", version)
    assert change(*update, "--description", "one").code == 0
    assert change(*update, "--description", "two").code == 5
    assert shown(change, "default")["description"] == "one"


def test_a_group_in_use_is_not_deleted(change: Ask) -> None:
    done = change("root", "scaling-group", "delete", "default", "--yes", "-o", "json")
    assert done.code == 5
    assert json.loads(done.err)["error"]["code"] == "scaling-group_purge_conflict"
    shown(change, "default")


def test_an_unused_group_is_deleted(both: Ask) -> None:
    assert both("root", "scaling-group", "create", "gpu").code == 0
    assert both("root", "scaling-group", "delete", "gpu", "--yes").code == 0
    assert both("root", "scaling-group", "show", "gpu").code == 3
    assert both("root", "scaling-group", "delete", "gpu", "--yes", "--ignore-not-found").code == 0


def test_a_group_is_opened_to_a_domain_and_closed_again(both: Ask) -> None:
    assert both("root", "scaling-group", "create", "gpu").code == 0
    assert both("alice", "scaling-group", "show", "gpu").code == 3
    assert both("root", "scaling-group", "associate", "gpu", "--domain", "default").code == 0
    assert shown(both, "gpu", "alice")["name"] == "gpu"
    assert both("root", "scaling-group", "dissociate", "gpu", "--domain", "default").code == 0
    assert both("alice", "scaling-group", "show", "gpu").code == 3


def test_a_domain_that_does_not_exist_is_named(change: Ask) -> None:
    done = change("root", "scaling-group", "associate", "default", "--domain", "nowhere")
    assert done.code == 3
    assert "nowhere" in done.err


@pytest.mark.parametrize("person", ["admin", "alice", "monitor"])
@pytest.mark.parametrize("words", WRITES)
def test_only_a_superadmin_changes_groups(ask: Ask, person: str, words: str) -> None:
    assert ask(person, "scaling-group", *words.split()).code == 4


@pytest.mark.parametrize("person", ["root", "admin", "alice", "monitor"])
def test_everybody_sees_the_groups_open_to_them(ask: Ask, person: str) -> None:
    listed = ask(person, "scaling-group", "list", "-o", "name")
    assert (listed.code, listed.out.split()) == (0, ["default"])


@pytest.mark.parametrize(
    "words", [("--scheduler", "best"), ("--pending-timeout", "soon"), ("--session-types", "fast")]
)
def test_options_that_make_no_sense_are_refused(change: Ask, words: tuple[str, str]) -> None:
    assert change("root", "scaling-group", "create", "gpu", *words).code == 2
    assert change("root", "scaling-group", "show", "gpu").code == 3
