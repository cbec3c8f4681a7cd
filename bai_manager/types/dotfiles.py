"""Dotfiles: small files that sessions find in their home folder.

Key pairs, projects and domains have each a msgpack list of ``{path, perm, data}``
(``reference/value-types.md`` §12.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.errors import BackendAIError, Conflict, NotFound
from bai_manager.types.choice import Choice
from bai_manager.types.clock import system_clock
from bai_manager.types.names import check_dotfile_path, check_file_mode
from bai_manager.types.query import INTEGER, TEXT
from bai_manager.types.selection import Picked, select_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bai_manager.types.query import Query

MOST_FILES: Final = 100
MOST_BYTES: Final = 65_536
"""Of the packed list."""
MOST_CHARACTERS: Final = 65_536
"""Of one file."""
NO_DOTFILES: Final = b"\x90"
"""The empty list, packed."""


class DotfileNotFound(NotFound):
    """There is no dotfile at that path."""

    error_code = "dotfile_read_not-found"

    def __init__(self, path: str, known: Iterable[str]) -> None:
        paths = sorted(known)
        super().__init__(
            f"There is no dotfile {path!r}.",
            hint=f"There are: {', '.join(paths) or 'none'}.",
            details={"path": path, "known": [*paths]},
        )


class DotfileAlreadyExists(Conflict):
    """There is a dotfile at that path."""

    error_code = "dotfile_create_already-exists"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is a dotfile {path!r} already.",
            hint="Change it with 'dotfile update' instead.",
            details={"path": path},
        )


class DotfileCreationFailed(Conflict):
    """There would be too many dotfiles, or too much in them."""

    error_code = "dotfile_create_internal-error"


class DotfileVFolderPathConflict(Conflict):
    """A virtual folder would be mounted where the dotfile is."""

    error_code = "dotfile_create_conflict"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path!r} is also the name of a virtual folder that sessions may mount there.",
            hint="Choose another path, or rename the folder.",
            details={"path": path},
        )


class UnreadableDotfiles(BackendAIError):
    """The stored list is not what a manager writes."""

    error_code = "dotfile_read_internal-error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dotfile:
    """``path`` is relative to the home folder, ``permission`` three octal digits."""

    path: str
    permission: str
    data: str


class DotfileGiver(Choice):
    """From whom a session has a dotfile; who comes first wins."""

    KEYPAIR = "key pair"
    PROJECT = "project"
    DOMAIN = "domain"


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenDotfile:
    giver: DotfileGiver
    dotfile: Dotfile


def merged_dotfiles(packed: Mapping[DotfileGiver, bytes | None]) -> tuple[GivenDotfile, ...]:
    """What a session gets: of each path the first giver's. Raises ``UnreadableDotfiles``."""
    merged: dict[str, GivenDotfile] = {}
    for giver in DotfileGiver:
        for dotfile in unpack(packed.get(giver)):
            merged.setdefault(dotfile.path, GivenDotfile(giver=giver, dotfile=dotfile))
    return tuple(merged.values())


def check_dotfile(dotfile: Dotfile) -> None:
    """Raise ``InvalidName`` for its path or permission, ``DotfileCreationFailed`` for its size."""
    check_dotfile_path(dotfile.path)
    check_file_mode(dotfile.permission)
    if len(dotfile.data) > MOST_CHARACTERS:
        raise DotfileCreationFailed(
            f"{dotfile.path!r} has {len(dotfile.data)} characters; {MOST_CHARACTERS} fit.",
            hint="Keep it in a virtual folder instead.",
            details={"characters": len(dotfile.data), "limit": MOST_CHARACTERS},
        )


def unpack(packed: bytes | None) -> tuple[Dotfile, ...]:
    """Read the stored list; nothing stored is no dotfiles. Raises ``UnreadableDotfiles``."""
    if not packed or packed == NO_DOTFILES:
        return ()
    import msgpack  # noqa: PLC0415 - most have no dotfiles

    try:
        stored = msgpack.unpackb(packed)
        return tuple(
            Dotfile(path=one["path"], permission=one["perm"], data=one["data"]) for one in stored
        )
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise UnreadableDotfiles(f"The stored dotfiles cannot be read: {error}.") from error


def pack(dotfiles: Sequence[Dotfile]) -> bytes:
    """Write the list. Raises ``DotfileCreationFailed`` when it is too large."""
    import msgpack  # noqa: PLC0415 - as above

    packed: bytes = msgpack.packb(
        [{"path": one.path, "perm": one.permission, "data": one.data} for one in dotfiles]
    )
    if len(packed) > MOST_BYTES:
        raise DotfileCreationFailed(
            f"All dotfiles together take {len(packed)} bytes; {MOST_BYTES} fit.",
            hint="Delete some, or keep them in a virtual folder instead.",
            details={"bytes": len(packed), "limit": MOST_BYTES},
        )
    return packed


def with_new(dotfiles: Sequence[Dotfile], new: Dotfile) -> tuple[Dotfile, ...]:
    """Add one. Raises ``DotfileAlreadyExists``, and ``DotfileCreationFailed`` when it is full."""
    check_dotfile(new)
    if any(one.path == new.path for one in dotfiles):
        raise DotfileAlreadyExists(new.path)
    if len(dotfiles) >= MOST_FILES:
        raise DotfileCreationFailed(
            f"There are {len(dotfiles)} dotfiles; {MOST_FILES} is the most.",
            hint="Delete one first.",
            details={"count": len(dotfiles), "limit": MOST_FILES},
        )
    return (*dotfiles, new)


def with_changed(dotfiles: Sequence[Dotfile], changed: Dotfile) -> tuple[Dotfile, ...]:
    """Replace the one at that path. Raises ``DotfileNotFound``."""
    check_dotfile(changed)
    find_dotfile(dotfiles, changed.path)
    return tuple(changed if one.path == changed.path else one for one in dotfiles)


def without(dotfiles: Sequence[Dotfile], path: str) -> tuple[Dotfile, ...]:
    """Leave out the one at that path. Raises ``DotfileNotFound``."""
    find_dotfile(dotfiles, path)
    return tuple(one for one in dotfiles if one.path != path)


def find_dotfile(dotfiles: Sequence[Dotfile], path: str) -> Dotfile:
    """The one at that path. Raises ``DotfileNotFound``."""
    for one in dotfiles:
        if one.path == path:
            return one
    raise DotfileNotFound(path, (one.path for one in dotfiles))


def selected_dotfiles(dotfiles: Sequence[Dotfile], query: Query) -> tuple[Dotfile, ...]:
    """Those that a list asks for; ``size`` is in characters.

    Raises ``UnknownField``, ``InvalidFilter`` and ``InvalidLimit``.
    """
    fields = {
        "path": Picked(TEXT, lambda one: one.path),
        "permission": Picked(TEXT, lambda one: one.permission),
        "size": Picked(INTEGER, lambda one: len(one.data)),
    }
    return tuple(select_rows(dotfiles, query, fields, now=system_clock()))
