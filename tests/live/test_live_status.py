"""``connect`` and ``status`` on a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.live.conftest import Live

pytestmark = pytest.mark.cluster


def test_status_finds_every_part(live: Live) -> None:
    parts = {part["name"]: part for part in live.json("status")}
    assert {"database", "etcd", "agents", "valkey", "prometheus"} <= set(parts)
    assert parts["agents"]["version"] == "25.17.0"
    assert parts["agents"]["detail"] == "2 answer"
    assert parts["storage local"]["reachable"]
    assert all(part["reachable"] for part in parts.values())
    assert "schema oneshot, revision dd15fd17f232" in parts["database"]["detail"]
