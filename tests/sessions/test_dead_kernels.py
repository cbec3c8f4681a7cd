"""Kernels that die without anybody ending them are noticed by whoever looks next."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.sessions.facts import DOWN, KERNEL_UP, SESSION_UP, check_history
from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from tests.sessions.system import System

pytestmark = pytest.mark.thorough

CREATE = ["session", "create", "python", "--name", "dead-1", "-o", "json"]


@pytest.mark.parametrize(
    "command",
    [
        ("session", "list"),
        ("session", "show", "dead-1"),
        ("session", "wait", "dead-1"),
        ("session", "wait", "dead-1", "--until", "TERMINATED"),
    ],
    ids=" ".join,
)
def test_a_killed_kernel_is_noticed_by_the_next_command(
    system: System, command: tuple[str, ...]
) -> None:
    system.run(*CREATE).ok()
    (kernel,) = system.kernels("dead-1")
    _kill_keepers(system, kernel["id"])
    assert system.session("dead-1")["status"] == "RUNNING"
    system.run(*command).ok()
    (kernel,), session = system.kernels("dead-1"), system.session("dead-1")
    assert session["status"] == "TERMINATED"
    assert kernel["status"] == "TERMINATED"
    assert kernel["status_data"].keys() == {"kernel"}
    check_history(session, SESSION_UP + DOWN)
    check_history(kernel, KERNEL_UP + DOWN)
    assert system.processes() == []
    check_consistent(system)


def test_a_kernel_whose_supervisor_alone_is_killed_finishes_its_rows_itself(
    system: System,
) -> None:
    system.run(*CREATE).ok()
    (kernel,) = system.kernels("dead-1")
    _, supervisor = system.keepers(kernel["id"])
    os.kill(supervisor, signal.SIGKILL)
    system.until(lambda: system.session("dead-1")["status"] == "TERMINATED")
    assert system.session("dead-1")["status_info"] == "self-terminated"
    system.wait_for_hooks()
    check_consistent(system)


def test_one_dead_kernel_ends_its_whole_session(system: System) -> None:
    system.run(*CREATE, "--cluster-size", "3").ok()
    _, second, _ = system.kernels("dead-1")
    _kill_keepers(system, second["id"])
    system.run("session", "list").ok()
    assert {row["status"] for row in system.kernels("dead-1")} == {"TERMINATED"}
    assert system.session("dead-1")["status"] == "TERMINATED"
    assert system.processes() == []


def test_code_that_kills_its_interpreter_leaves_the_session_running(system: System) -> None:
    system.run(*CREATE).ok()
    crashed = system.run("session", "exec", "dead-1", "import os; os.kill(os.getpid(), 11)")
    assert crashed.code == 128 + signal.SIGSEGV
    assert system.run("session", "exec", "dead-1", "print('still here')").ok().out == "still here\n"
    assert system.session("dead-1")["status"] == "RUNNING"


def test_kernels_without_a_row_are_ended(system: System) -> None:
    system.run(*CREATE).ok()
    system.execute("DELETE FROM kernels")
    system.execute("DELETE FROM sessions")
    system.execute("UPDATE agents SET occupied_slots = '{}'")
    assert system.processes() != []
    system.run("session", "list").ok()
    assert system.processes() == []
    assert system.folders() == set()


def test_sessions_of_a_machine_that_was_started_anew_are_over(system: System) -> None:
    """Every process is gone at once, as after a power cut; records and locks' files are left."""
    for number in (1, 2):
        system.run(*f"session create python --name gone-{number}".split()).ok()
    for number in (1, 2):
        _kill_keepers(system, system.kernels(f"gone-{number}")[0]["id"])
    assert system.run("session", "list", "-o", "json").ok().json == []
    assert set(system.statuses().values()) == {"TERMINATED"}


def _kill_keepers(system: System, kernel_id: object) -> None:
    guardian, supervisor = system.keepers(kernel_id)  # type: ignore[arg-type]
    os.kill(guardian, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    system.until(lambda: not system.is_kept(kernel_id))  # type: ignore[arg-type]
