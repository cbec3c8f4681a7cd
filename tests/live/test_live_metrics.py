"""What kernels use now, from the Valkey of a running cluster.

A dummy agent has nothing to report, so the test writes what an agent would: a msgpack map of
metrics under the kernel's id, refreshed every 5 s, where milliseconds of a core count up to 1000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from valkey import Valkey

from tests.live.conftest import CLUSTER, IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import Live

pytestmark = pytest.mark.cluster

MIB = 2**20
SAMPLE = {
    "cpu_util": {"current": "250.000", "capacity": "1000", "pct": "25.00", "unit_hint": "percent"},
    "mem": {
        "current": str(96 * MIB),
        "capacity": str(512 * MIB),
        "pct": "18.75",
        "unit_hint": "bytes",
    },
    "net_rx": {"current": "4096", "capacity": None, "pct": None, "unit_hint": "bps"},
}


@pytest.fixture
def busy(live: Live, session_name: str) -> Iterator[Any]:
    """A running session of half a GiB that uses a quarter of a core and 96 MiB."""
    words = ("session", "create", IMAGE, "-n", session_name, "-r", "cpu=1", "-r", "mem=512m")
    live.json(*words, "--timeout", "90s")
    session = live.json("session", "show", session_name)
    [kernel] = session["kernels"]
    with Valkey.from_url(CLUSTER["BAI_CLUSTER_REDIS_URL"], db=0) as client:
        client.set(kernel["id"], msgpack.packb(SAMPLE), ex=120)
        yield session
        client.delete(kernel["id"])


def test_what_agents_left_in_valkey_is_shown_ranked_and_weighed(
    live: Live, busy: Any, session_name: str
) -> None:
    shown = live.json("metric", "live", session_name)
    usage = {row["metric"]: row for row in shown}
    assert float(usage["cpu_util"]["current"]) == 25
    assert float(usage["mem"]["current"]) == 96 * MIB
    assert float(usage["mem"]["capacity"]) == 512 * MIB
    used = {row["metric"]: row for row in live.json("session", "usage", session_name)}
    assert float(used["mem"]["current"]) == 96 * MIB
    ranks = live.json("metric", "top", "--by", "session")
    [rank] = [rank for rank in ranks if rank["id"] == busy["id"]]
    assert rank["name"] == session_name
    assert rank["usage"]["cpu_util"] == 25
    assert rank["usage"]["mem"] == 96 * MIB
    idle = live.json("metric", "idle", "--by", "session")
    assert busy["id"] not in {row["id"] for row in idle if row.get("cpu_used") == 0}
    table = live("metric", "live", session_name, "-o", "table").stdout
    assert "96 MiB" in table
    assert "4 KiB/s" in table


def test_a_session_that_nobody_reports_has_no_live_values(live: Live, session_name: str) -> None:
    live.json("session", "create", IMAGE, "-n", session_name, "-r", "cpu=1", "-r", "mem=512m")
    assert live.json("metric", "live", session_name) == []
    assert live.error(3, "metric", "live", f"{session_name}-not")["details"]
