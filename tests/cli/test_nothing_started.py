"""Who may not act, or only asks what would be, starts no database and leaves no file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bai_manager.cli import root

if TYPE_CHECKING:
    import pytest

    from tests.conftest import BaiHome


def test_without_a_key_pair_nothing_is_started(
    bai_home: BaiHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert root.run(["session", "list"]) == 78
    assert "has no key pair" in capsys.readouterr().err
    assert list(bai_home.data.iterdir()) == []


def test_a_dry_run_of_init_says_what_would_be_created_and_creates_nothing(
    bai_home: BaiHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert root.run(["init", "--dry-run", "-o", "json"]) == 0
    created = json.loads(capsys.readouterr().out)["created"]
    assert created[0] == "database"
    assert {"superadmin admin@localhost", "agent i-local", "volume local:volume1"} <= {*created}
    folders = (bai_home.data, bai_home.state, bai_home.cache, bai_home.config)
    assert [entry for folder in folders for entry in folder.iterdir()] == []


def test_a_dry_run_of_init_does_not_start_a_database_that_was_stopped(
    bai_home: BaiHome, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = bai_home.data / "local" / "postgres"
    stopped.mkdir(parents=True)
    assert root.run(["init", "--dry-run", "-o", "json"]) == 6
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "backendai_start_unavailable"
    assert list(stopped.iterdir()) == []
