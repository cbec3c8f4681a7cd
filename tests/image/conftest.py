"""The doors to images."""

from __future__ import annotations

from tests.cli.conftest import typed  # noqa: F401 - fixtures
from tests.image.door import both, changed_database, door, shared, shared_database  # noqa: F401 - fixtures
