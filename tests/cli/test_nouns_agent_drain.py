"""``bai-manager agent drain``, ``undrain`` and ``recalculate``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

WRITES = (
    ("agent", "drain", "i-local"),
    ("agent", "undrain", "i-local"),
    ("agent", "recalculate"),
)


def test_agents_are_closed_opened_and_corrected_by_superadmins_alone(change: Ask) -> None:
    for words in WRITES:
        codes = {name: change(name, *words).code for name in ("root", "monitor", "admin", "bob")}
        assert codes == {"root": 0, "monitor": 4, "admin": 4, "bob": 4}


def test_a_drained_agent_is_closed_and_told_with_what_is_left_on_it(both: Ask) -> None:
    told = json.loads(both("root", "agent", "drain", "i-local", "-o", "json").out)
    assert (told["agent"]["schedulable"], told["changed"]) == (False, True)
    (left,) = told["sessions"]
    assert (left["name"], left["status"], left["kernel_count"]) == ("train-1", "RUNNING", 1)
    again = json.loads(both("root", "agent", "drain", "i-local", "-o", "json").out)
    assert (again["agent"]["schedulable"], again["changed"]) == (False, False)
    opened = json.loads(both("root", "agent", "undrain", "i-local", "-o", "json").out)
    assert (opened["agent"]["schedulable"], opened["changed"]) == (True, True)


def test_waiting_for_an_agent_that_does_not_become_empty_times_out_and_leaves_it_closed(
    change: Ask,
) -> None:
    done = change("root", "agent", "drain", "i-local", "--wait", "--timeout", "0.1s")
    assert (done.code, done.out) == (124, "")
    assert "train-1" in done.err
    listed = json.loads(change("root", "agent", "list", "-o", "json").out)
    assert [agent["schedulable"] for agent in listed if agent["id"] == "i-local"] == [False]


def test_of_several_agents_one_that_is_not_there_does_not_stop_the_others(change: Ask) -> None:
    done = change("root", "agent", "drain", "i-none", "i-local")
    assert done.code == 7
    listed = json.loads(change("root", "agent", "list", "-o", "json").out)
    assert [agent["schedulable"] for agent in listed if agent["id"] == "i-local"] == [False]


def test_a_rehearsed_correction_tells_the_difference_and_changes_nothing(both: Ask) -> None:
    words = ("agent", "recalculate", "-o", "json")
    for tries, options in enumerate([("--dry-run",), ("--dry-run",), (), ()]):
        (told,) = json.loads(both("root", *words, *options).out)
        assert told["counted"] == {"cpu": "1", "mem": str(1 << 30)}
        assert told["changed"] is (tries < 3)  # the seed's row says that nothing is occupied
    assert both("root", "agent", "recalculate", "i-none").code == 3
