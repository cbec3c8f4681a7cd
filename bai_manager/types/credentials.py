"""Keys, and a text that does not show itself (``reference/value-types.md`` §9)."""

from __future__ import annotations

import os
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NewType, NoReturn, TypeAlias

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

Token: TypeAlias = Callable[[int], bytes]
"""A source of random bytes: given a number, that many."""

AccessKey = NewType("AccessKey", str)
"""The public half of a keypair: ``AKIA`` and 16 characters out of A-Z, 2-7."""

MASK: Final = "***"


class Secret:
    """A text that prints as ``***`` however it is formatted, and gives itself only on request.

    Not iterable, without length, refused by ``json`` and ``pickle``; copies are the object
    itself. Equality takes the same time wherever two secrets differ.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest  # noqa: PLC0415 - loads OpenSSL, only a comparison needs it

        mine, theirs = (
            secret.reveal().encode("utf-8", "surrogatepass") for secret in (self, other)
        )
        return compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not written anywhere")

    def to_json(self) -> str:
        return MASK

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "string"}


def new_access_key(token: Token = os.urandom) -> AccessKey:
    """``AKIA`` and the base32 of 10 random bytes: 20 characters."""
    return AccessKey(f"AKIA{b32encode(token(10)).decode('ascii')}")


def new_secret_key(token: Token = os.urandom) -> Secret:
    """URL-safe base64 of 30 random bytes: 40 characters."""
    return Secret(urlsafe_b64encode(token(30)).decode("ascii"))
