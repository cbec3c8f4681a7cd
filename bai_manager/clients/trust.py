"""Whom a client trusts behind an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def is_plain(url: str) -> bool:
    """Whether there is nothing to check: loading the authorities takes longer than an answer."""
    return url.lower().startswith("http:")


def trusted(url: str, ca_file: Path | None = None, *, verify: bool = True) -> ssl.SSLContext | bool:
    """What httpx takes as ``verify``: the authorities of ``ca_file``, or of this machine.

    Raises ``OSError`` where the file cannot be read or holds none.
    """
    if is_plain(url) or not verify:
        return False
    if ca_file is None:
        return True
    import ssl  # noqa: PLC0415 - with TLS only

    return ssl.create_default_context(cafile=ca_file)
