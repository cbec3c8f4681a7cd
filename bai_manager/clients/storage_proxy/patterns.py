"""Which files of a folder a transfer takes.

A pattern without ``/`` is for names at any depth, one with ``/`` for the path from the top.
``*`` and ``?`` stand for anything but ``/``, ``**`` for that as well, ``[a-z]`` and ``[!a-z]``
for one character of a set. A pattern that ends with ``/`` is for folders alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.types.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPECIAL = re.compile(r"[\\^\[\]&~|]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


class InvalidPattern(InvalidValue):
    noun = "file pattern"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern. Raises ``InvalidPattern`` when read."""

    expression: re.Pattern[str]
    is_path: bool
    folders_only: bool

    @classmethod
    def parse(cls, text: str) -> Pattern:
        inner = text.rstrip("/")
        expression = "".join(_translated(token) for token in _TOKEN.findall(inner.lstrip("/")))
        try:
            compiled = re.compile(expression, re.DOTALL)
        except re.error as error:
            raise InvalidPattern(text, error.msg, example="*.csv") from None
        return cls(compiled, "/" in inner, text.endswith("/"))

    def matches(self, path: str, *, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        subject = path if self.is_path else path.rpartition("/")[2]
        return self.expression.fullmatch(subject) is not None


def _translated(token: str) -> str:
    if token == "**/":  # noqa: S105 - a wildcard
        return "(?:.*/)?"
    simple = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in simple:
        return simple[token]
    if len(token) > 1:
        members = _SPECIAL.sub(r"\\\g<0>", token[1:-1].removeprefix("!"))
        return f"[^{members}]" if token[1] == "!" else f"[{members}]"
    return re.escape(token)


class Filter:
    """What is excluded is left out with all below; of the rest, files must be included.

    Including a folder includes all below it; without any pattern everything is included.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = [Pattern.parse(text) for text in include]
        self._exclude = [Pattern.parse(text) for text in exclude]

    @property
    def takes_everything(self) -> bool:
        return not self._include and not self._exclude

    def enters(self, path: str) -> bool:
        """Whether to look into a folder."""
        return not any(pattern.matches(path, is_folder=True) for pattern in self._exclude)

    def takes_folder(self, path: str) -> bool:
        """Whether a folder is wanted for itself, even empty."""
        return self.enters(path) and (not self._include or self._is_included(path, is_folder=True))

    def takes_file(self, path: str) -> bool:
        if any(pattern.matches(path, is_folder=False) for pattern in self._exclude):
            return False
        return not self._include or self._is_included(path, is_folder=False)

    def _is_included(self, path: str, *, is_folder: bool) -> bool:
        while path:
            if any(pattern.matches(path, is_folder=is_folder) for pattern in self._include):
                return True
            path, is_folder = path.rpartition("/")[0], True
        return False
