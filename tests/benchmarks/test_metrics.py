"""How fast series come through, beside the least that could do the job, and in how much memory.

Printed as ratios measured in turn, A B A B …: ``pytest -m benchmark -s
tests/benchmarks/test_metrics.py``. No time is ever asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread
from time import perf_counter, time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import initialised_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.cli.conftest import Home

pytestmark = pytest.mark.benchmark
__all__ = ["initialised_home"]

SERIES = 1_000
POINTS = 1_000
PAIRS = 5
MIB = 2**20
PRINT_PEAK = (
    "import pathlib, runpy, sys; sys.argv[:] = sys.argv[1:]\n"
    "try: runpy.run_module('bai_manager', run_name='__main__')\n"
    "finally: sys.stderr.write(pathlib.Path('/proc/self/status').read_text())"
)
"""Not what ``getrusage`` says: a process inherits that of whoever started it."""
ON_A_TERMINAL = (
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode("
    "pty.spawn([sys.executable, '-m', 'bai_manager', *sys.argv[1:]])))"
)


def _body(series: int, points: int) -> bytes:
    begin = int(time()) // 60 * 60 - points * 60
    result = [
        {
            "metric": {"session_id": f"00000000-0000-4000-9000-{number:012}"},
            "values": [[begin + 60 * point, str(number + point / 7)] for point in range(points)],
        }
        for number in range(series)
    ]
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": result}},
        separators=(",", ":"),
    ).encode()


class Prometheus:
    """Gives one prepared answer, without a thought."""

    def __init__(self) -> None:
        self.body = b""
        prometheus = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(prometheus.body)))
                self.end_headers()
                self.wfile.write(prometheus.body)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    server = Prometheus()
    yield server
    server.close()


def _seconds(command: Sequence[str] | str, environ: Mapping[str, str], out: Path) -> float:
    begin = perf_counter()
    with out.open("wb") as stream:
        subprocess.run(
            command,
            shell=isinstance(command, str),
            check=True,
            env=dict(environ),
            stdout=stream,
            stdin=subprocess.DEVNULL,
        )
    return perf_counter() - begin


def _environ(home: Home, prometheus: Prometheus) -> dict[str, str]:
    return {**os.environ, **home.environ, "BAI_PROMETHEUS_URL": prometheus.url}


def _query(*words: str) -> list[str]:
    return ["metric", "query", "mem", "--since", f"{POINTS}m", "--step", "1m", *words]


def test_a_thousand_series_beside_curl_and_json_tool(
    initialised_home: Home, prometheus: Prometheus, tmp_path: Path
) -> None:
    prometheus.body = _body(SERIES, POINTS)
    environ = _environ(initialised_home, prometheus)
    ours = [sys.executable, "-m", "bai_manager", *_query("-o", "jsonl")]
    url = f"{prometheus.url}/api/v1/query_range"
    theirs = f"curl -s {url} -d query=mem | {sys.executable} -m json.tool"
    rows, text = tmp_path / "rows.jsonl", tmp_path / "text.json"
    pairs = [(_seconds(ours, environ, rows), _seconds(theirs, environ, text)) for _ in range(PAIRS)]
    with rows.open("rb") as lines:
        assert sum(1 for _ in lines) == SERIES * POINTS
    speed = median(tool / mine for mine, tool in pairs)
    print(f"\n{SERIES} x {POINTS} to jsonl: {speed:.2f} x the speed of curl | json.tool")  # noqa: T201


@pytest.mark.parametrize("points", [POINTS, 10 * POINTS])
def test_the_memory_that_streaming_takes(
    initialised_home: Home, prometheus: Prometheus, points: int
) -> None:
    prometheus.body = _body(SERIES, points)
    done = subprocess.run(
        [sys.executable, "-c", PRINT_PEAK, "bai-manager", *_query("-o", "jsonl")],
        check=True,
        env=_environ(initialised_home, prometheus),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = next(line for line in done.stderr.splitlines() if line.startswith("VmHWM:"))
    mib = int(peak.split()[1]) * 1024 / MIB
    print(f"\n{SERIES} x {points} to jsonl: peak {mib:.0f} MiB")  # noqa: T201


def test_a_chart_of_twenty_series_beside_the_query_and_start_up(
    initialised_home: Home, prometheus: Prometheus, tmp_path: Path
) -> None:
    prometheus.body = _body(20, 240)
    environ = {**_environ(initialised_home, prometheus), "TERM": "xterm-256color"}
    chart = [sys.executable, "-c", ON_A_TERMINAL, *_query()]
    bare = [sys.executable, "-m", "bai_manager", *_query("-o", "jsonl")]
    out = tmp_path / "out"
    pairs = [
        (_seconds(chart, environ, out), _seconds(bare, environ, out)) for _ in range(4 * PAIRS)
    ]
    times = median(drawn / queried for drawn, queried in pairs)
    print(f"\na chart of 20 series: {times:.2f} x the same query printed as rows")  # noqa: T201
