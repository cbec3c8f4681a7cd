"""Values as text in the formats that programs read."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, cast

from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import yaml

    from bai_manager.types.json import JsonValue

# What ``printable`` would make visible and JSON does not escape by itself.
_UNSAFE = re.compile(
    "[\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LINE_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_BASIC_PLANE = 0xFFFF


def json_text(value: JsonValue, indent: int | None = None) -> str:
    """JSON whose unsafe characters are escaped; what is read back is the same value."""
    import json  # noqa: PLC0415 - line formats seldom need it

    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return _UNSAFE.sub(_json_escape, text)


def yaml_text(value: JsonValue) -> str:
    """Block style YAML, keys in their order; unsafe characters are escaped as in JSON."""
    import yaml  # noqa: PLC0415 - only this format needs it

    text: str = yaml.dump(
        value, Dumper=_yaml_dumper(), allow_unicode=True, sort_keys=False, width=1 << 30
    )
    return _UNSAFE.sub(_yaml_escape, text)


def machine_text(value: object) -> str:
    """One value in full: nothing for None, RFC 3339 UTC times, integers for bytes, JSON inside."""
    if value is None:
        return ""
    if type(value) is str:
        return value
    plain = to_jsonable(value)
    return plain if isinstance(plain, str) else json_text(plain)


def tsv_line(cells: Sequence[str]) -> str:
    r"""Cells between tabs; ``\t``, ``\n``, ``\r`` and ``\\`` escaped, no control sequence."""
    return "\t".join(map(_tsv_cell, cells)) + "\n"


def csv_line(cells: Sequence[str]) -> str:
    """RFC 4180, values exact; whoever opens it in a spreadsheet imports the cells as text."""
    import csv  # noqa: PLC0415 - only this format needs it
    import io  # noqa: PLC0415

    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def visible_csv_line(cells: Sequence[str]) -> str:
    """As ``csv_line``, for a terminal, which must not obey what it shows."""
    return csv_line([printable(cell, multiline=True) for cell in cells])


def name_line(cells: Sequence[str]) -> str:
    return printable(cells[0]) + "\n"


def _tsv_cell(text: str) -> str:
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return printable(text.translate(_LINE_ESCAPES))


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= _BASIC_PLANE:
        return f"\\u{code:04x}"
    high, low = divmod(code - _BASIC_PLANE - 1, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _yaml_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\U{code:08x}"


@cache
def _yaml_dumper() -> type[yaml.SafeDumper]:
    """Build a dumper without aliases that quotes every text in which something is escaped.

    YAML has no way to write a lone surrogate; it becomes U+FFFD.
    """
    import yaml  # noqa: PLC0415 - only this format needs it

    def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = '"' if _UNSAFE.search(text) else None
        if style:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    fastest: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    without_aliases = {"ignore_aliases": lambda _self, _data: True}
    dumper = cast(type[yaml.SafeDumper], type("Dumper", (fastest,), without_aliases))
    dumper.add_representer(str, represent_text)
    return dumper
