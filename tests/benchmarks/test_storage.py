"""Measure moving files against curl and the official client, on the same storage proxy.

Run ``pytest -m benchmark -s tests/benchmarks/test_storage.py`` with the cluster's environment;
manager and storage proxy must be up. It prints ratios of speeds (more than 1 is ours being
quicker), of pairs taken in turn, and peaks of memory; it asserts only that all bytes arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from bai_manager.clients.storage_proxy.local import LocalStorageClient
from tests.storage.helpers import new_folder
from tests.storage.proxies import cluster_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bai_manager.clients.storage_proxy.protocol import FolderRef

pytestmark = pytest.mark.benchmark

MiB = 2**20
BIG = 2**30
ROUNDS = 3
SMALL_FILES, SMALL_SIZE, FOLDERS = 2_000, 10 * 1024, 4
ENTRIES = 100_000
REPOSITORY = Path(__file__).parents[2]
CURL, CMP, DIFF = "/usr/bin/curl", "/usr/bin/cmp", "/usr/bin/diff"

OURS = """
import asyncio, json, resource, sys, time
from pathlib import Path
from bai_manager.clients.storage_proxy.download import download
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.clients.storage_proxy.upload import upload
from bai_manager.types.vfolder import VFolderID
from tests.storage.proxies import cluster_client

async def main(what, folder, path, there):
    async with cluster_client() as storage:
        ref = FolderRef("volume1", VFolderID.parse(folder))
        began = time.perf_counter()
        if what == "upload":
            summary = await upload(storage, ref, Path(path), there)
        else:
            summary = await download(storage, ref, there, Path(path))
        seconds = time.perf_counter() - began
    assert not summary.failed, summary
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak": peak * 1024}))

asyncio.run(main(*sys.argv[1:]))
"""

LISTING = """
import asyncio, json, resource, sys, time
from pathlib import Path
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.types.vfolder import VFolderID

async def main(root, folder):
    storage = LocalStorageClient("local", Path(root))
    began = time.perf_counter()
    first = count = 0
    async for _ in storage.list_files(FolderRef("volume1", VFolderID.parse(folder))):
        first = first or time.perf_counter() - began
        count += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - began
    print(json.dumps({"count": count, "first": first, "seconds": seconds, "peak": peak * 1024}))

asyncio.run(main(*sys.argv[1:]))
"""


def run_python(code: str, *args: str) -> dict[str, float]:
    command = [sys.executable, "-c", code, *args]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    said: dict[str, float] = json.loads(done.stdout)
    return said


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(what: str, ours: list[float], theirs: list[float], size: float, peak: float) -> None:
    ratios = [other / own for own, other in zip(ours, theirs, strict=True)]
    sys.stdout.write(
        f"\n{what}: ours {size / median(ours):.0f}/s, theirs {size / median(theirs):.0f}/s;"
        f" ratio of medians {median(theirs) / median(ours):.2f},"
        f" of bests {min(theirs) / min(ours):.2f}, pairs {', '.join(f'{r:.2f}' for r in ratios)};"
        f" peak {peak / MiB:.0f} MiB\n"
    )


@pytest.fixture
def folder() -> Iterator[FolderRef]:
    made = new_folder("volume1")

    async def create() -> None:
        async with cluster_client() as storage:
            await storage.create_folder(made)

    async def remove() -> None:
        async with cluster_client() as storage:
            await storage.delete_folder(made)

    asyncio.run(create())
    yield made
    asyncio.run(remove())


def token(folder: FolderRef, what: str, **more: object) -> str:
    """The address for curl."""
    base = os.environ["BAI_CLUSTER_STORAGE_URL"]
    answer = httpx.post(
        f"{base}/folder/file/{what}",
        headers={"X-BackendAI-Storage-Auth-Token": os.environ["BAI_CLUSTER_STORAGE_SECRET"]},
        json={"volume": folder.volume, "vfid": str(folder.id), "relpath": "curl", **more},
    )
    return f"{os.environ['BAI_CLUSTER_STORAGE_CLIENT_URL']}/{what}?token={answer.json()['token']}"


def curl(*args: str) -> float:
    command = [CURL, "-sSf", "-w", "%{stderr}%{time_total}", *args]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stderr)


def test_one_gibibyte_against_curl(folder: FolderRef, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        for _ in range(BIG // (16 * MiB)):
            file.write(os.urandom(16 * MiB))
    ours: dict[str, list[float]] = {"upload": [], "download": []}
    theirs: dict[str, list[float]] = {"upload": [], "download": []}
    peak = 0.0
    for _ in range(ROUNDS):
        os.sync()
        url = token(folder, "upload", size=BIG)
        theirs["upload"].append(curl("-X", "PATCH", "-T", str(source), "-H", "Expect:", url))
        os.sync()
        said = run_python(OURS, "upload", str(folder.id), str(source), "ours")
        ours["upload"].append(said["seconds"])
        peak = max(peak, said["peak"])
        os.sync()
        url = token(folder, "download", archive=False, unmanaged_path=None)
        theirs["download"].append(curl("-o", str(tmp_path / "curl"), url))
        os.sync()
        back = tmp_path / "ours"
        said = run_python(OURS, "download", str(folder.id), str(back), "ours")
        ours["download"].append(said["seconds"])
        peak = max(peak, said["peak"])
        assert back.stat().st_size == BIG
        subprocess.run([CMP, str(back), str(source)], check=True)
        back.unlink()
    for what in ("upload", "download"):
        report(f"1 GiB {what} against curl, MiB", ours[what], theirs[what], BIG / MiB, peak)


def official(*args: str) -> None:
    client = os.environ["BAI_CLUSTER_CLIENT"]
    subprocess.run([client, "vfolder", *args], check=True, capture_output=True)


def test_many_small_files_against_the_official_client(folder: FolderRef, tmp_path: Path) -> None:
    source = tmp_path / "small"
    names = [f"{number % FOLDERS}/{number}" for number in range(SMALL_FILES)]
    for name in names:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SMALL_SIZE))
    theirs_name = f"bench-{uuid4().hex[:12]}"
    official("create", theirs_name, "local:volume1")
    ours: dict[str, list[float]] = {"upload": [], "download": []}
    theirs: dict[str, list[float]] = {"upload": [], "download": []}
    peak = 0.0
    try:
        for turn in range(2):
            base = ["-b", str(tmp_path)]
            theirs["upload"].append(
                timed(lambda: official("upload", *base, "-r", theirs_name, "small"))  # noqa: B023
            )
            said = run_python(OURS, "upload", str(folder.id), str(source), f"{turn}")
            ours["upload"].append(said["seconds"])
            peak = max(peak, said["peak"])
            to = tmp_path / f"theirs{turn}"
            for number in range(FOLDERS):  # their client makes no folders
                (to / "small" / f"{number}").mkdir(parents=True)
            listed = [f"small/{name}" for name in names]
            theirs["download"].append(
                timed(lambda: official("download", "-b", str(to), theirs_name, *listed))  # noqa: B023
            )
            back = tmp_path / f"ours{turn}"
            said = run_python(OURS, "download", str(folder.id), str(back), f"{turn}")
            ours["download"].append(said["seconds"])
            peak = max(peak, said["peak"])
            subprocess.run([DIFF, "-r", str(source), str(back)], check=True)
    finally:
        official("delete", theirs_name)
        official("delete-trash", theirs_name)
    for what in ("upload", "download"):
        name = f"2,000 files of 10 KiB, {what}, against the official client, files"
        report(name, ours[what], theirs[what], SMALL_FILES, peak)


def test_listing_of_very_many_entries(tmp_path: Path) -> None:
    (tmp_path / "volumes" / "volume1").mkdir(parents=True)
    storage = LocalStorageClient("local", tmp_path / "volumes")
    folder = new_folder("volume1")

    async def prepare() -> Path:
        await storage.create_folder(folder)
        return Path(await storage.mount_path(folder))

    place = asyncio.run(prepare())
    (place / "first").touch()
    for number in range(ENTRIES - 1):
        if number % 50_000 == 0:
            (place / f"first{number}").touch()
        os.link(place / f"first{number // 50_000 * 50_000}", place / f"a name, {number}")
    said = run_python(LISTING, str(tmp_path / "volumes"), str(folder.id))
    sys.stdout.write(
        f"\n{said['count']:.0f} entries listed: the first after {1000 * said['first']:.0f} ms, all"
        f" after {said['seconds']:.2f} s; peak {said['peak'] / MiB:.0f} MiB\n"
    )
    assert said["count"] >= ENTRIES
