"""What of a row is shown, for people and for programs."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from bai_manager.cli.output.human import human_text, status_style
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.errors import UnknownField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from bai_manager.types.resource_slot import ResourceSlot

T = TypeVar("T")

SHORT_ID = 8


class UnknownColumn(UnknownField):
    """``--columns`` names a column that the rows do not have."""

    def __init__(self, given: str, known: Iterable[str]) -> None:
        super().__init__(given, "column", known)


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One value of a row.

    ``name`` is the key for ``--columns`` and the header of csv and tsv. ``value`` is what machine
    formats get, in full. ``human`` is how a person sees it (default: ``value``, with times as
    ages), ``short`` how it looks in a ``table`` that must be narrow (default: as ``human``).
    ``wide`` columns are left out of ``table`` only; ``keep`` ones are cut last when it is narrow.
    ``style`` is a Rich style, or computes one.
    """

    name: str
    value: Callable[[T], object]
    _: KW_ONLY
    title: str = ""
    human: Callable[[T], object] | None = None
    short: Callable[[T], object] | None = None
    style: str | Callable[[T], str] = ""
    justify: Literal["left", "right"] = "left"
    wide: bool = False
    keep: bool = False

    @property
    def heading(self) -> str:
        return self.title or self.name.replace("_", " ").capitalize()

    def style_of(self, row: T) -> str:
        return self.style if isinstance(self.style, str) else self.style(row)


def id_column(
    name: str, value: Callable[[T], object], *, title: str = "", wide: bool = False
) -> Column[T]:
    """Show an id: its first 8 characters in a table (a unique prefix selects), else in full."""
    return Column(
        name,
        value,
        title=title or name.replace("id", "ID").replace("_", " "),
        short=lambda row: human_text(value(row))[:SHORT_ID],
        wide=wide,
        keep=True,
    )


def time_column(
    name: str, value: Callable[[T], datetime | None], *, title: str = "", wide: bool = False
) -> Column[T]:
    """Show a time: an age for people, RFC 3339 UTC for programs."""
    words = name.removesuffix("_at").replace("_", " ").capitalize()
    return Column(name, value, title=title or words, wide=wide)


def size_column(
    name: str, value: Callable[[T], int | None], *, title: str = "", wide: bool = False
) -> Column[T]:
    """Show bytes: ``1.5 GiB`` for people, an integer for programs."""

    def human(row: T) -> str | None:
        size = value(row)
        return None if size is None else str(BinarySize(size))

    return Column(name, value, title=title, human=human, justify="right", wide=wide)


def slots_column(
    name: str,
    value: Callable[[T], ResourceSlot | None],
    *,
    title: str = "",
    wide: bool = False,
) -> Column[T]:
    """Show resource slots: ``cpu=2 mem=4g`` for people, decimal strings by name for programs."""

    def human(row: T) -> str | None:
        slots = value(row)
        return str(slots) if slots else None

    return Column(name, value, title=title, human=human, wide=wide)


def status_column(
    name: str, value: Callable[[T], object], *, title: str = "", wide: bool = False
) -> Column[T]:
    """Show a status: its word, always, and a colour that repeats what the word says."""
    return Column(
        name,
        value,
        title=title,
        style=lambda row: status_style(human_text(value(row))),
        wide=wide,
        keep=True,
    )


def select_columns(
    columns: Sequence[Column[T]], names: Sequence[str] | None
) -> tuple[Column[T], ...]:
    """Pick the columns named, in that order; all of them for None.

    Raises UnknownColumn.
    """
    if names is None:
        return tuple(columns)
    by_name = {column.name: column for column in columns}
    for name in names:
        if name not in by_name:
            raise UnknownColumn(name, by_name)
    return tuple(by_name[name] for name in names)
