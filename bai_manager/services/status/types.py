"""What a system depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyData:
    """One dependency; ``detail`` says what is notable, or why it is not ``reachable``.

    ``hint`` says what to do about that.
    """

    name: str
    address: str
    reachable: bool
    version: str | None
    detail: str | None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a dependency that answers says of itself."""

    version: str | None = None
    detail: str | None = None


class Probe(Protocol):
    """Asks one dependency how it is; raises our errors when it does not answer."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    async def ask(self) -> Answer: ...
