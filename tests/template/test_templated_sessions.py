"""``session create --template``: options win over what the template says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.template.test_templates import TASK, cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import Typed
    from tests.door import Door


def test_a_session_is_what_template_and_options_say(shared: Door, typed: Typed) -> None:
    env = shared.environ("alice")
    made = json.loads(typed("template", "create", "-", "-o", "json", env=env, stdin=TASK).out)
    words = ("-n", "from-1", "-e", "LEVEL=info", "-r", "mem=2g", "--tag", "mine")
    session = _create(typed, env, "--template", "train", *words)
    assert session["environ"] == {"LEVEL": "info", "COUNT": "3"}
    assert session["requested_slots"] == {"cpu": "2", "mem": str(2 << 30)}
    assert (session["tag"], session["images"]) == ("mine", ["local/stable/python:3.11-host"])

    nodes = cluster(("sub", made["id"], 2), ("main", made["id"], 1))
    text = json.dumps({**nodes, "mode": "multi-node"})
    assert typed("template", "create", "-", env=env, stdin=text).code == 0
    farm = _create(typed, env, "--template", "farm", "-n", "from-2", "-r", "cpu=1", "-r", "mem=1g")
    assert [kernel["cluster_role"] for kernel in farm["kernels"]] == ["main", "sub", "sub"]
    assert farm["cluster_mode"] == "multi-node"

    other = TASK.replace("LEVEL: debug", "LEVEL: other").replace("name: train", "name: other")
    unlike = json.loads(typed("template", "create", "-", "-o", "json", env=env, stdin=other).out)
    mixed = cluster(("main", made["id"], 1), ("sub", unlike["id"], 1))
    text = json.dumps(mixed)
    assert typed("template", "update", "farm", "--file", "-", env=env, stdin=text).code == 0
    refused = typed("session", "create", "--template", "farm", env=env)
    assert (refused.code, "differ" in refused.err) == (2, True)


def test_a_session_needs_an_image_or_a_template(shared: Door, typed: Typed) -> None:
    env = shared.environ("alice")
    assert typed("session", "create", env=env).code == 2
    assert typed("session", "create", "--template", "none", env=env).code == 3


def _create(typed: Typed, env: Mapping[str, str], *words: str) -> dict[str, Any]:
    done = typed("session", "create", *words, "--no-wait", "-o", "json", env=env)
    assert done.code == 0, done.err
    shown = typed("session", "show", json.loads(done.out)["id"], "-o", "json", env=env)
    found: dict[str, Any] = json.loads(shown.out)
    return found
