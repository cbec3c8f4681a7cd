"""Sessions that exist: found, renamed, updated, restarted, ended with what depends on them."""

from __future__ import annotations

import asyncio
import tarfile
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.repositories.database import Database
from bai_manager.repositories.kernel_records import KernelRecordRepository
from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.sessions.system import System

CREATE = ["session", "create", "python", "-o", "json", "--name"]
WAITS = ["--no-wait", "--queue", "-r", "cpu=1000"]
"""Nobody has so much: it stays PENDING."""


def test_a_running_session_is_renamed_updated_and_found_by_what_it_is_called(
    system: System,
) -> None:
    run = system.run
    first = run(*CREATE, "old-name").ok().json
    run(*CREATE, "taken-1", "--no-wait", "--depends-on", "old-name").ok()
    assert run("session", "rename", "old-name", "new-name", "-o", "json").ok().json["name"] == (
        "new-name"
    )
    assert {kernel["session_name"] for kernel in system.kernels("new-name")} == {"new-name"}
    for verb in (["rename", "new-name", "taken-1"], ["update", "new-name", "--name", "taken-1"]):
        refused = run("session", *verb, "-o", "json")
        assert refused.error["code"] == "session_create_already-exists"
    waits = run("session", "rename", "taken-1", "other-1", "-o", "json")
    assert waits.error["code"] == "session_generic_mismatch"
    assert set(system.statuses()) == {"new-name", "taken-1"}

    version = run("session", "show", "taken-1", "-o", "json").ok().json["version"]
    updating = ["session", "update", "taken-1", "--name", "other-1", "--priority", "90"]
    updated = run(*updating, "--if-unchanged", version, "-o", "json").ok()
    assert (updated.json["name"], updated.json["priority"]) == ("other-1", 90)
    assert "changed name, priority" in updated.err
    again = run("session", "update", "other-1", "--priority", "90", "-o", "json").ok()
    assert "no change" in again.err
    stale = run("session", "update", "other-1", "--priority", "1", "--if-unchanged", version)
    assert stale.code == 5
    assert run("session", "update", "other-1", "--priority", "101").code == 2

    found = run("session", "match", "new-", "-o", "json").ok().json
    assert found == [{"id": first["id"], "name": "new-name", "status": "RUNNING"}]
    assert run("session", "match", first["id"][:6], "-o", "name").ok().out == "new-name\n"
    check_consistent(system)


def test_a_restarted_session_has_its_files_and_forgets_its_namespace(
    system: System, tmp_path: Path
) -> None:
    run = system.run
    run(*CREATE, "again-1", "--cluster-size", "2").ok()
    run("session", "exec", "again-1", "x = 1; open('kept.txt', 'w').write('hello')").ok()
    assert run("session", "restart", "again-1", "-o", "json").ok().json["status"] == "RUNNING"
    assert "NameError" in run("session", "exec", "again-1", "print(x)").err
    assert _known(system) == {kernel["id"] for kernel in system.kernels("again-1")}
    copied = tmp_path / "files.tar.gz"
    archived = run("session", "archive", "again-1", "kept.txt", "--to", str(copied), "-o", "json")
    assert archived.ok().json["files"] == ["kept.txt"]
    with tarfile.open(copied) as archive:
        content = archive.extractfile("kept.txt")
        assert content is not None
        assert content.read() == b"hello"
    assert run("session", "archive", "again-1", ".", "--to", str(copied)).code == 5
    check_consistent(system)


def _known(system: System) -> set[UUID]:
    """The kernels that a client is told of that cannot ask its agent."""

    async def read() -> set[UUID]:
        database = Database(system.embedded.sqlalchemy_url())
        try:
            found = await KernelRecordRepository(database).of_agent("i-local")
        finally:
            await database.close()
        return {info.kernel_id for _session, _image, info in found}

    return asyncio.run(read())


def test_what_depends_on_a_session_is_drawn_and_ends_with_it(system: System) -> None:
    run = system.run
    base = run(*CREATE, "base-1", *WAITS).ok().json["id"]
    run(*CREATE, "left-1", "--no-wait", "--depends-on", "base-1").ok()
    run(*CREATE, "right-1", "--no-wait", "--depends-on", base).ok()
    run(*CREATE, "top-1", "--no-wait", "--depends-on", "left-1", "--depends-on", "right-1").ok()
    ids = {row["name"]: str(row["id"]) for row in system.rows("SELECT name, id FROM sessions")}

    missing = run(*CREATE, "none-1", "--depends-on", str(uuid4()))
    assert missing.error["code"] == "session_read_not-found"
    graph = run("session", "graph", "top-1", "-o", "json").ok().json
    assert [node["session_name"] for node in graph["nodes"]] == [
        "top-1",
        "left-1",
        "right-1",
        "base-1",
    ]
    pairs = {(edge["session_id"], edge["depends_on"]) for edge in graph["edges"]}
    assert pairs == {
        (ids["top-1"], ids["left-1"]),
        (ids["top-1"], ids["right-1"]),
        (ids["left-1"], base),
        (ids["right-1"], base),
    }
    tree = run("session", "graph", "top-1", "-o", "table").ok().out.splitlines()
    drawn = [line.split(ids["base-1"][:8])[0].rstrip() for line in tree if "base-1" in line]
    assert {line.lstrip("│ ") for line in drawn} == {"└─ base-1"}

    ended = run("session", "destroy", "left-1", "--recursive", "-o", "json").ok().json
    assert ended["dependents"] == [ids["top-1"]]
    assert system.statuses() == {
        "base-1": "PENDING",
        "left-1": "CANCELLED",
        "right-1": "PENDING",
        "top-1": "CANCELLED",
    }
    check_consistent(system)


def test_of_ended_sessions_of_one_name_the_newest_is_destroyed_again(system: System) -> None:
    for _ in range(2):
        system.run(*CREATE, "twice-1", *WAITS).ok()
        system.run("session", "destroy", "twice-1").ok()
    again = system.run("session", "destroy", "twice-1", "-o", "json").ok().json
    assert again["session_id"] == str(system.session("twice-1")["id"])
    assert again["status"] is None


def test_a_timeline_holds_statuses_kernels_and_who_did_what_under_any_name(system: System) -> None:
    run = system.run
    shown = run(*CREATE, "times-1").ok().json
    run("session", "interrupt", "times-1").ok()
    run("session", "rename", "times-1", "times-2").ok()
    run("session", "destroy", "times-2").ok()
    entries = run("session", "timeline", "times-2", "-o", "json").ok().json
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    found = [(entry["source"], entry["what"]) for entry in entries]
    for one in (
        ("audit", "create"),
        ("session", "PENDING"),
        ("main1", "RUNNING"),
        ("session", "RUNNING"),
        ("audit", "interrupt"),
        ("audit", "rename"),
        ("audit", "destroy"),
        ("session", "TERMINATED"),
    ):
        assert one in found
    assert {entry["who"] for entry in entries} == {None, "admin@localhost"}
    history = run("session", "history", "times-2", "-o", "json").ok().json
    assert history["session_id"] == shown["id"]
    assert set(history["status_history"]) == {what for source, what in found if source == "session"}


def test_a_status_is_derived_from_the_kernels_where_that_is_legal(system: System) -> None:
    run = system.run
    run(*CREATE, "check-1").ok()
    other = system.add_user(f"check-{uuid4().hex[:6]}")
    same = run("session", "check-status", "check-1", "-o", "json").ok().json
    assert [(row["status"], row["changed"]) for row in same] == [("RUNNING", False)]
    refused = run("session", "check-status", "check-1", "nobody-1", "-o", "json", environ=other)
    assert refused.ok().json == []
    assert "check-1, nobody-1" in refused.err
    system.execute("UPDATE sessions SET status = 'CREATING' WHERE name = 'check-1'")
    system.execute(
        "UPDATE agents SET status = 'LOST'"
    )  # so that no pass of the scheduler is quicker
    try:
        changed = run("session", "check-status", "check-1", "nobody-1", "-o", "json").ok().json
    finally:
        system.execute("UPDATE agents SET status = 'ALIVE'")
    assert [row["status"] for row in changed] == ["RUNNING"]
    check_consistent(system)


def test_only_a_system_session_tells_where_its_ssh_listens(system: System) -> None:
    run = system.run
    run(*CREATE, "where-1").ok()
    empty = run("session", "access-info", "where-1", "-o", "json").ok().json
    assert (empty["public_host"], empty["sshd_ports"]) == (None, [])
    ports = '[{"name": "sshd", "host_ports": [2200]}, {"name": "sftpd", "host_ports": [2300]}]'
    before = system.kernels("where-1")[0]["service_ports"]
    system.execute("UPDATE sessions SET session_type = 'SYSTEM' WHERE name = 'where-1'")
    system.execute("UPDATE kernels SET service_ports = %s", ports)
    told = run("session", "access-info", "where-1", "-o", "json").ok().json
    assert (told["session_type"], told["sshd_ports"]) == ("SYSTEM", [2300])
    system.execute("UPDATE kernels SET service_ports = '[]'")
    assert run("session", "access-info", "where-1").code == 5
    assert run("session", "abuse-report", "where-1", "-o", "json").ok().json["abuse_report"] is None
    assert before is not None


def test_an_image_of_somebody_else_or_of_a_registry_not_allowed_is_refused(system: System) -> None:
    owner = '{"ai.backend.customized-image.owner": "user:%s"}'
    (image,) = system.rows("SELECT id, labels::text FROM images WHERE name LIKE '%%shell%%'")
    try:
        system.execute("UPDATE images SET labels = %s WHERE id = %s", owner % uuid4(), image["id"])
        foreign = system.run("session", "create", "shell", "-o", "json", "--name", "no-11")
        system.execute(
            "UPDATE images SET labels = %s, is_local = false, registry = 'far' WHERE id = %s",
            image["labels"],
            image["id"],
        )
        far = system.run("session", "create", "shell", "-o", "json", "--name", "no-12")
    finally:
        system.execute(
            "UPDATE images SET labels = %s, is_local = true, registry = 'local' WHERE id = %s",
            image["labels"],
            image["id"],
        )
    assert "made by another user" in foreign.error["message"]
    assert "not allowed" in far.error["message"]
    assert {foreign.error["code"], far.error["code"]} == {"image_read_not-found"}
    assert (foreign.code, far.code, system.statuses()) == (3, 3, {})


def test_another_user_s_session_is_not_found_whatever_is_asked_of_it(system: System) -> None:
    system.run(*CREATE, "mine-1", *WAITS).ok()
    other = system.add_user(f"other-{uuid4().hex[:6]}")
    before = system.session("mine-1")
    asked = [
        "rename mine-1 yours-1",
        "update mine-1 --priority 1",
        "destroy mine-1 --recursive",
        "timeline mine-1",
        "check-status mine-1 --owner " + before["access_key"],
        f"graph {before['id']}",
    ]
    codes = [
        child.wait().code
        for child in [system.start("session", *words.split(), environ=other) for words in asked]
    ]
    assert codes == [3, 3, 3, 3, 4, 3]
    assert system.run("session", "match", "mine", "-o", "json", environ=other).ok().json == []
    assert system.session("mine-1") == before
