"""What sessions wait for, and what becomes of those that need not wait any longer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sessions.system import System

CREATE = ["session", "create", "python", "-o", "json", "--name"]


@pytest.fixture
def full(system: System) -> Iterator[System]:
    """Room for one session of one core; ``full-1`` is there."""
    (agent,) = system.rows("SELECT available_slots FROM agents")
    system.execute("""UPDATE agents SET available_slots = '{"cpu": "1", "mem": "8589934592"}'""")
    system.run(*CREATE, "full-1").ok()
    yield system
    names = [name for name, status in system.statuses().items() if status != "TERMINATED"]
    system.run("session", "destroy", *names)
    system.execute(
        "UPDATE agents SET available_slots = jsonb_build_object('cpu', %s::text, 'mem', %s::text)",
        agent["available_slots"]["cpu"],
        agent["available_slots"]["mem"],
    )


def test_a_session_that_waits_longer_than_the_timeout_exits_124_and_says_for_what(
    full: System,
) -> None:
    began = time.monotonic()
    timed_out = full.run(*CREATE, "wait-1", "--timeout", "0.5s")
    assert time.monotonic() - began >= 0.5
    assert timed_out.code == 124
    assert timed_out.error["code"] == "session_read_timeout"
    assert "still PENDING after 0.5 s" in timed_out.error["message"]
    assert "insufficient resources: cpu: requested=1, available=0" in timed_out.error["message"]
    assert "session wait wait-1" in timed_out.error["hint"]
    assert full.statuses()["wait-1"] == "PENDING"
    check_consistent(full)


def test_a_command_that_waits_sees_its_session_start_when_another_ends(full: System) -> None:
    waiting = full.start(*CREATE, "wait-1")
    full.until(lambda: full.statuses().get("wait-1") == "PENDING")
    full.run("session", "destroy", "full-1").ok()
    assert waiting.wait().ok().json["status"] == "RUNNING"
    check_consistent(full)


def test_what_ends_lets_the_next_in_line_start_although_nobody_waits(full: System) -> None:
    for number in (1, 2):
        full.run(*CREATE, f"next-{number}", "--no-wait").ok()
    full.run("session", "destroy", "full-1").ok()
    assert full.statuses()["next-1"] == "RUNNING"
    assert full.statuses()["next-2"] == "PENDING"
    check_consistent(full)


def test_waiting_is_no_reason_to_write_rows_again_and_again(full: System) -> None:
    full.run(*CREATE, "wait-1", "--no-wait").ok()
    before = full.session("wait-1")["status_data"]["scheduler"]
    full.run("session", "wait", "wait-1", "--timeout", "0.6s")
    assert full.session("wait-1")["status_data"]["scheduler"] == before


def test_a_session_waits_no_longer_than_its_resource_group_allows(full: System) -> None:
    full.run(*CREATE, "wait-1", "--no-wait").ok()
    options = "UPDATE scaling_groups SET scheduler_opts = scheduler_opts || %s::jsonb"
    full.execute(options, '{"pending_timeout": 3600}')
    full.run("session", "list").ok()
    assert full.statuses()["wait-1"] == "PENDING"
    full.execute("UPDATE sessions SET created_at = created_at - interval '2 hours'")
    try:
        full.run("session", "list").ok()
    finally:
        full.execute(options, '{"pending_timeout": 0}')
    session, (kernel,) = full.session("wait-1"), full.kernels("wait-1")
    assert (session["status"], session["status_info"]) == ("CANCELLED", "PENDING_TIMEOUT")
    assert (kernel["status"], kernel["status_info"]) == ("CANCELLED", "PENDING_TIMEOUT")
    assert session["terminated_at"] is not None
    check_consistent(full)


def test_a_waiting_session_that_is_destroyed_ends_the_wait(full: System) -> None:
    waiting = full.start(*CREATE, "wait-1")
    full.until(lambda: full.statuses().get("wait-1") == "PENDING")
    full.run("session", "destroy", "wait-1").ok()
    ended = waiting.wait()
    assert ended.code == 5
    assert ended.error["code"] == "session_start_canceled"
    assert "CANCELLED (user-requested)" in ended.error["message"]


def test_a_request_beyond_a_quota_waits_in_line_only_when_asked_to(system: System) -> None:
    owner = system.add_user("queue", max_concurrent_sessions=1)
    system.run(*CREATE, "queue-1", environ=owner).ok()
    refused = system.run(*CREATE, "queue-2", environ=owner)
    assert refused.code == 5
    assert refused.error["code"] == "session_create_unavailable"
    assert refused.error["details"] == {"level": "keypair", "limit": 1, "used": 1, "requested": 1}
    assert "queue-2" not in system.statuses()
    queued = system.run(*CREATE, "queue-2", "--queue", "--no-wait", environ=owner).ok().json
    assert queued["status"] == "PENDING"
    assert "concurrent" in queued["status_info"]
    system.run("session", "destroy", "queue-1", environ=owner).ok()
    assert system.statuses()["queue-2"] == "RUNNING"


def test_a_slot_quota_names_the_level_that_binds(system: System) -> None:
    owner = system.add_user("slots", total_resource_slots={"cpu": "2"})
    refused = system.run(*CREATE, "slots-1", "-r", "cpu=3", "-r", "mem=1g", environ=owner)
    assert refused.code == 5
    assert refused.error["details"]["level"] == "keypair"
    assert refused.error["details"]["slots"] == [
        {"slot": "cpu", "limit": "2", "used": "0", "requested": "3"}
    ]
    never = system.run(*CREATE, "slots-1", "-r", "cpu=3", "-r", "mem=1g", "--queue", environ=owner)
    assert never.code == 5
    assert system.statuses() == {}


def test_a_lost_agent_is_waited_for_by_nobody(system: System) -> None:
    system.run(*CREATE, "lost-1").ok()
    system.execute("UPDATE agents SET status = 'LOST'")
    try:
        system.run("session", "destroy", "lost-1").ok()
    finally:
        system.execute("UPDATE agents SET status = 'ALIVE'")
    (kernel,), session = system.kernels("lost-1"), system.session("lost-1")
    assert (kernel["status"], kernel["status_info"]) == ("TERMINATED", "swept-lost-agent")
    assert (session["status"], session["status_info"]) == ("TERMINATED", "user-requested")
    assert kernel["status_data"] == {}
    system.run("session", "list").ok()
    assert system.processes() == []
