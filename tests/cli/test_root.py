"""How a command line ends: understood or not, well or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest
import typer

from bai_manager import __version__
from bai_manager.cli import root
from bai_manager.cli.nouns import NOUNS
from bai_manager.cli.runtime import Cli
from bai_manager.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cli.conftest import Ask, Cluster, Typed
    from tests.conftest import BaiHome, RunCli


def _broken(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command that looks at the configuration fail with ``error``."""

    def fail(_cli: Cli) -> NoReturn:
        raise error

    monkeypatch.setattr(Cli, "config", property(fail))


# Words that cannot be understood


@pytest.mark.parametrize("words", [[], ["session"], ["config"]], ids=str)
def test_without_a_command_the_help_is_shown_and_the_exit_is_usage(
    typed: Typed, words: list[str]
) -> None:
    done = typed(*words)
    assert done.code == ExitCode.USAGE
    assert " ".join(["Usage: bai-manager", *words]) in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["sesion", "list"], "No such command 'sesion'. Did you mean 'session'?", "bai-manager"),
        (["frobnicate"], "No such command 'frobnicate'.", "bai-manager"),
        (["session", "lst"], "No such command 'lst'. Did you mean", "bai-manager session"),
        (["session", "frobnicate"], "No such command 'frobnicate'.", "bai-manager session"),
        (["session", "list", "--bogus"], "No such option: --bogus", "bai-manager session list"),
        (["session", "list", "extra"], "unexpected extra argument", "bai-manager session list"),
        (["session", "show"], "Missing argument", "bai-manager session show"),
        (["session", "list", "-o"], "Option '-o' requires an argument.", "bai-manager"),
        (["session", "list", "--limit", "many"], "Invalid value", "bai-manager session list"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_make_no_sense_are_usage_errors_that_say_where_to_read(
    typed: Typed, words: list[str], message: str, hint: str
) -> None:
    done = typed(*words)
    assert done.code == ExitCode.USAGE
    assert done.out == ""
    assert done.err.startswith(f"error: {message}") or message in done.err
    assert done.err.endswith(f"hint: See: {hint} --help\n")


def test_a_hint_does_not_mistake_a_global_option_s_value_for_a_noun(typed: Typed) -> None:
    done = typed("-o", "json", "--profile", "local", "session", "list", "--bogus")
    assert json.loads(done.err)["error"]["hint"] == "See: bai-manager session list --help"


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_with_a_letter_missing_is_recognised(typed: Typed, noun: str) -> None:
    done = typed(f"{noun[0]}{noun[2:]}", "x")
    assert done.code == ExitCode.USAGE
    if len(noun) > 3:
        assert f"'{noun}'" in done.err


@pytest.mark.parametrize("words", [["session", "show"], ["frobnicate"], ["-o"]], ids=str)
def test_a_word_that_is_no_utf_8_is_a_usage_error(typed: Typed, words: list[str]) -> None:
    done = typed(*words, os.fsdecode(b"train-\xff"))
    assert done.code == ExitCode.USAGE
    assert done.err.startswith("error: 'train-\\udcff' is not UTF-8 text.")


# Errors as a program wants them


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "json", "session", "show", "nothing-such"],
        ["session", "show", "nothing-such", "-o", "json"],
        ["session", "show", "nothing-such", "-ojson"],
        ["session", "show", "nothing-such", "--output=json"],
        ["session", "show", "nothing-such", "-o", "jsonl"],
        ["session", "show", "nothing-such", "-o", "csv", "-o", "json"],
    ],
    ids=" ".join,
)
def test_with_json_an_error_is_one_object_on_stderr_and_stdout_is_empty(
    ask: Ask, words: list[str]
) -> None:
    done = ask("alice", *words)
    assert done.code == ExitCode.NOT_FOUND
    assert done.out == ""
    error = json.loads(done.err)["error"]
    assert set(error) == {"code", "message", "hint", "details"}
    assert error["code"] == "session_read_not-found"
    assert error["details"] == {"session": "nothing-such"}


@pytest.mark.parametrize(
    "words",
    [
        ["session", "show", "json"],
        ["session", "show", "nothing-such", "-o", "json", "-o", "table"],
        ["session", "exec", "nothing-such", "--", "-ojson"],
    ],
    ids=" ".join,
)
def test_json_is_for_who_asked_for_it(ask: Ask, words: list[str]) -> None:
    done = ask("alice", *words)
    assert done.code == ExitCode.NOT_FOUND
    assert done.err.startswith("error: No session ")


def test_an_error_is_coloured_where_that_was_asked_for(typed: Typed) -> None:
    assert typed("session", "--color", "always", "frobnicate").err.startswith("\x1b[")
    assert typed("session", "--color", "never", "frobnicate").err.startswith("error: ")


def test_a_format_that_is_none_is_a_usage_error(typed: Typed) -> None:
    done = typed("session", "list", "-o", "xml")
    assert done.code == ExitCode.USAGE
    assert "'xml' is not valid for --output" in done.err


# Defects and interruptions


def test_a_defect_is_a_message_without_a_traceback(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(monkeypatch, ValueError("odd"))
    done = typed("session", "list")
    assert done.code == ExitCode.FAILURE
    assert done.out == ""
    assert done.err == (
        "error: Internal error: ValueError: odd\n"
        "hint: This is a defect. Run the command again with --debug to see where.\n"
    )


def test_with_debug_the_traceback_is_shown_as_well(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(monkeypatch, ValueError("odd"))
    done = typed("session", "list", "--debug")
    assert done.code == ExitCode.FAILURE
    assert "Traceback (most recent call last):" in done.err
    assert "ValueError: odd" in done.err
    assert done.err.endswith("hint: This is a defect.\n")


def test_debug_behind_two_dashes_is_not_ours(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(monkeypatch, ValueError("odd"))
    assert "Traceback" not in typed("session", "run", "python", "--", "x", "--debug").err


def test_with_json_a_defect_is_an_object_too(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(monkeypatch, ValueError("odd"))
    error = json.loads(typed("session", "list", "-o", "json").err)["error"]
    assert error["code"] == "backendai_generic_internal-error"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()], ids=["ctrl-c", "prompt"])
def test_an_interruption_is_130_and_no_traceback(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    _broken(monkeypatch, error)
    done = typed("session", "list", "--debug")
    assert (done.code, done.out, done.err) == (ExitCode.INTERRUPTED, "", "Interrupted.\n")


def test_a_pipe_that_is_not_stdout_is_no_closed_pipe_of_ours(
    monkeypatch: pytest.MonkeyPatch, bai_home: BaiHome
) -> None:
    _broken(monkeypatch, BrokenPipeError())
    with pytest.raises(BrokenPipeError):
        root.run(["session", "list"])
    assert bai_home.path.is_dir()


def test_ctrl_c_ends_a_command_that_watches(bai_home: BaiHome, cluster: Cluster) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "bai_manager", "session", "list", "--watch", "60", "-o", "jsonl"],
        env={**bai_home.environment, **cluster.environ("alice")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith("{")
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    assert watching.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in err


def _unread(bai_home: BaiHome, words: Sequence[str], **environ: str) -> tuple[int, str]:
    """Run a command whose output nobody reads: its exit and what it says on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody_reads:
        done = subprocess.run(
            [sys.executable, "-m", "bai_manager", *words],
            env={**bai_home.environment, **environ},
            stdin=subprocess.DEVNULL,
            stdout=nobody_reads,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["session", "--help"], ["--version"], ["help", "formats"]], ids=" ".join
)
def test_output_that_nobody_reads_ends_in_silence(bai_home: BaiHome, words: list[str]) -> None:
    assert _unread(bai_home, words) == (ExitCode.CLOSED_PIPE, "")


def test_a_list_that_nobody_reads_ends_in_silence(bai_home: BaiHome, cluster: Cluster) -> None:
    environ = cluster.environ("alice")
    assert _unread(bai_home, ["session", "list"], **environ) == (ExitCode.CLOSED_PIPE, "")


# What is asked for and given


def test_the_version_is_printed(run_cli: RunCli) -> None:
    done = run_cli("--version")
    assert (done.returncode, done.stdout) == (0, f"bai-manager {__version__}\n")


def test_help_lists_every_noun_with_what_it_is_for(typed: Typed) -> None:
    done = typed("--help")
    assert done.code == ExitCode.OK
    for name, noun in NOUNS.items():
        assert name in done.out
        assert noun.help[:20] in done.out


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_help(typed: Typed, noun: str) -> None:
    for option in ("--help", "-h"):
        done = typed(noun, option)
        assert (done.code, done.err) == (ExitCode.OK, "")
        assert f"Usage: bai-manager {noun}" in done.out


def test_the_exit_code_of_a_process_is_that_of_its_command(run_cli: RunCli) -> None:
    done = run_cli("session", "frobnicate")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
