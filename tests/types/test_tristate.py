from __future__ import annotations

from dataclasses import dataclass

import pytest

from bai_manager.types.tristate import UNSET, Maybe, given, set_fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    name: Maybe[str] = UNSET
    description: Maybe[str | None] = UNSET
    limit: Maybe[int] = UNSET


def test_nothing_given_changes_nothing() -> None:
    assert set_fields(Changes()) == {}


def test_null_and_zero_are_values() -> None:
    assert set_fields(Changes(description=None, limit=0)) == {"description": None, "limit": 0}


def test_unset_is_never_taken_for_false() -> None:
    with pytest.raises(TypeError, match="is UNSET"):
        bool(UNSET)


def test_a_default_stands_in_for_what_was_not_given() -> None:
    changes = Changes(limit=0)
    assert given(changes.limit, 5) == 0
    assert given(changes.name, "kept") == "kept"


def test_changes_print_without_noise() -> None:
    assert repr(Changes(limit=1)) == "Changes(name=UNSET, description=UNSET, limit=1)"
