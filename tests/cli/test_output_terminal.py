"""Notes, warnings, questions and progress on stderr."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from dataclasses import replace

import pytest

from bai_manager.cli.output.options import ColorMode, terminal_size
from bai_manager.cli.output.terminal import (
    ConfirmationRequired,
    Declined,
    Terminal,
    WrongConfirmation,
)
from bai_manager.errors import ExitCode
from tests.cli.output_samples import Stream, on_terminal, piped, said, written


def answering(answer: str, *, tty: bool = True) -> Stream:
    stream = Stream(tty=tty)
    stream.write(answer)
    stream.seek(0)
    return stream


def test_notes_and_warnings_go_to_stderr_and_are_not_obeyed() -> None:
    options = piped()
    terminal = Terminal(options, answering(""))
    terminal.note("3 folders\x1b[2J")
    terminal.warn("[b]old\u202e")
    assert said(options) == "3 folders\\x1b[2J\nwarning: [b]old\\u202e\n"
    assert written(options) == ""


def test_quiet_keeps_warnings() -> None:
    options = replace(piped(), quiet=True)
    terminal = Terminal(options, answering(""))
    terminal.note("a note")
    terminal.warn("a warning")
    assert said(options) == "warning: a warning\n"


def test_a_warning_has_a_coloured_label() -> None:
    options = on_terminal(color=ColorMode.ALWAYS)
    Terminal(options, answering("")).warn("text")
    assert said(options) == "\x1b[1;33mwarning:\x1b[0m text\n"


@pytest.mark.parametrize("answer", ["y\n", "Y\n", " yes \n", "YES"])
def test_yes_goes_ahead(answer: str) -> None:
    options = on_terminal()
    Terminal(options, answering(answer)).confirm("Destroy 3 sessions?")
    assert said(options) == "Destroy 3 sessions? [y/N] "


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "maybe\n", "yess\n"])
def test_anything_else_declines(answer: str) -> None:
    with pytest.raises(Declined) as caught:
        Terminal(on_terminal(), answering(answer)).confirm("Sure?")
    assert caught.value.exit_code is ExitCode.FAILURE


def test_the_yes_flag_asks_nothing() -> None:
    options = piped()
    Terminal(options, answering("", tty=False)).confirm("Sure?", yes=True)
    assert said(options) == ""


@pytest.mark.parametrize("tty_of", ["stdin", "stderr", "neither"])
def test_where_nobody_can_be_asked_the_flag_is_named(tty_of: str) -> None:
    options = on_terminal() if tty_of == "stderr" else piped()
    terminal = Terminal(options, answering("y\n", tty=tty_of == "stdin"))
    with pytest.raises(ConfirmationRequired) as caught:
        terminal.confirm("Destroy 3 sessions?")
    assert caught.value.exit_code is ExitCode.USAGE
    assert "Destroy 3 sessions?" in caught.value.message
    assert "--yes" in (caught.value.hint or "")
    assert said(options) == ""


def test_a_typed_name_confirms() -> None:
    options = on_terminal()
    Terminal(options, answering("data\n")).confirm_name("Purge data with 7 files?", "data")
    assert said(options) == "Purge data with 7 files?\nType data to confirm: "


@pytest.mark.parametrize("answer", ["Data\n", " data\n", "dat", "yes\n", "\n", ""])
def test_another_name_does_not(answer: str) -> None:
    with pytest.raises(WrongConfirmation):
        Terminal(on_terminal(), answering(answer)).confirm_name("Purge?", "data")


def test_the_name_may_be_given_as_a_flag() -> None:
    options = piped()
    terminal = Terminal(options, answering("", tty=False))
    terminal.confirm_name("Purge?", "data", given="data")
    with pytest.raises(WrongConfirmation) as caught:
        terminal.confirm_name("Purge?", "data", given="other")
    assert caught.value.exit_code is ExitCode.USAGE
    assert said(options) == ""


def test_where_no_name_can_be_typed_the_flag_is_named() -> None:
    with pytest.raises(ConfirmationRequired) as caught:
        Terminal(piped(), answering("data\n", tty=False)).confirm_name("Purge?", "data")
    assert '--confirm "data"' in (caught.value.hint or "")


def test_a_name_in_a_question_is_not_obeyed() -> None:
    options = on_terminal()
    name = "\x1b[2J\n"
    with pytest.raises(WrongConfirmation):
        Terminal(options, answering("x\n")).confirm_name(f"Purge {name}?", name)
    assert "\x1b" not in said(options)


@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize("total", [None, 10])
def test_progress_is_drawn_on_a_terminal_and_gone_at_the_end(
    in_bytes: bool, total: float | None
) -> None:
    options = on_terminal()
    terminal = Terminal(options, answering(""))
    with terminal.progress("copy [b]x\x1b]0;t\x07", total, in_bytes=in_bytes) as progress:
        progress.advance(10)
        progress.describe("done \x9b")
    assert "copy [b]x\\x1b]0;t\\x07" in said(options)
    assert "done \\x9b" in said(options)
    assert not {"\x07", "\x9b"} & set(said(options))
    assert said(options).endswith("\x1b[2K")
    assert written(options) == ""


@pytest.mark.parametrize("tty", [False, True])
def test_progress_that_nobody_watches_is_not_drawn(tty: bool) -> None:
    options = replace(on_terminal(), quiet=True) if tty else piped()
    with Terminal(options, answering("")).progress("copy", 10) as progress:
        progress.advance()
        progress.describe("more")
    assert said(options) == ""


def test_the_size_is_that_of_the_terminal_behind_the_stream() -> None:
    main, secondary = os.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    with os.fdopen(main, "rb"), os.fdopen(secondary, "w") as stream:
        assert terminal_size(stream) == os.terminal_size((132, 50))


def test_a_stream_without_a_terminal_counts_as_80_by_24() -> None:
    assert terminal_size(Stream()) == os.terminal_size((80, 24))
