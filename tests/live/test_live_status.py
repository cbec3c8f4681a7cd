"""``connect`` and ``status`` on a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.live.conftest import Live

pytestmark = pytest.mark.cluster


def test_status_finds_every_part(live: Live) -> None:
    parts = {part["name"]: part for part in live.json("status")}
    assert {"database", "etcd", "valkey", "prometheus", "storage local"} <= set(parts)
    assert all(part["reachable"] for part in parts.values())
    assert "schema oneshot, revision dd15fd17f232" in parts["database"]["detail"]
