"""Whole files of this machine, read and written safely."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bai_manager.errors import BackendAIError, Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence


class LocalFileUnusable(InvalidInput):
    """A local file cannot be read or written."""

    error_code = "session_access_invalid-parameters"


class ArchiveUnusable(BackendAIError):
    """What came from the session is no archive."""

    error_code = "session_access_internal-error"


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


def one_archive(tars: Sequence[bytes], destination: str) -> tuple[bytes, list[str]]:
    """Several tar archives as one, and the names in it; compressed where its name ends so.

    What a session calls its files is not to be trusted: only files, folders and symbolic links
    with relative names are taken. Raises ``ArchiveUnusable``.
    """
    import io  # noqa: PLC0415 - archives only, as below
    import tarfile  # noqa: PLC0415

    whole = io.BytesIO()
    names: list[str] = []
    compressed = destination.endswith((".tar.gz", ".tgz"))
    with tarfile.open(fileobj=whole, mode="w:gz" if compressed else "w") as archive:
        for packed in tars:
            try:
                with tarfile.open(fileobj=io.BytesIO(packed)) as part:
                    for member in part:
                        if _is_plain(member.name) and not (member.isdev() or member.islnk()):
                            archive.addfile(member, part.extractfile(member))
                            names.append(member.name)
            except tarfile.TarError as error:
                raise ArchiveUnusable(f"The session gave no tar archive: {error}.") from error
    return whole.getvalue(), names


def _is_plain(name: str) -> bool:
    return not name.startswith("/") and ".." not in Path(name).parts


def _move(part: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    os.link(part, target)
    part.unlink()
