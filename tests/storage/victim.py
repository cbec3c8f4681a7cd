"""A process that moves files slowly, to be killed meanwhile: ``python -m tests.storage.victim``.

Its argument is JSON: ``what`` (upload, download, clone or delete), ``storage`` (a folder, an
address or "cluster"), ``folder`` and ``target`` (ids), ``path`` of this machine, and ``journal``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.download import download
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.clients.storage_proxy.transfer import Unobserved
from bai_manager.clients.storage_proxy.upload import upload
from bai_manager.types.vfolder import VFolderID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bai_manager.clients.storage_proxy.protocol import StorageClient

PAUSE = 0.002


class Slow(Unobserved):
    def moved(self, size: int) -> None:  # noqa: ARG002 - the protocol's
        time.sleep(10 * PAUSE)


def slowly(work: Callable[..., int | None]) -> Callable[..., int | None]:
    def slow(*args: object, **kwargs: object) -> int | None:
        time.sleep(PAUSE)
        return work(*args, **kwargs)

    return slow


@asynccontextmanager
async def storage_at(where: str) -> AsyncIterator[StorageClient]:
    if where.startswith("/"):
        yield LocalStorageClient("local", Path(where))
        return
    from tests.storage.proxies import cluster_client, http_client  # noqa: PLC0415 - slow to load

    async with cluster_client() if where == "cluster" else http_client(where) as client:
        yield client


async def main(told: dict[str, str]) -> None:
    async with storage_at(told["storage"]) as storage:
        await move(storage, told)


async def move(storage: StorageClient, told: dict[str, str]) -> None:
    folder = FolderRef("volume1", VFolderID.parse(told["folder"]))
    path = Path(told["path"])
    match told["what"]:
        case "upload":
            journal = Path(told["journal"])
            await upload(storage, folder, path, ".", observer=Slow(), journal_folder=journal)
        case "download":
            await download(storage, folder, ".", path, observer=Slow())
        case "clone":
            target = FolderRef("volume1", VFolderID.parse(told["target"]))
            await storage.clone_folder(folder, target)
        case _:
            await storage.delete_folder(folder)


if __name__ == "__main__":
    for name in ("copy_file_range", "unlink"):
        setattr(os, name, slowly(getattr(os, name)))
    asyncio.run(main(json.loads(sys.argv[1])))
