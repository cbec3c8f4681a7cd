"""The rows that sessions write on their way, as a real manager writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sessions.facts import (
    DOWN,
    KERNEL_ALWAYS,
    KERNEL_NOWHERE,
    KERNEL_SOMEWHERE,
    KERNEL_UP,
    SESSION_ALWAYS,
    SESSION_UP,
    TIME,
    check_history,
    check_row,
    check_waiting_data,
    entered,
)
from tests.sessions.system import check_consistent

if TYPE_CHECKING:
    from tests.sessions.system import System

SLOTS = {"cpu": "1", "mem": "536870912"}
CREATE = [
    "session",
    "create",
    "python",
    "--name",
    "rows-1",
    "-r",
    "cpu=1",
    "-r",
    "mem=512m",
    "--tag",
    "t1",
    "-o",
    "json",
]


def test_rows_of_a_running_session_are_those_a_manager_writes(system: System) -> None:
    shown = system.run(*CREATE, "--env", "FOO=bar").ok().json
    (kernel,), session = system.kernels("rows-1"), system.session("rows-1")
    check_row(
        session,
        SESSION_ALWAYS,
        {
            "access_key": shown["access_key"],
            "agent_ids": ["i-local"],
            "bootstrap_script": None,
            "environ": {"FOO": "bar"},
            "images": [kernel["image"]],
            "name": "rows-1",
            "occupying_slots": SLOTS,
            "requested_slots": SLOTS,
            "status": "RUNNING",
            "status_data": {},
            "status_info": None,
            "tag": "t1",
            "terminated_at": None,
        },
    )
    check_row(
        kernel,
        KERNEL_ALWAYS,
        KERNEL_SOMEWHERE,
        {
            "access_key": shown["access_key"],
            "agent_addr": "local://",
            "bootstrap_script": "",
            "container_log": None,
            "occupied_slots": SLOTS,
            "requested_slots": SLOTS,
            "session_creation_id": session["creation_id"],
            "session_id": session["id"],
            "session_name": "rows-1",
            "status": "RUNNING",
            "status_changed": entered(kernel, "RUNNING"),
            "status_data": {},
            "status_info": "",
            "tag": "t1",
            "terminated_at": None,
        },
    )
    assert {device: type(found) for device, found in kernel["attached_devices"].items()} == {
        "cpu": list,
        "mem": list,
    }
    check_history(session, SESSION_UP)
    check_history(kernel, KERNEL_UP)
    check_consistent(system)


@pytest.mark.parametrize(
    ("options", "reason"), [((), "user-requested"), (("--forced",), "force-terminated")]
)
def test_rows_of_a_destroyed_session_say_why_and_when(
    system: System, options: tuple[str, ...], reason: str
) -> None:
    system.run(*CREATE).ok()
    told = system.run("session", "destroy", "rows-1", *options, "-o", "json").ok().json
    (kernel,), session = system.kernels("rows-1"), system.session("rows-1")
    check_row(
        session,
        SESSION_ALWAYS,
        {
            "agent_ids": ["i-local"],
            "occupying_slots": SLOTS,
            "status": "TERMINATED",
            "status_data": {},
            "status_info": reason,
            "terminated_at": entered(session, "TERMINATED"),
        },
    )
    check_row(
        kernel,
        KERNEL_ALWAYS,
        KERNEL_SOMEWHERE,
        {
            "occupied_slots": SLOTS,
            "status": "TERMINATED",
            "status_changed": entered(kernel, "TERMINATED"),
            "status_info": reason,
            "terminated_at": entered(kernel, "TERMINATED"),
        },
    )
    assert kernel["status_data"].keys() == {"kernel"}
    check_row(kernel["status_data"]["kernel"], {"exit_code": int})
    check_history(session, SESSION_UP + DOWN)
    check_history(kernel, KERNEL_UP + DOWN)
    assert told["status"] == "terminated"
    assert told["session_id"] == str(session["id"])
    check_consistent(system)


def test_rows_of_a_session_cancelled_while_it_waited_have_no_agent(system: System) -> None:
    created = (
        system.run(
            *[
                "session",
                "create",
                "python",
                "-n",
                "rows-1",
                "-r",
                "cpu=100",
                "-r",
                "mem=512m",
                "-o",
                "json",
            ],
            *["--queue", "--no-wait"],
        )
        .ok()
        .json
    )
    told = system.run("session", "destroy", "rows-1", "-o", "json").ok().json
    (kernel,), session = system.kernels("rows-1"), system.session("rows-1")
    check_row(
        session,
        SESSION_ALWAYS,
        {
            "agent_ids": None,
            "occupying_slots": {},
            "requested_slots": {"cpu": "100", "mem": "536870912"},
            "status": "CANCELLED",
            "status_info": "user-requested",
            "terminated_at": entered(session, "CANCELLED"),
        },
    )
    check_row(
        kernel,
        KERNEL_ALWAYS,
        KERNEL_NOWHERE,
        {
            "status": "CANCELLED",
            "status_changed": entered(kernel, "CANCELLED"),
            "status_info": "user-requested",
            "terminated_at": TIME,
        },
    )
    for row in (session, kernel):
        check_waiting_data(row["status_data"])
        check_history(row, ["PENDING", "CANCELLED"])
    assert created["status"] == "PENDING"
    assert "insufficient resources" in created["status_info"]
    assert told["status"] == "cancelled"


def test_a_session_of_three_kernels_tells_each_who_and_where_it_is(system: System) -> None:
    session = (
        system.run(
            *[
                "session",
                "create",
                "python",
                "--name",
                "trio-1",
                "--cluster-size",
                "3",
                "-o",
                "json",
            ]
        )
        .ok()
        .json
    )
    kernels = system.kernels("trio-1")
    assert [
        (row["cluster_role"], row["cluster_idx"], row["local_rank"], row["cluster_hostname"])
        for row in kernels
    ] == [("main", 1, 0, "main1"), ("sub", 1, 1, "sub1"), ("sub", 2, 2, "sub2")]
    for row in kernels:
        spec = json.loads((system.agents_root / row["id"].hex / "spec.json").read_text())
        told = {name: text for name, text in spec["environ"].items() if "CLUSTER" in name}
        assert told == {
            "BACKENDAI_CLUSTER_HOST": row["cluster_hostname"],
            "BACKENDAI_CLUSTER_HOSTS": "main1,sub1,sub2",
            "BACKENDAI_CLUSTER_IDX": str(row["cluster_idx"]),
            "BACKENDAI_CLUSTER_LOCAL_RANK": str(row["local_rank"]),
            "BACKENDAI_CLUSTER_REPLICAS": "main:1,sub:2",
            "BACKENDAI_CLUSTER_ROLE": row["cluster_role"],
            "BACKENDAI_CLUSTER_SIZE": "3",
        }
        assert spec["environ"]["BACKENDAI_KERNEL_ID"] == str(row["id"])
        assert spec["environ"]["BACKENDAI_SESSION_ID"] == session["id"]
    row = system.session("trio-1")
    assert row["network_id"] == f"bai-singlenode-{session['id']}"
    assert row["occupying_slots"] == {"cpu": "3", "mem": str(3 * 134217728)}
    code = "import os; print(os.environ['BACKENDAI_CLUSTER_HOST'])"
    assert system.run("session", "exec", "trio-1", code).ok().out == "main1\n"
    check_consistent(system)


def test_a_session_of_three_kernels_starts_with_all_of_them_or_with_none(system: System) -> None:
    """The last kernel cannot be made: its dotfiles are none that an agent could write."""
    system.execute(_BREAK_LAST_KERNEL)
    try:
        failed = system.run(
            *[
                "session",
                "create",
                "python",
                "--name",
                "trio-2",
                "--cluster-size",
                "3",
                "-o",
                "json",
            ]
        )
    finally:
        system.execute("DROP FUNCTION break_last_kernel CASCADE")
    assert failed.code == 1
    assert failed.error["code"] == "kernel_create_internal-error"
    session = system.session("trio-2")
    assert session["status"] == "CANCELLED"
    assert session["status_info"] == "failed-to-start"
    assert session["status_data"]["error"].keys() == {"src", "name", "repr"}
    assert {row["status"] for row in system.kernels("trio-2")} == {"CANCELLED"}
    assert system.processes() == []
    check_consistent(system)


_BREAK_LAST_KERNEL = """
CREATE FUNCTION break_last_kernel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.cluster_idx = 2 THEN NEW.internal_data = '{"dotfiles": ["none"]}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_last_kernel BEFORE INSERT ON kernels
    FOR EACH ROW EXECUTE FUNCTION break_last_kernel();
"""
