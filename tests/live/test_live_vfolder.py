"""Folders of a running Backend.AI 25.17 cluster: ours for it, and its manager beside us."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.live.test_live_cluster import IMAGE, live, official

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

__all__ = ["live"]

pytestmark = pytest.mark.cluster


def _said(live: Run, *words: str) -> Any:
    done = live(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_folder_of_ours_is_the_official_client_s_too(live: Run) -> None:
    name, copy = f"life-{uuid4().hex[:8]}", f"copy-{uuid4().hex[:8]}"
    made = _said(live, "vfolder", "create", name, "--cloneable")
    assert name in official("vfolder", "list")
    assert made["id"].replace("-", "") in official("vfolder", "info", name)
    assert _said(live, "vfolder", "clone", name, copy)["status"] == "ready"
    assert copy in official("vfolder", "list")
    session = f"mounts-{uuid4().hex[:6]}"
    run = ("session", "create", IMAGE, "-n", session, "-v", f"{name}:x:ro", "--timeout", "90s")
    try:
        assert _said(live, *run)["mounts"][0]["kernel_path"] == "/home/work/x"
        assert live("vfolder", "delete", name, "--yes").returncode == 5
    finally:
        live("session", "destroy", session, "--timeout", "60s")
    for one in (name, copy):
        _said(live, "vfolder", "delete", one, "--yes")
        _said(live, "vfolder", "purge", one, "--confirm", one)
    assert not {name, copy} & set(official("vfolder", "list").split())


def test_a_folder_of_the_official_client_is_ours_too(live: Run) -> None:
    name = f"theirs-{uuid4().hex[:8]}"
    official("vfolder", "create", name, "local:volume1")
    shown = _said(live, "vfolder", "show", name)
    assert (shown["status"], shown["reach"], shown["file_count"]) == ("ready", "own", 0)
    _said(live, "vfolder", "rename", name, f"{name}-2")
    assert f"{name}-2" in official("vfolder", "list")
    official("vfolder", "delete", f"{name}-2")
    trash = _said(live, "vfolder", "list", "--trash", "--filter", f"name={name}-2")
    assert [one["status"] for one in trash] == ["delete-pending"]
    _said(live, "vfolder", "restore", f"{name}-2")
    _said(live, "vfolder", "delete", f"{name}-2", "--yes")
    _said(live, "vfolder", "purge", f"{name}-2", "--confirm", f"{name}-2")
