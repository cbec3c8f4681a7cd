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

from tests.cli.conftest import new_home
from tests.storage.helpers import new_folder
from tests.storage.proxies import cluster_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bai_manager.clients.storage_proxy.protocol import FolderRef
    from tests.cli.conftest import Home

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
        began, worked = time.perf_counter(), time.process_time()
        if what == "upload":
            summary = await upload(storage, ref, Path(path), there)
        else:
            summary = await download(storage, ref, there, Path(path))
        seconds, work = time.perf_counter() - began, time.process_time() - worked
    assert not summary.failed, summary
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "work": work, "peak": peak * 1024}))

asyncio.run(main(*sys.argv[1:]))
"""

PRINT_PEAK = (
    "import pathlib, runpy, sys; sys.argv[:] = ['bai-manager', *sys.argv[1:]]\n"
    "try: runpy.run_module('bai_manager', run_name='__main__')\n"
    "finally: sys.stderr.write(pathlib.Path('/proc/self/status').read_text())"
)
"""Not what ``getrusage`` says: a process inherits that of whoever started it."""


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


def curl(*args: str) -> tuple[float, float]:
    """Seconds it took, and seconds of a processor."""
    command = [CURL, "-sSf", "-w", "%{stderr}%{time_total}", *args]
    before = os.times()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    after = os.times()
    work = after.children_user + after.children_system
    return float(said), work - before.children_user - before.children_system


def test_one_gibibyte_against_curl(folder: FolderRef, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        for _ in range(BIG // (16 * MiB)):
            file.write(os.urandom(16 * MiB))
    ours: dict[str, list[float]] = {"upload": [], "download": []}
    theirs: dict[str, list[float]] = {"upload": [], "download": []}
    work: dict[str, list[tuple[float, float]]] = {"upload": [], "download": []}
    peak = 0.0
    for _ in range(ROUNDS):
        os.sync()
        url = token(folder, "upload", size=BIG)
        seconds, worked = curl("-X", "PATCH", "-T", str(source), "-H", "Expect:", url)
        theirs["upload"].append(seconds)
        os.sync()
        said = run_python(OURS, "upload", str(folder.id), str(source), "ours")
        ours["upload"].append(said["seconds"])
        work["upload"].append((said["work"], worked))
        peak = max(peak, said["peak"])
        os.sync()
        url = token(folder, "download", archive=False, unmanaged_path=None)
        seconds, worked = curl("-o", str(tmp_path / "curl"), url)
        theirs["download"].append(seconds)
        (tmp_path / "curl").unlink()
        os.sync()
        back = tmp_path / "ours"
        said = run_python(OURS, "download", str(folder.id), str(back), "ours")
        ours["download"].append(said["seconds"])
        work["download"].append((said["work"], worked))
        peak = max(peak, said["peak"])
        assert back.stat().st_size == BIG
        subprocess.run([CMP, str(back), str(source)], check=True)
        back.unlink()
    for what in ("upload", "download"):
        report(f"1 GiB {what} against curl, MiB", ours[what], theirs[what], BIG / MiB, peak)
        own, other = (median(seconds) for seconds in zip(*work[what], strict=True))
        sys.stdout.write(f"  seconds of a processor: ours {own:.2f}, theirs {other:.2f}\n")


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
    try:
        base = ["-b", str(tmp_path)]
        theirs = timed(lambda: official("upload", *base, "-r", theirs_name, "small"))
        said = run_python(OURS, "upload", str(folder.id), str(source), "small")
        report_small("upload", said, theirs)
        to = tmp_path / "theirs"
        for number in range(FOLDERS):  # their client makes no folders
            (to / "small" / f"{number}").mkdir(parents=True)
        listed = [f"small/{name}" for name in names]
        theirs = timed(lambda: official("download", "-b", str(to), theirs_name, *listed))
        said = run_python(OURS, "download", str(folder.id), str(tmp_path / "ours"), "small")
        report_small("download", said, theirs)
        subprocess.run([DIFF, "-r", str(source), str(tmp_path / "ours")], check=True)
    finally:
        official("delete", theirs_name)
        official("delete-trash", theirs_name)


def report_small(what: str, said: dict[str, float], theirs: float) -> None:
    name = f"2,000 files of 10 KiB, {what}, against the official client, files"
    report(name, [said["seconds"]], [theirs], SMALL_FILES, said["peak"])


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as home:
        assert home.run("vfolder", "create", "data", "--quiet") == 0
        yield home


def test_listing_of_very_many_entries(home: Home) -> None:
    """The whole command, from its start to its first line and to its last."""
    (folder,) = home.path.glob("data/local/volumes/volume1/*/*/*/*")
    (folder / "empty").mkdir()
    place = folder / "many"
    place.mkdir()
    for number in range(ENTRIES):
        if number % 50_000 == 0:  # a file has at most so many names
            (place / f"first {number}").touch()
        else:
            os.link(place / f"first {number // 50_000 * 50_000}", place / f"a name, {number}")
    for _ in range(ROUNDS):
        nothing, _, _ = timed_listing(home, "empty")
        first, seconds, peak = timed_listing(home, "many")
        sys.stdout.write(
            f"\n{ENTRIES} entries listed: the first after {first:.2f} s,"
            f" {first / nothing:.2f} x listing nothing, all after {seconds:.2f} s;"
            f" peak {peak:.0f} MiB\n"
        )


def timed_listing(home: Home, path: str) -> tuple[float, float, float]:
    """Seconds to the first entry and to the end, and MiB."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_PEAK, "vfolder", "ls", "data", path],
        cwd=REPOSITORY,
        env={**os.environ, **home.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.readline()
        listing.stdout.readline()
        first = time.perf_counter() - began
        count = sum(1 for _ in listing.stdout) + 1
        seconds = time.perf_counter() - began
        said = listing.stderr.read().decode()
    assert count == (ENTRIES if path == "many" else 1)
    return first, seconds, int(said.partition("VmHWM:")[2].split()[0]) / 1024
