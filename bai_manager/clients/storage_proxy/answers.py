"""What a storage proxy says, read strictly (``reference/storage-proxy.md`` §3, §4).

Everything here raises ``UnexpectedStorageAnswer`` for an answer of another shape, and
``failure`` turns an answer that tells of a failure into our error for it.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from bai_manager.clients.storage_proxy.errors import (
    FileMissing,
    FolderMissing,
    PathRefused,
    QuotaScopeMissing,
    StorageFull,
    StorageTokenRefused,
    UnexpectedStorageAnswer,
    UnsupportedByStorage,
    UploadExpired,
    UploadGone,
    VolumeMissing,
    failure_of,
)
from bai_manager.clients.storage_proxy.protocol import (
    EntryKind,
    FileEntry,
    FolderRef,
    Volume,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bai_manager.errors import BackendAIError
    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.vfolder import QuotaScopeID

    Read = TypeVar("Read", str, int, bool, list[JsonValue], dict[str, JsonValue])

_ERRNO = re.compile(r"\w+\((\d+),")
_ITEMS = re.compile(rb'\s*\{\s*"items"\s*:\s*\[\s*')
_BETWEEN = re.compile(r"\s*,?\s*")
_DECODER = json.JSONDecoder()
_INSUFFICIENT_STORAGE = 507


@dataclass(frozen=True, slots=True)
class About:
    """What a request was about, for the error if it fails."""

    volume: str = ""
    folder: FolderRef | None = None
    path: str = "."
    scope: QuotaScopeID | None = None
    upload: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``body`` is at most some megabytes."""

    storage: str
    asked: str
    status: int
    body: bytes

    def json(self) -> JsonValue:
        try:
            value: JsonValue = json.loads(self.body)
        except ValueError:
            raise self.unexpected() from None
        return value

    def object(self) -> JsonObject:
        return self.read(self.json(), dict)

    def read(self, value: JsonValue, kind: type[Read]) -> Read:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.unexpected()
        return value

    def field(self, values: JsonObject, name: str, kind: type[Read]) -> Read:
        return self.read(values.get(name), kind)

    def optional(self, values: JsonObject, name: str) -> int | None:
        """A number, or None where the storage gives null or, for not knowing, -1."""
        if values.get(name) is None:
            return None
        number = self.field(values, name, int)
        return number if number >= 0 else None

    def unexpected(self) -> UnexpectedStorageAnswer:
        text = self.body.decode(errors="replace").strip()
        return UnexpectedStorageAnswer(self.storage, self.asked, f"{self.status} {text}")


PROBLEMS: Final = (
    "/storage/forbidden",
    "/storage/volume/invalid",
    "/storage/subpath/invalid",
    "/storage/vfolder/not-found",
    "/storage/quota/scope/not-found",
    "/storage/unsupported-operation",
    "/storage/no-such-upload-session",
    "/storage/file-not-found",
    "/storage/invalid-api-params",
)


def failure(answer: Answer, about: About) -> BackendAIError:
    """The error for an answer whose status is none of success."""
    if answer.status == _INSUFFICIENT_STORAGE:
        return StorageFull(answer.storage)
    try:
        values = answer.object()
    except UnexpectedStorageAnswer as unexpected:
        return unexpected
    number, message = values.get("errno"), str(values.get("msg"))
    if isinstance(number, int):
        return failure_of(answer.storage, number, about.path, message)
    if message == "VFolder not found":
        return FolderMissing(answer.storage, about.folder)
    if message == "Invalid vfolder subpath":
        return PathRefused(about.path, "the storage says that it leads out of the folder")
    return _problem(answer, values, about)


def _problem(answer: Answer, values: JsonObject, about: About) -> BackendAIError:  # noqa: PLR0911
    storage, message = answer.storage, str(values.get("msg") or values.get("title"))
    kind = str(values.get("type"))
    match next((known for known in PROBLEMS if kind.endswith(known)), None):
        case "/storage/forbidden":
            return StorageTokenRefused(storage)
        case "/storage/volume/invalid":
            return VolumeMissing(storage, about.volume)
        case "/storage/subpath/invalid":
            return PathRefused(about.path, "the storage says that it leads out of the folder")
        case "/storage/vfolder/not-found":
            return FolderMissing(storage, about.folder)
        case "/storage/quota/scope/not-found" if about.scope is not None:
            return QuotaScopeMissing(storage, about.volume, about.scope)
        case "/storage/unsupported-operation":
            return UnsupportedByStorage(storage, f"do that: {message}")
        case "/storage/no-such-upload-session":
            return UploadGone(about.path)
        case "/storage/file-not-found":
            return FileMissing(about.path)
        case "/storage/invalid-api-params" if about.upload and _blames_token(values):
            return UploadExpired(about.path, "the token is no longer valid")
        case _:
            return answer.unexpected()


def _blames_token(values: JsonObject) -> bool:
    data = values.get("data")
    return isinstance(data, dict) and "token" in data


def made_folder_failure(answer: Answer, about: About) -> BackendAIError | None:
    """The failure that the answer to ``mkdir`` of one path tells of, if it does."""
    results = answer.field(answer.object(), "results", dict)
    failed = answer.field(results, "failed", list)
    if not failed:
        return None
    message = str(answer.field(answer.read(failed[0], dict), "msg", str))
    found = _ERRNO.match(message)
    if found:
        why = message.rpartition(",")[2].strip(" ')")
        return failure_of(answer.storage, int(found[1]), about.path, why)
    if "InvalidSubpath" in message:
        return PathRefused(about.path, "the storage says that it leads out of the folder")
    return failure_of(answer.storage, errno.EIO, about.path, message)


def volumes(answer: Answer) -> list[Volume]:
    listed = answer.field(answer.object(), "volumes", list)
    return [_volume(answer, answer.read(values, dict)) for values in listed]


def _volume(answer: Answer, values: JsonObject) -> Volume:
    capabilities = answer.field(values, "capabilities", list)
    return Volume(
        name=answer.field(values, "name", str),
        backend=answer.field(values, "backend", str),
        path=answer.field(values, "path", str),
        capabilities=frozenset(answer.read(capability, str) for capability in capabilities),
    )


def entries(answer: Answer, parts: Sequence[str]) -> Iterator[FileEntry]:
    """The entries of the folder at ``parts``, read one by one: there may be very many."""
    for values in _items(answer):
        yield _entry(answer, answer.read(values, dict), parts)


def _items(answer: Answer) -> Iterator[JsonValue]:
    """The members of ``{"items": […]}``; all at once they would take ten times the memory."""
    begin = _ITEMS.match(answer.body)
    if begin is None:
        yield from answer.field(answer.object(), "items", list)
        return
    try:
        text, at = answer.body.decode(), begin.end()
        while not text.startswith("]", at):
            value, at = _DECODER.raw_decode(text, at)
            yield value
            between = _BETWEEN.match(text, at)
            at = between.end() if between else at
    except ValueError:
        raise answer.unexpected() from None
    if text[at + 1 :].strip() != "}":
        raise answer.unexpected()


def _entry(answer: Answer, values: JsonObject, parts: Sequence[str]) -> FileEntry:
    name = answer.field(values, "name", str)
    if "/" in name or "\0" in name or name in {"", ".", ".."}:
        raise answer.unexpected()  # a name that would lead elsewhere when it is downloaded
    status = answer.field(values, "stat", dict)
    mode = answer.field(status, "mode", int)
    kind = kind_of(mode)
    return FileEntry(
        path="/".join((*parts, name)),
        kind=kind,
        size=answer.field(status, "size", int),
        mode=mode,
        modified=_time(answer, answer.field(status, "modified", str)),
        link_target=str(values.get("symlink_target")) if kind is EntryKind.LINK else None,
    )


def _time(answer: Answer, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise answer.unexpected() from None
    return time.replace(tzinfo=time.tzinfo or UTC)
