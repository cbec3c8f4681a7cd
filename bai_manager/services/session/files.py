"""Whole files of this machine, read and written safely."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bai_manager.errors import Conflict, InvalidInput


class LocalFileUnusable(InvalidInput):
    """A local file cannot be read or written."""

    error_code = "session_access_invalid-parameters"


class LocalFileExists(Conflict):
    """The local file is there already."""

    error_code = "session_access_already-exists"


def read_whole(source: str) -> bytes:
    """The bytes of a local file; raises ``LocalFileUnusable``."""
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise LocalFileUnusable(
            f"{source!r} cannot be read: {error.strerror}.", hint="Check the path and its mode."
        ) from error


def write_whole(destination: str, data: bytes, *, overwrite: bool) -> None:
    """Write a local file so that it appears whole or not at all.

    Raises ``LocalFileExists`` unless ``overwrite``, and ``LocalFileUnusable``.
    """
    target = Path(destination)
    try:
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as part:
            try:
                part.write(data)
                part.flush()
                os.fsync(part.fileno())
                _move(Path(part.name), target, overwrite=overwrite)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except FileExistsError as error:
        raise LocalFileExists(
            f"{destination!r} exists already.", hint="Add --overwrite to replace it."
        ) from error
    except OSError as error:
        raise LocalFileUnusable(f"{destination!r} cannot be written: {error.strerror}.") from error


def _move(part: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    os.link(part, target)
    part.unlink()
