"""``bai-manager vfolder``: the files in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of, targets
from bai_manager.cli.output.columns import Column, size_column, time_column
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.verbs import (
    FailFastOption,
    IgnoreNotFoundOption,
    confirm,
    counted,
    for_each,
)
from bai_manager.cli.vfolder_options import FolderArgument  # noqa: TC001 - Typer
from bai_manager.errors import BackendAIError
from bai_manager.services.vfolder_file.actions import (
    DeleteVFolderFilesAction,
    ListVFolderFilesAction,
    MakeVFolderPathAction,
    MeasureVFolderFilesAction,
    MoveVFolderFileAction,
    ReadVFolderFileAction,
)
from bai_manager.types.binary_size import BinarySize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.app import App
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.vfolder_file.types import VFolderFile, VFolderPath, VFolderSize


class Prints:
    """What each command prints with ``-o json``."""

    ls: list[VFolderFile]
    du: list[VFolderSize]
    mkdir: list[Outcome]
    mv: list[VFolderPath]
    rm: list[VFolderPath]


app = typer.Typer()

PathArgument = Annotated[str, typer.Argument(help="A path in the folder.")]
PathsArgument = Annotated[list[str], typer.Argument(help="Paths in the folder; '-' reads them.")]

PATH_COLUMNS: tuple[Column[VFolderPath], ...] = (Column("path", lambda done: done.path),)
SIZE_COLUMNS: tuple[Column[VFolderSize], ...] = (
    size_column("size", lambda one: one.size),
    Column("files", lambda one: one.files, justify="right"),
    Column("path", lambda one: one.path, keep=True),
)


def _file_columns(*, long: bool) -> tuple[Column[VFolderFile], ...]:
    return (
        Column("path", lambda file: file.path, keep=True),
        Column("kind", lambda file: file.kind),
        size_column("size", lambda file: file.size),
        time_column("modified_at", lambda file: file.modified_at),
        Column("permissions", lambda file: file.permissions, wide=not long),
        Column("link_target", lambda file: file.link_target, title="Leads to", wide=not long),
    )


@app.command("ls")
def ls(
    ctx: typer.Context,
    folder: FolderArgument,
    path: Annotated[str, typer.Argument(help="A path in the folder.")] = ".",
    recursive: Annotated[
        bool, typer.Option("--recursive", "-R", help="With all that is in folders, too.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", "-l", help="With permissions and targets of links.")
    ] = False,
) -> None:
    """List what is in a folder; more than a thousand entries come in no order.

    Example: bai-manager vfolder ls datasets images --long
    """
    from bai_manager.cli.vfolder_sinks import ListingSink  # noqa: PLC0415 - ls alone

    cli = cli_of(ctx)
    sink = ListingSink(cli.output, _file_columns(long=long))
    action = ListVFolderFilesAction(vfolder=folder, path=path, recursive=recursive)

    async def main(app: App) -> None:
        app.file_sink = sink
        await app.processor.run(action)

    try:
        cli.run_app(main)
    except BackendAIError:
        sink.break_off()
        raise
    sink.close()


@app.command("du")
def du(
    ctx: typer.Context,
    folder: FolderArgument,
    path: Annotated[str, typer.Argument(help="A path in the folder.")] = ".",
    depth: Annotated[
        int, typer.Option("--depth", min=0, help="Folders so many levels down, too.")
    ] = 0,
) -> None:
    """Count files and bytes. The whole of a folder is counted by its storage.

    Example: bai-manager vfolder du datasets --depth 1
    """
    cli = cli_of(ctx)
    result = cli.execute(MeasureVFolderFilesAction(vfolder=folder, path=path, depth=depth))
    emit_rows(cli.output, SIZE_COLUMNS, result.sizes, name=lambda one: one.path, noun="paths")


@app.command("cat")
def cat(ctx: typer.Context, folder: FolderArgument, path: PathArgument) -> None:
    """Print a file, byte for byte; on a terminal made safe to look at.

    Example: bai-manager vfolder cat datasets README.md
    """
    from bai_manager.cli.vfolder_sinks import ContentSink  # noqa: PLC0415 - cat alone

    cli = cli_of(ctx)
    action = ReadVFolderFileAction(vfolder=folder, path=path)
    with ContentSink(cli.output) as sink:

        async def main(app: App) -> None:
            app.file_sink = sink
            await app.processor.run(action)

        cli.run_app(main)


@app.command("mkdir")
def mkdir(
    ctx: typer.Context,
    folder: FolderArgument,
    paths: PathsArgument,
    parents: Annotated[
        bool, typer.Option("--parents", "-p", help="Folders above, too; one may be there.")
    ] = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Make folders in a folder.

    Example: bai-manager vfolder mkdir datasets results/2026 -p
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, path: str) -> str:
        action = MakeVFolderPathAction(vfolder=folder, path=path, parents=parents)
        await processor.run(action)
        return "made"

    for_each(cli, targets(paths, cli), act, noun="folders", fail_fast=fail_fast)


@app.command("mv")
def mv(
    ctx: typer.Context,
    folder: FolderArgument,
    source: PathArgument,
    destination: Annotated[str, typer.Argument(help="A new path, or a folder to move into.")],
) -> None:
    """Rename or move a file or folder in a folder; nothing is replaced.

    Example: bai-manager vfolder mv datasets draft.csv final.csv
    """
    cli = cli_of(ctx)
    action = MoveVFolderFileAction(vfolder=folder, source=source, destination=destination)
    _emit_paths(cli, cli.execute(action).paths)


@app.command("rm")
def rm(
    ctx: typer.Context,
    folder: FolderArgument,
    paths: PathsArgument,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Folders with all that is in them, too.")
    ] = False,
    ignore_not_found: IgnoreNotFoundOption = False,
) -> None:
    """Remove files for good: all that are named, or none.

    Example: bai-manager vfolder rm datasets draft.csv --yes
    """
    cli = cli_of(ctx)
    given = targets(paths, cli)
    if not (cli.flags.yes or cli.flags.dry_run):
        confirm(cli, _question(cli, folder, given))
    action = DeleteVFolderFilesAction(
        vfolder=folder,
        paths=tuple(given),
        recursive=recursive,
        ignore_missing=ignore_not_found,
    )
    _emit_paths(cli, cli.execute(action).paths)


def _question(cli: Cli, folder: str, paths: Sequence[str]) -> str:
    """What would be lost, as far as it can be counted."""

    async def measure(processor: ActionProcessor) -> str:
        files = size = 0
        for path in paths:
            action = MeasureVFolderFilesAction(vfolder=folder, path=path)
            whole = (await processor.run(action)).sizes[-1]
            files += whole.files or 0
            size += whole.size or 0
        return f"{counted(files, 'file')} of {BinarySize(size)} in all"

    try:
        known = cli.run(measure)
    except BackendAIError as error:
        known = f"not counted: {error.message}"
    return f"Remove {counted(len(paths), 'path')} for good ({known})?"


def _emit_paths(cli: Cli, paths: Sequence[VFolderPath]) -> None:
    emit_rows(cli.output, PATH_COLUMNS, paths, name=lambda done: done.path, noun="paths")
