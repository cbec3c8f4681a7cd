"""A seeded world with quick passwords, and commands in this process."""

from __future__ import annotations

from tests.cli.conftest import change, typed
from tests.people import people, shaped_people
from tests.tenants import ask, own_site, seeded

__all__ = ["ask", "change", "own_site", "people", "seeded", "shaped_people", "typed"]
