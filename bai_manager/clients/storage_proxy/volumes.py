"""The folders of this machine that serve as storage volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LocalVolumes:
    """One folder a volume below ``root``; readable by their owner alone."""

    def __init__(self, root: Path, *, dry_run: bool = False) -> None:
        self._root = root
        self._dry_run = dry_run

    def folder(self, host: str) -> Path:
        """The folder of a storage host ``<proxy>:<volume>``."""
        return self._root / host.partition(":")[2]

    def prepare(self, host: str) -> bool:
        """Make the volume's folder; whether it was missing."""
        folder = self.folder(host)
        if folder.is_dir():
            return False
        if not self._dry_run:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return True
