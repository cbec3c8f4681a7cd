"""Whom clients trust, by the address as a profile has it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.trust import is_plain, trusted
from tests.storage.certificates import AUTHORITY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "url", ["http://proxy:6022", "HTTP://proxy", "Http://[::1]:1/api", "http://["]
)
def test_no_authorities_are_loaded_for_a_plain_address(url: str, tmp_path: Path) -> None:
    assert is_plain(url)
    assert trusted(url, tmp_path / "missing") is False


@pytest.mark.parametrize("url", ["https://proxy:6022", "HTTPS://proxy", "Https://[::1]:1/api"])
def test_whoever_encrypts_is_checked_however_it_is_written(url: str) -> None:
    assert not is_plain(url)
    assert trusted(url) is True


def test_a_file_of_authorities_takes_the_place_of_this_machines(tmp_path: Path) -> None:
    (tmp_path / "authorities.pem").write_text(AUTHORITY)
    context = trusted("https://proxy", tmp_path / "authorities.pem")
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1
    assert trusted("https://proxy", tmp_path / "missing", verify=False) is False
    with pytest.raises(OSError, match="No such file"):
        trusted("https://proxy", tmp_path / "missing")
