"""A seeded world, documents, and commands in this process."""

from __future__ import annotations

from tests.cli.conftest import change, typed
from tests.tenants import ask, own_site, seeded, site

__all__ = ["ask", "change", "own_site", "seeded", "site", "typed"]
