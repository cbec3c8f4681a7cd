from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import asdict, dataclass, replace

import pytest

from bai_manager.types.credentials import Secret, new_access_key, new_secret_key

SECRET = Secret("cWbsM_vB")


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    email: str
    password: Secret


def zeros(size: int) -> bytes:
    return bytes(size)


def test_an_access_key_is_akia_and_base32_of_ten_bytes() -> None:
    assert new_access_key(zeros) == "AKIAAAAAAAAAAAAAAAAA"
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", new_access_key())


def test_a_secret_key_is_base64_of_thirty_bytes() -> None:
    assert new_secret_key(lambda size: b"\xff" * size).reveal() == "_" * 40
    assert re.fullmatch(r"[A-Za-z0-9_-]{40}", new_secret_key().reveal())


def test_two_keys_are_never_the_same() -> None:
    assert new_access_key() != new_access_key()
    assert new_secret_key() != new_secret_key()


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET),
        repr(SECRET),
        f"{SECRET}",
        f"{SECRET!r:>30}",
        f"{SECRET:>10}",
        "%s" % SECRET,  # noqa: UP031 - every way of formatting
        "{}".format(SECRET),  # noqa: UP032
        repr(Login(email="a@b", password=SECRET)),
        str([SECRET]),
        repr(vars(type(SECRET)).get("__dict__")),
        SECRET.to_json(),
    ],
)
def test_a_secret_never_shows_itself(shown: str) -> None:
    assert SECRET.reveal() not in shown


def test_a_secret_is_revealed_on_request() -> None:
    assert Secret("s3").reveal() == "s3"


def test_secrets_compare_by_content_and_only_with_secrets() -> None:
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != Secret("ab")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("\udc80") == Secret("\udc80")


def test_a_secret_has_no_parts() -> None:
    with pytest.raises(TypeError):
        list(SECRET)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        len(SECRET)  # type: ignore[arg-type]


def test_a_secret_is_refused_by_json_and_pickle() -> None:
    with pytest.raises(TypeError):
        json.dumps({"password": SECRET})
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(SECRET)


def test_copies_of_a_secret_are_the_secret() -> None:
    login = Login(email="a@b", password=SECRET)
    assert copy.deepcopy(SECRET) is SECRET
    assert copy.copy(SECRET) is SECRET
    assert asdict(login)["password"] is SECRET
    assert replace(login, email="c@d").password is SECRET
