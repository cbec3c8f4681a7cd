"""Files on a storage proxy: listing, reading, moving, removing."""

from __future__ import annotations

import re
from collections import deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bai_manager.clients.storage_proxy.answers import (
    About,
    entries,
    failure,
    made_folder_failure,
)
from bai_manager.clients.storage_proxy.errors import (
    ConnectionBroke,
    FileChanged,
    FileExists,
    FileMissing,
    IsAFolder,
    LinkRefused,
    ListingCut,
    NotAFolder,
    PathRefused,
    UnexpectedStorageAnswer,
)
from bai_manager.clients.storage_proxy.http_volumes import HttpVolumes
from bai_manager.clients.storage_proxy.paths import join, split_entry, split_path
from bai_manager.clients.storage_proxy.protocol import UPLOADS, EntryKind, FileContent, FileEntry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    import httpx

    from bai_manager.clients.storage_proxy.protocol import Chunk, FolderRef
    from bai_manager.clients.storage_proxy.wire import Wire
    from bai_manager.types.json import JsonObject

FETCHED_AT_ONCE: Final = 2**20
"""Files up to this size are asked for by one request instead of two."""

_MIXED, _ALL_FAILED = 207, 422
_OK, _PARTIAL, _BAD_REQUEST, _RANGE = 200, 206, 400, 416
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_NEVER = datetime.fromtimestamp(0, UTC)
_UNSPEAKABLE = re.compile(r"[\r\n]")
"""Names that a storage proxy fails to put into the headers of a download."""


class HttpFiles(HttpVolumes):
    def __init__(self, wire: Wire, listing_limit: int) -> None:
        super().__init__(wire)
        self._listing_limit = listing_limit
        self._safe_folders: set[tuple[FolderRef, tuple[str, ...]]] = set()

    async def list_files(
        self, folder: FolderRef, path: str = ".", *, recursive: bool = False
    ) -> AsyncGenerator[FileEntry, None]:
        top = split_path(path)
        waiting = deque([top])
        while waiting:
            parts = waiting.popleft()
            try:
                listed = await self._listed(folder, parts)
            except (FileMissing, NotAFolder):
                if parts == top:
                    raise
                continue  # it is gone by now, or something else
            count = 0
            for entry in listed:
                count += 1
                if entry.path == UPLOADS:
                    continue
                if recursive and entry.kind is EntryKind.FOLDER:
                    waiting.append((*parts, entry.name))
                yield entry
            if count >= self._listing_limit:
                raise ListingCut(self.name, join(parts), self._listing_limit)

    async def stat(self, folder: FolderRef, path: str) -> FileEntry:
        parts = split_path(path)
        if not parts:
            await self._list(folder, parts)
            return _bare(".", EntryKind.FOLDER)
        listed, complete = await self._list(folder, parts[:-1])
        found = next((entry for entry in listed if entry.name == parts[-1]), None)
        if found is not None:
            return found
        if complete:
            raise FileMissing(path)
        return await self._stat_unlisted(folder, parts)

    async def make_folder(
        self, folder: FolderRef, path: str, *, parents: bool = True, exist_ok: bool = False
    ) -> None:
        parts = split_entry(path)
        about = About(folder.volume, folder, path)
        answer = await self._folder(
            "POST",
            "/folder/file/mkdir",
            folder,
            about=about,
            accepted=frozenset({_MIXED, _ALL_FAILED}),
            relpath=join(parts),
            parents=parents,
            exist_ok=exist_ok,
        )
        failed = made_folder_failure(answer, about)
        if failed is not None:
            raise failed
        self._safe_folders.add((folder, parts))

    async def move(self, folder: FolderRef, source: str, target: str) -> None:
        parts, wanted = split_entry(source), split_entry(target)
        if wanted[: len(parts)] == parts:
            raise PathRefused(target, f"it is in {source} itself")
        self._refuse_link(await self.stat(folder, source), "move")
        if await self._exists(folder, target):
            raise FileExists(target)
        await self._make_above(folder, wanted)
        await self._folder(
            "POST",
            "/folder/file/move",
            folder,
            about=About(folder.volume, folder, source),
            src_relpath=join(parts),
            dst_relpath=join(wanted),
        )

    async def delete_files(
        self, folder: FolderRef, paths: Sequence[str], *, recursive: bool = False
    ) -> None:
        names = [split_entry(path) for path in paths]
        for parent in {parts[:-1] for parts in names}:
            await self._refuse_to_delete(
                folder, parent, {parts[-1] for parts in names if parts[:-1] == parent}, recursive
            )
        await self._folder(
            "POST",
            "/folder/file/delete",
            folder,
            timeout=self._wire.timeouts.task,
            relpaths=[join(parts) for parts in names],
            recursive=recursive,
        )

    @asynccontextmanager
    async def read_file(
        self, folder: FolderRef, path: str, *, offset: int = 0, expected: FileEntry | None = None
    ) -> AsyncIterator[FileContent]:
        parts = split_entry(path)
        _refuse_bytes(path)
        if _UNSPEAKABLE.search(parts[-1]):
            expected = expected or await self.stat(folder, path)
            opened = self._fetch(folder, expected, offset)
        elif expected is not None and offset == 0 and expected.size <= FETCHED_AT_ONCE:
            opened = self._fetch(folder, expected, offset)
        else:
            opened = self._download(folder, path, offset)
        async with opened as content:
            yield content

    async def checksum(self, folder: FolderRef, path: str) -> str:
        digest = sha256()
        async with self.read_file(folder, path) as content:
            async for chunk in content.chunks:
                digest.update(chunk)
        return digest.hexdigest()

    async def _make_above(self, folder: FolderRef, parts: tuple[str, ...]) -> None:
        """Make the folder above, which a storage proxy refuses to do outside of the folder."""
        above = join(parts[:-1])
        if len(parts) > 1:
            try:
                await self.make_folder(folder, above, exist_ok=True)
            except FileExists:
                raise NotAFolder(above) from None

    async def _list(self, folder: FolderRef, parts: Sequence[str]) -> tuple[list[FileEntry], bool]:
        """The entries of one folder, and whether that is certainly all."""
        listed = [*await self._listed(folder, parts)]
        complete = len(listed) < self._listing_limit
        return [entry for entry in listed if entry.path != UPLOADS], complete

    async def _listed(self, folder: FolderRef, parts: Sequence[str]) -> Iterator[FileEntry]:
        path = join(parts)
        answer = await self._folder(
            "POST",
            "/folder/file/list",
            folder,
            about=About(folder.volume, folder, path),
            repeatable=True,
            relpath=path,
        )
        return entries(answer, parts)

    async def _stat_unlisted(self, folder: FolderRef, parts: Sequence[str]) -> FileEntry:
        """For an entry that may be beyond the cut of its folder's listing."""
        path = join(parts)
        try:
            await self._list(folder, parts)
        except NotAFolder:
            async with self._download(folder, path, 0) as content:
                return _bare(path, EntryKind.FILE, content.size, content.modified)
        return _bare(path, EntryKind.FOLDER)

    async def _exists(self, folder: FolderRef, path: str) -> bool:
        try:
            await self.stat(folder, path)
        except FileMissing:
            return False
        return True

    async def _refuse_to_delete(
        self, folder: FolderRef, parent: Sequence[str], names: set[str], recursive: bool
    ) -> None:
        listed, complete = await self._list(folder, parent)
        found = {entry.name: entry for entry in listed if entry.name in names}
        for name in sorted(names):
            path = join((*parent, name))
            if name not in found and complete:
                raise FileMissing(path)
            entry = found.get(name) or await self._stat_unlisted(folder, (*parent, name))
            self._refuse_link(entry, "remove")
            if entry.kind is EntryKind.FOLDER and not recursive:
                raise IsAFolder(path, hint="Say so to remove it with all that is in it.")

    @staticmethod
    def _refuse_link(entry: FileEntry, verb: str) -> None:
        if entry.kind is EntryKind.LINK:
            why = f"a storage proxy would {verb} what the symbolic link leads to"
            raise LinkRefused(entry.path, why)

    @asynccontextmanager
    async def _fetch(
        self, folder: FolderRef, expected: FileEntry, offset: int
    ) -> AsyncIterator[FileContent]:
        """One request, but without a word about what is sent: also of nothing."""
        params: JsonObject = {
            "volume": folder.volume,
            "vfid": str(folder.id),
            "relpath": expected.path,
        }
        async with self._wire.fetch("/folder/file/fetch", params) as response:
            if response.status_code != _OK:
                answer = await self._wire.answer(response, "POST /folder/file/fetch")
                raise failure(answer, About(folder.volume, folder, expected.path))
            chunks = self._beyond(self._wire.moving(response), offset)
            yield FileContent(
                size=expected.size,
                offset=offset,
                modified=expected.modified,
                chunks=self._fetched(expected, offset, chunks),
            )

    async def _fetched(
        self, expected: FileEntry, offset: int, chunks: AsyncIterator[Chunk]
    ) -> AsyncIterator[Chunk]:
        left = expected.size - offset
        async for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise FileChanged(expected.path, "it is longer than its folder said")
            yield chunk
        if left:
            raise FileChanged(expected.path, "it is gone, or shorter than its folder said")

    @staticmethod
    async def _beyond(chunks: AsyncIterator[Chunk], offset: int) -> AsyncIterator[Chunk]:
        """The bytes from ``offset`` on."""
        async for chunk in chunks:
            rest = chunk[offset:] if offset else chunk
            offset = max(0, offset - len(chunk))
            if rest:
                yield rest

    @asynccontextmanager
    async def _download(
        self, folder: FolderRef, path: str, offset: int
    ) -> AsyncIterator[FileContent]:
        about = About(folder.volume, folder, path)
        answer = await self._folder(
            "POST",
            "/folder/file/download",
            folder,
            about=about,
            repeatable=True,
            relpath=join(split_entry(path)),
            archive=False,
            unmanaged_path=None,
        )
        token = answer.field(answer.object(), "token", str)
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._wire.stream("GET", "/download", token, headers=headers) as response:
            yield await self._content(folder, path, offset, response)

    async def _content(
        self, folder: FolderRef, path: str, offset: int, response: httpx.Response
    ) -> FileContent:
        status = response.status_code
        length = response.headers.get("content-length", "")
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        chunks = self._wire.moving(response)
        if status == _OK and length.isdecimal():
            size = int(length)
            chunks = self._beyond(chunks, offset)
        elif status == _PARTIAL and found and found[1] == str(offset):
            size = int(found[2])
        elif status == _RANGE and found and int(found[2]) == offset:
            return FileContent(size=offset, offset=offset, modified=None, chunks=_nothing())
        else:
            raise await self._download_failure(folder, path, offset, response)
        return FileContent(
            size=size,
            offset=offset,
            modified=_http_date(response.headers.get("last-modified")),
            chunks=self._downloaded(size - offset, chunks),
        )

    async def _downloaded(self, left: int, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        async for chunk in chunks:
            left -= len(chunk)
            yield chunk
        if left:
            raise ConnectionBroke(self.name, f"{left} bytes of the file did not come")

    async def _download_failure(
        self, folder: FolderRef, path: str, offset: int, response: httpx.Response
    ) -> Exception:
        if response.status_code == _RANGE:
            return PathRefused(path, f"it has fewer than {offset} bytes")
        answer = await self._wire.answer(response, "GET /download")
        failed = failure(answer, About(folder.volume, folder, path))
        if response.status_code == _BAD_REQUEST and isinstance(failed, UnexpectedStorageAnswer):
            kind = (await self.stat(folder, path)).kind
            return IsAFolder(path) if kind is EntryKind.FOLDER else failed
        return failed


def _bare(path: str, kind: EntryKind, size: int = 0, modified: datetime | None = None) -> FileEntry:
    """What is known of an entry that no listing tells of."""
    return FileEntry(path=path, kind=kind, size=size, mode=0, modified=modified or _NEVER)


def _http_date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _refuse_bytes(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise PathRefused(
            path, "a storage proxy gives no access to names that are no UTF-8"
        ) from None


async def _nothing() -> AsyncIterator[Chunk]:
    return
    yield b""
