"""``status``: every dependency is a line, and a silent one is the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bai_manager.errors import Unreachable
from bai_manager.services.status.actions import GetStatusAction
from bai_manager.services.status.service import StatusService
from bai_manager.services.status.types import Answer

if TYPE_CHECKING:
    from tests.cli.conftest import Cluster, Home, Typed
    from tests.conftest import PostgresServer


def test_one_machine_says_how_its_parts_are(initialised_home: Home, typed: Typed) -> None:
    done = typed("status", "-o", "json", env={"BAI_HOME": str(initialised_home.path)})
    assert done.code == 0, done.err
    found = {one["name"]: one for one in json.loads(done.out)}
    assert set(found) == {"database", "agent i-local", "storage local:volume1"}
    assert "revision dd15fd17f232" in found["database"]["detail"]


def test_status_needs_no_key_pair_and_shows_no_password(cluster: Cluster, typed: Typed) -> None:
    done = typed("status", "-o", "json", env={"BAI_DATABASE_DSN": cluster.dsn})
    assert done.code == 0, done.err
    assert [one["name"] for one in json.loads(done.out)] == ["database"]


def test_a_database_that_does_not_answer_is_exit_6(typed: Typed) -> None:
    dsn = "postgresql://bai:quiet@127.0.0.1:1/bai"
    done = typed("status", "-o", "json", env={"BAI_DATABASE_DSN": dsn})
    assert done.code == 6
    [database] = json.loads(done.out)
    assert not database["reachable"]
    assert "quiet" not in done.out + done.err


def test_a_person_is_told_in_full_why_and_what_to_do(typed: Typed) -> None:
    dsn = "postgresql://bai:quiet@127.0.0.1:1/bai"
    done = typed("status", "-o", "table", env={"BAI_DATABASE_DSN": dsn, "COLUMNS": "80"})
    assert done.code == 6
    assert "warning: database: The database does not answer: " in done.err
    assert "Connection refused." in done.err


def test_a_database_of_something_else_is_none_of_ours(
    empty_database: str, postgres_server: PostgresServer, typed: Typed
) -> None:
    dsn = postgres_server.libpq_url(empty_database)
    done = typed("status", "-o", "json", env={"BAI_DATABASE_DSN": dsn})
    assert done.code == 6
    [database] = json.loads(done.out)
    assert database["detail"].endswith("the database has no Backend.AI tables.")
    assert "database.dsn" in database["hint"]


class Fixed:
    """A dependency with a fixed answer, or none."""

    address = "here"

    def __init__(self, name: str, answer: Answer | None) -> None:
        self.name = name
        self._answer = answer

    async def ask(self) -> Answer:
        if self._answer is None:
            raise Unreachable("nobody there")
        return self._answer


async def test_one_silent_dependency_does_not_hide_the_others() -> None:
    service = StatusService(probes=[Fixed("a", None), Fixed("b", Answer(version="1"))])
    result = await service.get_status(GetStatusAction())
    assert [(one.name, one.reachable, one.version, one.detail) for one in result.dependencies] == [
        ("a", False, None, "nobody there"),
        ("b", True, "1", None),
    ]
