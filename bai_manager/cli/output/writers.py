"""Rows one at a time into the formats that programs read: whole lines, flat memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TextIO, TypeVar

from bai_manager.cli.output import encode
from bai_manager.cli.output.options import Format, OutputOptions
from bai_manager.types.jsonable import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bai_manager.cli.output.columns import Column
    from bai_manager.types.json import JsonValue

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class RowWriter(Protocol[T_contra]):
    """Takes rows one at a time; ``full`` says that further ones would not be shown."""

    @property
    def full(self) -> bool: ...

    def write(self, row: T_contra) -> None: ...

    def close(self) -> None: ...


def machine_writer(
    options: OutputOptions, columns: Sequence[Column[T]], name: Callable[[T], str]
) -> RowWriter[T]:
    """Make the writer of a machine format; ``columns`` are those selected."""
    out = options.stdout

    def to_json(row: T) -> JsonValue:
        return row_json(row, columns if options.columns is not None else None)

    match options.chosen_format:
        case Format.JSON:
            return JsonArray(out, to_json)
        case Format.JSONL:
            return Lines(out, lambda row: encode.json_text(to_json(row)) + "\n")
        case Format.YAML:
            return Lines(out, lambda row: encode.yaml_text([to_json(row)]), empty="[]\n")
        case Format.NAME:
            return Lines(out, lambda row: encode.name_line([name(row)]))
        case Format.CSV:
            line = encode.visible_csv_line if out.isatty() else encode.csv_line
        case _:
            line = encode.tsv_line
    header = "" if options.no_header else line([column.name for column in columns])
    values = [column.value for column in columns]
    return Lines(
        out, lambda row: line([encode.machine_text(value(row)) for value in values]), header=header
    )


def row_json(row: T, columns: Sequence[Column[T]] | None) -> JsonValue:
    """Give a row as JSON: the whole object, or the columns that were asked for."""
    if columns is None:
        return to_jsonable(row)
    return {column.name: to_jsonable(column.value(row)) for column in columns}


class Lines(Generic[T]):
    """A line (or more) for each row; ``header`` before them, ``empty`` when there is none.

    Each row is flushed, so that a reader sees it at once and never a part of a line. Nothing is
    written before the first row or the end, so an error before that leaves no output.
    """

    full = False

    def __init__(
        self, stdout: TextIO, line: Callable[[T], str], *, header: str = "", empty: str = ""
    ) -> None:
        self._stdout = stdout
        self._line = line
        self._header = header
        self._empty = empty

    def write(self, row: T) -> None:
        self._stdout.write(self._header + self._line(row))
        self._stdout.flush()
        self._header = self._empty = ""

    def close(self) -> None:
        self._stdout.write(self._header + self._empty)
        self._stdout.flush()


class JsonArray(Generic[T]):
    """``[`` rows ``]``, one row a line.

    The closing bracket is written only at the end: an array that was cut by an error cannot be
    mistaken for a whole one.
    """

    full = False

    def __init__(self, stdout: TextIO, to_json: Callable[[T], JsonValue]) -> None:
        self._stdout = stdout
        self._to_json = to_json
        self._before = "[\n  "
        self._after = "[]\n"

    def write(self, row: T) -> None:
        self._stdout.write(self._before + encode.json_text(self._to_json(row)))
        self._stdout.flush()
        self._before = ",\n  "
        self._after = "\n]\n"

    def close(self) -> None:
        self._stdout.write(self._after)
        self._stdout.flush()
