"""``bai-manager session commit``, ``commit-status`` and ``convert-to-image``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_session
from bai_manager.cli.options import OwnerOption, TimeoutOption, WatchOption, cli_of, seconds
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.watch import shown
from bai_manager.services.session_commit.actions import (
    CommitSessionAction,
    ConvertSessionToImageAction,
    GetCommitStatusAction,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.session_commit.actions import (
        CommitSessionActionResult,
        ConvertSessionToImageActionResult,
        GetCommitStatusActionResult,
    )

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    commit: CommitSessionActionResult
    commit_status: GetCommitStatusActionResult
    convert_to_image: ConvertSessionToImageActionResult


SessionArgument = Annotated[
    str, typer.Argument(help="Name, id or unique id prefix.", autocompletion=complete_session)
]

COMMIT_FIELDS: tuple[Column[CommitSessionActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("kernel_id", lambda result: result.kernel_id, title="Kernel"),
    Column("task_id", lambda result: result.task_id, title="Task"),
    Column("path", lambda result: result.path),
)
STATUS_FIELDS: tuple[Column[GetCommitStatusActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("kernel_id", lambda result: result.kernel_id, title="Kernel"),
    Column("status", lambda result: result.status),
)
IMAGE_FIELDS: tuple[Column[ConvertSessionToImageActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("image", lambda result: result.image),
    Column("task_id", lambda result: result.task_id, title="Task"),
)


@app.command("commit")
def commit(
    ctx: typer.Context,
    session: SessionArgument,
    filename: Annotated[
        str | None, typer.Option("--filename", help="Default: the session's name and the time.")
    ] = None,
    owner: OwnerOption = None,
) -> None:
    """Keep a session in a file on its agent; of this machine's sessions, the work folder.

    Example: bai-manager session commit train-1 --filename train-1.tar.gz
    """
    cli = cli_of(ctx)
    result = cli.execute(CommitSessionAction(session=session, owner=owner, filename=filename))
    emit_object(cli.output, result, COMMIT_FIELDS, name=lambda r: r.path or r.task_id)


@app.command("commit-status")
def commit_status(
    ctx: typer.Context,
    session: SessionArgument,
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Show whether a session is being kept: ready or ongoing.

    Example: bai-manager session commit-status train-1
    """
    cli = cli_of(ctx)
    action = GetCommitStatusAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result, STATUS_FIELDS, name=lambda r: r.status)

    shown(cli, render, watch)


@app.command("convert-to-image")
def convert_to_image(
    ctx: typer.Context,
    session: SessionArgument,
    name: Annotated[str, typer.Argument(help="What the image is known by to its user.")],
    owner: OwnerOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Make an image of a session, for its user alone, and push it to the project's registry.

    Example: bai-manager session convert-to-image train-1 with-my-tools
    """
    cli = cli_of(ctx)
    result = cli.execute(
        ConvertSessionToImageAction(
            session=session, owner=owner, image_name=name, timeout=seconds(timeout, cli)
        )
    )
    emit_object(cli.output, result, IMAGE_FIELDS, name=lambda r: r.image)
    cli.terminal.note("It can be used once the registry has been scanned.")
