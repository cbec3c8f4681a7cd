"""SSH key pairs of key pairs (``reference/value-types.md`` §9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.errors import InvalidInput
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.hazmat.primitives.serialization import SSHPrivateKeyTypes

_BITS: Final = 2048
_EXPONENT: Final = 65537


class InvalidSSHKeypair(InvalidInput):
    """A key cannot be read, or the two do not belong together; never shows the private one."""

    error_code = "keypair_parsing_invalid-parameters"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"This is no SSH key pair: {why}.",
            hint="Give both halves as 'ssh-keygen' writes them, without passphrase.",
            details={"reason": why},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SSHKeypair:
    """The public half as one OpenSSH line, the private one as PEM; both end with a newline."""

    public_key: str
    private_key: Secret


def new_ssh_keypair() -> SSHKeypair:
    """Make an RSA key pair of 2048 bits; takes some 50 ms of a processor."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - loads OpenSSL
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = rsa.generate_private_key(_EXPONENT, _BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return SSHKeypair(
        public_key=_line(public.decode()), private_key=Secret(_line(private.decode()))
    )


def checked_ssh_keypair(public_key: str, private_key: Secret) -> SSHKeypair:
    """Two halves that belong together, of any kind OpenSSH knows. Raises ``InvalidSSHKeypair``."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - loads OpenSSL
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        PublicFormat,
        load_ssh_public_key,
    )

    try:
        given = load_ssh_public_key(public_key.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidSSHKeypair("the public key is no OpenSSH line") from None
    try:
        derived = _loaded(private_key.reveal().strip().encode() + b"\n").public_key()
        matching = derived.public_bytes(
            Encoding.OpenSSH, PublicFormat.OpenSSH
        ) == given.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise InvalidSSHKeypair("the private key cannot be read without a passphrase") from None
    if not matching:
        raise InvalidSSHKeypair("the public key is that of another private key")
    return SSHKeypair(public_key=_line(public_key), private_key=Secret(_line(private_key.reveal())))


def _loaded(private_key: bytes) -> SSHPrivateKeyTypes | PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        load_pem_private_key,
        load_ssh_private_key,
    )

    if b"OPENSSH PRIVATE KEY" in private_key:
        return load_ssh_private_key(private_key, password=None)
    return load_pem_private_key(private_key, password=None)


def _line(text: str) -> str:
    return f"{text.strip()}\n"
