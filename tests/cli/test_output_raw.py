"""Logs and console output of kernels."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.output.raw import RawWriter, write_raw
from tests.cli.output_samples import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = (
    "\x1b[1;32mgreen\x1b[0m 한글\tx\r\n\x1b]0;title\x07\x1b[2J\x9b5n\b\u202e \x1b(0 \x1b[31\x1b[0m"
).encode()
SHOWN = (
    "\x1b[1;32mgreen\x1b[0m 한글\tx\n"
    "\\x1b]0;title\\x07\\x1b[2J\\x9b5n\\x08\\u202e \\x1b(0 \\x1b[31\x1b[0m"
)


def on_screen(*chunks: bytes, color: bool = True) -> str:
    stream = Stream(tty=True)
    with RawWriter(stream, is_terminal=True, color=color) as writer:
        for chunk in chunks:
            writer.write(chunk)
    return stream.getvalue()


def test_a_pipe_gets_every_byte() -> None:
    everything = bytes(range(256)) + LOG
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    stream.write("before ")
    write_raw(stream, everything, is_terminal=False)
    assert raw.getvalue() == b"before " + everything


def test_a_terminal_gets_colours_lines_and_tabs_and_sees_the_rest() -> None:
    assert on_screen(LOG) == SHOWN + "\x1b[0m"


def test_without_colour_the_sequences_are_dropped() -> None:
    assert on_screen(b"\x1b[31mred\x1b[0m\n", color=False) == "red\n"


def test_text_without_colour_is_not_followed_by_a_reset() -> None:
    assert on_screen(b"plain\n") == "plain\n"


def test_a_colour_that_was_left_on_ends_with_the_output() -> None:
    assert on_screen(b"\x1b[31mred") == "\x1b[31mred\x1b[0m"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_may_end_anywhere(size: int) -> None:
    cuts = [*range(0, len(LOG), size), len(LOG)]
    assert on_screen(*(LOG[start:end] for start, end in pairwise(cuts))) == on_screen(LOG)


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([b"\xff\xfe"], "\\xff\\xfe"),
        ([b"\xed\x95"], "\\xed\\x95"),
        ([b"end\x1b"], "end\\x1b"),
        ([b"end\x1b["], "end\\x1b["),
        ([b"a\r", b"b"], "a\\rb"),
        ([b"a\r", b"\nb"], "a\nb"),
        ([b"\x1b[", b"2J"], "\\x1b[2J"),
        ([b"\x1b[" + b"1" * 1000, b"m"], "\\x1b[" + "1" * 1000 + "m"),
    ],
)
def test_broken_and_unfinished_sequences_are_shown(chunks: Sequence[bytes], shown: str) -> None:
    assert on_screen(*chunks) == shown


def test_output_appears_as_it_comes() -> None:
    stream = Stream(tty=True)
    writer = RawWriter(stream, is_terminal=True)
    writer.write(b"10 %\x1b[3")
    assert stream.getvalue() == "10 %"
    writer.write(b"1mred")
    assert stream.getvalue() == "10 %\x1b[31mred"
