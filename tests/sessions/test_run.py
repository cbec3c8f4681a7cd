"""``session run``: a session for one command, which ends with it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sessions.system import System


@pytest.mark.parametrize(
    ("words", "exit_code", "out"),
    [
        (["python", "-c", "print(6 * 7)"], 0, "42\n"),
        (["sh", "-c", "echo went wrong; exit 9"], 9, "went wrong\n"),
    ],
)
def test_a_command_is_run_in_a_session_that_ends_with_it(
    system: System, words: list[str], exit_code: int, out: str
) -> None:
    done = system.run("session", "run", "python", "--name", "once-1", "--", *words)
    assert (done.code, done.out) == (exit_code, out)
    assert system.statuses() == {"once-1": "TERMINATED"}
    assert system.processes() == []


def test_a_session_that_was_there_before_is_not_ended(system: System) -> None:
    system.run(*["session", "create", "python", "--name", "once-1"]).ok()
    refused = system.run(
        *["session", "run", "python", "--name", "once-1", "-o", "json", "--", "true"]
    )
    assert refused.code == 5
    assert refused.error["code"] == "session_create_already-exists"
    assert system.statuses() == {"once-1": "RUNNING"}


def test_a_session_that_is_refused_is_refused_for_its_own_reason(system: System) -> None:
    refused = system.run(
        *["session", "run", "python", "-r", "cpu=1000", "-o", "json", "--", "true"]
    )
    assert (refused.code, refused.error["code"]) == (5, "agent_schedule_unavailable")


def test_a_session_that_does_not_start_in_time_is_cancelled(system: System) -> None:
    large = ["-r", "cpu=60", "-r", "mem=1g"]
    system.run(*["session", "create", "python", "--name", "once-1"], *large).ok()
    timed_out = system.run(
        *["session", "run", "python", "--name", "once-2", "--timeout", "0.2s"], *large, "true"
    )
    assert timed_out.code == 124
    assert system.statuses() == {"once-1": "RUNNING", "once-2": "CANCELLED"}


def test_an_interrupted_run_ends_its_session(system: System) -> None:
    child = system.start(
        *["session", "run", "python", "--name", "once-1", "--", "sh", "-c"], "echo up; sleep 60"
    )
    system.until(lambda: child.out.read_text() == "up\n")
    os.kill(child.pid, signal.SIGINT)
    assert child.wait().code == 130
    assert system.statuses() == {"once-1": "TERMINATED"}
    assert system.processes() == []


def test_a_session_that_is_to_be_kept_is_kept(system: System) -> None:
    system.run(*["session", "run", "python", "--name", "once-1", "--keep", "--", "true"]).ok()
    assert system.statuses() == {"once-1": "RUNNING"}
