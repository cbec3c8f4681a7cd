"""How long it takes until the program is there, beside the least that could do the job.

Printed as ratios measured in turn, A B A B …, so that they hold when the machine's speed drifts:
``pytest -m benchmark -s tests/benchmarks/test_startup.py``. No time is ever asserted.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.conftest import BaiHome, RunCli

pytestmark = pytest.mark.benchmark

PAIRS = 21

BARE_TYPER = """
import typer

app = typer.Typer()

@app.command()
def main(name: str) -> None:
    "Greet somebody."
    print(name)

app()
"""

BARE_QUERY = """
import asyncio
import sys

import psycopg
import typer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

app = typer.Typer()

@app.command()
def main(url: str) -> None:
    async def select() -> None:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            print((await connection.execute(text("SELECT 1"))).scalar())
        await engine.dispose()
    asyncio.run(select())

app()
"""


def seconds(command: Sequence[str], environ: Mapping[str, str]) -> float:
    started = perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - started


def compare(
    what: str, ours: Sequence[str], bare: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Print the medians of both and of the ratio of each pair; the first pair warms up."""
    pairs = [(seconds(ours, environ), seconds(bare, environ)) for _ in range(PAIRS + 1)][1:]
    ratios = sorted(own / other for own, other in pairs)
    sys.stdout.write(
        f"\n{what}: {median(own for own, _ in pairs) * 1000:.0f} ms,"
        f" bare {median(other for _, other in pairs) * 1000:.0f} ms,"
        f" ratio {median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})\n"
    )


def script(folder: Path, text: str) -> str:
    file = folder / "bare.py"
    file.write_text(text)
    return str(file)


def test_help_beside_a_bare_typer_app(bai_home: BaiHome, tmp_path: Path) -> None:
    compare(
        "--help",
        [sys.executable, "-m", "bai_manager", "--help"],
        [sys.executable, script(tmp_path, BARE_TYPER), "--help"],
        bai_home.environment,
    )


def test_an_empty_list_beside_a_bare_query(
    bai_home: BaiHome, run_cli: RunCli, tmp_path: Path
) -> None:
    assert run_cli("init").returncode == 0
    server = EmbeddedPostgres(bai_home.data / "local" / "postgres")
    try:
        compare(
            "session list",
            [sys.executable, "-m", "bai_manager", "session", "list"],
            [sys.executable, script(tmp_path, BARE_QUERY), server.sqlalchemy_url()],
            bai_home.environment,
        )
    finally:
        server.stop()
