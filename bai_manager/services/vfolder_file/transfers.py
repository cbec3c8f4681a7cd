"""Uploads and downloads of one command: what goes where, and how it went."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.download import Download, download_all, read_stream
from bai_manager.clients.storage_proxy.transfer import Outcome, TransferOptions, TransferSummary
from bai_manager.clients.storage_proxy.upload import Upload, upload_all, upload_stream
from bai_manager.services.vfolder_file.actions import TransferVFolderFilesActionResult
from bai_manager.services.vfolder_file.destinations import labels, placed
from bai_manager.services.vfolder_file.errors import TransferAmbiguous, TransferIncomplete
from bai_manager.services.vfolder_file.types import TransferredFile, TransferResult

if TYPE_CHECKING:
    from bai_manager.clients.storage_proxy.protocol import FolderRef, StorageClient
    from bai_manager.clients.storage_proxy.transfer import FileResult
    from bai_manager.errors import BackendAIError
    from bai_manager.services.vfolder_file import types
    from bai_manager.services.vfolder_file.actions import (
        DownloadVFolderFilesAction,
        UploadVFolderFilesAction,
    )
    from bai_manager.services.vfolder_file.sink import FileSink

_STREAM = "-"


class Transfers:
    """Between this machine and one folder."""

    def __init__(
        self,
        storage: StorageClient,
        folder: FolderRef,
        sink: FileSink,
        work_folder: Path,
        *,
        rehearse: bool,
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._sink = sink
        self._work_folder = work_folder
        self._rehearse = rehearse

    async def upload(
        self, action: UploadVFolderFilesAction, *, is_folder: bool
    ) -> TransferVFolderFilesActionResult:
        """``is_folder`` is about the destination. Raises ``TransferIncomplete``."""
        report = _Report(self._sink)
        if _STREAM in action.sources:
            return report.end(await self._upload_stream(action, report, is_folder=is_folder))
        targets = placed(action.sources, action.destination, is_folder=is_folder)
        uploads = [
            Upload(Path(source), target, label)
            for (source, target), label in zip(targets, labels(action.sources), strict=True)
        ]
        summary = await upload_all(
            self._storage,
            self._folder,
            uploads,
            options=self._options(action.options),
            observer=report,
            journal_folder=None if self._rehearse else self._work_folder,
        )
        return report.end(summary)

    async def _upload_stream(
        self, action: UploadVFolderFilesAction, report: _Report, *, is_folder: bool
    ) -> TransferSummary:
        if len(action.sources) > 1 or action.destination is None or is_folder:
            raise TransferAmbiguous(
                "Standard input is one file, and its name in the folder is needed.",
                hint="Give '-' alone, and --to PATH with the file's name.",
            )
        self._work_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        result = await upload_stream(
            self._storage,
            self._folder,
            self._sink.read(),
            action.destination,
            spool=self._work_folder,
            options=self._options(action.options),
            observer=report,
        )
        return TransferSummary().plus(result)

    async def download(
        self, action: DownloadVFolderFilesAction, *, name: str
    ) -> TransferVFolderFilesActionResult:
        """``name`` is the folder's. Raises ``TransferIncomplete``."""
        report = _Report(self._sink)
        if action.destination == _STREAM:
            return report.end(await self._download_stream(action))
        options = self._options(action.options)
        summary = await download_all(
            self._storage, self._folder, _downloads(action, name), options=options, observer=report
        )
        return report.end(summary)

    async def _download_stream(self, action: DownloadVFolderFilesAction) -> TransferSummary:
        if len(action.sources) != 1:
            raise TransferAmbiguous(
                "Standard output takes one file.", hint="Name one file of the folder."
            )
        size = 0
        async with aclosing(read_stream(self._storage, self._folder, action.sources[0])) as chunks:
            async for chunk in chunks:
                self._sink.write(chunk)
                size += len(chunk)
        return TransferSummary(transferred=1, size=size)

    def _options(self, wanted: types.TransferOptions) -> TransferOptions:
        return TransferOptions(
            in_flight=wanted.jobs,
            include=wanted.include,
            exclude=wanted.exclude,
            verify=wanted.verify,
            replace=wanted.replace,
            rehearse=self._rehearse,
        )


class _Report:
    """Tells the sink, and remembers what it takes to say how the whole went."""

    def __init__(self, sink: FileSink) -> None:
        self._sink = sink
        self._error: BackendAIError | None = None

    def found(self, size: int) -> None:
        self._sink.found(size)

    def moved(self, size: int) -> None:
        self._sink.moved(size)

    def finished(self, result: FileResult) -> None:
        self._error = self._error or result.error
        self._sink.finished(_told(result), result.error)

    def end(self, summary: TransferSummary) -> TransferVFolderFilesActionResult:
        """Raises the error of a single file, and ``TransferIncomplete`` for one of several."""
        done = summary.transferred + summary.unchanged + summary.skipped
        if summary.failed == 1 and not done and self._error is not None:
            raise self._error
        if summary.failed:
            raise TransferIncomplete(
                failed=summary.failed,
                total=summary.failed + done,
                details={
                    "transferred": summary.transferred,
                    "unchanged": summary.unchanged,
                    "skipped": summary.skipped,
                    "failed": summary.failed,
                    "size": summary.size,
                },
            )
        return TransferVFolderFilesActionResult(
            transferred=summary.transferred,
            unchanged=summary.unchanged,
            skipped=summary.skipped,
            size=summary.size,
        )


def _downloads(action: DownloadVFolderFilesAction, name: str) -> list[Download]:
    sources = action.sources
    if not sources:
        target = action.destination if action.destination is not None else _local_name(name)
        return [Download(".", Path(target))]
    is_folder = action.destination is not None and Path(action.destination).is_dir()
    targets = placed(sources, action.destination, is_folder=is_folder)
    return [
        Download(source, Path(target), label)
        for (source, target), label in zip(targets, labels(sources), strict=True)
    ]


def _local_name(folder: str) -> str:
    """The name of a folder, if a folder of this machine can have it here."""
    if folder in {"", ".", ".."} or "/" in folder or "\0" in folder:
        raise TransferAmbiguous(
            f"A folder cannot be named {folder!r} here.", hint="Say with --to where it is to go."
        )
    return folder


def _told(result: FileResult) -> TransferredFile:
    return TransferredFile(
        path=result.path,
        result=TransferResult(result.outcome.value),
        size=result.size if result.outcome is not Outcome.FAILED else 0,
        checksum=result.checksum,
        message=result.why,
    )
