r"""What things may be called (``reference/value-types.md`` §7, §8), and names made up.

Each ``check_*`` returns the name it was given or raises ``InvalidName``. They guard what is
created; rows of a cluster may hold names that would not pass today. ``\w`` is ASCII except in
slugs.
"""

from __future__ import annotations

import os
import re
from base64 import b32encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidName
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from datetime import datetime

    from bai_manager.types.credentials import Token

RESERVED_VFOLDER_NAMES: Final = frozenset(
    [
        ".terminfo",
        ".jupyter",
        ".tmux.conf",
        ".ssh",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",  # noqa: S108 - a name, no file is made
        "/usr",
        "/var",
        "/home",
    ]
)
RESERVED_DOTFILES: Final = frozenset(
    [".terminfo", ".jupyter", ".ssh", ".ssh/authorized_keys", ".local", ".config"]
)
RESERVED_SESSION_NAMES: Final = frozenset({"from-template"})

_RESERVED_VFOLDER: Final = re.compile(r"\.[a-z0-9]+(?:rc|_profile)", re.ASCII)
_SESSION: Final = re.compile(r"\w[\w.-]*\w", re.ASCII)
_SERVICE: Final = re.compile(r"\w[\w-]*\w", re.ASCII)
_SLUG: Final = re.compile(r"\.?[^\W_](?:[-_.]?[^\W_])*")
_HARBOR_PROJECT: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_IMAGE_TAG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_IMAGE_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_FILE_MODE: Final = re.compile(r"[0-7]{3}")
_MADE_OF: Final = "letters, digits and _"

VFOLDER_COLUMN: Final = 128


def check_name(name: str, noun: str, *, limit: int = 64, example: str = "research") -> str:
    """Accept any visible text up to the width of the column, without white space around it."""
    if not name.strip():
        raise InvalidName(name, "it is empty", example=example, noun=noun)
    if name != name.strip():
        raise InvalidName(name, "white space surrounds it", example=example, noun=noun)
    if printable(name) != name:
        why = "it has control or invisible characters"
        raise InvalidName(name, why, example=example, noun=noun)
    return _fitting(name, noun, 1, limit, example)


def check_session_name(name: str) -> str:
    noun, example = "session name", "train-01"
    if name in RESERVED_SESSION_NAMES:
        raise InvalidName(name, "it is reserved", example=example, noun=noun)
    why = f"it is made of {_MADE_OF}, with . and - between them"
    return _matching(_SESSION, _fitting(name, noun, 4, 64, example), noun, why, example)


def check_service_name(name: str) -> str:
    noun, example = "model service name", "llama-chat"
    why = f"it is made of {_MADE_OF}, with - between them"
    return _matching(_SERVICE, _fitting(name, noun, 4, 24, example), noun, why, example)


def check_vfolder_name(name: str) -> str:
    """Refuse also ``/`` and the relative folders, by which no mount could name the folder."""
    noun, example = "virtual folder name", "datasets"
    if is_reserved_vfolder_name(name):
        raise InvalidName(name, "it is reserved", example=example, noun=noun)
    if "/" in name or name in (".", ".."):
        raise InvalidName(name, "it is a path", example=example, noun=noun)
    return check_name(name, noun, example=example)


def is_reserved_vfolder_name(name: str) -> bool:
    """Tell names that would shadow system folders or shell start-up files in a session."""
    return name in RESERVED_VFOLDER_NAMES or _RESERVED_VFOLDER.fullmatch(name) is not None


def deleted_vfolder_name(name: str, at: datetime) -> str:
    """Make room for a new folder of that name: ``data_deleted_2026-01-31T080000+0000``."""
    suffix = f"_deleted_{at:%Y-%m-%dT%H%M%S%z}"
    return f"{name[: VFOLDER_COLUMN - len(suffix)]}{suffix}"


def check_slug(name: str, noun: str) -> str:
    """Accept what domains and projects are called: words joined by single ``-``, ``_`` or ``.``."""
    why = "it is made of letters and digits, joined by single - _ or ."
    return _matching(_SLUG, _fitting(name, noun, 1, 64, "research"), noun, why, "research")


def check_domain_name(name: str) -> str:
    return check_slug(name, "domain name")


def check_project_name(name: str) -> str:
    return check_slug(name, "project name")


def check_harbor_project(name: str) -> str:
    noun, example = "registry project", "my-team"
    why = "it is made of lower-case letters and digits, joined by single - _ or ."
    return _matching(_HARBOR_PROJECT, _fitting(name, noun, 1, 255, example), noun, why, example)


def check_image_tag(tag: str) -> str:
    why = "it is made of letters and digits, with . _ and - between them"
    return _matching(_IMAGE_TAG, tag, "image tag", why, "3.9-ubuntu20.04")


def check_customized_image_name(name: str) -> str:
    why = "it is made of letters, digits, . _ and -"
    return _matching(_IMAGE_NAME, name, "image name", why, "my-pytorch")


def check_email(address: str) -> str:
    noun, example = "e-mail address", "user@example.com"
    why = "it has one @ and no white space"
    return _matching(_EMAIL, check_name(address, noun, example=example), noun, why, example)


def check_username(name: str) -> str:
    return check_name(name, "user name", example="alice")


def check_file_mode(mode: str) -> str:
    return _matching(_FILE_MODE, mode, "file permission", "it is three octal digits", "644")


def check_dotfile_path(path: str) -> str:
    noun, example = "dotfile path", ".vimrc"
    if path in RESERVED_DOTFILES:
        raise InvalidName(path, "it is reserved", example=example, noun=noun)
    if path.startswith("/") or ".." in path.split("/"):
        raise InvalidName(path, "it leaves the home folder", example=example, noun=noun)
    return check_name(path, noun, limit=255, example=example)


def unique_suffix(token: Token = os.urandom) -> str:
    """Eight characters a-z, 2-7 out of 40 random bits, to tell made-up names apart."""
    return b32encode(token(5)).decode("ascii").lower()


def new_creation_id(token: Token = os.urandom) -> str:
    """Make the ``creation_id`` of a session: 22 URL-safe characters out of 16 random bytes."""
    return urlsafe_b64encode(token(16)).decode("ascii").rstrip("=")


def _fitting(name: str, noun: str, least: int, most: int, example: str) -> str:
    if not least <= len(name) <= most:
        why = f"it has {len(name)} characters, outside {least} to {most}"
        raise InvalidName(name, why, example=example, noun=noun)
    return name


def _matching(pattern: re.Pattern[str], name: str, noun: str, why: str, example: str) -> str:
    if pattern.fullmatch(name) is None:
        raise InvalidName(name, why, example=example, noun=noun)
    return name
