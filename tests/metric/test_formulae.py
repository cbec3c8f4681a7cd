"""On a real Prometheus with known series: what is printed equals their formulae.

The series are one sample at each multiple of 15 s, whose value is a closed formula of the time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import new_home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import RunCli

    Row = dict[str, str | float | None]

pytestmark = pytest.mark.cluster

CLUSTER = dict(os.environ)
MIB = 2**20
GIB = 2**30
KERNEL = "00000000-0000-4000-8000-00000000000{}"
STEPS = (("2h", "15s"), ("2h", "1m"), ("12h", "7m"), ("20h", "1h"))
PATIENCE = 60.0


def asked(run_cli: RunCli, *words: str) -> list[Row]:
    environ = {
        "BAI_DATABASE_DSN": CLUSTER["BAI_CLUSTER_PG_DSN"],
        "BAI_PROMETHEUS_URL": CLUSTER["BAI_CLUSTER_PROMETHEUS_URL"],
        "BAI_ACCESS_KEY": CLUSTER["BACKEND_ACCESS_KEY"],
        "BAI_SECRET_KEY": CLUSTER["BACKEND_SECRET_KEY"],
    }
    done = run_cli("metric", *words, "-o", "json", env=environ)
    assert done.returncode == 0, done.stderr
    found: list[Row] = json.loads(done.stdout)
    assert found
    return found


def rows(run_cli: RunCli, metric: str, *words: str) -> list[tuple[int, float, float]]:
    """Kernel number, time and value of every point, by kernel."""
    found = asked(run_cli, "query", metric, "--by", "kernel", "--until", "1m", *words)
    numbers = {KERNEL.format(number): number for number in (1, 2, 3)}
    return [
        (
            numbers[str(row["kernel_id"])],
            datetime.fromisoformat(str(row["time"])).timestamp(),
            float(row["value"]),  # type: ignore[arg-type]
        )
        for row in found
        if row["kernel_id"] in numbers
    ]


@pytest.mark.parametrize(("since", "step"), STEPS)
@pytest.mark.parametrize(
    ("metric", "slope"),
    [
        ("cpu_util", 10),
        ("cpu_used", 10),
        ("io_read", 2048),
        ("io_write", 1024),
        ("net_rx", 3000),
        ("net_tx", 1500),
    ],
)
def test_what_counts_up_is_its_slope(
    run_cli: RunCli, metric: str, slope: float, since: str, step: str
) -> None:
    found = rows(run_cli, metric, "--since", since, "--step", step)
    assert {number for number, _, _ in found} == {1, 2, 3}
    for number, _, value in found:
        assert value == pytest.approx(slope * number, rel=0.01)


@pytest.mark.parametrize(("since", "step"), STEPS)
@pytest.mark.parametrize(
    ("metric", "formula"),
    [
        ("mem", lambda k, t: (256 * k + t // 60 % 60) * MIB),
        ("io_scratch_size", lambda k, t: (t // 3600 % 24 + 1) * k * MIB),
        ("cuda_util", lambda _k, t: abs(t % 3600 / 18 - 100)),
        ("cuda_mem", lambda _k, t: (t // 600 % 6 + 1) * GIB),
    ],
)
def test_levels_are_as_they_are(
    run_cli: RunCli, metric: str, formula: Callable[[int, float], float], since: str, step: str
) -> None:
    found = rows(run_cli, metric, "--since", since, "--step", step)
    for number, time, value in found:
        assert value == pytest.approx(formula(number, time), rel=0.01, abs=1e-9)


def test_capacities_and_percentages_of_them(run_cli: RunCli) -> None:
    words = ("--since", "1h", "--step", "1m", "--value")
    for number, _, value in rows(run_cli, "mem", *words, "capacity"):
        assert value == number * GIB
    for number, _, value in rows(run_cli, "cpu_util", *words, "capacity"):
        assert value == pytest.approx(100), number
    for number, time, value in rows(run_cli, "mem", *words, "pct"):
        used = (256 * number + time // 60 % 60) / (1024 * number)
        assert value == pytest.approx(100 * used, rel=0.01)


def test_a_range_that_has_to_be_split_is_whole(run_cli: RunCli) -> None:
    found = rows(run_cli, "cpu_util", "--since", "20h", "--step", "5s")
    times = [time for number, time, _ in found if number == 2]
    assert len(times) > 11_000
    assert {after - before for before, after in pairwise(times)} == {5}
    assert all(value == pytest.approx(10 * number, rel=0.01) for number, _, value in found)


def test_groups_are_sums(run_cli: RunCli) -> None:
    found = asked(run_cli, "query", "net_rx", "--by", "agent", "--since", "1h", "--until", "1m")
    sums = {"i-dummy-1": 3000 * 3, "i-dummy-2": 3000 * 3}
    seen = {str(row["agent_id"]) for row in found}
    assert set(sums) <= seen
    for row in found:
        if row["agent_id"] in sums:
            assert row["value"] == pytest.approx(sums[str(row["agent_id"])], rel=0.01)


def test_the_mean_of_a_window_ranks(run_cli: RunCli) -> None:
    ranks = asked(run_cli, "top", "--over", "1h", "--by", "kernel", "-m", "cpu_util")
    found = [rank for rank in ranks if str(rank["id"]).startswith("00000000-")]
    assert [rank["id"] for rank in found] == [KERNEL.format(number) for number in (3, 2, 1)]
    for rank, value in zip(found, (30, 20, 10), strict=True):
        usage: dict[str, float] = rank["usage"]  # type: ignore[assignment]
        assert usage["cpu_util"] == pytest.approx(value, rel=0.01)


def _answer(run: Callable[[], subprocess.CompletedProcess[str]]) -> str:
    """What a command says once it succeeds."""
    deadline = monotonic() + PATIENCE
    while True:
        done = run()
        if done.returncode == 0 or monotonic() > deadline:
            assert done.returncode == 0, done.stderr
            return done.stdout
        sleep(0.5)


def test_a_kernel_that_is_served_is_scraped_and_read_back(tmp_path: Path) -> None:
    prometheus = shutil.which("prometheus")
    assert prometheus, "this test needs the program itself"
    with new_home() as home:
        environ = {**os.environ, **home.environ}

        def bai(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "bai_manager", *words]
            return subprocess.run(
                command, env={**environ, **more}, capture_output=True, text=True, check=False
            )

        assert bai("session", "create", "python", "--name", "seen").returncode == 0
        serving = subprocess.Popen(
            [sys.executable, "-m", "bai_manager", "metric", "serve", "--port", "0", "-o", "jsonl"],
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        scraping = None
        try:
            assert serving.stdout is not None
            port = json.loads(serving.stdout.readline())["port"]
            config = tmp_path / "prometheus.yml"
            config.write_text(
                "global: {scrape_interval: 1s}\n"
                "scrape_configs: [{job_name: local, static_configs:"
                f" [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
            )
            free = _free_port()
            scraping = subprocess.Popen(
                [
                    prometheus,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={tmp_path / 'data'}",
                    f"--web.listen-address=127.0.0.1:{free}",
                ],
                stderr=subprocess.DEVNULL,
            )
            url = {"BAI_PROMETHEUS_URL": f"http://127.0.0.1:{free}"}
            words = ("metric", "query", "mem", "--session", "seen", "--value", "capacity")
            text = _answer(
                lambda: bai(*words, "--since", "1m", "--step", "1s", "-o", "json", **url)
            )
            shown = json.loads(bai("session", "show", "seen", "-o", "json").stdout)
            found = json.loads(text)
            assert {row["session_id"] for row in found} == {shown["id"]}
            assert {row["value"] for row in found} == {int(shown["occupying_slots"]["mem"])}
        finally:
            for process in (serving, scraping):
                if process is not None:
                    process.terminate()
                    process.wait(20)
            if serving.stdout is not None:
                serving.stdout.close()
            bai("session", "destroy", "seen")


def _free_port() -> int:
    import socket  # noqa: PLC0415 - this test only

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
