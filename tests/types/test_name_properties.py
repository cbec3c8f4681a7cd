"""Names, keys and hashes held against the rules of the reference, written once more by hand."""

from __future__ import annotations

import re
from base64 import b32decode, urlsafe_b64decode
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types import names
from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.errors import InvalidName
from bai_manager.types.password import hash_password, needs_rehash, verify
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Callable

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LETTERS = "abzABZ059_-. é한\n"
near_names = st.text(LETTERS, max_size=9) | st.text(LETTERS, min_size=20, max_size=70)
passwords = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())
amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**15)


def _takes(check: Callable[[str], str], name: str) -> bool:
    try:
        return check(name) == name
    except InvalidName:
        return False


def _is_session_name(name: str) -> bool:
    """``reference/value-types.md`` §8: ASCII, 4 to 64 characters, and a pattern."""
    return re.fullmatch(r"(?=.{4,64}$)\w[\w.-]*\w", name, re.ASCII) is not None


def _is_service_name(name: str) -> bool:
    return 4 <= len(name) <= 24 and re.fullmatch(r"\w[\w-]*\w", name, re.ASCII) is not None


def _is_slug(name: str) -> bool:
    """Word characters, ``-`` and ``.``: no mark at an end, no two in a row."""
    marks = "-_."
    return (
        1 <= len(name) <= 64
        and all(character.isalnum() or character in marks for character in name)
        and name[0] not in "-_"
        and name[-1] not in marks
        and not any(one in marks and two in marks for one, two in pairwise(name))
    )


def _is_harbor_project(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", name) is not None and len(name) <= 255


def _is_image_tag(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9\-._]*[A-Za-z0-9])?", name) is not None


@pytest.mark.parametrize(
    ("check", "is_one"),
    [
        (names.check_session_name, _is_session_name),
        (names.check_service_name, _is_service_name),
        (names.check_domain_name, _is_slug),
        (names.check_project_name, _is_slug),
        (names.check_harbor_project, _is_harbor_project),
        (names.check_image_tag, _is_image_tag),
    ],
    ids=["session", "service", "domain", "project", "registry project", "image tag"],
)
def test_a_name_is_taken_exactly_when_the_rule_has_it(
    check: Callable[[str], str], is_one: Callable[[str], bool]
) -> None:
    @quick
    @given(near_names)
    def holds(name: str) -> None:
        assert _takes(check, name) is is_one(name)

    holds()


@quick
@given(st.text(max_size=70))
def test_what_is_taken_as_a_folder_s_name_fits_its_column_and_is_no_path(name: str) -> None:
    if _takes(names.check_vfolder_name, name):
        assert 1 <= len(name) <= 64
        assert "/" not in name
        assert name == name.strip()


@quick
@given(st.binary(min_size=30, max_size=30))
def test_keys_are_the_random_bytes_and_nothing_else(random: bytes) -> None:
    access_key = new_access_key(lambda count: random[:count])
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", access_key)
    assert b32decode(access_key[4:]) == random[:10]
    secret_key = new_secret_key(lambda count: random[:count]).reveal()
    assert len(secret_key) == 40
    assert urlsafe_b64decode(secret_key) == random


@quick
@given(passwords, passwords, st.integers(1, 3))
def test_a_hash_is_of_its_password_alone(password: str, other: str, rounds: int) -> None:
    stored = hash_password(Secret(password), rounds=rounds)
    assert verify(Secret(password), stored)
    assert verify(Secret(other), stored) is (other == password)
    assert needs_rehash(stored, rounds=rounds) is False
    assert needs_rehash(stored, rounds=rounds + 1) is True


@quick
@given(st.text(max_size=60))
def test_what_is_no_hash_matches_nothing_and_is_no_error(stored: str) -> None:
    assert verify(Secret("secret"), stored) is False


@quick
@given(amounts)
def test_infinity_is_above_every_amount(amount: object) -> None:
    limited = ResourceSlot({"cpu": amount})  # type: ignore[dict-item]
    unlimited = ResourceSlot({"cpu": "inf"})
    assert limited < unlimited
    assert not unlimited <= limited
    assert limited.shortages(unlimited) == ()
