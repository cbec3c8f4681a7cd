"""``bai-manager session ls|upload|download|archive``: the files of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import OwnerOption, cli_of
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.session_columns import (
    ARCHIVE_FIELDS,
    FILE_COLUMNS,
    TRANSFER_FIELDS,
)
from bai_manager.cli.session_options import SessionArgument  # noqa: TC001 - Typer evaluates it
from bai_manager.services.session_inside.actions import (
    DownloadFileAction,
    DownloadFilesAction,
    ListFilesAction,
    UploadFileAction,
)

if TYPE_CHECKING:
    from bai_manager.clients.agent.protocol import FileEntry
    from bai_manager.services.session_inside.actions import (
        DownloadFilesActionResult,
        TransferResult,
    )

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    ls: list[FileEntry]
    upload: TransferResult
    download: TransferResult
    archive: DownloadFilesActionResult


@app.command("ls")
def ls(
    ctx: typer.Context,
    session: SessionArgument,
    path: Annotated[str, typer.Argument(help="Below the work folder.")] = ".",
    owner: OwnerOption = None,
) -> None:
    """List files in a session's work folder.

    Example: bai-manager session ls train-1 results
    """
    cli = cli_of(ctx)
    result = cli.execute(ListFilesAction(session=session, owner=owner, path=path))
    emit_rows(
        cli.output, FILE_COLUMNS, result.files, name=lambda entry: entry.filename, noun="files"
    )


@app.command("upload")
def upload(
    ctx: typer.Context,
    session: SessionArgument,
    source: Annotated[str, typer.Argument(help="A file of this machine.")],
    destination: Annotated[
        str | None, typer.Argument(help="Below the work folder; default: the same name.")
    ] = None,
    owner: OwnerOption = None,
) -> None:
    """Copy a file into a session.

    Example: bai-manager session upload train-1 data.csv
    """
    cli = cli_of(ctx)
    result = cli.execute(
        UploadFileAction(
            session=session,
            owner=owner,
            source=source,
            destination=destination or source.rpartition("/")[2],
        )
    )
    emit_object(cli.output, result, TRANSFER_FIELDS, name=lambda r: r.destination)


@app.command("download")
def download(
    ctx: typer.Context,
    session: SessionArgument,
    source: Annotated[str, typer.Argument(help="Below the work folder.")],
    destination: Annotated[
        str | None, typer.Argument(help="A file of this machine; default: the same name.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace it.")] = False,
    owner: OwnerOption = None,
) -> None:
    """Copy a file out of a session; 'session archive' copies several and folders.

    Example: bai-manager session download train-1 results/model.bin
    """
    cli = cli_of(ctx)
    result = cli.execute(
        DownloadFileAction(
            session=session,
            owner=owner,
            source=source,
            destination=destination or source.rpartition("/")[2],
            overwrite=overwrite,
        )
    )
    emit_object(cli.output, result, TRANSFER_FIELDS, name=lambda r: r.destination)


@app.command("archive")
def archive(
    ctx: typer.Context,
    session: SessionArgument,
    sources: Annotated[list[str], typer.Argument(help="Files and folders below the work folder.")],
    destination: Annotated[
        str | None, typer.Option("--to", help="A .tar or .tar.gz; default: SESSION.tar.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace it.")] = False,
    owner: OwnerOption = None,
) -> None:
    """Copy files and folders out of a session as one tar archive.

    Example: bai-manager session archive train-1 results logs --to run-7.tar.gz
    """
    cli = cli_of(ctx)
    result = cli.execute(
        DownloadFilesAction(
            session=session,
            owner=owner,
            sources=tuple(sources),
            destination=destination or f"{session}.tar",
            overwrite=overwrite,
        )
    )
    emit_object(cli.output, result, ARCHIVE_FIELDS, name=lambda r: r.destination)
