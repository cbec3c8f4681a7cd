"""A storage proxy over HTTP (``reference/storage-proxy.md``).

What a storage proxy passes over in silence is an error here: a listing cut short, removing or
fetching what is not there, a subpath that does not exist, a name taken over by a rename. Of
symbolic links it follows those that stay in the folder when it lists and reads; it would remove
or move what a link leads to, so links are refused for that. Its uploads would follow a link out
of the folder, so the folder above is looked at first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.answers import About, Answer
from bai_manager.clients.storage_proxy.copying import CopyCheck, Pauses
from bai_manager.clients.storage_proxy.errors import (
    FolderExists,
    FolderMissing,
    NotAFolder,
    StorageTaskFailed,
    StorageTaskUnfinished,
    UnexpectedStorageAnswer,
    UnsupportedByStorage,
)
from bai_manager.clients.storage_proxy.http_uploads import HttpUploads
from bai_manager.clients.storage_proxy.paths import join, split_path
from bai_manager.clients.storage_proxy.protocol import EntryKind, TaskState
from bai_manager.clients.storage_proxy.wire import Timeouts, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from bai_manager.clients.storage_proxy.protocol import FolderRef, TaskWatch
    from bai_manager.types.credentials import Secret
    from bai_manager.types.json import JsonObject


class HttpStorageClient(HttpUploads):
    """One storage proxy.

    ``secret`` is that of its manager-facing API. ``ca_file`` is a PEM file of authorities to
    trust instead of the system's. ``listing_limit`` is its ``scandir-limit``. ``watch`` tells
    how a background task is getting on (it is in Valkey); without it the end of a clone is
    told from the files.
    """

    def __init__(
        self,
        name: str,
        *,
        manager_url: str,
        client_url: str,
        secret: Secret,
        verify_tls: bool = True,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        listing_limit: int = 1000,
        watch: TaskWatch | None = None,
    ) -> None:
        wire = Wire(
            name,
            manager_url=manager_url,
            client_url=client_url,
            secret=secret,
            verify_tls=verify_tls,
            ca_file=ca_file,
            timeouts=timeouts or Timeouts(),
        )
        super().__init__(wire, listing_limit)
        self._watch = watch

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def delete_folder(self, folder: FolderRef, *, timeout: float | None = None) -> None:
        if not await self.folder_exists(folder):
            return
        seconds = self._wire.timeouts.task if timeout is None else timeout
        answer = await self._folder("POST", "/folder/delete", folder)
        task = f"remove folder {folder}"
        try:
            async with asyncio.timeout(seconds):
                await self._until_gone(folder, self._task_id(answer), task)
        except TimeoutError:
            raise StorageTaskUnfinished(self.name, task, seconds) from None

    async def clone_folder(
        self, source: FolderRef, target: FolderRef, *, timeout: float | None = None
    ) -> None:
        if not await self.folder_exists(source):
            raise FolderMissing(self.name, source)
        seconds = self._wire.timeouts.task if timeout is None else timeout
        task = f"copy folder {source} to {target}"
        try:
            async with asyncio.timeout(seconds):
                check = CopyCheck(self, source, target)
                if await self.folder_exists(target):
                    await self._until_equal(check, target)
                else:
                    if target.id.quota_scope is not None:
                        await self.create_quota_scope(target.volume, target.id.quota_scope)
                    task_id = await self._clone(source, target)
                    await self._until_copied(check, target, task_id, task)
        except TimeoutError:
            raise StorageTaskUnfinished(self.name, task, seconds) from None

    async def mount_path(self, folder: FolderRef, subpath: str = ".") -> str:
        parts = split_path(subpath)
        answer = await self._mount(folder)
        if parts and (await self.stat(folder, join(parts))).kind is not EntryKind.FOLDER:
            raise NotAFolder(subpath)
        return answer.field(answer.object(), "path", str)

    async def _clone(self, source: FolderRef, target: FolderRef) -> str:
        params: JsonObject = {
            "src_volume": source.volume,
            "src_vfid": str(source.id),
            "dst_volume": None if target.volume == source.volume else target.volume,
            "dst_vfid": str(target.id),
        }
        about = About(source.volume, source)
        try:
            answer = await self._wire.ask("POST", "/folder/clone", params, about=about)
        except UnexpectedStorageAnswer:
            if source.volume == target.volume:
                raise
            what = f"copy a folder from volume {source.volume} to {target.volume}"
            raise UnsupportedByStorage(
                self.name, what, hint="Download it, and upload it to a new folder there."
            ) from None
        return self._task_id(answer)

    @staticmethod
    def _task_id(answer: Answer) -> str:
        return answer.field(answer.object(), "bgtask_id", str)

    async def _until_gone(self, folder: FolderRef, task_id: str, task: str) -> None:
        pauses = Pauses()
        while await self.folder_exists(folder):
            await self._has_ended(task_id, task)
            await pauses.wait()

    async def _until_copied(
        self, check: CopyCheck, target: FolderRef, task_id: str, task: str
    ) -> None:
        """A storage proxy removes a target that it could not finish."""
        pauses = Pauses()
        begun = False
        latest_begin = asyncio.get_running_loop().time() + self._wire.timeouts.stall
        while not await self._has_ended(task_id, task):
            if self._watch is None:
                exists = await self.folder_exists(target)
                if exists and await check.is_complete():
                    return
                if begun and not exists:
                    raise StorageTaskFailed(self.name, task, "what was copied has been removed")
                begun = begun or exists
                if not begun and asyncio.get_running_loop().time() > latest_begin:
                    raise StorageTaskFailed(self.name, task, "it never began")
            await pauses.wait()

    async def _until_equal(self, check: CopyCheck, target: FolderRef) -> None:
        """Wait while an earlier attempt at the same goes on."""
        pauses = Pauses(longest=0.2)
        while not await check.is_complete():
            if check.settled:
                raise FolderExists(self.name, target)
            await pauses.wait()

    async def _has_ended(self, task_id: str, task: str) -> bool:
        report = await self._watch(task_id) if self._watch is not None else None
        if report is not None and report.state is TaskState.FAILURE:
            raise StorageTaskFailed(self.name, task, report.message)
        return report is not None and report.state is TaskState.SUCCESS
