"""``bai-manager agent``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.conftest import HOSTILE

if TYPE_CHECKING:
    from tests.cli.conftest import Ask, Home, Typed


def test_agents_are_for_superadmins_and_monitors(ask: Ask) -> None:
    codes = {name: ask(name, "agent", "list").code for name in ("root", "monitor", "admin", "bob")}
    assert codes == {"root": 0, "monitor": 0, "admin": 4, "bob": 4}


def test_a_list_counts_the_kernels_on_each_agent(ask: Ask) -> None:
    rows = json.loads(ask("root", "agent", "list", "-o", "json").out)
    counts = {row["id"]: row["kernel_count"] for row in rows}
    assert set(counts) == {"i-local", "i-lost", f"i-{HOSTILE}"}
    assert counts["i-local"] > 0
    assert counts["i-lost"] == 0


def test_agents_of_a_status_can_be_asked_for(ask: Ask) -> None:
    done = ask("root", "agent", "list", "--status", "LOST", "-o", "name")
    assert (done.code, done.out) == (0, "i-lost\n")


def test_no_agent_of_a_status_is_an_empty_array(ask: Ask) -> None:
    done = ask("root", "agent", "list", "--status", "RESTARTING", "-o", "json")
    assert (done.code, done.out) == (0, "[]\n")


def test_a_status_there_is_not_is_a_usage_error(ask: Ask) -> None:
    done = ask("root", "agent", "list", "--status", "ALIV")
    assert (done.code, done.out) == (2, "")
    assert "ALIVE" in done.err


def test_a_hostile_id_is_shown_and_not_obeyed(ask: Ask) -> None:
    for form in ("table", "wide", "tsv", "name"):
        assert "\x1b" not in ask("root", "agent", "list", "-o", form).out


def test_an_agent_out_of_reach_is_shown_without_its_own_answer(ask: Ask) -> None:
    done = ask("root", "agent", "show", "i-lost", "-o", "json")
    agent = json.loads(done.out)
    assert done.code == 0
    assert (agent["id"], agent["status"]) == ("i-lost", "LOST")
    assert (agent["health"], agent["hardware"]) == (None, None)
    assert "it does not answer" in ask("root", "agent", "show", "i-lost", "-o", "table").out


def test_the_agent_of_this_machine_answers_for_itself(typed: Typed, initialised_home: Home) -> None:
    shown = typed("agent", "show", "i-local", "-o", "json", env=initialised_home.environ)
    agent = json.loads(shown.out)
    assert agent["health"] == "ok"
    assert {"cpu", "mem"} <= set(agent["hardware"])
    listed = json.loads(typed("agent", "list", "-o", "json", env=initialised_home.environ).out)
    assert {key: agent[key] for key in listed[0]} == listed[0]


def test_an_unknown_agent_is_not_found(ask: Ask) -> None:
    done = ask("root", "agent", "show", "i-none")
    assert (done.code, done.out) == (3, "")
    assert "agent list" in done.err
