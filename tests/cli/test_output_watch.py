"""``--watch``: drawing again, printing again, streaming changes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.output.options import ColorMode, Format
from bai_manager.cli.output.watch import run_watch
from tests.cli.output_samples import MANUAL, TRAIN, Job, listed, on_terminal, piped, said, written

if TYPE_CHECKING:
    from bai_manager.cli.output.options import OutputOptions

LATER = replace(TRAIN, status="TERMINATED")


class EnoughError(Exception):
    """Ends a watch where a person would press Ctrl-C."""


async def watch(options: OutputOptions, *frames: list[Job]) -> list[float]:
    """Watch until the frames are used up; returns how long it slept in between."""
    left = list(frames)
    naps: list[float] = []

    async def render(output: OutputOptions) -> None:
        listed(output, left.pop(0))

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if not left:
            raise EnoughError

    with pytest.raises(EnoughError):
        await run_watch(options, render, 2, sleep=sleep)
    return naps


async def test_a_pipe_gets_the_list_again_and_again() -> None:
    options = piped(Format.NAME)
    assert await watch(options, [TRAIN], [TRAIN, MANUAL]) == [2, 2]
    assert written(options) == "train\ntrain\n수동\n"


async def test_a_terminal_is_drawn_over() -> None:
    options = on_terminal(Format.NAME)
    await watch(options, [TRAIN], [MANUAL])
    first, second = written(options).removeprefix("\x1b[2J").split("\x1b[?7l")[1:]
    head = "\x1b[HEvery 2s, last 2026-01-31T12:00:00Z\x1b[K\n"
    assert first == f"{head}train\x1b[K\n\x1b[J\x1b[?7h"
    assert second == f"{head}수동\x1b[K\n\x1b[J\x1b[?7h"


async def test_a_terminal_still_gets_its_table_its_width_and_its_colours() -> None:
    options = on_terminal(width=45, color=ColorMode.ALWAYS)
    await watch(options, [replace(TRAIN, name="a-long-name-of-some-session")])
    assert "\x1b[32mRUNNING\x1b[0m" in written(options)
    assert "  a-long-…  " in written(options)


async def test_what_does_not_fit_on_the_screen_is_counted() -> None:
    options = on_terminal(Format.NAME)
    await watch(options, [TRAIN] * 100)
    drawn = written(options)
    assert drawn.count("train") == 21
    assert "… 79 more lines\x1b[K\n" in drawn
    assert drawn.count("\n") == 23


async def test_notes_are_drawn_with_the_rest() -> None:
    options = on_terminal(Format.TABLE)
    await watch(options, [])
    assert "No jobs.\x1b[K" in written(options)
    assert said(options) == ""


async def test_csv_on_a_watched_terminal_is_harmless() -> None:
    options = on_terminal(Format.CSV)
    await watch(options, [replace(TRAIN, name="\x1b]0;t\x07")])
    assert "\\x1b]0;t\\x07" in written(options)


async def test_jsonl_streams_what_changed() -> None:
    options = piped(Format.JSONL)
    await watch(options, [TRAIN], [TRAIN], [LATER, MANUAL], [MANUAL])
    changes = [json.loads(line) for line in written(options).splitlines()]
    assert [
        (change["change"], change["object"]["name"], change["object"]["status"])
        for change in changes
    ] == [
        ("added", "train", "RUNNING"),
        ("changed", "train", "TERMINATED"),
        ("added", "수동", "ERROR"),
        ("removed", "train", "TERMINATED"),
    ]


async def test_jsonl_streams_changes_to_a_terminal_too() -> None:
    options = on_terminal(Format.JSONL)
    await watch(options, [TRAIN])
    assert written(options).startswith('{"change": "added", "object": {"id": ')


@pytest.mark.parametrize(
    ("columns", "changes"),
    [
        (("id", "status"), ["added", "changed"]),
        (("name", "status"), ["added", "changed"]),
        (("status",), ["added", "added", "removed"]),
    ],
)
async def test_rows_are_told_apart_by_id_else_name_else_as_a_whole(
    columns: tuple[str, ...], changes: list[str]
) -> None:
    options = piped(Format.JSONL, *columns)
    await watch(options, [TRAIN], [LATER])
    assert [json.loads(line)["change"] for line in written(options).splitlines()] == changes


async def test_an_error_ends_the_watch() -> None:
    async def render(_output: OutputOptions) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_watch(piped(), render, 2)
