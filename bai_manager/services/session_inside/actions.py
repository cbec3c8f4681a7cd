"""What can be done inside sessions that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import ActionResult, Operation
from bai_manager.services.session.actions import SessionAction, SessionResult

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.clients.agent.protocol import FileEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecuteSessionActionResult(ActionResult):
    """``console`` holds (kind, text) pairs; it is empty when the output was streamed instead."""

    session_id: UUID
    run_id: str
    status: str
    exit_code: int
    console: list[tuple[str, str]]

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecuteSessionAction(SessionAction[ExecuteSessionActionResult]):
    """Run code in the session's main kernel; with ``shell`` the code is a shell command."""

    operation: ClassVar[Operation] = Operation.EXECUTE

    code: str
    shell: bool = False
    stream: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class InterruptSessionAction(SessionAction[SessionResult]):
    """Interrupt what the main kernel is running."""

    operation: ClassVar[Operation] = Operation.INTERRUPT


@dataclass(frozen=True, kw_only=True, slots=True)
class CompleteActionResult(ActionResult):
    suggestions: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompleteAction(SessionAction[CompleteActionResult]):
    """Complete a piece of code in the main kernel's namespace."""

    operation: ClassVar[Operation] = Operation.COMPLETE

    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GetContainerLogsActionResult(ActionResult):
    """``logs`` is the log of one kernel; empty when it was streamed instead."""

    session_id: UUID
    kernel_id: UUID
    logs: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GetContainerLogsAction(SessionAction[GetContainerLogsActionResult]):
    """The log of the main kernel, or of the one given; kept for ended sessions."""

    operation: ClassVar[Operation] = Operation.GET_LOGS

    kernel: str | None = None
    tail: int | None = None
    follow: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ListFilesActionResult(ActionResult):
    path: str
    files: list[FileEntry]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListFilesAction(SessionAction[ListFilesActionResult]):
    """List a folder of the main kernel, relative to its work folder."""

    operation: ClassVar[Operation] = Operation.LIST_FILES

    path: str = "."


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferResult(ActionResult):
    """``size`` in bytes; ``source`` and ``destination`` as they were used."""

    source: str
    destination: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadFileAction(SessionAction[TransferResult]):
    """Copy a file of this machine into the session."""

    operation: ClassVar[Operation] = Operation.UPLOAD_FILE

    source: str
    destination: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadFileAction(SessionAction[TransferResult]):
    """Copy a file of the session to this machine; the file appears whole or not at all."""

    operation: ClassVar[Operation] = Operation.DOWNLOAD_FILE

    source: str
    destination: str
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadFilesActionResult(ActionResult):
    """``size`` in bytes of the archive; ``files`` are the names in it."""

    sources: list[str]
    destination: str
    size: int
    files: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadFilesAction(SessionAction[DownloadFilesActionResult]):
    """Copy files and folders of the session into one tar archive of this machine."""

    operation: ClassVar[Operation] = Operation.DOWNLOAD_FILES

    sources: tuple[str, ...]
    destination: str
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUsageActionResult(ActionResult):
    """Live usage of the session's kernels: kernel id → metric → field → decimal text."""

    session_id: UUID
    usage: dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetUsageAction(SessionAction[GetUsageActionResult]):
    """CPU, memory and I/O that the session's kernels use now."""

    operation: ClassVar[Operation] = Operation.GET_USAGE
