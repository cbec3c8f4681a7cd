"""Several processes at the same sessions, by design and by chance."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.sessions.steps import check_steps, every_step
from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from tests.sessions.system import Child, Done, System

pytestmark = pytest.mark.thorough

SECONDS = float(os.environ.get("RACE_SECONDS", "6"))
"""How long sessions are created, used and ended by chance."""

CREATE = ["session", "create", "python", "--name", "race-1", "-o", "json"]


def test_of_two_processes_that_create_one_name_one_succeeds(system: System) -> None:
    done = [child.wait() for child in [system.start(*CREATE) for _ in range(3)]]
    assert Counter(one.code for one in done) == {0: 1, 5: 2}
    assert {one.error["code"] for one in done if one.code} == {"session_create_already-exists"}
    assert system.statuses() == {"race-1": "RUNNING"}
    check_consistent(system)


def test_processes_that_reuse_one_name_all_get_the_same_session(system: System) -> None:
    done = [child.wait().ok() for child in [system.start(*CREATE, "--reuse") for _ in range(3)]]
    assert len({one.json["id"] for one in done}) == 1
    assert system.statuses() == {"race-1": "RUNNING"}
    check_consistent(system)


def test_processes_that_destroy_one_session_all_succeed(system: System) -> None:
    system.run(*CREATE).ok()
    done = [
        child.wait().ok()
        for child in [system.start("session", "destroy", "race-1", "-o", "json") for _ in range(3)]
    ]
    assert {one.json["status"] for one in done} <= {"terminated", None}
    assert system.statuses() == {"race-1": "TERMINATED"}
    assert system.processes() == []
    check_consistent(system)


def test_a_name_can_be_used_again_while_its_last_session_is_ending(system: System) -> None:
    first = system.run(*CREATE).ok().json
    system.run("session", "destroy", "race-1", kill_at="SessionRepository.mark_destroyed:after")
    assert system.statuses() == {"race-1": "TERMINATING"}
    for options in ((), ("--reuse",)):
        second = system.run(*CREATE, *options).ok().json
        assert second["id"] != first["id"]
        assert second["status"] == "RUNNING"
        first = second
        system.run("session", "destroy", "race-1", kill_at="SessionRepository.mark_destroyed:after")
    check_consistent_after_list(system)


def test_a_session_created_while_another_of_its_name_is_destroyed_is_whole(system: System) -> None:
    system.run(*CREATE).ok()
    destroying = system.start("session", "destroy", "race-1")
    creating = system.start(*CREATE)
    destroying.wait().ok()
    created = creating.wait()
    assert created.code in {0, 5}
    assert system.statuses() == {"race-1": "RUNNING" if created.code == 0 else "TERMINATED"}
    check_consistent(system)


def test_a_session_destroyed_while_its_kernels_are_created_leaves_nothing(system: System) -> None:
    script = system.home / "slow.sh"
    script.write_text("sleep 5\n")
    creating = system.start(*CREATE, "--bootstrap", str(script), "--cluster-size", "2")
    system.until(lambda: system.statuses().get("race-1") == "CREATING")
    system.until(lambda: len(system.processes()) > 1)
    system.run("session", "destroy", "race-1").ok()
    created = creating.wait()
    assert created.code == 5
    assert created.error["code"] == "session_start_canceled"
    assert system.statuses() == {"race-1": "TERMINATED"}
    system.run("session", "list").ok()
    assert system.processes() == []
    check_consistent(system)


def test_a_session_destroyed_at_any_moment_of_its_creation_leaves_nothing(system: System) -> None:
    for number in range(4):
        name = f"race-{number}"
        creating = system.start(*f"session create python --no-wait --name {name}".split())
        system.until(lambda name=name: name in system.statuses())  # type: ignore[misc]
        time.sleep(number * 0.06)
        system.run("session", "destroy", name).ok()
        assert creating.wait().code in {0, 5}
    assert set(system.statuses().values()) <= {"TERMINATED", "CANCELLED"}
    system.run("session", "list").ok()
    assert system.processes() == []
    check_consistent(system)


def test_whatever_eight_processes_do_by_chance_all_stays_consistent(system: System) -> None:
    """Creating, ending, using, listing, and killing both commands and kernels."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    owner = system.add_user(f"chance-{seed}", max_concurrent_sessions=6)
    with every_step(system) as steps:
        _act_by_chance(system, chance, owner)
    check_consistent_after_list(system)
    check_steps(steps)


def _act_by_chance(system: System, chance: random.Random, owner: dict[str, str]) -> None:
    running: list[Child] = []
    codes: Counter[int] = Counter()
    unexpected = []
    until = time.monotonic() + SECONDS
    while running or time.monotonic() < until:
        while len(running) < 8 and time.monotonic() < until:
            argv, kill_after = _any_command(chance)
            child = system.start(*argv, environ=owner, stuck_after=0.5)
            running.append(child)
            if kill_after is not None:
                time.sleep(kill_after)
                _kill(child.pid)
        if chance.random() < 0.1:
            _kill_any_kernel(system, chance)
        done = running.pop(0).wait()
        codes[done.code] += 1
        if not _is_expected(done):
            unexpected.append(done)
    assert unexpected == []
    assert codes[0] > codes[-9] > 0


def _any_command(chance: random.Random) -> tuple[list[str], float | None]:
    name = f"any-{chance.randrange(5)}"
    kernels = chance.choice(["1", "1", "1", "2"])
    argv = chance.choice(
        [
            [
                "session",
                "create",
                "python",
                "-o",
                "json",
                "--name",
                name,
                "--cluster-size",
                kernels,
            ],
            ["session", "create", "python", "-o", "json", "--name", name, "--no-wait"],
            ["session", "create", "python", "-o", "json", "--name", name, "--reuse"],
            ["session", "destroy", "-o", "json", name],
            ["session", "destroy", "-o", "json", name, "--forced"],
            ["session", "list", "-o", "json"],
            ["session", "show", "-o", "json", name],
            ["session", "exec", "-o", "json", name, "print(1)"],
            ["session", "rename", "-o", "json", name, f"any-{chance.randrange(5)}"],
            ["session", "update", "-o", "json", name, "--priority", str(chance.randrange(101))],
            ["session", "restart", "-o", "json", name],
            ["session", "check-status", "-o", "json", name],
            ["scheduler", "run", "-o", "json"],
        ]
    )
    return argv, chance.uniform(0.0, 0.3) if chance.random() < 0.15 else None


def _is_expected(done: Done) -> bool:
    """Killed, done, or refused; what runs in a session ended meanwhile may end anyhow."""
    if done.code in {0, 3, 5, -signal.SIGKILL} or "session_read_conflict" in done.err:
        return True
    return done.argv[1] in {"exec", "restart"} and done.code in {1, 6, 137, 143}


def _kill_any_kernel(system: System, chance: random.Random) -> None:
    kernels = system.rows("SELECT id FROM kernels WHERE status = 'RUNNING'")
    if kernels:
        try:
            for pid in system.keepers(chance.choice(kernels)["id"]):
                _kill(pid)
        except KeyError:
            pass  # it has been removed meanwhile


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def check_consistent_after_list(system: System) -> None:
    """Once commands have had the chance to take up what killed ones left."""

    def is_settled() -> bool:
        system.run("session", "list", stuck_after=0).ok()
        return {"RUNNING", "TERMINATED", "CANCELLED"} >= set(system.statuses().values())

    system.until(is_settled)
    system.wait_for_hooks()
    check_consistent(system)
