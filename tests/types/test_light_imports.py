"""Value types are imported by completion and ``--help``: they load the standard library only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bai_manager.types

MODULES = sorted(
    f"bai_manager.types.{path.stem}"
    for path in Path(next(iter(bai_manager.types.__path__))).glob("[a-z]*.py")
)
HEAVY = {
    "asyncio",
    "bcrypt",
    "difflib",
    "httpx",
    "packaging",
    "pydantic",
    "rich",
    "sqlalchemy",
    "typer",
    "yaml",
}


def test_value_types_load_nothing_heavy() -> None:
    program = f"import sys\nimport {', '.join(MODULES)}\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert set(MODULES) <= loaded
    assert not loaded & HEAVY
