"""What the tests of storage say in one word."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType, VFolderID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import StorageClient, UploadSession

HOSTILE_NAMES = [
    "-rf",
    "a b ",
    "'\"`$(x)",
    "\x1b[31mred",
    "new\nline",
    "*?[x]",
    "%2e%2e%2f",
    "back\\slash",
    "ü" * 127,
    "日本語",
    "...",
    ".hidden",
    "a;b&c=d#e",
]


def new_scope() -> QuotaScopeID:
    return QuotaScopeID(QuotaScopeType.USER, uuid4())


def new_folder(volume: str, scope: QuotaScopeID | None = None) -> FolderRef:
    return FolderRef(volume, VFolderID(scope or new_scope(), uuid4()))


async def pieces(data: bytes, size: int = 2**16) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def put(storage: StorageClient, folder: FolderRef, path: str, data: bytes) -> UploadSession:
    session = await storage.begin_upload(folder, path, len(data))
    await storage.write_file(session, 0, pieces(data))
    return session


async def put_some(storage: StorageClient, session: UploadSession, data: bytes) -> int:
    """Begin an upload that breaks after DATA; return how much of it the storage has."""

    async def broken() -> AsyncIterator[bytes]:
        yield data
        raise ConnectionError

    with suppress(ConnectionError):
        await storage.write_file(session, 0, broken())
    return await storage.upload_offset(session)


async def get(storage: StorageClient, folder: FolderRef, path: str, offset: int = 0) -> bytes:
    async with storage.read_file(folder, path, offset=offset) as content:
        return b"".join([chunk async for chunk in content.chunks])


async def names(
    storage: StorageClient, folder: FolderRef, path: str = ".", *, recursive: bool = False
) -> list[str]:
    found = storage.list_files(folder, path, recursive=recursive)
    return sorted([entry.path async for entry in found])


def make_tree(top: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


def read_tree(top: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()
    }
