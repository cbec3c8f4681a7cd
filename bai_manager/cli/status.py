"""``bai-manager status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column, status_column
from bai_manager.cli.output.rows import emit_rows
from bai_manager.errors import ExitCode
from bai_manager.services.status.actions import GetStatusAction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.cli.runtime import Cli
    from bai_manager.services.status.types import DependencyData

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    status: list[DependencyData]


COLUMNS: tuple[Column[DependencyData], ...] = (
    Column("name", lambda dependency: dependency.name, title="Dependency", keep=True),
    status_column("reachable", lambda dependency: "yes" if dependency.reachable else "NO"),
    Column("version", lambda dependency: dependency.version),
    Column("detail", lambda dependency: dependency.detail),
    Column("address", lambda d: d.address, short=lambda d: _place(d.address)),
)


def _place(address: str) -> str:
    """``127.0.0.1:5432/backend`` of an address; a folder stays as it is."""
    return address.rpartition("://")[2].rpartition("@")[2]


@app.command()
def status(ctx: typer.Context) -> None:
    """Ask everything the profile depends on how it is; exits with 6 when something is silent.

    Example: bai-manager status --profile prod
    """
    raise typer.Exit(show_status(cli_of(ctx)))


def show_status(cli: Cli) -> ExitCode:
    """Print every dependency; the exit code says whether all of them answered."""
    result = cli.execute(GetStatusAction())
    emit_rows(
        cli.output,
        COLUMNS,
        result.dependencies,
        name=lambda dependency: dependency.name,
        noun="dependencies",
    )
    if cli.output.chosen_format.is_human:
        _tell_silence(cli, result.dependencies)
    answered = all(dependency.reachable for dependency in result.dependencies)
    return ExitCode.OK if answered else ExitCode.UNREACHABLE


def _tell_silence(cli: Cli, dependencies: Sequence[DependencyData]) -> None:
    """In full: a table may have to cut it. The same of several is told once."""
    told: set[str | None] = set()
    for one in dependencies:
        if not one.reachable and one.detail not in told:
            told.add(one.detail)
            sentences = (f"{one.name}: {one.detail}", one.hint)
            cli.terminal.warn(" ".join(f"{text.rstrip('.')}." for text in sentences if text))
