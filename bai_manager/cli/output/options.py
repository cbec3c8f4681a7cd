"""What the caller chose about output, and where it goes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from bai_manager.types.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.clock import Clock


class Format(StrEnum):
    """The values of ``-o``; ``table`` and ``wide`` are for people, the others for programs."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    CSV = "csv"
    TSV = "tsv"
    NAME = "name"

    @property
    def is_structured(self) -> bool:
        """Whether stdout holds encoded values or nothing, so that raw text has no place there."""
        return self in {Format.JSON, Format.JSONL, Format.YAML}

    @property
    def is_human(self) -> bool:
        return self in {Format.TABLE, Format.WIDE}


class ColorMode(StrEnum):
    """The values of ``--color``."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def wants_color(stream: TextIO, mode: ColorMode, environ: Mapping[str, str]) -> bool:
    """Whether ``stream`` gets colours.

    ``--color`` wins over ``NO_COLOR``, that over ``CLICOLOR_FORCE``, that over ``TERM=dumb`` and
    the question whether the stream is a terminal.
    """
    if mode is not ColorMode.AUTO:
        return mode is ColorMode.ALWAYS
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputOptions:
    """The global options about output; streams, environment and clock are given for exact tests.

    ``format`` None means a table on a terminal and tsv with a header in a pipe. ``quiet`` drops
    notes and progress, never results, warnings or errors. ``width`` overrides the width of the
    terminal.
    """

    stdout: TextIO
    stderr: TextIO
    format: Format | None = None
    color: ColorMode = ColorMode.AUTO
    columns: tuple[str, ...] | None = None
    no_header: bool = False
    quiet: bool = False
    dry_run: bool = False
    width: int | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = system_clock

    @property
    def chosen_format(self) -> Format:
        if self.format is not None:
            return self.format
        return Format.TABLE if self.stdout.isatty() else Format.TSV

    def wants_color(self, stream: TextIO) -> bool:
        return wants_color(stream, self.color, self.environ)

    @property
    def line_width(self) -> int | None:
        """Cells that fit on a line of stdout; None outside a terminal, where nothing is cut."""
        if self.width is not None:
            return self.width
        if not self.stdout.isatty():
            return None
        return terminal_size(self.stdout).columns

    def note(self, text: str) -> None:
        """Remark on stderr, unless ``--quiet``; the text is already safe to show."""
        if not self.quiet:
            self.stdout.flush()
            self.stderr.write(f"{text}\n")
            self.stderr.flush()


def terminal_size(stream: TextIO) -> os.terminal_size:
    """Columns and lines of the terminal behind ``stream``; 80 by 24 when it does not say."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return os.terminal_size((80, 24))
    return os.terminal_size((size.columns or 80, size.lines or 24))
