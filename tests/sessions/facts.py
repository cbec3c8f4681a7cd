"""What the rows of a session look like in a database that a real manager 25.17 wrote.

Recorded from its lifecycles: a normal one, a forced end, a session cancelled while it waited, and
one whose agent was lost. Times are told apart from text by ``TIME``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

Row = dict[str, Any]

TIME: Final = datetime

# Columns that are the same all through the life of an interactive session of one kernel.
SESSION_ALWAYS: Final[dict[str, object]] = {
    "batch_timeout": None,
    "callback_url": None,
    "cluster_mode": "single-node",
    "cluster_size": 1,
    "created_at": TIME,
    "creation_id": str,
    "designated_agent_ids": None,
    "domain_name": "default",
    "environ": {},
    "group_id": UUID,
    "id": UUID,
    "last_stat": None,
    "network_id": None,
    "network_type": "volatile",
    "num_queries": 0,
    "priority": 10,
    "result": "UNDEFINED",
    "scaling_group_name": "default",
    "session_type": "INTERACTIVE",
    "starts_at": None,
    "startup_command": None,
    "timeout": None,
    "use_host_network": False,
    "user_uuid": UUID,
    "vfolder_mounts": [],
}
KERNEL_ALWAYS: Final[dict[str, object]] = {
    "callback_url": None,
    "cluster_hostname": "main1",
    "cluster_idx": 1,
    "cluster_mode": "single-node",
    "cluster_role": "main",
    "cluster_size": 1,
    "created_at": TIME,
    "domain_name": "default",
    "environ": [],
    "gids": None,
    "group_id": UUID,
    "id": UUID,
    "internal_data": {"dotfiles": []},
    "last_seen": None,
    "last_stat": None,
    "local_rank": 0,
    "main_gid": None,
    "mount_map": {},
    "mounts": [],
    "num_queries": 0,
    "occupied_shares": {},
    "preopen_ports": [],
    "resource_opts": {"shmem": 67108864, "allow_fractional_resource_fragmentation": True},
    "result": "UNDEFINED",
    "scaling_group": "default",
    "session_creation_id": str,
    "session_id": UUID,
    "session_type": "INTERACTIVE",
    "starts_at": None,
    "startup_command": None,
    "uid": None,
    "use_host_network": False,
    "user_uuid": UUID,
    "vfolder_mounts": [],
}
# A kernel before it has an agent.
KERNEL_NOWHERE: Final[dict[str, object]] = {
    "agent": None,
    "agent_addr": None,
    "attached_devices": {},
    "container_id": None,
    "kernel_host": None,
    "occupied_slots": {},
    "repl_in_port": 0,
    "repl_out_port": 0,
    "service_ports": None,
    "stdin_port": 0,
    "stdout_port": 0,
}
# What images of this machine serve; the recorded image served nothing.
FILES: Final[Row] = {
    "name": "files",
    "protocol": "http",
    "container_ports": [8080],
    "host_ports": [None],
    "is_inference": False,
}
KERNEL_SOMEWHERE: Final = {
    "agent": str,
    "agent_addr": str,
    "container_id": str,
    "kernel_host": "127.0.0.1",
    "repl_in_port": int,
    "repl_out_port": int,
    "service_ports": [FILES],
    "stdin_port": int,
    "stdout_port": int,
}

SESSION_UP: Final = ["PENDING", "SCHEDULED", "PREPARING", "PREPARED", "CREATING", "RUNNING"]
KERNEL_UP: Final = ["PENDING", "SCHEDULED", "PREPARED", "RUNNING"]
DOWN: Final = ["TERMINATING", "TERMINATED"]

# Which columns each step changes, in the order of the steps: table, status, columns.
_MOVED: Final = {"status", "status_history"}
STEPS_UP: Final = [
    ("sessions", "SCHEDULED", _MOVED | {"agent_ids", "status_data", "status_info"}),
    (
        "kernels",
        "SCHEDULED",
        _MOVED | {"agent", "agent_addr", "status_data", "status_info", "status_changed"},
    ),
    ("sessions", "PREPARING", _MOVED | {"status_info"}),
    ("kernels", "PREPARING", {"status", "status_changed"}),
    ("kernels", "PREPARED", _MOVED),
    ("sessions", "PREPARED", _MOVED),
    ("sessions", "CREATING", _MOVED),
    ("kernels", "CREATING", {"status", "status_changed"}),
    (
        "kernels",
        "RUNNING",
        _MOVED
        | {"status_info", "status_changed", "occupied_slots", "attached_devices"}
        | (KERNEL_SOMEWHERE.keys() - {"agent", "agent_addr"}),
    ),
    ("sessions", "RUNNING", _MOVED | {"occupying_slots"}),
]
STEPS_DOWN: Final = [
    ("sessions", "TERMINATING", _MOVED | {"status_info"}),
    ("kernels", "TERMINATING", _MOVED | {"status_info"}),
    ("kernels", "TERMINATED", _MOVED | {"status_data", "terminated_at", "status_changed"}),
    ("sessions", "TERMINATED", _MOVED | {"terminated_at"}),
]
STEPS_OF_A_LOST_AGENT: Final = [
    *STEPS_DOWN[:2],
    ("kernels", "TERMINATED", _MOVED | {"status_info", "terminated_at", "status_changed"}),
    STEPS_DOWN[3],
]
STEPS_OF_NO_ROOM: Final = [
    ("sessions", "PENDING", {"status_data", "status_info"}),
    ("kernels", "PENDING", {"status_data"}),
]
STEPS_CANCELLED: Final = [
    ("sessions", "CANCELLED", _MOVED | {"status_info", "terminated_at"}),
    ("kernels", "CANCELLED", _MOVED | {"status_info", "terminated_at", "status_changed"}),
]


def check_row(row: Row, *parts: Row) -> None:
    """Each column is the value, or of the type, that the parts give for it."""
    expected: Row = {}
    for part in parts:
        expected |= part
    for column, value in expected.items():
        found = row[column]
        if isinstance(value, type):
            assert type(found) is value, f"{column} is {found!r}"
        else:
            assert found == value, f"{column} is {found!r}"
            assert type(found) is type(value), f"{column} is {found!r}"


def check_history(row: Row, statuses: list[str]) -> None:
    """The row was in these statuses, one after the other, at times with a zone."""
    times = [datetime.fromisoformat(row["status_history"][status]) for status in statuses]
    assert row["status_history"].keys() == set(statuses)
    assert times == sorted(times)
    assert all(time.utcoffset() is not None for time in times)


def entered(row: Row, status: str) -> datetime:
    """When the row entered the status, by its history."""
    return datetime.fromisoformat(row["status_history"][status])


def check_waiting_data(data: Row, retries: int | None = None) -> None:
    """``status_data`` of a session, and of its kernels, that could not be scheduled."""
    scheduler = data["scheduler"]
    assert scheduler.keys() == {
        "retries",
        "last_try",
        "msg",
        "failed_predicates",
        "passed_predicates",
    }
    assert type(scheduler["retries"]) is int
    if retries is not None:
        assert scheduler["retries"] == retries
    assert datetime.fromisoformat(scheduler["last_try"]).utcoffset() is not None
    assert type(scheduler["msg"]) is str
    for predicate in (*scheduler["failed_predicates"], *scheduler["passed_predicates"]):
        assert predicate.keys() == {"name", "msg"}
