"""What a running manager says of idle sessions is what we tell, and ours are its rules.

The manager writes its report every 15 s. Its checkers are not touched: only lifetimes are on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.live.conftest import IMAGE, SMALL, SUPERADMIN, Keypair, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.conftest import Live, Official

pytestmark = pytest.mark.cluster


IDLE_CHECKS = """
tell(session.Admin.query(
    "query($id: UUID!) { compute_session(id: $id) { idle_checks } }", {"id": arguments[0]}
)["compute_session"]["idle_checks"])
"""


@pytest.fixture
def mortal(live: Live, tmp_path: Path) -> Iterator[Keypair]:
    """A key pair whose sessions may live for an hour."""
    policy, secret = f"live-{uuid4().hex[:8]}", tmp_path / "mortal.env"
    live.json("policy", "keypair", "create", policy, "--max-session-lifetime", "3600")
    create = ("user", "keypair", "create", SUPERADMIN[0], "--policy", policy, "--admin")
    made = live.json(*create, "--secret-file", str(secret))
    keypair = Keypair(made["access_key"], secret.read_text().strip().rpartition("=")[2])
    yield keypair
    live("user", "keypair", "delete", keypair.access_key, "--yes")
    live("policy", "keypair", "delete", policy, "--yes")


def test_the_time_left_is_what_the_manager_tells_and_what_its_rules_tell(
    live: Live, official: Official, mortal: Keypair, session_name: str
) -> None:
    created = ("session", "create", IMAGE, "-n", session_name, *SMALL, "--timeout", "90s")
    live.json(*created, who=mortal)

    def told() -> Any:
        [found] = live.json("session", "idle", session_name, who=mortal)
        return found["idle_checks"]

    by_rules = told()["session_lifetime"]
    until(lambda: told()["session_lifetime"]["told_by"] == "manager", patience=60)
    checks = told()
    assert checks["session_lifetime"]["remaining"] == pytest.approx(3600, abs=120)
    assert checks["session_lifetime"]["remaining"] == pytest.approx(by_rules["remaining"], abs=90)
    assert (checks["network_timeout"]["state"], checks["utilization"]["state"]) == ("off", "off")
    session = live.json("session", "show", session_name, who=mortal)
    theirs = official.program(IDLE_CHECKS, session["id"])
    theirs = json.loads(theirs) if isinstance(theirs, str) else theirs
    ours = checks["session_lifetime"]
    assert theirs["session_lifetime"]["remaining"] == pytest.approx(ours["remaining"], abs=60)
    for key in ("remaining_time_type", "extra"):
        assert theirs["session_lifetime"][key] == ours[key]
    live("session", "destroy", session_name, "--timeout", "60s", who=mortal)


def test_nothing_is_ended_beside_a_manager_that_runs(live: Live) -> None:
    error = live.error(5, "session", "end-idle", "--yes")
    assert error["code"] == "session_generic_conflict"
    assert error["details"]["leader"]
