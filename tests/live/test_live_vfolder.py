"""Folders of a running Backend.AI 25.17 cluster: ours for its client, and its client's for us."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.live.conftest import IMAGE, SMALL, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.conftest import Live, Official, Row

pytestmark = pytest.mark.cluster


def test_a_folder_of_ours_is_the_official_client_s_too(
    live: Live, official: Official, session_name: str
) -> None:
    name, copy = f"life-{uuid4().hex[:8]}", f"copy-{uuid4().hex[:8]}"
    made = live.json("vfolder", "create", name, "--cloneable")
    assert made["id"].replace("-", "") in official("vfolder", "info", name)
    assert live.json("vfolder", "clone", name, copy)["status"] == "ready"
    assert {name, copy} <= set(official("vfolder", "list").split())
    create = ("session", "create", IMAGE, "-n", session_name, *SMALL, "-v", f"{name}:x:ro")
    (mount,) = live.json(*create, "--timeout", "90s")["mounts"]
    assert (mount["kernel_path"], mount["mount_perm"]) == ("/home/work/x", "ro")
    assert session_name in live.error(5, "vfolder", "delete", name, "--yes")["message"]
    live.json("session", "destroy", session_name, "--timeout", "60s")
    for one in (name, copy):
        live.json("vfolder", "delete", one, "--yes")
        live.json("vfolder", "purge", one, "--confirm", one)
    assert not {name, copy} & set(official("vfolder", "list").split())


def test_a_folder_of_the_official_client_is_ours_too(live: Live, official: Official) -> None:
    name = f"their-{uuid4().hex[:8]}"
    official("vfolder", "create", name, "local:volume1")
    shown = live.json("vfolder", "show", name)
    assert (shown["status"], shown["reach"], shown["file_count"]) == ("ready", "own", 0)
    other = f"{name}-2"
    live.json("vfolder", "rename", name, other)
    official("vfolder", "delete", other)
    (deleted,) = live.json("vfolder", "list", "--trash", "--filter", f"name={other}")
    assert deleted["status"] == "delete-pending"
    live.json("vfolder", "restore", other)
    assert other in official("vfolder", "list")
    live.json("vfolder", "delete", other, "--yes")
    live.json("vfolder", "purge", other, "--confirm", other)


def test_a_folder_that_is_stuck_gets_out_by_what_the_storage_has_of_it(
    live: Live, official: Official, rows: Callable[..., list[Row]]
) -> None:
    name = f"stuck-{uuid4().hex[:8]}"
    made = live.json("vfolder", "create", name, "--host", "local:volume1")

    def put(status: str, host: str = "local:volume1") -> None:
        statement = "UPDATE vfolders SET status = %s, host = %s WHERE id = %s RETURNING id"
        rows(statement, status, host, made["id"])

    put("cloning")
    live.json("vfolder", "recover", name, "--yes")
    assert "ready" in official("vfolder", "info", name)
    put("error", host="local:volume2")
    (outcome,) = live.json("vfolder", "recover", name, "--yes")
    assert "none of it" in outcome["message"]
    assert live.error(5, "vfolder", "restore", name)["code"] == "vfolder_read_gone"
    put("delete-pending")
    live.json("vfolder", "restore", name)
    put("delete-error")
    live.json("vfolder", "purge", name, "--confirm", name)
    assert rows("SELECT id FROM vfolders WHERE id = %s", made["id"]) == []


def test_a_removal_that_the_manager_did_is_completed_by_a_purge(
    live: Live, official: Official, rows: Callable[..., list[Row]]
) -> None:
    name = f"gone-{uuid4().hex[:8]}"
    made = live.json("vfolder", "create", name)
    official("vfolder", "delete", name)
    official("vfolder", "delete-trash", name)
    find = "SELECT status FROM vfolders WHERE id = %s"
    until(lambda: rows(find, made["id"])[0]["status"].startswith("delete-"))
    live.json("vfolder", "purge", made["id"], "--confirm", name)
    assert rows(find, made["id"]) == []
