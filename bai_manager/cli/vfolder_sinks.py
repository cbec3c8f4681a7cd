"""What becomes of files and of what is told about them while a command runs."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import Column, size_column, status_column
from bai_manager.cli.output.errors import error_json
from bai_manager.cli.output.raw import RawWriter
from bai_manager.cli.output.rows import mark_dry_run, row_writer
from bai_manager.cli.output.terminal import Unseen
from bai_manager.services.vfolder_file.sink import NullSink
from bai_manager.services.vfolder_file.types import TransferResult
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType
    from typing import Self, TextIO

    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.output.terminal import Progress
    from bai_manager.errors import BackendAIError
    from bai_manager.services.vfolder_file.types import TransferredFile, VFolderFile
    from bai_manager.types.json import JsonObject

_PIECE = 2**20
_SHOWN_AT_MOST = 500


class ListingSink(NullSink):
    """Rows as they come."""

    def __init__(self, output: OutputOptions, columns: Sequence[Column[VFolderFile]]) -> None:
        self._output = output
        self._rows = row_writer(
            output, columns, name=lambda file: file.path, noun="files", has_filters=False
        )
        self._taken = 0

    def listed(self, file: VFolderFile) -> bool:
        self._rows.write(file)
        self._taken += 1
        return not self._rows.full

    def break_off(self) -> None:
        """Show what a person has not seen yet of a listing that failed."""
        if self._taken and self._output.chosen_format.is_human:
            self._rows.close()

    def close(self) -> None:
        self._rows.close()
        mark_dry_run(self._output)


class ContentSink(NullSink):
    """Bytes on stdout."""

    def __init__(self, output: OutputOptions) -> None:
        self._raw = RawWriter(
            output.stdout,
            is_terminal=output.stdout.isatty(),
            color=output.wants_color(output.stdout),
        )

    def write(self, data: bytes | bytearray) -> None:
        self._raw.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._raw.close()


@dataclass(frozen=True, slots=True)
class Transferred:
    """What became of one file; ``error`` is null unless ``result`` is ``failed``.

    ``size`` is in bytes; ``checksum`` is the SHA-256 where it was verified.
    """

    path: str
    result: TransferResult
    size: int
    checksum: str | None
    message: str
    error: JsonObject | None = None


TRANSFER_COLUMNS: tuple[Column[Transferred], ...] = (
    Column("path", lambda one: one.path, keep=True),
    status_column("result", lambda one: one.result),
    size_column("size", lambda one: one.size),
    Column("checksum", lambda one: one.checksum),
    Column("message", lambda one: one.message),
)
_NOT_MOVED = frozenset({TransferResult.SKIPPED, TransferResult.FAILED})


class TransferSink(NullSink):
    """Programs get a row for each file, people a bar and what was not moved."""

    def __init__(self, output: OutputOptions, stdin: TextIO, *, takes_stdout: bool) -> None:
        self.progress: Progress = Unseen()
        self._output = output
        self._stdin = stdin
        self._lines: list[str] = []
        self._not_moved = 0
        self._raw: ContentSink | None = ContentSink(output) if takes_stdout else None
        self._rows = (
            None
            if takes_stdout or output.chosen_format.is_human
            else row_writer(output, TRANSFER_COLUMNS, name=lambda one: one.path, noun="files")
        )

    def write(self, data: bytes | bytearray) -> None:
        if self._raw is not None:
            self._raw.write(data)

    async def read(self) -> AsyncIterator[bytes]:
        """What comes on standard input, until its end; waiting for it can be cancelled."""
        fd = self._stdin.fileno()
        await _readable(fd)
        while data := os.read(fd, _PIECE):
            yield data
            await _readable(fd)

    def found(self, size: int) -> None:
        self.progress.expect(size)

    def moved(self, size: int) -> None:
        self.progress.advance(size)

    def finished(self, file: TransferredFile, error: BackendAIError | None) -> None:
        if self._rows is not None:
            said = None if error is None else error_json(error)
            self._rows.write(
                Transferred(file.path, file.result, file.size, file.checksum, file.message, said)
            )
        elif file.result in _NOT_MOVED:
            self._not_moved += 1
            if self._not_moved <= _SHOWN_AT_MOST:
                why = f"{printable(file.path)}  {printable(file.message)}"
                self._lines.append(f"{file.result.value.upper().ljust(7)}  {why}\n")

    def close(self) -> None:
        """Show what is held back while there is a bar on the same terminal."""
        if self._rows is not None:
            self._rows.close()
        out = self._output.stderr if self._raw is not None else self._output.stdout
        out.write("".join(self._lines))
        out.flush()
        if self._not_moved > len(self._lines):
            self._output.note(f"… and {self._not_moved - len(self._lines)} more were not moved.")
        mark_dry_run(self._output)


async def _readable(fd: int) -> None:
    """Return when reading would not wait."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(fd, ready.set)
    except PermissionError:
        return  # a regular file never lets anybody wait
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)
