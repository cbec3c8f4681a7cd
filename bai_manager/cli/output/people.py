"""Tables and key/value lists for people, with Rich; nothing in them is markup."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Generic, TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from bai_manager.cli.output.human import age_text, human_text, time_text
from bai_manager.cli.output.options import Format, OutputOptions
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.cli.output.columns import Column

T = TypeVar("T")

TABLE_LIMIT = 500
CELL_LIMIT = 120
NARROWEST = 4
GAP = "  "


class TableWriter(Generic[T]):
    """Collects rows up to the limit and lays them out at the end."""

    def __init__(
        self,
        options: OutputOptions,
        columns: Sequence[Column[T]],
        *,
        noun: str,
        total: int | None,
        has_filters: bool = True,
    ) -> None:
        self._options = options
        self._noun = noun
        self._total = total
        self._has_filters = has_filters
        self._narrow = options.chosen_format is Format.TABLE
        self._columns = [
            column
            for column in columns
            if not (self._narrow and column.wide and options.columns is None)
        ]
        self._now = options.clock()
        self._rows: list[list[Text]] = []
        self.full = False

    def write(self, row: T) -> None:
        if len(self._rows) == TABLE_LIMIT:
            self.full = True
            return
        self._rows.append([self._cell(column, row) for column in self._columns])

    def close(self) -> None:
        if self._rows:
            self._print()
        else:
            self._options.note(f"No {self._noun}.")
        self._tell_what_is_missing()

    def _cell(self, column: Column[T], row: T) -> Text:
        show = (self._narrow and column.short) or column.human or column.value
        text = human_text(show(row), self._now)
        limit = CELL_LIMIT if self._narrow else None
        return Text(printable(text, limit=limit), style=column.style_of(row))

    def _print(self) -> None:
        lines = self._rows
        if not self._options.no_header:
            header = [Text(printable(c.heading).upper(), style="bold") for c in self._columns]
            lines = [header, *lines]
        widths = [max(cell.cell_len for cell in cells) for cells in zip(*lines, strict=True)]
        if self._narrow and self._options.line_width is not None:
            available = self._options.line_width - len(GAP) * (len(widths) - 1)
            kept = [
                width if column.keep else 0
                for column, width in zip(self._columns, widths, strict=True)
            ]
            widths = fit(widths, available, kept)
        console = plain_console(self._options, self._options.stdout)
        for line in lines:
            console.print(self._line(line, widths), soft_wrap=True)
        self._options.stdout.flush()

    def _line(self, cells: Sequence[Text], widths: Sequence[int]) -> Text:
        placed = []
        for column, cell, width in zip(self._columns, cells, widths, strict=True):
            cell.truncate(width, overflow="ellipsis")
            cell.align(column.justify, width)
            placed.append(cell)
        line = Text(GAP).join(placed)
        line.rstrip()
        return line

    def _tell_what_is_missing(self) -> None:
        shown = len(self._rows)
        if self.full or (self._total is not None and self._total > shown > 0):
            known = f" of {self._total}" if self._total is not None else ""
            narrow = "Narrow with --filter, or take" if self._has_filters else "Take"
            self._options.note(
                f"Showing the first {shown}{known} {self._noun}. {narrow} all with -o tsv."
            )


def print_object(options: OutputOptions, obj: T, fields: Sequence[Column[T]]) -> None:
    """One line for each field, its title first; every value in full."""
    console = plain_console(options, options.stdout)
    width = max((len(field.heading) for field in fields), default=0)
    now = options.clock()
    for field in fields:
        label = Text(printable(field.heading).ljust(width), style="bold")
        value = Text(_full_text(field, obj, now, width + len(GAP)), style=field.style_of(obj))
        console.print(Text(GAP).join([label, value]), soft_wrap=True)
    options.stdout.flush()


def _full_text(field: Column[T], obj: T, now: datetime, indent: int) -> str:
    value = (field.human or field.value)(obj)
    if isinstance(value, datetime):
        return f"{time_text(value)} ({age_text(value, now)})"
    text = printable(human_text(value, now), multiline=True)
    return text.replace("\n", "\n" + " " * indent)


def fit(widths: Sequence[int], available: int, kept: Sequence[int] = ()) -> list[int]:
    """Narrow the widest columns, one cell at a time, until all fit or none can give more.

    Columns with a ``kept`` width give nothing until the others have given all.
    """
    fitted = list(widths)
    excess = sum(fitted) - available
    for floors in ([max(floor, NARROWEST) for floor in kept], [NARROWEST] * len(fitted)):
        while excess > 0:
            spare = [width - floor for width, floor in zip(fitted, floors, strict=False)]
            givers = [width if left > 0 else 0 for width, left in zip(fitted, spare, strict=False)]
            if not any(givers):
                break
            fitted[givers.index(max(givers))] -= 1
            excess -= 1
    return fitted


def plain_console(options: OutputOptions, stream: TextIO, width: int = 80) -> Console:
    """Make a console that takes nothing from the environment and reads no markup.

    ``width`` matters only to what fills the line, such as a progress bar.
    """
    return Console(
        file=stream,
        color_system="standard" if options.wants_color(stream) else None,
        force_terminal=True,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
