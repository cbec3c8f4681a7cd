"""``bai-manager session idle`` and ``end-idle``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Ask


def test_a_cluster_without_valkey_and_etcd_is_told_of(ask: Ask) -> None:
    told = ask("alice", "session", "idle", "-o", "json")
    assert told.code == 0
    assert "etcd.url" in told.err
    assert "valkey.url" in told.err or "Valkey" in told.err
    found = json.loads(told.out)
    assert found
    assert {check["state"] for one in found for check in one["idle_checks"].values()} <= {
        "unknown",
        "endless",
    }
    refused = ask("root", "session", "end-idle", "--yes")
    assert (refused.code, refused.out) == (78, "")


def test_only_a_superadmin_ends_idle_sessions_and_only_ones_own_are_told(ask: Ask) -> None:
    assert ask("alice", "session", "end-idle", "--yes").code == 4
    assert ask("alice", "session", "idle", "--all").code == 4
    assert ask("alice", "session", "idle", "--all", "train-1").code == 2
    assert ask("alice", "session", "idle", "nowhere").code == 3
    assert ask("root", "session", "idle", "--all").code == 0
