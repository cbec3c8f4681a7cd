"""Many processes at once: limits hold, nothing is half made, nobody waits for each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sessions.system import System

pytestmark = pytest.mark.thorough


def test_of_32_processes_that_create_at_once_as_many_succeed_as_the_policy_allows(
    system: System,
) -> None:
    owner = system.add_user("crowd", max_concurrent_sessions=8)
    children = [
        system.start(
            *f"session create python --name crowd-{number} --no-wait -o json".split(), environ=owner
        )
        for number in range(32)
    ]
    done = [child.wait() for child in children]
    assert Counter(one.code for one in done) == {0: 8, 5: 24}
    assert {one.error["code"] for one in done if one.code} == {"session_create_unavailable"}
    assert {one.error["details"]["limit"] for one in done if one.code} == {8}
    system.run("session", "wait", *[one.json["name"] for one in done if one.code == 0][:1]).ok()
    assert Counter(system.statuses().values()) == {"RUNNING": 8}
