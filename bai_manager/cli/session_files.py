"""``bai-manager session ls|upload|download``: the files of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import (
    OwnerOption,
    cli_of,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.session_columns import (
    ARCHIVE_FIELDS,
    FILE_COLUMNS,
    TRANSFER_FIELDS,
)
from bai_manager.cli.session_options import SessionArgument  # noqa: TC001 - Typer evaluates it
from bai_manager.errors import InvalidInput
from bai_manager.services.session.actions import (
    DownloadFileAction,
    DownloadFilesAction,
    ListFilesAction,
    UploadFileAction,
)

if TYPE_CHECKING:
    from bai_manager.clients.agent.protocol import FileEntry
    from bai_manager.services.session.actions import (
        DownloadFilesActionResult,
        TransferResult,
    )

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    ls: list[FileEntry]
    upload: TransferResult
    download: TransferResult | DownloadFilesActionResult


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
    more: Annotated[
        list[str] | None, typer.Argument(help="With --archive every word is a source.")
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option("--archive", metavar="FILE", help="All of them as .tar or .tar.gz."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace it.")] = False,
    owner: OwnerOption = None,
) -> None:
    """Copy a file out of a session, or several files and folders as an archive.

    Example: bai-manager session download train-1 results/model.bin
    """
    cli = cli_of(ctx)
    if archive is not None:
        sources = (source, *([destination] if destination else []), *(more or ()))
        packed = cli.execute(
            DownloadFilesAction(
                session=session,
                owner=owner,
                sources=sources,
                destination=archive,
                overwrite=overwrite,
            )
        )
        emit_object(cli.output, packed, ARCHIVE_FIELDS, name=lambda r: r.destination)
        return
    if more:
        raise InvalidInput(
            "Several files are given, and one place for them.",
            hint="Name the archive they go into with --archive files.tar.",
        )
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
