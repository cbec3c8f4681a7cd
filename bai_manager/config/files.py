"""Reading the configuration files, and finding lines in them."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bai_manager.config.errors import BadConfigFile, UnsafeSecretFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_AT_LINE = re.compile(r"^(?P<why>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A parsed file; it never shows its content, which may hold secrets."""

    path: Path
    text: str = field(repr=False)
    tree: Mapping[str, object] = field(repr=False)

    def table(self, *keys: str) -> Mapping[str, object]:
        """Look up the table at ``keys``, empty when there is none.

        Raises BadConfigFile when something else is there.
        """
        found: object = self.tree
        for depth, key in enumerate(keys, start=1):
            found = found.get(key, {}) if isinstance(found, dict) else {}
            if not isinstance(found, dict):
                where = keys[:depth]
                raise BadConfigFile(
                    self.path, f"{'.'.join(where)} must be a table", line=self.line_of(where)
                )
        return found if isinstance(found, dict) else {}

    def line_of(self, keys: Sequence[str]) -> int | None:
        """Find the line on which ``keys`` gets its value; only for messages, so it may be slow.

        The standard parser keeps no positions. Beginnings of the file are parsed until one has
        the key; only lines that mention it are tried.
        """
        lines = [f"{line}\n" for line in self.text.split("\n")]
        for number, line in enumerate(lines, start=1):
            if keys[-1] in line and _first_tree_has(lines, number, keys):
                return number
        return None

    def place_of(self, keys: Sequence[str]) -> str:
        """``path:line``, or the path alone when the line cannot be told."""
        line = self.line_of(keys)
        return f"{self.path}:{line}" if line else str(self.path)


def parse_config(path: Path, text: str) -> ConfigFile:
    """Parse TOML. Raises BadConfigFile with the line, the column and the parser's words."""
    try:
        return ConfigFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.match(str(error))
        if found is None:
            raise BadConfigFile(path, f"not valid TOML: {error}") from None
        raise BadConfigFile(
            path,
            f"not valid TOML: {found['why']}",
            line=int(found["line"]),
            column=int(found["column"]),
        ) from None
    except RecursionError:
        raise BadConfigFile(path, "not valid TOML: nested too deeply") from None


def read_config(path: Path) -> ConfigFile | None:
    """Read a file without secrets; None when it does not exist."""
    text = read_text(path)
    return None if text is None else parse_config(path, text)


def read_credentials(path: Path) -> ConfigFile | None:
    """Read a file with secrets; None when it does not exist. Raises UnsafeSecretFile."""
    text = read_text(path, secret=True)
    return None if text is None else parse_config(path, text)


def read_text(path: Path, *, secret: bool = False) -> str | None:
    """Read a file as UTF-8 text, None when it does not exist.

    With ``secret``, who may read it is asked of the open file, not of its name, so it cannot be
    exchanged in between. Raises BadConfigFile, UnsafeSecretFile.
    """
    try:
        with path.open("rb") as file:
            if secret:
                _check_private(path, os.fstat(file.fileno()))
            return file.read().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise BadConfigFile(path, f"not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise BadConfigFile(
            path,
            f"cannot be read: {error.strerror}",
            hint=f"Look at its owner and mode: ls -l {path}",
        ) from None


def _check_private(path: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if status.st_uid != user:
        raise UnsafeSecretFile(
            path, f"belongs to user {status.st_uid}", remedy=f"chown {user} {path}"
        )
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafeSecretFile(
            path, f"others may use it (mode {mode:04o})", remedy=f"chmod 600 {path}"
        )


def _first_tree_has(lines: Sequence[str], start: int, keys: Sequence[str]) -> bool:
    """Whether the shortest beginning of at least ``start`` lines that is TOML has ``keys``."""
    for end in range(start, len(lines) + 1):
        try:
            tree: object = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        for key in keys:
            if not isinstance(tree, dict) or key not in tree:
                return False
            tree = tree[key]
        return True
    return False
