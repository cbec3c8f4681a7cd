"""The doors to images."""

from __future__ import annotations

from tests.cli.conftest import change, typed  # noqa: F401 - fixtures
from tests.image.door import door, shared, shared_database  # noqa: F401 - fixtures
