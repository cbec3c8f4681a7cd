"""People on a running cluster: ours are known to the manager, and the manager's to us."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.live.conftest import CLUSTER, IMAGE, SMALL, Keypair, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.live.conftest import Live, Official, Row

pytestmark = pytest.mark.cluster

PASSWORD = "Eve's pass, 1!"

LOG_IN = """
session = Session(config=session.config.__class__(
    endpoint_type="api", access_key="", secret_key="", domain="default")).__enter__()
try:
    found = session.User.authorize(*arguments)
    tell({"access_key": found.access_key, "secret_key": found.secret_key})
except BackendAPIError as error:
    tell(error.status)
"""
PROJECTS = """
try:
    tell([group["name"] for group in session.Group.list("default")])
except BackendAPIError as error:
    tell(error.status)
"""
KNOWN_USER = """
tell(session.Admin.query(
    "query($email: String) { user(email: $email) { uuid } }", {"email": arguments[0]})["user"])
"""
KEPT_AS_HISTORY = frozenset({"audit_logs", "sessions", "kernels", "session_dependencies"})


class Eve:
    """A user who was created by us."""

    def __init__(self, live: Live, folder: Path) -> None:
        self.email = f"eve-{uuid4().hex[:8]}@example.com"
        secret = folder / "eve.env"
        shown = live.json(
            *("user", "create", self.email, "--project", "default", "--password-stdin"),
            *("--secret-file", str(secret)),
            stdin=PASSWORD,
        )
        lines = dict(line.split("=", 1) for line in secret.read_text().splitlines())
        self.id: str = shown["id"]
        self.keypair = Keypair(lines["BAI_ACCESS_KEY"], lines["BAI_SECRET_KEY"])


@pytest.fixture
def eve(live: Live, tmp_path: Path) -> Iterator[Eve]:
    eve = Eve(live, tmp_path)
    yield eve
    live("user", "purge", eve.email, "--destroy-sessions", "--confirm", eve.email)


def remains(rows: Callable[..., list[Row]], *values: str) -> list[tuple[str, str]]:
    """Table and column of everything that still names one of the values, but for history."""
    columns = rows("""
        SELECT table_name, column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type IN ('uuid', 'character varying', 'text')
    """)
    return [
        (column["table_name"], column["column_name"])
        for column in columns
        if column["table_name"] not in KEPT_AS_HISTORY
        and rows(
            f'SELECT FROM "{column["table_name"]}"'
            f' WHERE "{column["column_name"]}"::text = ANY(%s) LIMIT 1',
            [*values],
        )
    ]


def remembered(access_key: str) -> set[str]:
    """What the cluster's Valkey keeps about a key pair."""
    from valkey import Valkey  # noqa: PLC0415 - clusters only

    found: set[str] = set()
    for number in (0, 1, 2):
        with Valkey.from_url(CLUSTER["BAI_CLUSTER_REDIS_URL"], db=number) as client:
            found |= {key.decode() for key in client.scan_iter(f"*{access_key}*", count=1000)}
    return found


def test_our_user_logs_in_by_password_and_key_pair_and_sees_the_project(
    official: Official, eve: Eve
) -> None:
    logged_in = official.program(LOG_IN, eve.email, PASSWORD)
    assert logged_in == vars(eve.keypair)
    assert official.program(LOG_IN, eve.email, "another") == 401
    assert "default" in official.program(PROJECTS, who=eve.keypair)
    assert official.program(PROJECTS, who=Keypair(eve.keypair.access_key, "another")) == 401


def test_a_password_that_we_set_and_one_that_we_rotate_are_in_force_at_once(
    live: Live, official: Official, eve: Eve, tmp_path: Path
) -> None:
    live.json("user", "password", "set", eve.email, "--password-stdin", stdin="Another one, 2!")
    assert official.program(LOG_IN, eve.email, PASSWORD) == 401
    secret = tmp_path / "rotated.env"
    live.json(
        *("user", "keypair", "rotate", eve.keypair.access_key, "--secret-file", str(secret)),
        "--yes",
    )
    assert official.program(PROJECTS, who=eve.keypair) == 401
    rotated = Keypair(eve.keypair.access_key, secret.read_text().strip().rpartition("=")[2])
    assert "default" in official.program(PROJECTS, who=rotated)
    live.json("user", "delete", eve.email, "--yes")
    assert official.program(PROJECTS, who=rotated) == 401


def test_our_user_is_purged_with_everything_that_names_them(
    live: Live, official: Official, eve: Eve, rows: Callable[..., list[Row]]
) -> None:
    access_key = eve.keypair.access_key
    official("session", "create", "--name", "eves-own", *SMALL, IMAGE, who=eve.keypair)
    until(lambda: bool(remembered(access_key)))
    refused = live.error(5, "user", "purge", eve.email, "--confirm", eve.email)
    assert "session" in refused["message"]
    purged = live.json("user", "purge", eve.email, "--destroy-sessions", "--confirm", eve.email)
    assert purged["keypairs"] == [access_key]
    assert official.program(LOG_IN, eve.email, PASSWORD) == 401
    assert official.program(PROJECTS, who=eve.keypair) == 401
    assert official.program(KNOWN_USER, eve.email) is None
    assert remains(rows, eve.id, eve.email, access_key) == []
    assert remembered(access_key) == set()


def test_a_key_pair_that_we_delete_is_forgotten(
    live: Live, official: Official, eve: Eve, tmp_path: Path
) -> None:
    """Only a main key pair may sign requests, also of those that the manager makes."""
    secret = tmp_path / "second.env"
    second = live.json("user", "keypair", "create", eve.email, "--secret-file", str(secret))
    lines = dict(line.split("=", 1) for line in secret.read_text().splitlines())
    keypair = Keypair(second["access_key"], lines["BAI_SECRET_KEY"])
    assert official.program(PROJECTS, who=keypair) == 401
    live.json("user", "update", eve.email, "--main-access-key", keypair.access_key)
    assert "default" in official.program(PROJECTS, who=keypair)
    assert remembered(keypair.access_key)
    live.json("user", "update", eve.email, "--main-access-key", eve.keypair.access_key)
    live.json("user", "keypair", "delete", keypair.access_key, "--yes")
    assert official.program(PROJECTS, who=keypair) == 401
    assert f"kp:{keypair.access_key}:num_queries" not in remembered(keypair.access_key)


CREATE = """
name = arguments[0]
slots = {"cpu": "4", "mem": "8589934592"}
hosts = {"local:volume1": ["create-vfolder", "mount-in-session"]}
session.Domain.create(name, description="of the manager", total_resource_slots=json.dumps(slots),
    vfolder_host_perms=json.dumps(hosts), allowed_docker_registries=["cr.backend.ai"])
session.Group.create(name, name, description="of the manager",
    total_resource_slots=json.dumps(slots), allowed_vfolder_hosts=json.dumps(hosts))
session.KeypairResourcePolicy.create(name, default_for_unspecified="LIMITED",
    total_resource_slots=json.dumps(slots), max_session_lifetime=7200, max_concurrent_sessions=3,
    max_concurrent_sftp_sessions=2, max_containers_per_session=4, idle_timeout=600,
    vfolder_host_perms=json.dumps(hosts), max_pending_session_count=5,
    max_pending_session_resource_slots=json.dumps({"cpu": "2"}))
group = session.Group.from_name(name, domain_name=name)[0]
session.User.create(name, name + "@example.com", "A pass, 3!", username=name,
    full_name="Of The Manager", description="somebody", allowed_client_ip=["10.0.0.0/8"],
    group_ids=[group["id"]], container_uid=2000, container_main_gid=3000,
    container_gids=[3001, 3002], sudo_session_enabled=True)
session.KeyPair.create(name + "@example.com", True, False, name, 123)
session.ScalingGroup.create(name, description="of the manager", is_public=False,
    driver="static", scheduler="lifo", driver_opts={"a": 1},
    scheduler_opts={"allowed_session_types": ["interactive"], "pending_timeout": 60},
    use_host_network=True, wsproxy_addr="http://127.0.0.1:1")
[policy] = [p for p in session.KeypairResourcePolicy.list() if p["name"] == name]
tell({
    "domain": session.Domain.detail(name),
    "group": session.Group.detail(group["id"]),
    "policy": policy,
    "user": session.User.detail(name + "@example.com"),
    "keypairs": session.KeyPair.list(name + "@example.com"),
    "scaling_group": session.ScalingGroup.detail(name),
})
"""


@pytest.fixture
def made(live: Live, official: Official) -> Iterator[tuple[str, Any]]:
    """A name, and what the manager says of everything that it created by that name."""
    name = f"upstream-{uuid4().hex[:8]}"
    email = f"{name}@example.com"
    try:
        yield name, official.program(CREATE, name)
    finally:
        live("user", "purge", email, "--confirm", email)
        live("group", "purge", f"{name}/{name}", "--confirm", name)
        live("domain", "purge", name, "--confirm", name)
        live("policy", "keypair", "delete", name, "--yes")
        live("scaling-group", "delete", name, "--yes")


def test_what_the_manager_created_reads_back_the_same(live: Live, made: tuple[str, Any]) -> None:
    name, theirs = made
    email = f"{name}@example.com"
    assert_same(live.json("domain", "show", name), theirs["domain"])
    assert_same(live.json("group", "show", theirs["group"]["id"]), theirs["group"])
    assert_same(live.json("policy", "keypair", "show", name), theirs["policy"])
    assert_same(live.json("scaling-group", "show", name), theirs["scaling_group"])
    user = live.json("user", "show", email)
    assert_same(user, {**theirs["user"], "id": theirs["user"]["uuid"]})
    assert user["projects"] == sorted(group["name"] for group in theirs["user"]["groups"])
    for keypair in theirs["keypairs"]:
        ours = live.json("user", "keypair", "show", keypair["access_key"])
        assert ours["user_email"] == keypair["user_id"]
        assert_same(ours, {**keypair, "user_id": user["id"]})


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal in every field that both name."""
    common = set(ours) & set(theirs)
    assert len(common) > 3
    different = {
        field: (ours[field], theirs[field])
        for field in common
        if _plain(ours[field]) != _plain(theirs[field])
    }
    assert different == {}


def _plain(value: Any) -> Any:
    """The manager gives some maps as JSON in a text, lists in any order, times as they come."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(_plain, value))
    if not isinstance(value, str):
        return value
    if value.startswith(("{", "[")):
        return _plain(json.loads(value))
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def test_presets_that_the_manager_remembers_are_forgotten_when_they_change(live: Live) -> None:
    from valkey import Valkey  # noqa: PLC0415 - clusters only

    name = f"preset-{uuid4().hex[:8]}"
    with Valkey.from_url(CLUSTER["BAI_CLUSTER_REDIS_URL"], db=0) as client:
        for change in (
            ("create", name, "--slot", "cpu=1", "--slot", "mem=1g"),
            ("delete", name, "--yes"),
        ):
            client.set("resource_preset:list:marked", "old", ex=60)
            live.json("preset", *change)
            assert client.get("resource_preset:list:marked") is None
