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
    Column("address", lambda dependency: dependency.address),
)


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
    answered = all(dependency.reachable for dependency in result.dependencies)
    return ExitCode.OK if answered else ExitCode.UNREACHABLE
