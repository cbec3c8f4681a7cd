"""``--watch``: the same result again and again, or what changed in it."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.cli.output.encode import json_text
from bai_manager.cli.output.human import time_text
from bai_manager.cli.output.options import Format, OutputOptions, terminal_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Never

    from bai_manager.types.json import JsonValue

_CLEAR = "\x1b[2J"
_HOME = "\x1b[H"
_REST_OF_LINE = "\x1b[K"
_REST_OF_SCREEN = "\x1b[J"
_WRAP_OFF = "\x1b[?7l"
_WRAP_ON = "\x1b[?7h"


class _Frame(io.StringIO):
    """One rendering in memory that is formatted for the stream it will go to."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


async def run_watch(
    options: OutputOptions,
    render: Callable[[OutputOptions], Awaitable[None]],
    interval: float,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Never:
    """Render every ``interval`` seconds until cancelled; errors of ``render`` end it.

    On a terminal the screen is redrawn, elsewhere the result is printed again. With jsonl only
    changes are printed, one a line: ``{"change": "added" | "changed" | "removed", "object": …}``,
    where rows are told apart by their ``id``, else their ``name``, else the whole row.
    """
    if options.chosen_format is Format.JSONL:
        await _stream_changes(options, render, interval, sleep)
    is_terminal = options.stdout.isatty()
    if is_terminal:
        options.stdout.write(_CLEAR)
    while True:
        text = await _rendered(options, render)
        options.stdout.write(_screen(options, text, interval) if is_terminal else text)
        options.stdout.flush()
        await sleep(interval)


async def _stream_changes(
    options: OutputOptions,
    render: Callable[[OutputOptions], Awaitable[None]],
    interval: float,
    sleep: Callable[[float], Awaitable[object]],
) -> Never:
    before: dict[str, str] = {}
    while True:
        text = await _rendered(options, render)
        now = {_identity(line): line for line in text.splitlines()}
        for change, line in changes(before, now):
            row: JsonValue = json.loads(line)
            options.stdout.write(json_text({"change": change, "object": row}) + "\n")
        options.stdout.flush()
        before = now
        await sleep(interval)


def changes(before: dict[str, str], now: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Compare two results, each a row by its identity; a removed row as it last was."""
    for key, line in now.items():
        if key not in before:
            yield "added", line
        elif before[key] != line:
            yield "changed", line
    for key, line in before.items():
        if key not in now:
            yield "removed", line


def _identity(line: str) -> str:
    row = json.loads(line)
    if isinstance(row, dict):
        for key in ("id", "name"):
            if key in row:
                return json.dumps(row[key])
    return line


async def _rendered(
    options: OutputOptions, render: Callable[[OutputOptions], Awaitable[None]]
) -> str:
    frame = _Frame(is_terminal=options.stdout.isatty())
    notes = frame if frame.isatty() and options.chosen_format is not Format.JSONL else None
    await render(
        replace(options, stdout=frame, stderr=notes or options.stderr, width=options.line_width)
    )
    return frame.getvalue()


def _screen(options: OutputOptions, text: str, interval: float) -> str:
    """Draw over the last frame without flicker; what does not fit below is counted."""
    room = terminal_size(options.stdout).lines - 2
    lines = text.splitlines()
    if len(lines) > room:
        hidden = len(lines) - room + 1
        lines = [*lines[: room - 1], f"… {hidden} more lines"]
    head = f"Every {interval:g}s, last {time_text(options.clock())}"
    drawn = "".join(f"{line}{_REST_OF_LINE}\n" for line in [head, *lines])
    return f"{_WRAP_OFF}{_HOME}{drawn}{_REST_OF_SCREEN}{_WRAP_ON}"
