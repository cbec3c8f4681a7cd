"""A seeded world whose storage is a folder of the test."""

from __future__ import annotations

from tests.cli.conftest import typed
from tests.tenants import ask, seeded
from tests.vfolder.sites import folders, own_folders, shaped_folders

__all__ = ["ask", "folders", "own_folders", "seeded", "shaped_folders", "typed"]
