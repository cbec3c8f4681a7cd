"""``bai-manager apply``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bai_manager.cli.documents import read_document
from bai_manager.cli.manifest import (
    DocumentArgument,
    PruneOption,
    counts_text,
    emit_plan,
    note_unlisted,
    plan_text,
)
from bai_manager.cli.options import cli_of
from bai_manager.cli.verbs import confirm, counted
from bai_manager.services.manifest.actions import ApplyManifestAction, DiffManifestAction
from bai_manager.services.manifest.types import Section, Verb
from bai_manager.services.purging import fingerprint

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.manifest import DifferenceRow
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.manifest.types import Plan

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    apply: list[DifferenceRow]


@app.command()
def apply(ctx: typer.Context, file: DocumentArgument, prune: PruneOption = False) -> None:
    """Make the system what a document says, in one transaction, after showing what that changes.

    Fields, things and sections that are not in the document stay as they are.

    Example: bai-manager apply cluster.yaml --dry-run
    """
    cli = cli_of(ctx)
    document, source = read_document(cli, file)

    async def body(processor: ActionProcessor) -> Plan:
        look = DiffManifestAction(document=document, source=source, prune=prune)
        plan = (await processor.run(look)).plan
        if plan.changes:
            cli.terminal.note(plan_text(plan))
            confirm(cli, f"{counts_text(plan)} Go ahead?")
        action = ApplyManifestAction(
            document=document, source=source, prune=prune, expected=fingerprint(plan)
        )
        return (await processor.run(action)).plan

    plan = cli.run(body)
    emit_plan(cli, plan)
    note_unlisted(cli, plan)
    _note_done(cli, plan)


def _note_done(cli: Cli, plan: Plan) -> None:
    if not plan.changes:
        cli.terminal.note("No change: the system is what the document says.")
        return
    new_users = sum(
        change.section is Section.USERS and change.verb is Verb.CREATE for change in plan.changes
    )
    if new_users:
        cli.terminal.note(
            f"{counted(new_users, 'new user')} without a password, and with a secret key that was"
            " not told: see 'user password' and 'user keypair rotate'."
        )
