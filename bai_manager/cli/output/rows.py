"""Lists and single objects on stdout, in the format that was chosen."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from bai_manager.cli.output.columns import select_columns
from bai_manager.cli.output.encode import json_text, yaml_text
from bai_manager.cli.output.options import Format, OutputOptions
from bai_manager.cli.output.writers import RowWriter, machine_writer, row_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence

    from bai_manager.cli.output.columns import Column
    from bai_manager.types.json import JsonObject, JsonValue

T = TypeVar("T")

DRY_RUN_NOTE = "dry run: nothing was changed"


def emit_rows(
    options: OutputOptions,
    columns: Sequence[Column[T]],
    rows: Iterable[T],
    *,
    name: Callable[[T], str],
    noun: str = "rows",
    total: int | None = None,
) -> None:
    """Write rows as they come; machine formats keep none of them.

    ``name`` is what selects the row in another command (``-o name``), ``noun`` its plural, and
    ``total`` the number of rows there are, when ``rows`` may be fewer. Raises UnknownColumn
    before the first row is taken.
    """
    writer = row_writer(options, columns, name=name, noun=noun, total=total)
    for row in rows:
        writer.write(row)
        if writer.full:
            break
    writer.close()
    mark_dry_run(options)


async def emit_stream(
    options: OutputOptions,
    columns: Sequence[Column[T]],
    rows: AsyncIterable[T],
    *,
    name: Callable[[T], str],
    noun: str = "rows",
    total: int | None = None,
) -> None:
    """As ``emit_rows``, from what reads as it goes; a generator is closed in any case."""
    async with _closed_at_end(rows):
        writer = row_writer(options, columns, name=name, noun=noun, total=total)
        async for row in rows:
            writer.write(row)
            if writer.full:
                break
    writer.close()
    mark_dry_run(options)


@asynccontextmanager
async def _closed_at_end(rows: AsyncIterable[T]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if isinstance(rows, AsyncGenerator):
            await rows.aclose()


def emit_object(
    options: OutputOptions, obj: T, fields: Sequence[Column[T]], *, name: Callable[[T], str]
) -> None:
    """Write one object: a list of titles and values for people, an object for programs.

    A dry run is marked in the object itself where the format has a place for it.
    """
    chosen = select_columns(fields, options.columns)
    if options.chosen_format.is_human:
        from bai_manager.cli.output.people import print_object  # noqa: PLC0415 - imports Rich

        print_object(options, obj, chosen)
    elif options.chosen_format in _OBJECT_FORMATS:
        value = row_json(obj, None if options.columns is None else chosen)
        options.stdout.write(_object_text(options, value))
        options.stdout.flush()
        return
    else:
        writer = machine_writer(options, chosen, name)
        writer.write(obj)
        writer.close()
    mark_dry_run(options)


def row_writer(
    options: OutputOptions,
    columns: Sequence[Column[T]],
    *,
    name: Callable[[T], str],
    noun: str = "rows",
    total: int | None = None,
    has_filters: bool = True,
) -> RowWriter[T]:
    """Where rows go that come one at a time; the caller closes it. Raises UnknownColumn.

    ``has_filters`` is whether the command has ``--filter``, to be told where rows are left out.
    """
    chosen = select_columns(columns, options.columns)
    if not options.chosen_format.is_human:
        return machine_writer(options, chosen, name)
    from bai_manager.cli.output.people import TableWriter  # noqa: PLC0415 - imports Rich

    return TableWriter(options, chosen, noun=noun, total=total, has_filters=has_filters)


def mark_dry_run(options: OutputOptions) -> None:
    """Say on stderr, even with ``--quiet``, that the results above did not happen."""
    if options.dry_run:
        options.stderr.write(f"{DRY_RUN_NOTE}\n")
        options.stderr.flush()


_OBJECT_FORMATS = frozenset({Format.JSON, Format.JSONL, Format.YAML})


def _object_text(options: OutputOptions, value: JsonValue) -> str:
    if options.dry_run:
        value = _marked(value)
    match options.chosen_format:
        case Format.YAML:
            return yaml_text(value)
        case Format.JSONL:
            return json_text(value) + "\n"
        case _:
            return json_text(value, indent=2) + "\n"


def _marked(value: JsonValue) -> JsonObject:
    return {**(value if isinstance(value, dict) else {"result": value}), "dry_run": True}
