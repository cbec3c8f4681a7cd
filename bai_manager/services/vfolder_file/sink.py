"""Where files and what is told about them go while an action runs, and where bytes come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bai_manager.errors import BackendAIError
    from bai_manager.services.vfolder_file.types import TransferredFile, VFolderFile


class FileSink(Protocol):
    """Given to the service by whoever runs it: a terminal, a pipe, or nothing."""

    def listed(self, file: VFolderFile) -> bool:
        """Take an entry of a listing; whether more are wanted."""

    def write(self, data: bytes | bytearray) -> None:
        """Take bytes of a file."""

    def read(self) -> AsyncIterator[bytes]:
        """The bytes to be stored, as they come."""

    def found(self, size: int) -> None:
        """Another file of ``size`` bytes is to be transferred."""

    def moved(self, size: int) -> None:
        """``size`` bytes more are there, also those an earlier run had moved."""

    def finished(self, file: TransferredFile, error: BackendAIError | None) -> None:
        """A file is through, or will not be because of ``error``."""


class NullSink:
    """For callers that do not look."""

    def listed(self, file: VFolderFile) -> bool:  # noqa: ARG002 - the protocol's
        return True

    def write(self, data: bytes | bytearray) -> None:
        pass

    async def read(self) -> AsyncIterator[bytes]:
        return
        yield b""

    def found(self, size: int) -> None:
        pass

    def moved(self, size: int) -> None:
        pass

    def finished(self, file: TransferredFile, error: BackendAIError | None) -> None:
        pass
