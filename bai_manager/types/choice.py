"""Closed vocabularies that people also type."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from bai_manager.types.errors import InvalidChoice

if TYPE_CHECKING:
    from typing import Self

_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Choice(StrEnum):
    """An enumeration whose members are read case-insensitively, by value or by name.

    ``_`` and ``-`` are the same on input, so ``DELETE_PENDING`` and ``delete-pending`` both
    name the trash. Columns stored *by name* (``reference/value-types.md`` §1) hold ``.name``.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a member, or raise ``InvalidChoice`` with the closest ones."""
        wanted = _folded(text)
        for member in cls:
            if wanted in (_folded(member.value), _folded(member.name)):
                return member
        raise InvalidChoice(text, cls.noun(), [member.value for member in cls])

    @classmethod
    def noun(cls) -> str:
        """Say the class name as words: ``SessionStatus`` is a ``session status``."""
        return _WORD_START.sub(" ", cls.__name__).lower()


def _folded(text: str) -> str:
    return text.strip().casefold().replace("_", "-")
