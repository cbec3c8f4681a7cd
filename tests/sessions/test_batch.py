"""Batch sessions end by themselves, and their rows are finished without anybody asking."""

from __future__ import annotations

import pytest

from tests.sessions.facts import DOWN, KERNEL_UP, SESSION_UP, check_history, entered
from tests.sessions.system import System, check_consistent

CREATE = ["session", "create", "shell", "--name", "batch-1", "--type", "batch", "-o", "json"]


@pytest.mark.parametrize(
    ("command", "options", "result", "reason", "exit_code"),
    [
        ("sleep 0.3; echo done", (), "SUCCESS", "task-finished", 0),
        ("sleep 0.3; exit 3", (), "FAILURE", "task-failed", 3),
        ("sleep 60", ("--batch-timeout", "1s"), "FAILURE", "task-timeout", 124),
    ],
)
def test_a_batch_session_ends_with_its_command_and_says_how(
    system: System,
    command: str,
    options: tuple[str, ...],
    result: str,
    reason: str,
    exit_code: int,
) -> None:
    system.run(*CREATE, "--startup-command", command, *options).ok()
    system.until(lambda: system.session("batch-1")["status"] == "TERMINATED")
    (kernel,), session = system.kernels("batch-1"), system.session("batch-1")
    assert (session["result"], session["status_info"]) == (result, reason)
    assert (kernel["result"], kernel["status_info"]) == (result, reason)
    assert kernel["status_data"] == {"kernel": {"exit_code": exit_code}}
    assert session["startup_command"] is None
    assert kernel["startup_command"] == command
    assert session["terminated_at"] == entered(session, "TERMINATED")
    check_history(session, SESSION_UP + DOWN)
    check_history(kernel, KERNEL_UP + DOWN)
    system.wait_for_hooks()
    check_consistent(system)


def test_of_a_batch_command_that_ends_at_once_the_result_and_the_log_are_kept(
    system: System,
) -> None:
    system.run(*CREATE, "--startup-command", "echo one; echo two >&2; exit 1").ok()
    system.until(lambda: system.session("batch-1")["status"] == "TERMINATED")
    assert system.session("batch-1")["result"] == "FAILURE"
    assert sorted(system.run("session", "logs", "batch-1").ok().out.splitlines()) == ["one", "two"]


def test_a_batch_command_that_ended_before_its_session_ran_is_noticed(system: System) -> None:
    """Who started it was killed in between; the kernel's own scheduler run comes to it first."""
    killed = system.run(
        *CREATE,
        "--startup-command",
        "exit 3",
        kill_at="LocalAgentClient.trigger_batch_execution:after",
    )
    assert killed.code == -9
    system.until(lambda: system.session("batch-1")["status"] == "TERMINATED")
    session = system.session("batch-1")
    assert (session["result"], session["status_info"]) == ("FAILURE", "task-failed")
    check_history(session, SESSION_UP + DOWN)


def test_a_batch_session_does_not_start_before_its_time(system: System) -> None:
    later = ["--startup-command", "true", "--starts-at", "+1h", "--no-wait"]
    system.run(*CREATE, *later).ok()
    system.run("scheduler", "run").ok()
    late = system.run("session", "wait", "batch-1", "--timeout", "0.3s", "-o", "json")
    assert late.code == 124
    assert "Before start time" in late.error["message"]
    system.execute("UPDATE sessions SET starts_at = now()")
    system.execute("UPDATE kernels SET starts_at = now()")
    system.run("session", "wait", "batch-1", "--until", "TERMINATED").ok()
    assert system.session("batch-1")["result"] == "SUCCESS"
