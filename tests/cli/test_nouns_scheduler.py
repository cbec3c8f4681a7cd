"""``bai-manager scheduler``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ask, Home, Typed


def test_a_pass_counts_the_sessions_that_live(typed: Typed, initialised_home: Home) -> None:
    for words in (("scheduler", "run"), ("scheduler", "run", "--once")):
        done = typed(*words, "-o", "json", env=initialised_home.environ)
        assert (done.code, json.loads(done.out)) == (0, {"sessions": {}})


def test_a_person_and_a_pipe_are_told_as_well(typed: Typed, initialised_home: Home) -> None:
    table = typed("scheduler", "run", "-o", "table", env=initialised_home.environ)
    piped = typed("scheduler", "run", env=initialised_home.environ)
    assert table.out.split(maxsplit=1) == ["Sessions", "no session\n"]
    assert piped.out == "sessions\n{}\n"


def test_once_and_an_interval_exclude_each_other(typed: Typed, initialised_home: Home) -> None:
    words = ("scheduler", "run", "--once", "--interval", "1")
    assert typed(*words, env=initialised_home.environ).code == 2


@pytest.mark.parametrize("interval", ["0", "-1", "soon"])
def test_an_interval_is_a_positive_number(typed: Typed, interval: str) -> None:
    assert typed("scheduler", "run", "--interval", interval).code == 2


def test_a_cluster_schedules_its_own_sessions(ask: Ask) -> None:
    done = ask("root", "scheduler", "run")
    assert (done.code, done.out) == (78, "")
    assert "manager" in done.err


@pytest.mark.parametrize(("form", "first"), [("jsonl", '{"time": "'), ("table", "20")])
def test_passes_are_repeated_until_interrupted_and_only_changes_are_told(
    initialised_home: Home, form: str, first: str
) -> None:
    command = [sys.executable, "-m", "bai_manager", "scheduler", "run", "--interval", "0.05"]
    with subprocess.Popen(
        [*command, "-o", form, "--trace"],
        env={**os.environ, **initialised_home.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        for _ in range(6):  # two lines a pass
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert line.startswith(first)
    assert out == ""
    assert err.endswith("Interrupted.\n")
    assert process.returncode == 130
