"""Templates on a running cluster: its manager takes ours, and we take its."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.live.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.live.conftest import Live, Official, Row

pytestmark = pytest.mark.cluster

SPEC = {
    "sessionType": "interactive",
    "kernel": {
        "image": IMAGE,
        "environ": {"LEVEL": "debug"},
        "run": {"bootstrap": "echo one", "startupCommand": None},
        "git": None,
    },
    "resources": {"cpu": "1", "mem": "1g"},
    "scaling_group": "default",
}
THEIR_ID = "tell(session.SessionTemplate.create(*arguments).template_id)"
THEIR_TEXT = "tell(session.SessionTemplate(*arguments).get(body_format='json'))"


def task(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "taskTemplate",
        "metadata": {"name": name, "tag": "nightly"},
        "spec": SPEC,
    }


@pytest.fixture
def name(live: Live) -> Iterator[str]:
    """Of a template, which is deleted afterwards."""
    found = f"live-{uuid4().hex[:8]}"
    yield found
    live("template", "delete", found, "--yes", "--ignore-not-found")


def assert_made_of_it(rows: Callable[..., list[Row]], session: str) -> None:
    [made] = rows(
        "SELECT s.environ, s.scaling_group_name, s.requested_slots,"
        " k.image, k.bootstrap_script, k.startup_command"
        " FROM sessions s JOIN kernels k ON k.session_id = s.id WHERE s.name = %s",
        session,
    )
    assert made["requested_slots"] == {"cpu": "1", "mem": str(1 << 30)}
    assert made["image"] == IMAGE
    assert made["scaling_group_name"] == "default"
    assert made["bootstrap_script"].strip() == "echo one"
    assert not made["startup_command"]
    assert "LEVEL" in json.dumps(made["environ"])


def test_ours_is_read_by_the_official_client_and_run_by_the_manager(
    live: Live,
    official: Official,
    rows: Callable[..., list[Row]],
    name: str,
    session_name: str,
) -> None:
    ours = live.json("template", "create", "-", stdin=json.dumps(task(name)))
    read = json.loads(official.program(THEIR_TEXT, ours["id"]))
    assert (read["name"], read["template"]) == (name, ours["template"])
    assert name in official("session-template", "list")
    told = official("session", "create-from-template", ours["id"], "--name", session_name)
    assert live.json("session", "show", session_name)["status"] == "RUNNING", told
    assert_made_of_it(rows, session_name)


def test_theirs_is_shown_and_run_by_us(
    live: Live,
    official: Official,
    rows: Callable[..., list[Row]],
    name: str,
    session_name: str,
) -> None:
    made = official.program(THEIR_ID, json.dumps([{"template": task(name)}]))
    shown = live.json("template", "show", name)
    assert shown["id"].replace("-", "") == made.replace("-", "")
    assert shown["template"]["spec"]["kernel"]["environ"] == {"LEVEL": "debug"}
    words = ("session", "create", "--template", name, "-n", session_name, "--timeout", "90s")
    assert live.json(*words)["status"] == "RUNNING"
    assert_made_of_it(rows, session_name)
    renamed = live.json("template", "update", name, "--name", f"{name}-2")
    assert renamed["id"] == shown["id"]
    assert f"{name}-2" in official("session-template", "list")
    live("template", "delete", f"{name}-2", "--yes")
    assert name not in official("session-template", "list")


def test_ours_is_changed_by_the_official_client_and_seen_by_us(
    live: Live, official: Official, name: str
) -> None:
    ours = live.json("template", "create", "-", stdin=json.dumps(task(name)))
    spec = {**SPEC, "resources": {"cpu": "2", "mem": "2g"}}
    changed = [{"template": {**task(name), "spec": spec}}]
    official.program(
        "session.SessionTemplate(arguments[0]).put(arguments[1]); tell(True)",
        ours["id"],
        json.dumps(changed),
    )
    shown = live.json("template", "show", name)
    assert shown["template"]["spec"]["resources"] == {"cpu": "2", "mem": "2g"}
