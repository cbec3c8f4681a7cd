"""``bai-manager diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bai_manager.cli.documents import read_document
from bai_manager.cli.manifest import (
    DocumentArgument,
    PruneOption,
    emit_plan,
    note_unlisted,
)
from bai_manager.cli.options import cli_of
from bai_manager.errors import ExitCode
from bai_manager.services.manifest.actions import DiffManifestAction

if TYPE_CHECKING:
    from bai_manager.cli.manifest import DifferenceRow

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    diff: list[DifferenceRow]


@app.command()
def diff(ctx: typer.Context, file: DocumentArgument, prune: PruneOption = False) -> None:
    """Show what applying a document would change; exits with 8 when that is anything.

    Example: bai-manager diff cluster.yaml
    """
    cli = cli_of(ctx)
    document, source = read_document(cli, file)
    action = DiffManifestAction(document=document, source=source, prune=prune)
    plan = cli.execute(action).plan
    emit_plan(cli, plan)
    note_unlisted(cli, plan)
    raise typer.Exit(ExitCode.FINDINGS if plan.changes else ExitCode.OK)
