"""A seeded database with a folder of alice's, whose files are on a volume of this machine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest
from sqlalchemy import insert, update

from bai_manager.clients.storage_proxy.local import LocalStorageClient
from bai_manager.clients.storage_proxy.paths import folder_parts
from bai_manager.clients.storage_proxy.protocol import FolderRef
from bai_manager.models.domain import domains
from bai_manager.models.vfolder import vfolder_permissions, vfolders
from bai_manager.repositories.database import Database
from bai_manager.types.vfolder import (
    QuotaScopeID,
    QuotaScopeType,
    VFolderHostPermission,
    VFolderID,
)
from tests.cli.conftest import typed
from tests.storage.helpers import make_tree, read_tree
from tests.tenants import dsn_of, seeded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Executable

    from bai_manager.repositories.rows import AnyRow
    from tests.cli.conftest import Done, Typed
    from tests.conftest import PostgresServer
    from tests.seeds import Person, World
    from tests.tenants import Seeded

__all__ = ["seeded", "typed"]

ALL = [permission.value for permission in VFolderHostPermission]
HOST = "local:volume1"


class Run(Protocol):
    """``run("ls", …)`` is ``bai-manager vfolder ls FOLDER …`` as alice, or as somebody else."""

    def __call__(self, verb: str, *words: str, who: str = "alice") -> Done: ...


@dataclass(frozen=True)
class Shelf:
    """``place`` is what is in alice's folder, ``here`` a folder of this machine."""

    url: str
    dsn: str
    world: World
    name: str
    ref: FolderRef
    place: Path
    here: Path
    typed: Typed

    def environ(self, who: str) -> Mapping[str, str]:
        person: Person = getattr(self.world, who)
        return {
            "BAI_DATABASE_DSN": self.dsn,
            "BAI_ACCESS_KEY": person.access_key,
            "BAI_SECRET_KEY": person.secret_key.reveal(),
        }

    def run(self, verb: str, *words: str, who: str = "alice") -> Done:
        return self.typed("vfolder", verb, self.name, *words, env=self.environ(who))

    def fill(self, files: dict[str, bytes]) -> None:
        make_tree(self.place, files)

    def stored(self) -> dict[str, bytes]:
        return read_tree(self.place)

    def execute(self, statement: Executable) -> None:
        asyncio.run(execute(self.url, statement))

    def rows(self, statement: Executable) -> list[AnyRow]:
        return asyncio.run(execute(self.url, statement, wants_rows=True))

    def change(self, **columns: object) -> None:
        """Give the folder's row other values."""
        self.execute(update(vfolders).where(vfolders.c.id == self.ref.id.folder).values(**columns))

    def allow(self, permissions: list[str]) -> None:
        """What the domain allows on the host."""
        self.execute(
            update(domains)
            .where(domains.c.name == "default")
            .values(allowed_vfolder_hosts={HOST: permissions})
        )

    def share(self, person: Person, permission: str) -> None:
        self.execute(
            insert(vfolder_permissions).values(
                vfolder=self.ref.id.folder, user=person.user_id, permission=permission
            )
        )


async def execute(url: str, statement: Executable, *, wants_rows: bool = False) -> list[AnyRow]:
    database = Database(url)
    async with database.transaction() as connection:
        result = await connection.execute(statement)
        rows = list(result) if wants_rows else []
    await database.close()
    return rows


@pytest.fixture
def shelf(seeded: Seeded, postgres_server: PostgresServer, typed: Typed, tmp_path: Path) -> Shelf:
    url, world = seeded("oneshot")
    volumes = tmp_path / "volumes"
    (volumes / "volume1").mkdir(parents=True)
    (tmp_path / "bai" / "config").mkdir(parents=True)
    profile = f'[profiles.local.storage.local]\npath = "{volumes}"\n'
    (tmp_path / "bai" / "config" / "config.toml").write_text(profile)
    (tmp_path / "here").mkdir()
    scope = QuotaScopeID(QuotaScopeType.USER, world.alice.user_id)
    ref = FolderRef("volume1", VFolderID(scope, uuid4()))
    asyncio.run(LocalStorageClient("local", volumes).create_folder(ref))
    shelf = Shelf(
        url=url,
        dsn=dsn_of(url, postgres_server),
        world=world,
        name=f"data-{ref.id.folder.hex[:8]}",
        ref=ref,
        place=volumes.joinpath("volume1", *folder_parts(ref.id)),
        here=tmp_path / "here",
        typed=typed,
    )
    shelf.allow(ALL)
    shelf.execute(
        insert(vfolders).values(
            id=ref.id.folder,
            host=HOST,
            domain_name="default",
            quota_scope_id=str(scope),
            name=shelf.name,
            usage_mode="general",
            permission="rw",
            creator=world.alice.email,
            ownership_type="user",
            user=world.alice.user_id,
            cloneable=False,
            status="ready",
        )
    )
    return shelf


@pytest.fixture
def run(shelf: Shelf) -> Run:
    return shelf.run
