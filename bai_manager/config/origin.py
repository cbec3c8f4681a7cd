"""Where a value came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

OriginKind: TypeAlias = Literal["flag", "environment", "file", "default"]


@dataclass(frozen=True, slots=True)
class Origin:
    """``where`` is a flag, a variable or ``path:line``; empty for a default."""

    kind: OriginKind
    where: str = ""

    def __str__(self) -> str:
        return self.where or self.kind


DEFAULT = Origin("default")
