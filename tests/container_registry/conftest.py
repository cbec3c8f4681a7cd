"""The doors to sessions of a cluster."""

from __future__ import annotations

from tests.door import both, shared, shared_database  # noqa: F401 - fixtures
