"""SSH key pairs (``reference/value-types.md`` §9)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bai_manager.types.credentials import Secret
from bai_manager.types.ssh_keys import (
    InvalidSSHKeypair,
    SSHKeypair,
    checked_ssh_keypair,
    new_ssh_keypair,
)


@pytest.fixture(scope="module")
def pair() -> SSHKeypair:
    return new_ssh_keypair()


def test_it_is_rsa_of_2048_bits_in_the_formats_of_the_reference(pair: SSHKeypair) -> None:
    private = pair.private_key.reveal()
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert private.endswith("-----END RSA PRIVATE KEY-----\n")
    assert pair.public_key.startswith("ssh-rsa ")
    assert pair.public_key.endswith("\n")
    assert pair.public_key.count("\n") == 1
    key = load_pem_private_key(private.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048
    assert key.public_key().public_numbers().e == 65537


def test_the_halves_belong_together(pair: SSHKeypair) -> None:
    assert checked_ssh_keypair(pair.public_key, pair.private_key) == pair


def test_white_space_around_the_halves_does_not_matter(pair: SSHKeypair) -> None:
    public, private = f"  {pair.public_key}\n\n", Secret(f"\n{pair.private_key.reveal()}\n")
    assert checked_ssh_keypair(public, private) == pair


def test_a_comment_is_kept(pair: SSHKeypair) -> None:
    public = f"{pair.public_key.strip()} alice@laptop\n"
    assert checked_ssh_keypair(public, pair.private_key).public_key == public


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_keys_of_another_kind_and_form_are_taken(form: PrivateFormat) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert checked_ssh_keypair(public, Secret(private)).public_key == f"{public}\n"


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_a_private_key_with_a_passphrase_is_refused(form: PrivateFormat) -> None:
    key = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(b"secret")
    if form is PrivateFormat.OpenSSH:
        encryption = form.encryption_builder().kdf_rounds(1).build(b"secret")  # type: ignore[assignment]
    private = key.private_bytes(Encoding.PEM, form, encryption).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    with pytest.raises(InvalidSSHKeypair):
        checked_ssh_keypair(public, Secret(private))


@pytest.mark.parametrize("public", ["", "ssh-rsa", "ssh-rsa AAAA", "nonsense AAAA x", "é"])
def test_a_public_key_that_is_none_is_refused(pair: SSHKeypair, public: str) -> None:
    with pytest.raises(InvalidSSHKeypair):
        checked_ssh_keypair(public, pair.private_key)


@pytest.mark.parametrize("private", ["", "x", "-----BEGIN RSA PRIVATE KEY-----\nx\n", "é"])
def test_a_private_key_that_is_none_is_refused_and_not_shown(
    pair: SSHKeypair, private: str
) -> None:
    with pytest.raises(InvalidSSHKeypair) as refused:
        checked_ssh_keypair(pair.public_key, Secret(private))
    assert "BEGIN" not in refused.value.message


def test_the_private_half_does_not_show_itself(pair: SSHKeypair) -> None:
    assert "BEGIN" not in repr(pair)
