"""The doors to templates."""

from __future__ import annotations

from tests.cli.conftest import typed  # noqa: F401 - a fixture
from tests.door import both, shared, shared_database  # noqa: F401 - fixtures
