"""``bai-manager user import``: what a file may say, what becomes of it, and nothing twice."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.cli.schema import schema_of
from bai_manager.clients.import_journal import ImportJournal
from bai_manager.models.audit import audit_logs
from bai_manager.models.user import keypairs, users
from bai_manager.services.user.actions import CreateUserAction
from bai_manager.services.user.types import UserSpec
from bai_manager.services.user_import.actions import CheckUserImportAction, ImportUsersAction
from bai_manager.services.user_import.errors import (
    SecretsLost,
    UserImportRaced,
    UserImportRunning,
)
from bai_manager.services.user_import.reading import read_rows
from bai_manager.services.user_import.types import ImportChunk, ImportRow, PreparedRow
from bai_manager.types.credentials import Secret
from bai_manager.types.password import verify
from tests.cli.test_nouns_schema import problems
from tests.people import SSH_KEYPAIR, quick_hash
from tests.printed import said
from tests.tenants import dsn_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli.conftest import Ask, Done, Typed
    from tests.conftest import PostgresServer
    from tests.tenants import Seeded, Site


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real hash takes a quarter of a second, a real SSH key a twentieth."""
    monkeypatch.setattr("bai_manager.types.password.hash_password", quick_hash)
    monkeypatch.setattr("bai_manager.types.ssh_keys.new_ssh_keypair", lambda: SSH_KEYPAIR)


@pytest.fixture
def bring(seeded: Seeded, postgres_server: PostgresServer, typed: Typed) -> Ask:
    """Import what is given as the last word, from standard input."""
    url, world = seeded("oneshot")
    environ = {
        "BAI_DATABASE_DSN": dsn_of(url, postgres_server),
        "BAI_ACCESS_KEY": world.root.access_key,
        "BAI_SECRET_KEY": world.root.secret_key.reveal(),
    }

    def bring_(person: str, *words: str) -> Done:  # noqa: ARG001 - always the superadmin
        return typed("user", "import", "-", *words[:-1], env=environ, stdin=words[-1])

    return bring_


def new_email() -> str:
    return f"{uuid4().hex[:8]}@example.com"


def lines_of(*objects: Mapping[str, object]) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


# What a file may say


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("email,rol\na@x,1\n", {1: "did you mean role?"}),
        ("email,email\na@x,a@x\n", {1: "the column email is there twice"}),
        (
            "email,role,rate_limit\na@x,king,a\nb@x,user,1,2\n,user,1\n\nc,user,-1\na@x,user,\n",
            {
                2: "'king' is not a known user role",
                3: "4 cells, but 3 columns",
                4: "the e-mail is missing",
                6: "it has one @",
                7: "email a@x is on line 2 already",
            },
        ),
        ('email,description\na@x,"two\nlines"\nb,\n', {4: "it has one @"}),
        ('email\n"a@x\n', {2: "no CSV"}),
        ('{"email": "a@x", "sudo_session_enabled": "no"}\n{]\n[]\n', {2: "no JSON", 3: "no JSON"}),
        (
            (
                '{"email": "a@x", "username": null}\n{"email": "b@x", "password": ""}\n'
                '{"email": "c@x", "secret_key": "s"}\n{"email": "d@x", "access_key": "a b"}'
            ),
            {
                1: "a text is needed",
                2: "password: it is not fit",
                3: "it needs its access_key",
                4: "it is made of at most 20 letters",
            },
        ),
    ],
)
def test_every_bad_line_is_told_with_its_number(file: str, expected: dict[int, str]) -> None:
    _, found = read_rows(file, default_domain="default")
    assert {problem.line for problem in found} == set(expected)
    for line, words in expected.items():
        assert any(words in one.message for one in found if one.line == line), found


def test_cells_are_read_as_what_their_column_holds() -> None:
    file = (
        "\ufeffemail,projects,rate_limit,totp_activated,container_gids,allowed_client_ip,role\r\n"
        "a@x, one ; two,5,yes,3;4,10.0.0.0/8, ADMIN \r\n"
        "b@x,,,,,,\r\n"
    )
    (first, second), found = read_rows(file, default_domain="d")
    assert found == []
    spec = first.spec()
    assert (spec.projects, spec.rate_limit, spec.totp_activated) == (("one", "two"), 5, True)
    assert (spec.container_gids, spec.allowed_client_ip) == ((3, 4), ("10.0.0.0/8",))
    assert (spec.role.value, spec.username, spec.domain_name) == ("admin", "a@x", "d")
    assert second == ImportRow(line=3, email="b@x", default_domain="d")


# What becomes of it

FACTS = """
SELECT to_jsonb(u) AS u, to_jsonb(k) AS k,
    (SELECT count(*) FROM association_groups_users m WHERE m.user_id = u.uuid) AS memberships,
    (SELECT array_agg(p.entity_type || ' ' || p.operation ORDER BY p.entity_type, p.operation)
        FROM user_roles r JOIN permission_groups g ON g.role_id = r.role_id
        JOIN permissions p ON p.permission_group_id = g.id WHERE r.user_id = u.uuid) AS grants,
    (SELECT count(*) FROM association_scopes_entities e
        WHERE e.scope_id = u.domain_name AND e.entity_id = CAST(u.uuid AS text)) AS places
FROM users u JOIN keypairs k ON k.access_key = u.main_access_key WHERE u.email = :email
"""


async def test_rows_are_as_the_command_makes_them(shaped_people: Site) -> None:
    await shaped_people.run(
        CreateUserAction(
            spec=UserSpec(
                email="by@hand", username="by", domain_name="default", projects=("default",)
            )
        )
    )
    rows, _ = read_rows('{"email": "by@file", "projects": ["default"]}', default_domain="default")
    app = shaped_people.app()
    app._dry_run = True
    chunk = ImportChunk(digest="d", number=0, count=1)
    await app.processor.run(ImportUsersAction(chunk=chunk, rows=tuple(rows)))

    async def facts(email: str) -> list[object]:
        made_up = "uuid email username main_access_key created_at modified_at password_changed_at"
        found = await shaped_people.rows(text(FACTS).bindparams(email=email))
        (row,) = found
        left = {name: value for name, value in row.u.items() if name not in made_up.split()}
        made_up = "user user_id access_key secret_key created_at modified_at"
        key = {name: value for name, value in row.k.items() if name not in made_up.split()}
        return [left, key, row.memberships, row.grants, row.places]

    found = await facts("by@file")
    assert found == await facts("by@hand")
    assert len(str(found[3])) > 100


def test_users_are_created_updated_or_left_alone(ask: Ask, bring: Ask) -> None:
    email = new_email()
    first = {"email": email, "projects": ["default"], "role": "admin", "rate_limit": 7}
    done = bring("root", "-o", "json", lines_of(first))
    (created,) = said(done)
    assert list(problems(said(done), schema_of("user", "import"))) == []
    assert "1 created" in done.err
    assert (created["result"], created["line"], created["changed"]) == ("created", 1, [])
    user = said(ask("root", "user", "show", email, "-o", "json"))
    assert (user["role"], user["projects"]) == ("admin", ["default"])
    assert user["main_access_key"] == created["access_key"]
    (same,) = said(bring("root", "-o", "json", lines_of(first)))
    assert same["result"] == "unchanged"
    other = {"email": email, "projects": [], "rate_limit": 8, "description": "New."}
    (updated,) = said(bring("root", "-o", "json", lines_of(other)))
    assert (updated["result"], updated["changed"]) == (
        "updated",
        ["description", "projects", "rate_limit"],
    )


def test_a_key_pair_can_be_brought_along(ask: Ask, bring: Ask) -> None:
    email, keys = new_email(), [f"AKIA{uuid4().hex[:12].upper()}" for _ in range(2)]
    for number, key in enumerate(keys):
        row = {"email": email, "access_key": key, "secret_key": "s" * 40, "rate_limit": number}
        (done,) = said(bring("root", "-o", "json", lines_of(row)))
        assert done["access_key"] == key
    listed = said(ask("root", "user", "keypair", "list", email, "-o", "json"))
    assert {key["access_key"]: key["rate_limit"] for key in listed} == dict(
        zip(keys, range(2), strict=True)
    )
    (key,) = [key for key in listed if key["is_main"]]
    assert key["access_key"] == keys[0]
    theirs = {"email": new_email(), "access_key": keys[0], "secret_key": "s"}
    assert f"is that of {email}" in bring("root", lines_of(theirs)).err


def test_what_rows_name_has_to_be_there(bring: Ask) -> None:
    done = bring(
        "root",
        "-o",
        "json",
        lines_of(
            {"email": "n1@x", "domain_name": "nowhere"},
            {"email": "n2@x", "projects": ["nothing"], "resource_policy": "none"},
            {"email": "n3@x", "username": "alice", "keypair_resource_policy": "none"},
            {"email": "n4@x", "access_key": "AKIANONE"},
            {"email": "n5@x"},
        ),
    )
    assert (done.code, done.out) == (2, "")
    told = json.loads(done.err)["error"]["details"]["problems"]
    assert [problem["line"] for problem in told] == [1, 2, 2, 3, 3, 4]


def test_chunks_before_one_that_fails_stay_and_are_told(ask: Ask, bring: Ask) -> None:
    email = new_email()
    rows = lines_of({"email": email}, {"email": "root@example.com", "status": "inactive"})
    done = bring("root", "--chunk-size", "1", "-o", "table", rows)
    assert (done.code, email in done.out) == (5, True)  # nobody else may do everything
    assert "1 of 2 users are done" in done.err
    assert ask("root", "user", "show", email).code == 0


def test_a_dry_run_leaves_nothing(ask: Ask, bring: Ask, tmp_path: Path) -> None:
    email, file = new_email(), tmp_path / "secrets.csv"
    words = ("--generate-passwords", "--secret-file", str(file), "--dry-run")
    done = bring("root", *words, lines_of({"email": email}))
    assert (done.code, done.cells[0][2]) == (0, "created")
    assert "dry run" in done.err
    assert not file.exists()
    assert not (tmp_path / "bai" / "state").exists()
    assert ask("root", "user", "show", email).code == 3


# Secrets


def test_what_is_made_up_goes_into_a_private_file_and_nowhere_else(
    bring: Ask, tmp_path: Path
) -> None:
    file, emails = tmp_path / "secrets.csv", [new_email() for _ in range(3)]
    assert bring("root", "--generate-passwords", lines_of({"email": emails[0]})).code == 2
    words = ("--generate-passwords", "--secret-file", str(file), "--chunk-size", "2", "--trace")
    done = bring("root", *words, lines_of(*({"email": email} for email in emails)))
    assert done.code == 0, done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["email"] for row in told] == emails
    for row in told:
        assert len(row["secret_key"]) == 40
        assert len(row["password"]) == 20
        assert row["password"] not in done.out + done.err
        assert row["secret_key"] not in done.out + done.err
    assert bring("root", *words, lines_of({"email": emails[0]})).code == 1  # the file is there


def test_a_file_with_passwords_is_for_its_owner_alone(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    email = new_email()
    file.write_text(f"email,password\n{email},correct horse\n")
    file.chmod(0o644)
    refused = ask("root", "user", "import", str(file))
    assert (refused.code, "chmod 600" in refused.err) == (78, True)
    file.chmod(0o600)
    done = ask("root", "user", "import", str(file), "--trace")
    assert done.code == 0
    assert "correct horse" not in done.out + done.err
    assert "unchanged" in ask("root", "user", "import", str(file)).out


# Nothing twice

KILLED = """
import os, signal, sys
from bai_manager.clients.import_journal import ImportJournal
from bai_manager.cli.root import run
from tests.people import SSH_KEYPAIR, quick_hash

import bai_manager.types.password, bai_manager.types.ssh_keys
bai_manager.types.password.hash_password = quick_hash
bai_manager.types.ssh_keys.new_ssh_keypair = lambda: SSH_KEYPAIR
where, number = sys.argv[1], int(sys.argv[2])
step = getattr(ImportJournal, where)

def killed(self, chunk, *rest):
    if where == "stage":
        step(self, chunk, *rest)
    if chunk == number:
        os.kill(os.getpid(), signal.SIGKILL)
    step(self, chunk) if where == "finish" else None

setattr(ImportJournal, where, killed)
run(sys.argv[3:])
"""


@pytest.mark.thorough
async def test_a_run_that_is_killed_goes_on_where_it_stopped(
    own_site: Site, typed: Typed, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Once with a chunk staged and not committed, once with one committed and not yet noted."""
    file, secrets = tmp_path / "people.csv", tmp_path / "secrets.csv"
    file.write_text("email\n" + "".join(f"p{number}@x\n" for number in range(8)))
    root = own_site.world.root
    environ = {
        "BAI_DATABASE_DSN": dsn_of(own_site.url, postgres_server),
        "BAI_ACCESS_KEY": root.access_key,
        "BAI_SECRET_KEY": root.secret_key.reveal(),
    }
    words = ["user", "import", str(file), "--chunk-size", "2", "-o", "jsonl"]
    words += ["--generate-passwords", "--secret-file", str(secrets)]
    printed = []
    for where, number in (("stage", 1), ("finish", 2)):
        dying = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", KILLED, where, str(number), *words],
            env={**os.environ, **environ},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert dying.returncode == -signal.SIGKILL, dying.stderr
        printed.append([json.loads(line) for line in dying.stdout.splitlines()])
    done = await asyncio.to_thread(typed, *words, env=environ)
    assert done.code == 0, done.err
    printed.append([json.loads(line) for line in done.out.splitlines()])

    seen = [[(row["email"], row["resumed"]) for row in rows] for rows in printed]
    assert seen[0] == [("p0@x", False), ("p1@x", False)]
    assert seen[1] == [("p0@x", True), ("p1@x", True), ("p2@x", False), ("p3@x", False)]
    assert seen[2] == [(f"p{number}@x", number < 6) for number in range(8)]
    told = {row["email"]: row for row in csv.DictReader(io.StringIO(secrets.read_text()))}
    assert secrets.read_text().count("\n") == 9
    statement = select(
        users.c.email, users.c.password, keypairs.c.access_key, keypairs.c.secret_key
    ).join(keypairs, keypairs.c.user == users.c.uuid)
    rows = await own_site.rows(statement.where(users.c.email.like("p%@x")))
    assert len(rows) == 8
    for row in rows:
        mine = told[row.email]
        assert (mine["access_key"], mine["secret_key"]) == (row.access_key, row.secret_key)
        assert verify(Secret(mine["password"]), row.password)
    assert not list((tmp_path / "bai" / "state").rglob("*.jsonl"))
    (imports,) = await own_site.rows(
        select(func.count()).where(
            audit_logs.c.operation == "import", audit_logs.c.status == "running"
        )
    )
    assert imports[0] == 2  # those that were killed


def test_one_process_at_a_time_has_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "imports" / "j.jsonl"
    journal = ImportJournal(path, None)
    with pytest.raises(UserImportRunning):
        ImportJournal(path, None)
    journal.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ImportJournal(path, None).discard()
    assert not path.exists()


def test_what_a_chunk_wrote_that_never_happened_is_cut_off(tmp_path: Path) -> None:
    path, secrets = tmp_path / "j.jsonl", tmp_path / "secrets.csv"
    journal = ImportJournal(path, str(secrets))
    journal.stage(0, 1, [], "first\n")
    journal.finish(0)
    journal.stage(1, 2, [], "never\n")
    journal.close()
    with path.open("a") as stream:
        stream.write('{"staged": 2, "tr')  # cut short by a crash
    journal = ImportJournal(path, str(secrets))
    staged = journal.staged(1)
    assert staged is not None
    assert (staged.transaction, journal.done(0)) == (2, [])
    journal.stage(1, 3, [], "second\n")
    journal.finish(1)
    journal.close()
    assert secrets.read_text().splitlines()[1:] == ["first", "second"]
    secrets.write_text("")
    with pytest.raises(SecretsLost):
        ImportJournal(path, str(secrets))


async def test_a_user_that_comes_or_goes_meanwhile_is_noticed(people: Site) -> None:
    service: Any = people.app().user_import_service
    for email, is_new in (("alice@example.com", True), ("nobody@x", False)):
        row = ImportRow(line=1, email=email, default_domain="default")
        with pytest.raises(UserImportRaced):
            await service._imports.import_rows(
                [PreparedRow(row=row, is_new=is_new)], lambda _id, _rows: None
            )


async def test_only_superadmins_import(people: Site) -> None:
    chunk = ImportChunk(digest="d", number=0, count=1)
    for person in (people.world.admin, people.world.monitor, people.world.alice):
        await people.refused(CheckUserImportAction(rows=()), InsufficientPrivilege, person)
        action = ImportUsersAction(chunk=chunk, rows=())
        await people.refused(action, InsufficientPrivilege, person)
