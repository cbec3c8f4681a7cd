"""A dry run says what would be, and leaves no row, no process and no audit entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from tests.sessions.system import Row, System

CREATE = ["session", "create", "python", "--name", "dry-1", "-o", "json"]
WRITES = (
    ["session", "create", "python", "--name", "dry-2", "-o", "json", "--no-wait"],
    ["session", "create", "shell", "--name", "dry-2", "--type", "batch", "-c", "exit 3"],
    ["session", "run", "python", "--name", "dry-2", "--", "sh", "-c", "touch made"],
    ["session", "exec", "dry-1", "open('made', 'w')"],
    ["session", "interrupt", "dry-1"],
)
TABLES = ("sessions", "kernels", "agents", "audit_logs")


def test_a_dry_run_of_create_shows_a_running_session_and_leaves_nothing(system: System) -> None:
    before = _everything(system)
    shown = system.run("--dry-run", *CREATE, "--cluster-size", "2").ok().json
    assert shown["status"] == "RUNNING"
    assert len(shown["kernels"]) == 2
    assert _everything(system) == before
    assert system.processes() == []


def test_a_dry_run_of_destroy_shows_an_ended_session_and_leaves_it_running(system: System) -> None:
    system.run(*CREATE).ok()
    before, processes = _everything(system), system.processes()
    shown = system.run("--dry-run", "session", "destroy", "dry-1", "-o", "json").ok().json
    assert shown["status"] == "terminated"
    assert shown["terminated_at"] is not None
    assert _everything(system) == before
    assert system.processes() == processes
    assert system.run("session", "exec", "dry-1", "print('alive')").ok().out == "alive\n"
    check_consistent(system)


def test_a_dry_run_of_any_write_leaves_everything_as_it_is(system: System) -> None:
    system.run(*CREATE).ok()
    before, processes = _everything(system), system.processes()
    for words in WRITES:
        system.run("--dry-run", *words).ok()
        assert _everything(system) == before, words
        assert system.processes() == processes, words
        listed = system.run("session", "ls", "dry-1", "-o", "json").ok().json
        assert "made" not in {entry["filename"] for entry in listed}, words


def test_a_dry_run_is_refused_for_the_reasons_of_a_real_one(system: System) -> None:
    owner = system.add_user("rehearsal", max_concurrent_sessions=1)
    system.run(*CREATE, environ=owner).ok()
    before = _everything(system)
    again = system.run("--dry-run", *CREATE, environ=owner)
    assert (again.code, again.error["code"]) == (5, "session_create_already-exists")
    second = [word.replace("dry-1", "dry-2") for word in CREATE]
    beyond = system.run("--dry-run", *second, environ=owner)
    assert (beyond.code, beyond.error["code"]) == (5, "session_create_unavailable")
    assert _everything(system) == before


def test_a_dry_run_keeps_nobody_from_working(system: System) -> None:
    """What it locked is free again once it has ended, also when it was killed."""
    system.run("--dry-run", *CREATE, kill_at="SchedulerRepository.claim_starts:after")
    system.run(*CREATE).ok()
    check_consistent(system)


def _everything(system: System) -> dict[str, list[Row]]:
    return {table: system.rows(f"SELECT * FROM {table} ORDER BY id") for table in TABLES}  # noqa: S608
