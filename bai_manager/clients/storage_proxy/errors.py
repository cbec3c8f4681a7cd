"""What can go wrong between us and storage, and the meaning of the system's error numbers."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from bai_manager.errors import (
    BackendAIError,
    ConfigurationError,
    Conflict,
    Denied,
    InsufficientQuota,
    InvalidInput,
    NotFound,
    TimedOut,
    TryAgain,
    Unreachable,
)
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bai_manager.types.json import JsonValue
    from bai_manager.types.vfolder import QuotaScopeID


def _about(path: str) -> dict[str, JsonValue]:
    """``path`` as text that a terminal may show."""
    return {"path": printable(path)}


class StorageUnreachable(Unreachable):
    """The storage does not answer, stopped answering, or the connection broke."""

    error_code = "storage-proxy_request_unavailable"

    def __init__(self, storage: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"Storage {storage} does not answer: {why}",
            hint=hint or "Run the same command again: what was transferred stays.",
            details={"storage": storage, "reason": why},
        )


class ConnectionBroke(StorageUnreachable):
    """There was no connection, or it ended early: the same request may be sent again."""


class UnexpectedStorageAnswer(Unreachable):
    """The storage answered, but not with what was asked for."""

    error_code = "storage-proxy_request_unreachable"

    def __init__(self, storage: str, asked: str, said: str) -> None:
        super().__init__(
            f"Storage {storage} gave no useful answer to {asked}: {printable(said, 300)}",
            hint="Its own log says more; the storage proxy may be of another version.",
            details={"storage": storage, "asked": asked, "said": printable(said, 300)},
        )


class StorageTokenRefused(ConfigurationError):
    """The secret of the profile, or of etcd, is not the one of the storage proxy."""

    error_code = "storage-proxy_auth_unauthorized"

    def __init__(self, storage: str) -> None:
        super().__init__(
            f"Storage {storage} refuses our token.",
            hint=f"Compare storage.{storage}.secret with the secret of the proxy's manager API.",
            details={"storage": storage},
        )


class AuthorityUnreadable(ConfigurationError):
    """The file of authorities to trust for TLS is missing or no PEM file."""

    error_code = "storage-proxy_setup_invalid-parameters"

    def __init__(self, storage: str, path: str, why: str) -> None:
        super().__init__(
            f"The authorities to trust for storage {storage} cannot be read from {path}: {why}",
            hint="It is a PEM file of certificates.",
            details={"storage": storage, "path": path, "reason": why},
        )


class StorageTaskFailed(BackendAIError):
    """Something the storage does by itself (a clone, a removal) failed there."""

    error_code = "storage-proxy_execute_internal-error"

    def __init__(self, storage: str, task: str, why: str) -> None:
        super().__init__(
            f"Storage {storage} could not {task}: {printable(why, 300)}",
            hint="The storage proxy's log says more.",
            details={"storage": storage, "task": task, "reason": printable(why, 300)},
        )


class StorageTaskUnfinished(TimedOut):
    """We stopped waiting; a storage proxy goes on by itself."""

    error_code = "storage-proxy_execute_task-timeout"

    def __init__(self, storage: str, task: str, seconds: float) -> None:
        super().__init__(
            f"Storage {storage} did not {task} within {seconds:g} s.",
            hint="Run the same command again to wait for the end, or to go on.",
            details={"storage": storage, "task": task, "seconds": seconds},
        )


class UnsupportedByStorage(Conflict):
    error_code = "storage-proxy_generic_not-implemented"

    def __init__(self, storage: str, what: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"Storage {storage} cannot {what}.", hint=hint, details={"storage": storage}
        )


class StorageUnknown(NotFound):
    """Neither the profile nor etcd says where the storage is."""

    error_code = "storage-proxy_read_not-found"

    def __init__(self, storage: str, known: Iterable[str]) -> None:
        names = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"Nothing says where storage {printable(storage)} is; known: {names}.",
            hint=f"Set storage.{printable(storage)}.manager_url and .secret in the profile, or"
            " etcd.url; 'bai-manager connect' does.",
            details={"storage": printable(storage)},
        )


class VolumeMissing(NotFound):
    error_code = "storage_read_not-found"

    def __init__(self, storage: str, volume: str) -> None:
        super().__init__(
            f"Storage {storage} has no volume {printable(volume)}.",
            hint="List what there is with: bai-manager vfolder hosts",
            details={"storage": storage, "volume": printable(volume)},
        )


class QuotaScopeMissing(NotFound):
    error_code = "quota-scope_read_not-found"

    def __init__(self, storage: str, volume: str, scope: QuotaScopeID) -> None:
        super().__init__(
            f"Volume {volume} of storage {storage} has no quota scope {scope}.",
            hint="It is made together with the first folder, or by setting a quota.",
            details={"storage": storage, "volume": volume, "scope": str(scope)},
        )


class QuotaExceeded(InsufficientQuota):
    """``limit``, ``used`` and ``asked`` are bytes; None where the storage does not tell."""

    error_code = "quota-scope_check-limit_forbidden"

    def __init__(
        self,
        storage: str,
        *,
        limit: int | None = None,
        used: int | None = None,
        asked: int | None = None,
    ) -> None:
        numbers = "" if limit is None else f": {asked} bytes more than {used} pass {limit} bytes"
        super().__init__(
            f"The quota scope of the folder on storage {storage} is full{numbers}.",
            hint="Remove files, or have the limit raised: bai-manager vfolder quota set",
            details={"storage": storage, "limit": limit, "used": used, "asked": asked},
        )


class StorageFull(Conflict):
    error_code = "storage_check-limit_unavailable"

    def __init__(self, storage: str) -> None:
        super().__init__(
            f"Storage {storage} has no space left.",
            hint="Run the same command again when there is: what was transferred stays.",
            details={"storage": storage},
        )


class FolderMissing(NotFound):
    error_code = "vfolder_read_not-found"

    def __init__(self, storage: str, folder: object) -> None:
        super().__init__(
            f"Storage {storage} has no folder {folder}.",
            hint="Its row may have outlived its files: bai-manager vfolder show tells the status.",
            details={"storage": storage, "folder": str(folder)},
        )


class FolderExists(Conflict):
    error_code = "vfolder_create_already-exists"

    def __init__(self, storage: str, folder: object) -> None:
        super().__init__(
            f"Storage {storage} has a folder {folder} already.",
            details={"storage": storage, "folder": str(folder)},
        )


class FileMissing(NotFound):
    error_code = "vfolder_access_not-found"

    def __init__(self, path: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"There is no {printable(path)} in the folder.",
            hint=hint or "See what there is with 'bai-manager vfolder ls'.",
            details=_about(path),
        )


class FileExists(Conflict):
    error_code = "vfolder_access_already-exists"

    def __init__(self, path: str) -> None:
        super().__init__(f"{printable(path)} is there already.", details=_about(path))


class NotAFolder(Conflict):
    error_code = "vfolder_access_mismatch"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{printable(path)} is no folder, or goes through something that is none.",
            details=_about(path),
        )


TAKES_ALL: Final = "With --recursive it is removed with all that is in it."


class IsAFolder(Conflict):
    error_code = "vfolder_access_mismatch"

    def __init__(self, path: str, *, hint: str | None = None) -> None:
        super().__init__(f"{printable(path)} is a folder.", hint=hint, details=_about(path))


class PathRefused(InvalidInput):
    error_code = "vfolder_access_invalid-parameters"

    def __init__(self, path: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"{printable(path)!r} is refused: {why}",
            hint=hint or "A path is relative to the virtual folder and stays inside it.",
            details={**_about(path), "reason": why},
        )


class LinkRefused(PathRefused):
    """A symbolic link where following it could lead out of the folder."""

    error_code = "vfolder_access_forbidden"

    def __init__(self, path: str, why: str = "it is, or goes through, a symbolic link") -> None:
        super().__init__(path, why, hint="Symbolic links are not followed; name what they lead to.")


class StorageForbids(Denied):
    """The file system does not let the storage do it."""

    error_code = "vfolder_access_forbidden"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The storage may not touch {printable(path)}: {why}", details=_about(path)
        )


class StorageFailure(BackendAIError):
    """The file system of the storage failed in a way that has no name of its own."""

    error_code = "vfolder_access_internal-error"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{printable(path)}: {why}", details=_about(path))


class ListingCut(BackendAIError):
    """A listing as long as the most that the storage proxy tells."""

    error_code = "vfolder_list-query_unavailable"

    def __init__(self, storage: str, path: str, limit: int) -> None:
        super().__init__(
            f"Storage {storage} lists at most {limit} entries of a folder, and {printable(path)}"
            " has as many or more.",
            hint="Spread the files over folders, or raise scandir-limit in storage-proxy.toml and"
            f" storage.{storage}.listing_limit with it.",
            details={"storage": storage, **_about(path), "limit": limit},
        )


class UploadGone(NotFound):
    """The storage does not know the session: it is complete, or was thrown away."""

    error_code = "vfolder_access_gone"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The storage knows no unfinished upload of {printable(path)}.",
            hint="Run the same command again: it begins anew.",
            details=_about(path),
        )


class UploadExpired(TryAgain):
    error_code = "vfolder_access_data-expired"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The storage does not take more of {printable(path)}: {printable(why, 200)}",
            hint="Run the same command again: it begins this file anew.",
            details={**_about(path), "reason": printable(why, 200)},
        )


class UploadClash(Conflict):
    """Somebody else writes to the same session, or the storage has other bytes than we think."""

    error_code = "vfolder_access_conflict"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{printable(path)} cannot be written to: {why}", details=_about(path))


class FileChanged(TryAgain):
    error_code = "vfolder_access_conflict"

    def __init__(self, path: str, why: str = "it changed while it was read") -> None:
        super().__init__(
            f"{printable(path)} was not transferred: {why}",
            hint="Run the same command again when nobody writes to it.",
            details={**_about(path), "reason": why},
        )


class ChecksumMismatch(BackendAIError):
    error_code = "vfolder_access_mismatch"

    def __init__(self, path: str, here: str, there: str) -> None:
        super().__init__(
            f"{printable(path)} is not the same here and there: SHA-256 {here} and {there}.",
            hint="Transfer it again; if it differs again, suspect disk or memory.",
            details={**_about(path), "here": here, "there": there},
        )


class TransferBusy(Conflict):
    error_code = "vfolder_access_conflict"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Another process is transferring {printable(path)}.",
            hint="Wait for it, or stop it.",
            details=_about(path),
        )


def failure_of(storage: str, number: int, path: str, why: str) -> BackendAIError:
    """The error for an ``errno`` at ``path``; ``why`` is what the system says."""
    if number in _AT_PATH:
        return _AT_PATH[number](path)
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StorageForbids(path, why)
    if number in {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}:
        return PathRefused(path, why)
    if number == errno.ENOSPC:
        return StorageFull(storage)
    return QuotaExceeded(storage) if number == errno.EDQUOT else StorageFailure(path, why)


_AT_PATH: Final[Mapping[int, Callable[[str], BackendAIError]]] = {
    errno.ENOENT: FileMissing,
    errno.EEXIST: FileExists,
    errno.ENOTEMPTY: FileExists,
    errno.ENOTDIR: NotAFolder,
    errno.EISDIR: IsAFolder,
    errno.ELOOP: LinkRefused,
}


class LocalFailure(BackendAIError):
    """A file of this machine cannot be read or written."""

    error_code = "vfolder_access_internal-error"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{printable(path)}: {why}", details={**_about(path), "reason": why})


class LocalFull(LocalFailure):
    """There is no room on this machine."""

    error_code = "vfolder_access_unavailable"
