"""``bai-manager session rename|update|restart|check-status``: sessions are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import OwnerOption, cli_of, targets
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.session_columns_records import CHECKED_COLUMNS
from bai_manager.cli.session_options import SessionArgument, SessionsArgument, emit_session
from bai_manager.cli.verbs import IfUnchangedOption, note_changed
from bai_manager.services.session_change.actions import (
    CheckAndTransitStatusAction,
    CheckAndTransitStatusBatchAction,
    RenameSessionAction,
    RestartSessionAction,
    UpdateSessionAction,
)
from bai_manager.services.session_change.types import SessionChanges
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_change.actions import CheckedSession

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    rename: SessionData
    update: SessionData
    restart: SessionData
    check_status: list[CheckedSession]


@app.command("rename")
def rename(
    ctx: typer.Context,
    session: SessionArgument,
    new_name: Annotated[str, typer.Argument(help="4 to 64 characters.")],
    owner: OwnerOption = None,
) -> None:
    """Give a running session another name.

    Example: bai-manager session rename train-1 train-best
    """
    cli = cli_of(ctx)
    action = RenameSessionAction(session=session, owner=owner, new_name=new_name)
    emit_session(cli, cli.execute(action).session)


@app.command("update")
def update(
    ctx: typer.Context,
    session: SessionArgument,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Another name.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", help="0 to 100; higher first.")
    ] = None,
    owner: OwnerOption = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change the name or the priority of a session, whatever its status.

    Example: bai-manager session update train-1 --priority 50
    """
    cli = cli_of(ctx)
    changes = SessionChanges(
        name=UNSET if name is None else name, priority=UNSET if priority is None else priority
    )
    result = cli.execute(
        UpdateSessionAction(
            session=session, owner=owner, changes=changes, if_unchanged=if_unchanged
        )
    )
    note_changed(cli, f"Session {result.session.name}", result.changed)
    emit_session(cli, result.session)


@app.command("restart")
def restart(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """End what runs in a session and begin anew; its files stay.

    Example: bai-manager session restart train-1
    """
    cli = cli_of(ctx)
    emit_session(cli, cli.execute(RestartSessionAction(session=session, owner=owner)).session)


@app.command("check-status")
def check_status(ctx: typer.Context, sessions: SessionsArgument, owner: OwnerOption = None) -> None:
    """Derive the status of sessions from their kernels, and set it where that is legal.

    Example: bai-manager session check-status train-1 train-2
    """
    cli = cli_of(ctx)
    names = targets(sessions, cli)
    checked: list[CheckedSession]
    if len(names) == 1 or owner is not None:
        checked = [
            cli.execute(CheckAndTransitStatusAction(session=name, owner=owner)).checked
            for name in names
        ]
    else:
        result = cli.execute(CheckAndTransitStatusBatchAction(sessions=tuple(names)))
        checked = result.checked
        if result.skipped:
            cli.terminal.warn(f"Not found among those you may see: {', '.join(result.skipped)}.")
    emit_rows(cli.output, CHECKED_COLUMNS, checked, name=lambda row: row.name, noun="sessions")
