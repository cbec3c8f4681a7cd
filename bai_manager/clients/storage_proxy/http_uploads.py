"""Resumable uploads to a storage proxy: tus 1.0.0 without its creation step.

A storage proxy takes whatever comes, also more than announced, and stores it under any path,
also out of the folder through ``..`` or a symbolic link; all that is looked at here.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import urlsafe_b64decode
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.answers import About, Answer, failure
from bai_manager.clients.storage_proxy.errors import (
    ConnectionBroke,
    FileMissing,
    FolderMissing,
    IsAFolder,
    NotAFolder,
    PathRefused,
    QuotaExceeded,
    QuotaScopeMissing,
    StorageFull,
    StorageUnreachable,
    UnexpectedStorageAnswer,
    UploadClash,
    UploadExpired,
    UploadGone,
)
from bai_manager.clients.storage_proxy.http_files import HttpFiles
from bai_manager.clients.storage_proxy.paths import join, split_entry
from bai_manager.clients.storage_proxy.protocol import UPLOADS, EntryKind, UploadSession
from bai_manager.clients.storage_proxy.sessions import ABANDONED, as_announced
from bai_manager.errors import BackendAIError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence

    import httpx

    from bai_manager.clients.storage_proxy.protocol import FileEntry, FolderRef
    from bai_manager.clients.storage_proxy.wire import Wire
    from bai_manager.types.json import JsonObject

PIECE: Final = 2**18
"""Bytes sent at once; each must be taken within the stall time."""

_PART = re.compile("[0-9a-f]{32}")

_BEGINNINGS: Final = 5
_DONE = 204
_OK = 200
_BAD_REQUEST = 400
_NOT_FOUND = 404


class HttpUploads(HttpFiles):
    """``_safe_folders`` are in their folder, as far as the storage proxy has looked."""

    def __init__(self, wire: Wire, listing_limit: int) -> None:
        super().__init__(wire, listing_limit)
        self._swept: set[FolderRef] = set()

    async def begin_upload(self, folder: FolderRef, path: str, size: int) -> UploadSession:
        parts = split_entry(path)
        if not _is_text(path):
            raise PathRefused(path, "a storage proxy takes no names that are no UTF-8")
        if (folder, parts[:-1]) not in self._safe_folders:
            await self._make_above(folder, parts)
        for attempt in range(_BEGINNINGS):
            try:
                token = await self._begin(folder, parts, size)
                break
            except UnexpectedStorageAnswer as unexpected:
                if attempt < _BEGINNINGS - 1:
                    continue  # it removes the folder for uploads whenever it is empty
                if not await self.folder_exists(folder):
                    raise FolderMissing(self.name, folder) from None
                raise await self._no_room(folder, size) or unexpected from None
        return UploadSession(folder=folder, path=join(parts), size=size, token=token)

    async def _begin(self, folder: FolderRef, parts: tuple[str, ...], size: int) -> str:
        answer = await self._folder(
            "POST",
            "/folder/file/upload",
            folder,
            about=About(folder.volume, folder, join(parts)),
            relpath=join(parts),
            size=size,
        )
        return answer.field(answer.object(), "token", str)

    async def upload_offset(self, session: UploadSession) -> int:
        """Wait until it does not grow any more.

        After a broken upload the storage proxy is still writing what it had received; what is
        sent meanwhile would be mixed with that.
        """
        offset = await self._ask_offset(session)
        while True:
            await asyncio.sleep(self._wire.timeouts.settle)
            last, offset = offset, await self._ask_offset(session)
            if offset == last:
                return offset

    async def write_file(
        self, session: UploadSession, offset: int, data: AsyncIterable[bytes]
    ) -> None:
        await self._sweep(session)
        limit = asyncio.timeout(None)
        body = self._pieces(as_announced(session, offset, data), limit)
        length = {"Content-Length": str(session.size - offset)}
        try:
            async with (
                limit,
                self._wire.stream(
                    "PATCH", "/upload", session.token, headers=length, body=body
                ) as response,
            ):
                answer = await self._wire.answer(response, "PATCH /upload")
        except TimeoutError:
            raise StorageUnreachable(self.name, "PATCH /upload takes too long to end") from None
        except ConnectionBroke as broke:
            raise await self._why_it_broke(session, broke) from None
        if answer.status != _DONE:
            raise await self._upload_failure(session, answer)
        reached = self._offset(session, response, _DONE)
        if reached != session.size:
            await self._remove_overgrown(session, reached)
            why = f"the storage has {reached} bytes where {session.size} were sent"
            raise UploadClash(session.path, why)

    async def _pieces(
        self, data: AsyncIterable[bytes], limit: asyncio.Timeout
    ) -> AsyncIterator[bytes]:
        """Small pieces, so that each is taken in time. When all is sent, an answer must come."""
        async for chunk in data:
            for start in range(0, len(chunk), PIECE):
                yield chunk[start : start + PIECE]
        limit.reschedule(asyncio.get_running_loop().time() + self._wire.timeouts.answer)

    async def abort_upload(self, session: UploadSession) -> None:
        name = _session_name(session.token)
        if name is not None:
            await self._remove_parts(session.folder, [f"{UPLOADS}/{name}"])

    async def _remove_parts(self, folder: FolderRef, paths: Sequence[str]) -> None:
        await self._folder(
            "POST", "/folder/file/delete", folder, relpaths=[*paths], recursive=False
        )

    async def _sweep(self, session: UploadSession) -> None:
        """Remove parts that nobody can go on with, once per folder.

        Nobody knows the name of a part whose uploader was killed between announcing it and
        noting its token, and others are given up. All are told from those that are being
        uploaded by their age: above that of any token that is still valid, and of a week. The
        new and empty part of ``session`` tells the storage's time and how long tokens are
        valid. (Where it is beyond the cut of a listing, nothing is removed.)
        """
        folder, expires = session.folder, _claims(session.token).get("exp")
        if folder in self._swept or not isinstance(expires, int | float):
            return
        self._swept.add(folder)
        parts = await self._parts(folder)
        own = parts.get(_session_name(session.token) or "")
        if own is None or own.size:
            return
        validity = datetime.fromtimestamp(expires, UTC) - own.modified
        dead = [
            part.path
            for part in parts.values()
            if own.modified - part.modified > max(validity, ABANDONED)
        ]
        if dead and await self._has_place_for_parts(folder):
            await self._remove_parts(folder, dead)

    async def _parts(self, folder: FolderRef) -> dict[str, FileEntry]:
        try:
            listed = await self._listed(folder, (UPLOADS,))
        except (FileMissing, NotAFolder):
            return {}
        return {
            entry.name: entry
            for entry in listed
            if entry.kind is EntryKind.FILE and _PART.fullmatch(entry.name)
        }

    async def _has_place_for_parts(self, folder: FolderRef) -> bool:
        """Whether what is in the folder for uploads is nothing else: it is not a link."""
        return any(
            entry.path == UPLOADS and entry.kind is EntryKind.FOLDER
            for entry in await self._listed(folder, ())
        )

    async def _ask_offset(self, session: UploadSession) -> int:
        async with self._wire.stream("HEAD", "/upload", session.token) as response:
            await response.aread()
        return self._offset(session, response, _OK)

    async def _why_it_broke(self, session: UploadSession, broke: ConnectionBroke) -> BackendAIError:
        """A storage proxy that takes no more may end the connection before it can say why."""
        try:
            await self._ask_offset(session)
            return await self._no_room(session.folder, session.size) or broke
        except UploadExpired as error:
            return error
        except BackendAIError:
            return broke

    async def _remove_overgrown(self, session: UploadSession, reached: int) -> None:
        """A storage proxy puts a file in its place also when it got more than announced."""
        with suppress(FileMissing):
            if (await self.stat(session.folder, session.path)).size == reached > session.size:
                await self.delete_files(session.folder, [session.path])

    def _offset(self, session: UploadSession, response: httpx.Response, wanted: int) -> int:
        text = response.headers.get("upload-offset", "")
        if response.status_code == _NOT_FOUND:
            raise UploadGone(session.path)
        if response.status_code == _BAD_REQUEST:
            raise UploadExpired(session.path, "the token is no longer valid")
        if response.status_code != wanted or not text.isdecimal():
            said = f"{response.status_code}, offset {text!r}"
            raise UnexpectedStorageAnswer(self.name, f"{response.request.method} /upload", said)
        return int(text)

    async def _upload_failure(self, session: UploadSession, answer: Answer) -> BackendAIError:
        folder = session.folder
        about = About(folder.volume, folder, session.path, upload=True)
        failed = failure(answer, about)
        if not isinstance(failed, UnexpectedStorageAnswer):
            return failed
        try:
            if (await self.stat(folder, session.path)).kind is EntryKind.FOLDER:
                return IsAFolder(session.path)
        except NotAFolder as error:
            return error
        except FileMissing:
            pass
        return await self._no_room(folder, session.size) or failed

    async def _no_room(self, folder: FolderRef, size: int) -> BackendAIError | None:
        """Find out whether a failure without a word came from a full volume or scope."""
        usage = await self.volume_usage(folder.volume)
        if usage.capacity_bytes - usage.used_bytes < size:
            return StorageFull(self.name)
        if folder.id.quota_scope is None:
            return None
        try:
            scope = await self.quota_scope(folder.volume, folder.id.quota_scope)
        except QuotaScopeMissing:
            return None
        used, limit = scope.used_bytes, scope.limit_bytes
        if used is None or limit is None or used + size <= limit:
            return None
        return QuotaExceeded(self.name, limit=limit, used=used, asked=size)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _claims(token: str) -> JsonObject:
    """What a token (JWT) says. Nothing is verified."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _session_name(token: str) -> str | None:
    """The session that a token is for: the name of its file."""
    name = _claims(token).get("session")
    return name if isinstance(name, str) and name.isalnum() else None
