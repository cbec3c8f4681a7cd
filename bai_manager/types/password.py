"""Password hashes: five formats are read, one is written (``reference/value-types.md`` §9.1)."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidPassword

if TYPE_CHECKING:
    from bai_manager.types.credentials import Secret, Token

ROUNDS: Final = 600_000
_WRITTEN: Final = "pbkdf2_sha256"
_SALT_BYTES: Final = 32
_DIGEST_BYTES: Final = 32
_BCRYPT: Final = "$2"
_BCRYPT_BYTES: Final = 72
_STORED: Final = re.compile(
    r"(?P<stretch>pbkdf2_)?(?P<digest>sha256|sha3_256)\$(?P<rounds>[1-9][0-9]{0,8})"
    r"\$(?P<salt>(?:[0-9a-f]{2})*)\$(?P<hash>(?:[0-9a-f]{2})+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Stored:
    algorithm: str
    rounds: int
    salt: str
    hash: bytes


def hash_password(password: Secret, *, rounds: int = ROUNDS, token: Token = os.urandom) -> str:
    """Return ``pbkdf2_sha256$<rounds>$<salt hex>$<hash hex>`` with a salt of 32 bytes.

    Raises ``InvalidPassword`` for an empty password, or one that is not Unicode text (bytes of
    another encoding typed in a terminal).
    """
    if not password.reveal():
        raise InvalidPassword("the password is empty", hint="give at least one character")
    salt = token(_SALT_BYTES).hex()
    try:
        digest = _digest(_WRITTEN, rounds, salt, password.reveal())
    except UnicodeEncodeError:
        raise InvalidPassword(
            "the password is not valid Unicode text", hint="type it in a UTF-8 terminal"
        ) from None
    return f"{_WRITTEN}${rounds}${salt}${digest.hex()}"


def verify(password: Secret, stored: str | None) -> bool:
    """Tell whether the password matches; a NULL or malformed hash matches nothing."""
    if stored is None:
        return False
    try:
        if stored.startswith(_BCRYPT):
            return _verify_bcrypt(password.reveal().encode(), stored.encode())
        parsed = _parse(stored)
        if parsed is None:
            return False
        digest = _digest(parsed.algorithm, parsed.rounds, parsed.salt, password.reveal())
    except ValueError:  # a cost or text that the algorithm does not take
        return False
    return compare_digest(digest, parsed.hash)


def needs_rehash(stored: str, *, rounds: int = ROUNDS) -> bool:
    """Tell whether ``hash_password`` would use another algorithm or another number of rounds.

    Asked after a login that succeeded; the hash is then replaced.
    """
    parsed = _parse(stored)
    return parsed is None or (parsed.algorithm, parsed.rounds) != (_WRITTEN, rounds)


def _parse(stored: str) -> _Stored | None:
    matched = _STORED.fullmatch(stored)
    if matched is None:
        return None
    return _Stored(
        algorithm=f"{matched['stretch'] or ''}{matched['digest']}".lower(),
        rounds=int(matched["rounds"]),
        salt=matched["salt"],
        hash=bytes.fromhex(matched["hash"]),
    )


def _digest(algorithm: str, rounds: int, salt: str, password: str) -> bytes:
    name = algorithm.removeprefix("pbkdf2_")
    if name != algorithm:
        salt_bytes = bytes.fromhex(salt)
        return hashlib.pbkdf2_hmac(name, password.encode(), salt_bytes, rounds, _DIGEST_BYTES)
    current = password
    for _ in range(rounds):
        current = hashlib.new(name, f"{salt}{current}".encode()).hexdigest()
    return bytes.fromhex(current)


def _verify_bcrypt(password: bytes, stored: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - only accounts of an older manager have such hashes

    return bcrypt.checkpw(password[:_BCRYPT_BYTES], stored)
