"""On a real Prometheus with known series: what is printed equals their formulae."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunCli

pytestmark = pytest.mark.cluster

CLUSTER = dict(os.environ)
MIB = 2**20
KERNEL = "00000000-0000-4000-8000-00000000000{}"


def rows(run_cli: RunCli, metric: str, *words: str) -> list[dict[str, str]]:
    environ = {
        "BAI_DATABASE_DSN": CLUSTER["BAI_CLUSTER_PG_DSN"],
        "BAI_PROMETHEUS_URL": CLUSTER["BAI_CLUSTER_PROMETHEUS_URL"],
        "BAI_ACCESS_KEY": CLUSTER["BACKEND_ACCESS_KEY"],
        "BAI_SECRET_KEY": CLUSTER["BACKEND_SECRET_KEY"],
    }
    done = run_cli("metric", "query", metric, "--by", "kernel", *words, "-o", "json", env=environ)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    assert found
    return found


def test_rates_are_per_second_and_cpu_is_percent_of_a_core(run_cli: RunCli) -> None:
    for metric, slope in (("net_rx", 3000), ("net_tx", 1500), ("io_read", 2048), ("cpu_util", 10)):
        for step in ("1m", "7m"):
            for row in rows(run_cli, metric, "--since", "2h", "--until", "10m", "--step", step):
                number = next((n for n in (1, 2, 3) if KERNEL.format(n) in json.dumps(row)), None)
                if number is not None and row["value"] is not None:
                    assert float(row["value"]) == pytest.approx(slope * number, rel=0.01)
