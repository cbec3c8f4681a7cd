"""Volumes, quota scopes and whole folders of a storage proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.answers import About, Answer, volumes
from bai_manager.clients.storage_proxy.errors import (
    FolderExists,
    FolderMissing,
    QuotaScopeMissing,
    UnexpectedStorageAnswer,
)
from bai_manager.clients.storage_proxy.protocol import FolderUsage, QuotaScopeUsage, VolumeUsage

if TYPE_CHECKING:
    from bai_manager.clients.storage_proxy.protocol import FolderRef, Volume
    from bai_manager.clients.storage_proxy.wire import Wire
    from bai_manager.types.json import JsonObject, JsonValue
    from bai_manager.types.vfolder import QuotaScopeID


class HttpVolumes:
    def __init__(self, wire: Wire) -> None:
        self.name = wire.name
        self._wire = wire

    async def volumes(self) -> list[Volume]:
        return volumes(await self._wire.ask("GET", "/volumes", about=About(), repeatable=True))

    async def volume_usage(self, volume: str) -> VolumeUsage:
        answer = await self._wire.ask(
            "GET", "/folder/fs-usage", {"volume": volume}, about=About(volume), repeatable=True
        )
        values = answer.object()
        return VolumeUsage(
            capacity_bytes=answer.field(values, "capacity_bytes", int),
            used_bytes=answer.field(values, "used_bytes", int),
        )

    async def quota_scope(self, volume: str, scope: QuotaScopeID) -> QuotaScopeUsage:
        answer = await self._scope("GET", "/quota-scope", volume, scope)
        values = answer.object()
        return QuotaScopeUsage(
            used_bytes=answer.optional(values, "used_bytes"),
            limit_bytes=answer.optional(values, "limit_bytes"),
        )

    async def create_quota_scope(
        self, volume: str, scope: QuotaScopeID, limit_bytes: int | None = None
    ) -> None:
        try:
            await self.quota_scope(volume, scope)
        except QuotaScopeMissing:
            options: JsonObject | None = None
            if limit_bytes is not None:
                options = {"limit_bytes": limit_bytes}
            try:
                await self._scope(
                    "POST", "/quota-scope", volume, scope, options=options, extra_args={}
                )
            except UnexpectedStorageAnswer:  # unless somebody else was quicker
                await self.quota_scope(volume, scope)

    async def set_quota(self, volume: str, scope: QuotaScopeID, limit_bytes: int) -> None:
        await self._scope(
            "PATCH", "/quota-scope", volume, scope, options={"limit_bytes": limit_bytes}
        )

    async def unset_quota(self, volume: str, scope: QuotaScopeID) -> None:
        await self._scope("DELETE", "/quota-scope/quota", volume, scope)

    async def create_folder(
        self, folder: FolderRef, *, mode: int | None = None, scope_limit_bytes: int | None = None
    ) -> None:
        options: JsonObject | None = None
        if scope_limit_bytes is not None:
            options = {"initial_max_size_for_quota_scope": scope_limit_bytes}
        try:
            await self._folder("POST", "/folder/create", folder, mode=mode, options=options)
        except UnexpectedStorageAnswer:
            if await self.folder_exists(folder):
                raise FolderExists(self.name, folder) from None
            raise

    async def folder_exists(self, folder: FolderRef) -> bool:
        try:
            await self._mount(folder)
        except FolderMissing:
            return False
        return True

    async def folder_usage(self, folder: FolderRef) -> FolderUsage:
        answer = await self._folder("GET", "/folder/usage", folder, repeatable=True)
        values = answer.object()
        return FolderUsage(
            file_count=answer.optional(values, "file_count"),
            used_bytes=answer.optional(values, "used_bytes"),
        )

    async def _scope(
        self, method: str, path: str, volume: str, scope: QuotaScopeID, **params: JsonObject | None
    ) -> Answer:
        return await self._wire.ask(
            method,
            path,
            {"volume": volume, "qsid": str(scope), **params},
            about=About(volume, scope=scope),
            repeatable=method == "GET",
        )

    async def _mount(self, folder: FolderRef) -> Answer:
        return await self._folder("GET", "/folder/mount", folder, repeatable=True, subpath=".")

    async def _folder(
        self,
        method: str,
        path: str,
        folder: FolderRef,
        *,
        about: About | None = None,
        accepted: frozenset[int] = frozenset(),
        repeatable: bool = False,
        timeout: float | None = None,
        **params: JsonValue,
    ) -> Answer:
        """Ask something about one folder."""
        return await self._wire.ask(
            method,
            path,
            {"volume": folder.volume, "vfid": str(folder.id), **params},
            about=about or About(folder.volume, folder),
            accepted=accepted,
            repeatable=repeatable,
            timeout=timeout,
        )
