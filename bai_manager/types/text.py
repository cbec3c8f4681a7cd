"""Untrusted text made safe for a terminal."""

from __future__ import annotations

import re
from typing import Final

# What a terminal may obey or hide: C0, DEL and C1 controls, soft hyphen, Arabic letter mark,
# Mongolian and other zero-width characters, line and paragraph separators, directional marks,
# overrides and isolates, invisible operators, surrogates, the byte order mark, interlinear
# annotations, and tags.
_HIDDEN: Final = (
    "\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_UNSAFE_BUT_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_HIDDEN}]")
_NAMED: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def printable(text: str, limit: int | None = None, *, multiline: bool = False) -> str:
    r"""Replace everything a terminal would obey or hide by a visible escape.

    An escape character becomes ``\x1b``, a right-to-left override ``\u202e``, a newline ``\n``;
    with ``multiline`` newlines and tabs stay, and ``\r\n`` is a newline. Text longer than
    ``limit`` characters is cut there, the last one being ``…``.
    """
    if multiline:
        text = text.replace("\r\n", "\n")
    if limit is not None and len(text) > limit:
        text = text[: limit + 1]  # escapes only lengthen: what is beyond is never shown
    unsafe = _UNSAFE_BUT_LINES if multiline else _UNSAFE
    if unsafe.search(text):
        text = unsafe.sub(_escaped, text)
    if limit is not None and len(text) > limit:
        return f"{text[: limit - 1]}…" if limit > 0 else ""
    return text


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004 - the widths of Python's own escapes
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
