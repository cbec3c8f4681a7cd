"""Processes that do something to a folder, and wait to be killed beside the storage's part.

``python -m tests.vfolder.victim`` forks one for each line of JSON: ``url`` of the database,
``home``, ``volumes``, the key pair, ``what`` (create, clone or purge), and ``halt`` (before or
after the bytes are dealt with). Each says its process id when it is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bai_manager.app import App
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.pool import StorageMap, StoragePool
from bai_manager.config import load_config
from bai_manager.repositories.database import Database
from bai_manager.services.vfolder.actions import (
    CloneVFolderAction,
    CreateVFolderAction,
    PurgeVFolderAction,
)
from bai_manager.services.vfolder.types import VFolderSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ACTIONS: dict[str, Any] = {
    "create": CreateVFolderAction(spec=VFolderSpec(name="new")),
    "clone": CloneVFolderAction(vfolder="data", spec=VFolderSpec(name="copy")),
    "purge": PurgeVFolderAction(vfolder="data"),
}
METHODS = {"create": "create_folder", "clone": "clone_folder", "purge": "delete_folder"}


def halting(work: Callable[..., Awaitable[None]], halt: str) -> Callable[..., Awaitable[None]]:
    async def halted(*args: object, **kwargs: object) -> None:
        if halt == "after":
            await work(*args, **kwargs)
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    return halted


async def main(told: dict[str, str]) -> None:
    storage = LocalStorageClient("local", Path(told["volumes"]))
    method = METHODS[told["what"]]
    setattr(storage, method, halting(getattr(storage, method), told["halt"]))

    async def load() -> StorageMap:
        return StorageMap(clients={"local": lambda: storage}, default_host="local:volume1")

    app = App(
        load_config(
            {
                "BAI_HOME": told["home"],
                "BAI_KIND": "cluster",
                "BAI_DATABASE_DSN": "postgresql://replaced@localhost/replaced",
                "BAI_ACCESS_KEY": told["access_key"],
                "BAI_SECRET_KEY": told["secret_key"],
            }
        )
    )
    app.database = Database(told["url"])
    app.storages = StoragePool(load)
    await app.processor.run(ACTIONS[told["what"]])


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while line := sys.stdin.readline():
        if os.fork() == 0:
            asyncio.run(main(json.loads(line)))
