"""A storage proxy of tests, with the manners of the real one, good and bad.

Where the real one is silent (a cut listing, a missing file fetched, an absent file deleted),
stumbles (500 without a word) or follows a link it should not, this one does so, too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import time
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from bai_manager.types.json import JsonObject, JsonValue
    from tests.storage.fault_server import Exchange

    Values: TypeAlias = dict[str, JsonValue]
    Route: TypeAlias = Callable[["FakeProxy", Exchange, JsonObject], Awaitable[None]]

SECRET = "the-secret"
PROBLEMS = "https://api.backend.ai/probs"
ROUTES: dict[str, Route] = {}


class Problem(Exception):
    """An answer that is none of success."""

    def __init__(self, status: int, value: JsonObject) -> None:
        super().__init__(str(value))
        self.status = status
        self.value = value


def problem(status: int, kind: str, **more: JsonValue) -> Problem:
    return Problem(status, {"type": f"{PROBLEMS}/storage/{kind}", "title": kind, **more})


def route(name: str) -> Callable[[Route], Route]:
    def register(handler: Route) -> Route:
        ROUTES[name] = handler
        return handler

    return register


class FakeProxy:
    """Volumes are the folders in ``root``."""

    def __init__(self, root: Path, *, listing_limit: int = 1000) -> None:
        self.root = root
        self.listing_limit = listing_limit
        self.tokens_expire = False
        self.session_expire = 86_400
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, exchange: Exchange) -> None:
        handler = ROUTES.get(f"{exchange.method} {exchange.path}")
        try:
            if handler is None:
                await exchange.answer(404, b"404: Not Found", "text/plain")
            elif exchange.path in {"/upload", "/download"}:
                await handler(self, exchange, self._claims(exchange))
            elif exchange.headers.get("x-backendai-storage-auth-token") != SECRET:
                raise problem(403, "forbidden")
            elif exchange.path in {"/", "/volumes"}:
                await handler(self, exchange, {})
            else:
                await handler(self, exchange, await exchange.json())
        except Problem as trouble:
            await exchange.say(trouble.value, trouble.status)
        except OSError as error:
            if exchange.path in {"/upload", "/folder/create", "/folder/file/upload"}:
                await exchange.trouble()
            else:
                said: JsonObject = {"msg": error.strerror, "errno": error.errno, "paths": []}
                await exchange.say(said, 400)

    def volume(self, values: JsonObject, key: str = "volume") -> Path:
        path = self.root / str(values[key])
        if not path.is_dir():
            raise problem(400, "volume/invalid", msg=str(values[key]))
        return path

    def place(self, values: JsonObject, volume: str = "volume", vfid: str = "vfid") -> Path:
        scope, _, name = str(values[vfid]).rpartition("/")
        where = [scope.partition(":")[2].replace("-", "")] if scope else []
        return self.volume(values, volume).joinpath(*where, name[:2], name[2:4], name[4:])

    def inside(self, values: JsonObject, key: str = "relpath") -> Path:
        return self.below(self.place(values), str(values[key]))

    @staticmethod
    def below(top: Path, path: str) -> Path:
        found = (top / path).resolve()
        if not found.is_relative_to(top.resolve()):
            raise problem(400, "subpath/invalid", msg=path)
        return found

    def background(self, work: Callable[[], None]) -> JsonObject:
        async def run() -> None:
            await asyncio.sleep(0.01)
            work()

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {"bgtask_id": str(uuid4())}

    def token(self, values: JsonObject) -> JsonObject:
        payload = base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()
        return {"token": f"e30.{payload}.signed"}

    def _claims(self, exchange: Exchange) -> JsonObject:
        if self.tokens_expire:
            raise problem(400, "invalid-api-params", data={"token": "Signature has expired"})
        payload = exchange.query["token"].split(".")[1]
        claims: JsonObject = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return claims


@route("GET /")
async def _hello(_: FakeProxy, exchange: Exchange, __: JsonObject) -> None:
    await exchange.say({"status": "ok", "type": "manager-facing", "storage-proxy": "25.17.0"})


@route("GET /volumes")
async def _volumes(proxy: FakeProxy, exchange: Exchange, _: JsonObject) -> None:
    listed: list[JsonValue] = [
        {"name": path.name, "backend": "vfs", "path": str(path), "capabilities": ["vfolder"]}
        for path in proxy.root.iterdir()
    ]
    await exchange.say({"volumes": listed})


@route("GET /folder/fs-usage")
async def _fs_usage(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    usage = shutil.disk_usage(proxy.volume(values))
    await exchange.say({"capacity_bytes": usage.total, "used_bytes": usage.used})


def _scope(proxy: FakeProxy, values: JsonObject, *, missing_ok: bool = False) -> Path:
    place = proxy.volume(values) / str(values["qsid"]).partition(":")[2].replace("-", "")
    if not place.exists() and not missing_ok:
        raise problem(404, "quota/scope/not-found")
    return place


@route("GET /quota-scope")
async def _get_scope(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    _scope(proxy, values)
    await exchange.say({"used_bytes": None, "limit_bytes": None})


@route("POST /quota-scope")
async def _make_scope(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    _scope(proxy, values, missing_ok=True).mkdir()
    await exchange.answer(204)


@route("PATCH /quota-scope")
async def _set_scope(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    _scope(proxy, values, missing_ok=True).mkdir(exist_ok=True)
    await exchange.answer(204)


@route("DELETE /quota-scope/quota")
async def _unset_scope(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    _scope(proxy, values)
    await exchange.answer(204)


@route("POST /folder/create")
async def _create(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    place = proxy.place(values)
    place.mkdir(parents=True)
    place.chmod(int(str(values["mode"] or 0o755)))
    await exchange.answer(204)


@route("POST /folder/delete")
async def _delete(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    place = proxy.place(values)
    work = proxy.background(lambda: shutil.rmtree(place, ignore_errors=True))
    await exchange.say(work, 202)


@route("POST /folder/clone")
async def _clone(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    if values["dst_volume"] is not None:
        raise Problem(500, {"type": f"{PROBLEMS}/storage/generic", "title": "Cross-volume"})
    source = proxy.place(values, "src_volume", "src_vfid")
    target = proxy.place(values, "src_volume", "dst_vfid")

    def copy() -> None:
        if not target.parents[2].exists():
            return
        try:
            shutil.copytree(source, target)
        except (OSError, shutil.Error):
            shutil.rmtree(target, ignore_errors=True)

    await exchange.say(proxy.background(copy))


@route("GET /folder/mount")
async def _mount(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    place = proxy.place(values)
    if not place.exists():
        raise Problem(400, {"msg": "VFolder not found", "vfid": values["vfid"]})
    await exchange.say({"path": str(place)})


@route("GET /folder/usage")
async def _usage(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    place = proxy.place(values)
    if not place.is_dir():
        raise problem(404, "vfolder/not-found")
    found = [path.lstat().st_size for path in place.rglob("*")]
    await exchange.say({"file_count": len(found), "used_bytes": sum(found)})


@route("POST /folder/file/mkdir")
async def _mkdir(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    success: list[JsonValue] = []
    failed: list[JsonValue] = []
    try:
        place = proxy.inside(values)
        place.mkdir(parents=bool(values["parents"]), exist_ok=bool(values["exist_ok"]))
        success.append({"msg": None, "item": values["relpath"]})
    except Problem:
        failed.append({"msg": "<InvalidSubpathError(400): x", "item": values["relpath"]})
    except OSError as error:
        said = f"{type(error).__name__}({error.errno}, '{error.strerror}')"
        failed.append({"msg": said, "item": values["relpath"]})
    said_all: JsonObject = {"results": {"success": success, "failed": failed}}
    await exchange.say(said_all, 422 if failed else 200)


@route("POST /folder/file/list")
async def _list(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    items: list[JsonValue] = []
    with os.scandir(proxy.inside(values)) as found:
        for entry in found:
            if len(items) == proxy.listing_limit:
                break
            items.append(_item(entry))
    await exchange.say({"items": items})


def _item(entry: os.DirEntry[str]) -> JsonObject:
    status = entry.stat(follow_symlinks=False)
    kind = "DIRECTORY" if entry.is_dir(follow_symlinks=False) else "FILE"
    target = str(Path(entry.path).readlink()) if entry.is_symlink() else ""
    time = _iso(status.st_mtime_ns)
    return {
        "name": entry.name,
        "type": "SYMLINK" if entry.is_symlink() else kind,
        "stat": {
            "mode": status.st_mode,
            "size": status.st_size,
            "created": time,
            "modified": time,
        },
        "symlink_target": target,
    }


def _iso(nanoseconds: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - only here

    return datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC).isoformat()


@route("POST /folder/file/move")
async def _move(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    source, target = proxy.inside(values, "src_relpath"), proxy.inside(values, "dst_relpath")
    source.rename(target)
    await exchange.answer(204)


@route("POST /folder/file/delete")
async def _delete_files(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    listed = values["relpaths"]
    assert isinstance(listed, list)
    for place in [proxy.below(proxy.place(values), str(path)) for path in listed]:
        if place.is_file():
            place.unlink()
        elif place.is_dir() and values["recursive"]:
            shutil.rmtree(place)
    await exchange.say({"status": "ok"})


@route("POST /folder/file/fetch")
async def _fetch(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    top = proxy.place(values)
    place = (top / str(values["relpath"])).resolve()
    found = place.is_file() and place.is_relative_to(top.resolve())
    await exchange.answer(200, place.read_bytes() if found else b"")


@route("POST /folder/file/upload")
async def _begin(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    session = uuid4().hex
    uploads = proxy.place(values) / ".upload"
    uploads.mkdir(exist_ok=True)
    (uploads / session).touch()
    expires = int(time.time()) + proxy.session_expire
    await exchange.say(proxy.token({**values, "session": session, "exp": expires}))


@route("POST /folder/file/download")
async def _prepare(proxy: FakeProxy, exchange: Exchange, values: JsonObject) -> None:
    await exchange.say(proxy.token(values))


def _part(proxy: FakeProxy, claims: JsonObject) -> Path:
    part = proxy.place(claims) / ".upload" / str(claims["session"])
    if not part.exists():
        raise problem(404, "no-such-upload-session")
    return part


def _tus(part: Path, claims: JsonObject) -> dict[str, str]:
    return {"Upload-Offset": str(part.stat().st_size), "Upload-Length": str(claims["size"])}


@route("HEAD /upload")
async def _offset(proxy: FakeProxy, exchange: Exchange, claims: JsonObject) -> None:
    await exchange.answer(200, headers=_tus(_part(proxy, claims), claims))


@route("PATCH /upload")
async def _append(proxy: FakeProxy, exchange: Exchange, claims: JsonObject) -> None:
    part = _part(proxy, claims)
    with part.open("ab", buffering=0) as file:
        async for piece in exchange.body():
            file.write(piece)
    headers = _tus(part, claims)
    if part.stat().st_size >= int(str(claims["size"])):
        target = proxy.place(claims) / str(claims["relpath"])
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)
    await exchange.answer(204, headers=headers)


@route("GET /download")
async def _download(proxy: FakeProxy, exchange: Exchange, claims: JsonObject) -> None:
    top = proxy.place(claims)
    name = str(claims["relpath"])
    place = (top / name).resolve()
    if not place.exists() or not place.is_relative_to(top.resolve()):
        raise problem(404, "file-not-found")
    if not place.is_file():
        raise problem(400, "invalid-api-params", msg="The file is not a regular file.")
    if "\n" in name:
        exchange.reset()
        return
    size = place.stat().st_size
    modified = {"Last-Modified": formatdate(int(place.stat().st_mtime) + 1, usegmt=True)}
    start = int(exchange.headers.get("range", "bytes=0-")[6:-1])
    if start and start >= size:
        await exchange.answer(416, headers={"Content-Range": f"bytes */{size}"})
        return
    if "range" in exchange.headers:
        modified["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    with place.open("rb") as file:
        file.seek(start)
        status = 206 if "range" in exchange.headers else 200
        await exchange.head(status, {"Content-Length": str(size - start), **modified})
        while chunk := file.read(2**18):
            exchange.writer.write(chunk)
            await exchange.writer.drain()
