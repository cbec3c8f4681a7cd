"""The doors to images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator  # noqa: TC003 - pytest evaluates fixtures
from pathlib import Path  # noqa: TC003 - as above
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert, update

from bai_manager.models.container_registry import container_registries
from bai_manager.models.endpoint import endpoints
from bai_manager.models.image import image_aliases, images
from bai_manager.models.session import kernels, sessions
from tests import seeds
from tests.cli.conftest import typed  # noqa: F401 - a fixture
from tests.door import (  # noqa: F401 - fixtures among them
    Door,
    both,
    open_door,
    seeded_database,
    shared,
    shared_database,
)

if TYPE_CHECKING:
    from tests.conftest import PostgresServer
    from tests.seeds import World


@pytest.fixture(scope="module")
def changed_database(postgres_server: PostgresServer) -> Iterator[tuple[str, World]]:
    """A seeded world that the tests of a module change one after the other."""
    with seeded_database(postgres_server) as seeded:
        yield seeded


@pytest.fixture
async def door(
    changed_database: tuple[str, World], postgres_server: PostgresServer, tmp_path: Path
) -> AsyncIterator[Door]:
    """A door to a world that a test may change: its images are as they were seeded."""
    async with open_door(postgres_server, changed_database, tmp_path) as opened:
        await _put_back(opened)
        yield opened


async def _put_back(door: Door) -> None:
    """Nothing but the seeded image, under its id."""
    async with door.database.transaction() as connection:
        for table in (endpoints, kernels, sessions, image_aliases, images, container_registries):
            await connection.execute(delete(table))
        seeded = await seeds.seed_image(connection, aliases=("python",))
        given = {"id": door.world.image_id}
        await connection.execute(delete(image_aliases))
        await connection.execute(update(images).where(images.c.id == seeded).values(given))
        await connection.execute(
            insert(image_aliases).values(id=uuid4(), alias="python", image=door.world.image_id)
        )
