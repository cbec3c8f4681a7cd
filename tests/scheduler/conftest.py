"""A seeded world, and commands in this process."""

from __future__ import annotations

from tests.cli.conftest import initialised_home, typed
from tests.tenants import ask, own_site, seeded, shaped_site, site

__all__ = ["ask", "initialised_home", "own_site", "seeded", "shaped_site", "site", "typed"]
