from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidPassword
from bai_manager.types.password import ROUNDS, hash_password, needs_rehash, verify

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SALT = "00ff" * 8
PASSWORD = Secret("correct horse — батарея")
WRONG = Secret("correct horse")


def iterated(name: str, rounds: int, password: str) -> str:
    """Compute the formula of the reference by hand."""
    text = password
    for _ in range(rounds):
        text = hashlib.new(name, (SALT + text).encode()).hexdigest()
    return f"{name}${rounds}${SALT}${text}"


def stretched(name: str, rounds: int, password: str) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), bytes.fromhex(SALT), rounds, 32)
    return f"pbkdf2_{name}${rounds}${SALT}${digest.hex()}"


BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"  # published, of "U*U"
BCRYPT_OF_72_X = "$2b$04$G2d2hPZQuYb.OFMsazltB.pnFOZpqM6sZ8l3TxooYUyIVNImBxzXC"

STORED = {
    "sha256": iterated("sha256", 3, PASSWORD.reveal()),
    "sha3_256": iterated("sha3_256", 3, PASSWORD.reveal()),
    "pbkdf2_sha256": stretched("sha256", 3, PASSWORD.reveal()),
    "pbkdf2_sha3_256": stretched("sha3_256", 3, PASSWORD.reveal()),
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_each_format_takes_the_password_and_no_other(stored: str) -> None:
    assert verify(PASSWORD, stored)
    assert not verify(WRONG, stored)
    assert not verify(Secret(""), stored)


def test_bcrypt_hashes_are_read() -> None:
    assert verify(Secret("U*U"), BCRYPT)
    assert not verify(Secret("U*V"), BCRYPT)


def test_bcrypt_looks_at_the_first_72_bytes() -> None:
    assert verify(Secret("x" * 100), BCRYPT_OF_72_X)
    assert not verify(Secret("x" * 71), BCRYPT_OF_72_X)


def test_a_new_hash_has_the_documented_form() -> None:
    stored = hash_password(PASSWORD, rounds=2, token=lambda size: b"\xab" * size)
    algorithm, rounds, salt, digest = stored.split("$")
    assert (algorithm, rounds, salt, len(digest)) == ("pbkdf2_sha256", "2", "ab" * 32, 64)
    assert verify(PASSWORD, stored)


def test_the_default_cost_is_six_hundred_thousand_rounds() -> None:
    stored = hash_password(PASSWORD)
    assert stored.startswith(f"pbkdf2_sha256${ROUNDS}$")
    assert ROUNDS == 600_000
    assert verify(PASSWORD, stored)


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password(PASSWORD, rounds=1) != hash_password(PASSWORD, rounds=1)


def test_no_password_is_no_match() -> None:
    assert not verify(PASSWORD, None)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        "$2",
        "$2b$04$short",
        "$2b$99$" + "a" * 53,
        "$2b$é",
        "sha256$3$00ff",
        "sha256$3$00ff$aa$bb",
        "sha256$0$00ff$" + "0" * 64,
        "sha256$-1$00ff$" + "0" * 64,
        "sha256$x$00ff$" + "0" * 64,
        "sha256$3$0$" + "0" * 64,
        "sha256$3$zz$" + "0" * 64,
        "sha256$3$00ff$",
        "sha256$3$00ff$zz",
        "pbkdf2_sha256$99999999999999999999$00$00",
        "md5$3$00ff$" + "0" * 32,
        "\x00",
    ],
)
def test_a_malformed_hash_matches_nothing(stored: str) -> None:
    assert not verify(PASSWORD, stored)


@given(st.text(), st.text())
@quick
def test_no_stored_text_is_an_error(password: str, stored: str) -> None:
    assert not verify(Secret(password), stored)


def test_a_truncated_hash_matches_nothing() -> None:
    assert not verify(PASSWORD, STORED["pbkdf2_sha256"][:-2])


@pytest.mark.parametrize(
    ("stored", "needed"),
    [
        (f"pbkdf2_sha256${ROUNDS}$00$00", False),
        ("pbkdf2_sha256$100000$00$00", True),
        (f"pbkdf2_sha3_256${ROUNDS}$00$00", True),
        (BCRYPT, True),
    ],
)
def test_a_hash_is_replaced_when_algorithm_or_rounds_differ(stored: str, *, needed: bool) -> None:
    assert needs_rehash(stored) is needed


@pytest.mark.parametrize("password", ["", "caf\udce9"])
def test_a_password_that_cannot_be_stored_is_refused_unseen(password: str) -> None:
    with pytest.raises(InvalidPassword) as caught:
        hash_password(Secret(password), rounds=1)
    assert "caf" not in caught.value.message


def test_a_password_in_no_encoding_matches_nothing() -> None:
    assert not verify(Secret("caf\udce9"), STORED["sha256"])
