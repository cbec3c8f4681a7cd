"""``bai-manager vfolder upload`` and ``download``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.verbs import counted
from bai_manager.cli.vfolder_options import FolderArgument  # noqa: TC001 - Typer
from bai_manager.cli.vfolder_sinks import TransferSink
from bai_manager.errors import BackendAIError, ExitCode
from bai_manager.services.vfolder_file.actions import (
    DownloadVFolderFilesAction,
    UploadVFolderFilesAction,
)
from bai_manager.services.vfolder_file.errors import TransferIncomplete
from bai_manager.services.vfolder_file.types import TransferOptions
from bai_manager.types.binary_size import BinarySize

if TYPE_CHECKING:
    from bai_manager.app import App
    from bai_manager.cli.runtime import Cli
    from bai_manager.cli.vfolder_sinks import Transferred
    from bai_manager.services.vfolder_file.actions import TransferVFolderFilesActionResult


class Prints:
    """What each command prints with ``-o json``."""

    upload: list[Transferred]
    download: list[Transferred]


app = typer.Typer()

_STREAM = "-"
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--include",
        metavar="PATTERN",
        help="Only files that match: '*.csv' at any depth, 'a/**' from the top.",
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Not what matches, nor what is in it."),
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Read each file back and compare checksums.")
]
NoReplaceOption = Annotated[
    bool, typer.Option("--no-replace", help="Leave files that are there and differ; they fail.")
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=64, help="Files moved at the same time.")
]


@app.command("upload")
def upload(
    ctx: typer.Context,
    folder: FolderArgument,
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files and folders of this machine; of 'name/' what is in it; '-' is"
            " standard input."
        ),
    ],
    to: Annotated[
        str | None, typer.Option("--to", metavar="PATH", help="Where in the folder, as with cp.")
    ] = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    verify: VerifyOption = False,
    no_replace: NoReplaceOption = False,
    jobs: JobsOption = 8,
) -> None:
    """Copy files and folders into a folder; the same command goes on where it was stopped.

    Example: bai-manager vfolder upload datasets images labels.csv --exclude '*.tmp'
    """
    action = UploadVFolderFilesAction(
        vfolder=folder,
        sources=tuple(sources),
        destination=to,
        options=_options(include, exclude, verify=verify, no_replace=no_replace, jobs=jobs),
    )
    _transfer(cli_of(ctx), action, "Uploading")


@app.command("download")
def download(
    ctx: typer.Context,
    folder: FolderArgument,
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Paths in the folder; of 'name/' what is in it. Default: all of it."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="PATH",
            help="Where on this machine, as with cp; '-' is standard output. Default: here, or"
            " for all of it a folder of the same name.",
        ),
    ] = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    verify: VerifyOption = False,
    no_replace: NoReplaceOption = False,
    jobs: JobsOption = 8,
) -> None:
    """Copy files and folders to this machine; the same command goes on where it was stopped.

    Example: bai-manager vfolder download datasets results --to ./results --verify
    """
    action = DownloadVFolderFilesAction(
        vfolder=folder,
        sources=tuple(paths or ()),
        destination=to,
        options=_options(include, exclude, verify=verify, no_replace=no_replace, jobs=jobs),
    )
    _transfer(cli_of(ctx), action, "Downloading")


def _options(
    include: list[str] | None,
    exclude: list[str] | None,
    *,
    verify: bool,
    no_replace: bool,
    jobs: int,
) -> TransferOptions:
    return TransferOptions(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        verify=verify,
        replace=not no_replace,
        jobs=jobs,
    )


def _transfer(
    cli: Cli, action: UploadVFolderFilesAction | DownloadVFolderFilesAction, text: str
) -> None:
    takes_stdout = action.destination == _STREAM
    sink = TransferSink(cli.output, cli.stdin, takes_stdout=takes_stdout)
    try:
        with cli.terminal.progress(text, in_bytes=True) as progress:
            sink.progress = progress
            result = _run(cli, action, sink)
    except BackendAIError:
        sink.close()  # what is through is a result, whatever ended the rest
        raise
    sink.close()
    if isinstance(result, TransferIncomplete):
        cli.terminal.warn(f"{result.message} {result.hint}")
        raise typer.Exit(ExitCode.PARTIAL)
    cli.terminal.note(_summary(result))


def _run(
    cli: Cli, action: UploadVFolderFilesAction | DownloadVFolderFilesAction, sink: TransferSink
) -> TransferVFolderFilesActionResult | TransferIncomplete:
    async def main(app: App) -> TransferVFolderFilesActionResult:
        app.file_sink = sink
        return await app.processor.run(action)

    try:
        return cli.run_app(main)
    except TransferIncomplete as error:
        return error
    except KeyboardInterrupt:
        cli.terminal.note("Stopped. The same command goes on from here.")
        raise


def _summary(result: TransferVFolderFilesActionResult) -> str:
    parts = [f"{counted(result.transferred, 'file')} of {BinarySize(result.size)} transferred"]
    if result.unchanged:
        parts.append(f"{result.unchanged} there already")
    if result.skipped:
        parts.append(f"{result.skipped} skipped")
    return f"{', '.join(parts)}."
