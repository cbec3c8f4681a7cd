"""Limits and documents of a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.live.conftest import SUPERADMIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Live

pytestmark = pytest.mark.cluster

STEADY = "keypair_policies,user_policies,project_policies,domains,scaling_groups"
"""What nobody else changes on a shared cluster."""


def test_a_document_of_the_cluster_changes_nothing_when_it_is_applied(
    live: Live, tmp_path: Path
) -> None:
    document = live("export", "--only", STEADY)
    assert document.returncode == 0, document.stderr
    file = tmp_path / "cluster.yaml"
    file.write_text(document.stdout)
    assert live.json("diff", str(file), "--prune") == []
    assert live.json("apply", str(file), "--yes") == []
    assert live("export", "--only", STEADY).stdout == document.stdout


def test_whatever_binds_the_superadmin_is_explained(live: Live) -> None:
    email, access_key = SUPERADMIN
    found = live.json("policy", "explain", email)
    assert (found["access_key"], found["keypair_policy"]) == (access_key, "default")
    assert {one["scope"] for one in found["limits"]} >= {"keypair", "user", "project", "domain"}
    assert {one["host"] for one in found["hosts"]} == {"local:volume1", "local:volume2"}
    storage = [one for one in found["limits"] if one["resource"].startswith("storage")]
    assert {one["scope"] for one in storage} == {"user", "project"}
    assert all(one["used"] is not None or one["unknown"] for one in storage)


def test_a_change_to_a_policy_is_rehearsed_and_taken_back(live: Live) -> None:
    before = live.json("policy", "keypair", "show", "default")
    words = ("--set", "idle_timeout=1s", "--set", "max_session_lifetime=1s")
    found = live.json("policy", "what-if", "keypair", "default", *words)
    assert found["changed"] == ["max_session_lifetime", "idle_timeout"]
    assert {one["field"]: one["judged"] for one in found["fields"]} == {
        "max_session_lifetime": True,
        "idle_timeout": False,
    }
    assert live.json("policy", "keypair", "show", "default") == before


def test_users_of_a_file_are_checked_against_the_cluster(live: Live, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    email = f"eve-{uuid4().hex[:8]}@example.com"
    file.write_text(f"email,username,domain_name,projects\n{email},{email},default,default\n")
    (row,) = live.json("--dry-run", "user", "import", str(file))
    assert (row["email"], row["result"]) == (email, "created")
    live.error(3, "user", "show", email)
