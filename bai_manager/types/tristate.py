"""Partial updates: a field is *not given*, *set to null* or *set to a value*.

::

    @dataclass(frozen=True, kw_only=True, slots=True)
    class UserChanges:
        full_name: Maybe[str | None] = UNSET   # may be cleared
        role: Maybe[UserRole] = UNSET          # may be changed, never cleared

    set_fields(UserChanges(full_name=None))    # {"full_name": None}
"""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


class Unset(Enum):
    """One member, so that ``is UNSET`` narrows ``Maybe[T]`` to ``T``."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        """Refuse to be mistaken for a value: compare with ``is UNSET``."""
        raise TypeError("UNSET has no truth value; compare with `is UNSET`")


UNSET: Final = Unset.UNSET

Maybe: TypeAlias = T | Unset


def given(value: Maybe[T], default: T) -> T:
    """Return the value, or ``default`` where none was given."""
    return default if value is UNSET else value


def set_fields(changes: DataclassInstance) -> dict[str, object]:
    """Collect the fields of a dataclass that were given, null included, in field order."""
    values = ((field.name, getattr(changes, field.name)) for field in fields(changes))
    return {name: value for name, value in values if value is not UNSET}
