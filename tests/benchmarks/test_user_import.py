"""How long importing users takes, beside the least that could insert the same rows.

``pytest -m benchmark -s tests/benchmarks/test_user_import.py`` prints a ratio, which should be 5 at
most. ``BAI_BENCHMARK_USERS`` is how many users there are: 5,000, which takes 20 minutes of two
processors that have nothing else to do; the ratio is much the same for 200. No time is ever
asserted.

The least is one script written by hand: it hashes the same passwords, then sends one text of SQL
that inserts the users with their key pairs, memberships, roles and permissions. SSH keys are given
to it: what the import takes to make them counts against the import.
"""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.password import hash_password
from bai_manager.types.ssh_keys import new_ssh_keypair

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.conftest import BaiHome, RunCli

pytestmark = pytest.mark.benchmark

USERS = int(os.environ.get("BAI_BENCHMARK_USERS", "5000"))
GRANTS = [
    (entity, operation)
    for entity in ("vfolder", "image", "session", "user")
    for operation in (
        "create",
        "read",
        "update",
        "soft-delete",
        "hard-delete",
        "grant:all",
        "grant:read",
        "grant:update",
        "grant:soft-delete",
        "grant:hard-delete",
    )
    if (entity, operation) != ("user", "create")
]


MAIN_KEYS = """
UPDATE users SET main_access_key = k.access_key FROM keypairs k
WHERE k."user" = users.uuid AND users.main_access_key IS NULL;
"""
MEMBERSHIPS = """
INSERT INTO association_groups_users (user_id, group_id)
SELECT u.uuid, g.id FROM users u, groups g WHERE u.username LIKE 'hand%' AND g.name = 'default';
"""


def _insert(table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> str:
    values = ",\n".join(f"({', '.join(map(_literal, row))})" for row in rows)
    return f"INSERT INTO {table} ({columns}) VALUES\n{values};\n"


def _literal(value: object) -> str:
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value)
    return f"'{value}'"


def _script(passwords: list[str]) -> str:
    """The whole script: what somebody would write who knows the tables."""
    key = new_ssh_keypair()
    people = [
        (uuid4(), f"hand{number}", hash_password(Secret(password)))
        for number, password in enumerate(passwords)
    ]
    keys = {user_id: new_access_key() for user_id, _, _ in people}
    roles = {user_id: (uuid4(), uuid4()) for user_id, _, _ in people}
    parts = [
        _insert(
            "users",
            "uuid, username, email, password, status, domain_name, role, resource_policy,"
            " sudo_session_enabled, need_password_change, totp_activated",
            (
                (
                    user_id,
                    name,
                    f"{name}@example.com",
                    hashed,
                    "active",
                    "default",
                    "user",
                    "default",
                    False,
                    False,
                    False,
                )
                for user_id, name, hashed in people
            ),
        ),
        _insert(
            "keypairs",
            'user_id, "user", access_key, secret_key, is_active, is_admin, resource_policy,'
            " rate_limit, num_queries, ssh_public_key, ssh_private_key, dotfiles, bootstrap_script",
            (
                (
                    f"{name}@example.com",
                    user_id,
                    keys[user_id],
                    new_secret_key().reveal(),
                    True,
                    False,
                    "default",
                    10000,
                    0,
                    key.public_key,
                    key.private_key.reveal(),
                    "\\x90",
                    "",
                )
                for user_id, name, _ in people
            ),
        ),
        MAIN_KEYS,
        MEMBERSHIPS,
        _insert(
            "roles",
            "id, name",
            ((roles[user_id][0], f"user-{str(user_id)[:8]}") for user_id, _, _ in people),
        ),
        _insert(
            "permission_groups",
            "id, role_id, scope_type, scope_id",
            ((roles[user_id][1], roles[user_id][0], "user", user_id) for user_id, _, _ in people),
        ),
        _insert(
            "permissions",
            "permission_group_id, entity_type, operation",
            ((roles[user_id][1], *grant) for user_id, _, _ in people for grant in GRANTS),
        ),
        _insert(
            "user_roles",
            "user_id, role_id",
            ((user_id, roles[user_id][0]) for user_id, _, _ in people),
        ),
        _insert(
            "association_scopes_entities",
            "scope_type, scope_id, entity_type, entity_id",
            (("domain", "default", "user", user_id) for user_id, _, _ in people),
        ),
    ]
    return "BEGIN;\n" + "".join(parts) + "COMMIT;\n"


def test_importing_users_beside_one_script_of_sql(
    bai_home: BaiHome, run_cli: RunCli, tmp_path: Path
) -> None:
    assert run_cli("init").returncode == 0
    dsn = run_cli("db", "dsn", "-o", "name").stdout.strip()
    passwords = [f"correct horse {number}" for number in range(USERS)]
    file = tmp_path / "people.csv"
    file.touch(0o600)
    rows = [f"imp{n}@example.com,imp{n},default,{p}\n" for n, p in enumerate(passwords)]
    file.write_text("email,username,projects,password\n" + "".join(rows))
    try:
        began = perf_counter()
        script = _script(passwords)
        hashing = perf_counter() - began
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(script.encode())
        by_hand = perf_counter() - began
        began = perf_counter()
        done = run_quietly(bai_home, file)
        imported = perf_counter() - began
        assert done == 0
        with psycopg.connect(dsn) as connection:
            found = connection.execute(
                "SELECT count(*) FILTER (WHERE username LIKE 'hand%'),"
                " count(*) FILTER (WHERE username LIKE 'imp%') FROM users"
            ).fetchone()
    finally:
        run_cli("db", "stop")
    assert found == (USERS, USERS)
    print(  # noqa: T201 - what it is for
        f"\n{USERS} users: by hand {by_hand:.1f} s ({hashing:.1f} s of hashing),"
        f" imported {imported:.1f} s, ratio {imported / by_hand:.2f} (at most 5)"
    )


def run_quietly(home: BaiHome, file: Path) -> int:
    """The command itself, as long as it takes."""
    return subprocess.run(
        [sys.executable, "-m", "bai_manager", "user", "import", str(file), "-q"],
        env={**home.environment},
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode
