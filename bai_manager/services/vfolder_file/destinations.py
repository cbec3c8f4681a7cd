"""Where each of several things goes, as ``cp`` decides it.

A single thing takes the name of a destination that is no folder yet. Everything else goes into
the destination under its own name; of ``name/`` and ``.`` what is in them goes there.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ITSELF = frozenset({"", ".", ".."})


def placed(
    sources: Sequence[str], destination: str | None, *, is_folder: bool
) -> list[tuple[str, str]]:
    """Pair each source with its target; ``is_folder`` is about a destination that was given."""
    base = destination or "."
    if len(sources) == 1 and destination and not is_folder and not destination.endswith("/"):
        return [(sources[0], destination)]
    return [(source, _inside(base, source)) for source in sources]


def _inside(base: str, source: str) -> str:
    name = PurePosixPath(source).name
    return base if source.endswith("/") or name in _ITSELF else f"{base.rstrip('/')}/{name}"


def labels(sources: Sequence[str]) -> list[str]:
    """What stands before the names of results; a single source needs nothing."""
    return [""] if len(sources) == 1 else [source.rstrip("/") or "/" for source in sources]
