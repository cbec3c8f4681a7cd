"""Errors on stderr, for people and for programs."""

from __future__ import annotations

import json

import pytest

from bai_manager.cli.output.errors import emit_error
from bai_manager.cli.output.options import ColorMode
from bai_manager.errors import BackendAIError, NotFound
from tests.cli.output_samples import Stream

NO_ENVIRONMENT: dict[str, str] = {}


def emitted(
    error: BackendAIError,
    *,
    as_json: bool = False,
    color: ColorMode = ColorMode.NEVER,
    tty: bool = False,
) -> str:
    stderr = Stream(tty=tty)
    emit_error(stderr, error, as_json=as_json, color=color, environ=NO_ENVIRONMENT)
    return stderr.getvalue()


def test_a_person_reads_what_happened_and_what_to_do() -> None:
    assert emitted(NotFound("There is no session train.", hint="List them.")) == (
        "error: There is no session train.\nhint: List them.\n"
    )


def test_without_a_hint_there_is_one_line() -> None:
    assert emitted(NotFound("No such thing.")) == "error: No such thing.\n"


def test_further_lines_are_indented_so_that_none_can_pass_for_a_hint() -> None:
    assert emitted(NotFound("one\nhint: run this\n")) == "error: one\n  hint: run this\n"


def test_a_program_reads_one_line_of_json() -> None:
    error = NotFound("No [b]such\nthing.", hint="Look.", details={"name": "x", "seen": [1, None]})
    text = emitted(error, as_json=True)
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "error": {
            "code": "backendai_read_not-found",
            "message": "No [b]such\nthing.",
            "hint": "Look.",
            "details": {"name": "x", "seen": [1, None]},
        }
    }


def test_the_keys_are_always_there() -> None:
    error = json.loads(emitted(NotFound("x"), as_json=True))["error"]
    assert error == {
        "code": "backendai_read_not-found",
        "message": "x",
        "hint": None,
        "details": {},
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_in_a_message_is_obeyed(as_json: bool) -> None:
    text = emitted(NotFound("\x1b]0;x\x07\u202e", hint="\x9b2J"), as_json=as_json)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


def test_colour_is_for_the_labels_only() -> None:
    text = emitted(NotFound("message", hint="do"), color=ColorMode.ALWAYS)
    assert text == "\x1b[1;31merror:\x1b[0m message\n\x1b[36mhint:\x1b[0m do\n"


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    assert "\x1b" in emitted(NotFound("x"), color=ColorMode.AUTO, tty=True)
    assert "\x1b" not in emitted(NotFound("x"), color=ColorMode.AUTO, tty=False)


def test_json_has_no_colour() -> None:
    assert "\x1b" not in emitted(NotFound("x"), as_json=True, color=ColorMode.ALWAYS)
