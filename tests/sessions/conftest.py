from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.postgres.embedded import EmbeddedPostgres

pytest.register_assert_rewrite("tests.sessions.system")

from tests.sessions.system import Nursery, System  # noqa: E402 - with its asserts rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUICK_NOT_SAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_ROOM = '{"cpu": "64", "mem": "68719476736"}'


@pytest.fixture(scope="session")
def whole_system() -> Iterator[System]:
    """An initialised system for the run; its agent has room for 64 of the smallest sessions."""
    home = Path(tempfile.mkdtemp(prefix="bai-sessions-"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BAI_")}
    environ["BAI_HOME"] = str(home)
    embedded = EmbeddedPostgres(
        home / "data" / "local" / "postgres", extra_settings=_QUICK_NOT_SAFE
    )
    nursery_folder = home / "nursery"
    nursery_folder.mkdir()
    nursery = Nursery.open(nursery_folder)
    embedded.start()
    try:
        nursery.start(["init"], environ).wait().ok()
        system = System(home, environ, embedded, nursery)
        system.execute("UPDATE agents SET available_slots = %s", _ROOM)
        system.rehearse()
        yield system
        system.connection.close()
        system.end_processes()
    finally:
        nursery.close()
        embedded.stop("immediate")
        shutil.rmtree(home)


@pytest.fixture
def system(whole_system: System) -> Iterator[System]:
    """The system without sessions, as every test leaves it."""
    yield whole_system
    whole_system.empty()
