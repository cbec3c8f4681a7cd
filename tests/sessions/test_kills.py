"""A command killed at any moment leaves what the next command completes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.sessions.facts import DOWN, KERNEL_UP, SESSION_UP, check_history
from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sessions.system import System

pytestmark = pytest.mark.thorough

CREATE = ["session", "create", "python", "--name", "kill-1", "-o", "json"]
MANY = "KILLS" in os.environ
"""With KILLS in the environment, many more moments are tried."""

CREATE_MOMENTS = (
    "AuditRepository.record_started",
    "SessionRepository.enqueue",
    "SchedulerRepository.schedule",
    "SchedulerRepository.begin_preparing",
    "SchedulerRepository.mark_pulled",
    "SchedulerRepository.claim_starts",
    "LocalAgentClient.create_kernels",
    "SchedulerRepository.mark_kernel_running",
    "SchedulerRepository.mark_running",
    "SchedulerRepository.finish_terminated",
    "AuditRepository.record_finished",
)
DESTROY_MOMENTS = (
    "AuditRepository.record_started",
    "SessionRepository.mark_destroyed",
    "LocalAgentClient.destroy_kernel",
    "SchedulerRepository.mark_kernel_terminated",
    "LocalAgentClient.forget_kernels",
    "SchedulerRepository.finish_terminated",
    "AuditRepository.record_finished",
)


@pytest.mark.parametrize(
    ("command", "moments"), [("create python --name", CREATE_MOMENTS), ("destroy", DESTROY_MOMENTS)]
)
def test_every_write_of_a_command_is_a_moment_to_be_killed_at(
    system: System, tmp_path: Path, command: str, moments: tuple[str, ...]
) -> None:
    if command == "destroy":
        system.run(*CREATE).ok()
    trace = tmp_path / "trace"
    system.run("session", *command.split(), "kill-1", trace=str(trace)).ok()
    assert trace.read_text().split() == [
        f"{moment}:{side}" for moment in moments for side in ("before", "after")
    ]


@pytest.mark.parametrize("moment", CREATE_MOMENTS)
def test_a_create_killed_after_any_of_its_writes_is_completed_by_the_next_command(
    system: System, moment: str
) -> None:
    killed = system.run(*CREATE, kill_at=f"{moment}:after")
    assert killed.code == -signal.SIGKILL
    again = system.run(*CREATE, stuck_after=0)
    assert again.code == (0 if moment.startswith("AuditRepository.record_started") else 5)
    waited = system.run("session", "wait", "kill-1", "-o", "json", stuck_after=0).ok().json
    assert waited["status"] == "RUNNING"
    (kernel,) = system.kernels("kill-1")
    check_history(system.session("kill-1"), SESSION_UP)
    check_history(kernel, KERNEL_UP)
    check_consistent(system)


@pytest.mark.parametrize("moment", DESTROY_MOMENTS)
def test_a_destroy_killed_after_any_of_its_writes_is_completed_by_the_next_one(
    system: System, moment: str
) -> None:
    system.run(*CREATE).ok()
    killed = system.run("session", "destroy", "kill-1", kill_at=f"{moment}:after")
    assert killed.code == -signal.SIGKILL
    system.run("session", "destroy", "kill-1").ok()
    (kernel,) = system.kernels("kill-1")
    check_history(system.session("kill-1"), SESSION_UP + DOWN)
    check_history(kernel, KERNEL_UP + DOWN)
    assert kernel["status_info"] == "user-requested"
    system.run("session", "list").ok()
    assert system.processes() == []
    check_consistent(system)


def test_a_log_outlives_whoever_was_killed_while_ending_its_kernel(system: System) -> None:
    system.run(*CREATE).ok()
    system.run("session", "exec", "kill-1", "print('kept')").ok()
    system.run("session", "destroy", "kill-1", kill_at="LocalAgentClient.destroy_kernel:after")
    system.run("session", "destroy", "kill-1").ok()
    assert system.run("session", "logs", "kill-1").ok().out == "kept\n"


def test_a_create_killed_after_any_time_is_completed_by_the_next_command(system: System) -> None:
    begun = []
    for number, pause in enumerate(_pauses(0.45)):
        name = f"late-{number}"
        child = system.start(*f"session create python --cluster-size 2 --name {name}".split())
        _kill_after(child.pid, pause)
        assert child.wait().code in {0, -signal.SIGKILL}
        if name in system.statuses():
            begun.append(name)
            system.run("session", "wait", name, stuck_after=0).ok()
            assert system.statuses()[name] == "RUNNING"
            check_consistent(system)
            system.run("session", "destroy", name).ok()
    assert begun
    check_consistent(system)


def test_a_destroy_killed_after_any_time_is_completed_by_the_next_command(system: System) -> None:
    names = []
    for number, pause in enumerate(_pauses(0.25)):
        names.append(f"late-{number}")
        system.run(*f"session create python --name {names[-1]}".split()).ok()
        child = system.start("session", "destroy", names[-1])
        _kill_after(child.pid, pause)
        assert child.wait().code in {0, -signal.SIGKILL}
        system.run("session", "destroy", names[-1]).ok()
    assert system.statuses() == dict.fromkeys(names, "TERMINATED")
    assert system.processes() == []
    check_consistent(system)


def test_a_session_whose_starter_is_at_work_is_left_to_it(system: System, tmp_path: Path) -> None:
    """However long its bootstrap script takes, it is started once and nobody waits for it."""
    script = system.home / "slow.sh"
    script.write_text("echo begun >> began; sleep 0.7\n")
    child = system.start(*CREATE, "--bootstrap", str(script), patience=30)
    system.until(lambda: system.statuses().get("kill-1") == "CREATING")
    system.run("session", "list", stuck_after=0, trace=str(tmp_path / "trace")).ok()
    assert "create_kernels" not in (tmp_path / "trace").read_text()
    child.wait().ok()
    assert system.run("session", "exec", "kill-1", "-s", "cat began").ok().out == "begun\n"


def test_a_command_does_not_wait_long_for_a_slow_start(system: System) -> None:
    script = system.home / "slow.sh"
    script.write_text("sleep 0.6\n")
    created = system.run(*CREATE, "--bootstrap", str(script), "--no-wait", patience=0.2).ok()
    assert created.json["status"] == "CREATING"
    assert system.run("session", "wait", "kill-1", "-o", "json").ok().json["status"] == "RUNNING"
    check_consistent(system)


def _pauses(longest: float) -> list[float]:
    steps = 60 if MANY else 4
    return [longest * step / steps for step in range(1, steps + 1)]


def _kill_after(pid: int, pause: float) -> None:
    time.sleep(pause)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
