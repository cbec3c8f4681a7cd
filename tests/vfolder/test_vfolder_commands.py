"""``bai-manager vfolder`` as typed: every command once, and what it prints held to its schema."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from bai_manager.cli.schema import schema_of
from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.models.domain import domains
from bai_manager.repositories.database import Database
from tests.cli.test_nouns_schema import problems
from tests.printed import said, shape
from tests.vfolder.sites import EVERYTHING, HOST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ask, Done
    from tests.tenants import Seeded

BOB = "bob@example.com"
WALK = (
    ("alice", "create data --cloneable"),
    ("alice", "create other --usage-mode data --permission ro"),
    ("admin", "create team --group default"),
    ("alice", "list"),
    ("alice", "show data"),
    ("alice", "update data --permission wd"),
    ("alice", "rename other others"),
    ("alice", "clone data copy"),
    ("alice", "hosts"),
    ("alice", "quota show"),
    ("admin", "quota set 1g --user alice"),
    ("admin", "quota unset --user alice --yes"),
    ("alice", f"invite data {BOB} --permission ro"),
    ("alice", "invitation list --sent"),
    ("alice", "invitation update OFFER --permission rw"),
    ("bob", "invitation accept OFFER"),
    ("alice", f"share data {BOB} --permission wd"),
    ("bob", "leave data --yes"),
    ("alice", f"invite data {BOB}"),
    ("bob", "invitation reject OFFER"),
    ("alice", f"invite data {BOB}"),
    ("alice", "invitation cancel OFFER"),
    ("admin", f"share team {BOB}"),
    ("admin", f"unshare team {BOB} --yes"),
    ("root", "change-owner copy bob --yes"),
    ("alice", "delete data others --yes"),
    ("alice", "restore others"),
    ("alice", "recover others --yes"),
    ("alice", "purge data --confirm data"),
)


@pytest.fixture
def type_as(ask: Ask, seeded: Seeded, tmp_path: Path) -> Callable[[str, str], Done]:
    """A command of the noun as somebody, whose storage is a folder of the test."""

    async def open_hosts(url: str) -> None:
        database = Database(url)
        async with database.transaction() as connection:
            await connection.execute(
                update(domains).values(allowed_vfolder_hosts={HOST: EVERYTHING})
            )
        await database.close()

    asyncio.run(open_hosts(seeded("oneshot")[0]))
    volumes, config = tmp_path / "volumes", tmp_path / "bai" / "config" / "config.toml"
    (volumes / "volume1").mkdir(parents=True)
    config.parent.mkdir(parents=True)
    config.write_text(f'[profiles.local.storage.local]\npath = "{volumes}"\n')
    return lambda person, words: ask(person, "vfolder", *words.split())


def test_every_command_prints_what_its_schema_says(type_as: Callable[[str, str], Done]) -> None:
    offer = ""
    for person, words in WALK:
        done = type_as(person, f"{words.replace('OFFER', offer)} -o json")
        assert done.code == 0, (words, done.err)
        printed = json.loads(done.out)
        path = words.split()[: 2 if words.startswith(("invitation", "quota")) else 1]
        assert [*problems(printed, schema_of("vfolder", *path))] == [], words
        if words.startswith("invite"):
            offer = printed[0]["id"]


def test_what_people_and_programs_rely_on(type_as: Callable[[str, str], Done]) -> None:
    made = said(type_as("bob", "create mine -o json"))
    assert [*shape(made)][:6] == ["id", "name", "host", "status", "ownership_type", "owner"]
    assert said(type_as("bob", "list --own --filter name=mine -o json"))[0]["id"] == made["id"]
    assert type_as("bob", "list --own --shared").code == 2
    assert type_as("bob", "create mine").code == 5
    assert "existed already" in type_as("bob", "create mine --if-not-exists").err
    assert "no change" in type_as("bob", "update mine --not-cloneable").err
    asked = type_as("bob", "delete mine")
    assert (asked.code, "folder mine of bob@example.com (0 files, 0 bytes)" in asked.err) == (
        2,
        True,
    )
    assert type_as("bob", "delete none --yes").code == 3
    assert type_as("bob", "delete none --yes --ignore-not-found").code == 0
    assert type_as("bob", "delete mine --yes --dry-run").code == 0
    assert said(type_as("bob", "show mine -o json"))["status"] == "ready"
    assert type_as("bob", "delete mine none --yes").code == 7
    assert type_as("bob", "list --trash -o name").out == "mine\n"
    assert type_as("bob", "purge mine").code == 2
    assert type_as("bob", "purge mine --confirm other").code == 2
    assert type_as("bob", "purge mine --confirm mine -o name").out == "mine\n"
    assert type_as("monitor", "create mine").code == 4
    assert type_as("carol", f"show {made['id']}").code == 3
    for words in ("show team", "hosts", "list --all"):
        assert type_as("admin", f"{words} -o table").code in {0, 3}


def test_a_second_invitation_says_that_the_first_still_waits(
    type_as: Callable[[str, str], Done],
) -> None:
    type_as("alice", "create twice")
    (offer,) = said(type_as("alice", f"invite twice {BOB} --permission ro -o json"))
    assert "answered yet.\n" in type_as("alice", f"invite twice {BOB} --permission ro").err
    again = type_as("alice", f"invite twice {BOB} --permission rw")
    assert f"invitation update {offer['id']} --permission rw" in again.err
    accepted = type_as("bob", f"invitation accept {offer['id']}")
    assert f"{BOB} may use folder twice" in accepted.out


def test_a_clone_and_a_purge_that_are_stopped_say_what_completes_them(
    type_as: Callable[[str, str], Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    type_as("carol", "create source --cloneable")
    with monkeypatch.context() as patched:
        patched.setattr(LocalStorageClient, "clone_folder", stop)
        stopped = type_as("carol", "clone source copy")
    assert (stopped.code, stopped.out) == (130, "")
    assert "completed by the same command" in stopped.err
    assert "vfolder recover source copy" in stopped.err
    assert type_as("carol", "recover source copy --yes").code == 0
    with monkeypatch.context() as patched:
        patched.setattr(LocalStorageClient, "delete_folder", stop)
        stopped = type_as("carol", "purge copy --confirm copy")
    assert (stopped.code, "completed by the same command" in stopped.err) == (130, True)
    assert type_as("carol", "purge copy --confirm copy -o name").out == "copy\n"


def test_a_dry_run_of_a_new_folder_makes_none(
    type_as: Callable[[str, str], Done], tmp_path: Path
) -> None:
    made = said(type_as("bob", "create dry --dry-run -o json"))
    assert (made["name"], made["dry_run"]) == ("dry", True)
    assert type_as("bob", "show dry").code == 3
    assert [*(tmp_path / "volumes" / "volume1").iterdir()] == []
