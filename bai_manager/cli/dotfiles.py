"""What the dotfile commands of key pairs and projects have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object, emit_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bai_manager.cli.runtime import Cli
    from bai_manager.types.dotfiles import Dotfile

PathArgument = Annotated[str, typer.Argument(help="Below the home folder: .vimrc.")]
FileOption = Annotated[
    typer.FileText, typer.Option("--file", help="File with the content, or '-'.")
]
PermissionOption = Annotated[
    str | None, typer.Option("--permission", help="Three octal digits: 644.")
]
DEFAULT_PERMISSION = "644"


@dataclass(frozen=True, kw_only=True, slots=True)
class DotfileRow:
    """A dotfile without its content; ``size`` in characters."""

    path: str
    permission: str
    size: int


LIST_COLUMNS: tuple[Column[DotfileRow], ...] = (
    Column("path", lambda row: row.path),
    Column("permission", lambda row: row.permission),
    Column("size", lambda row: row.size, justify="right"),
)
SHOW_FIELDS: tuple[Column[Dotfile], ...] = (
    Column("path", lambda one: one.path),
    Column("permission", lambda one: one.permission),
    Column("data", lambda one: one.data),
)


def emit_dotfiles(cli: Cli, dotfiles: Iterable[Dotfile]) -> None:
    """All of them, without their content."""
    rows = [
        DotfileRow(path=one.path, permission=one.permission, size=len(one.data)) for one in dotfiles
    ]
    emit_rows(cli.output, LIST_COLUMNS, rows, name=lambda row: row.path, noun="dotfiles")


def emit_dotfile(cli: Cli, dotfile: Dotfile) -> None:
    """One with its content."""
    emit_object(cli.output, dotfile, SHOW_FIELDS, name=lambda one: one.path)
