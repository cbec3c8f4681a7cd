"""Samples for the utilization check between passes, in a file of the profile's data folder."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from bai_manager.sokovan.idle import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class IdleSeriesFile:
    """``{session: [[unix time, {metric: percent}], …]}``, replaced as a whole.

    What cannot be read counts as no samples, and what cannot be written is lost: then the check
    decides later.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only

    def load(self) -> Mapping[UUID, Sequence[Sample]]:
        try:
            told = json.loads(self._path.read_text("utf-8"))
            return {
                UUID(session): [
                    Sample(datetime.fromtimestamp(at, UTC), dict(used)) for at, used in samples
                ]
                for session, samples in told.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def save(self, series: Mapping[UUID, Sequence[Sample]]) -> None:
        if self._read_only:
            return
        told = {
            str(session): [[one.at.timestamp(), one.used] for one in samples]
            for session, samples in series.items()
        }
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            unfinished.write_text(json.dumps(told), "utf-8")
            unfinished.replace(self._path)
        except OSError:
            unfinished.unlink(missing_ok=True)
