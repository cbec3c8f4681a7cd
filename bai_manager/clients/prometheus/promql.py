"""PromQL texts. Whatever comes from outside is escaped here, and nowhere else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SPECIAL: Final = re.compile(r"[.+*?()|\[\]{}^$\\]")


def quoted(value: str) -> str:
    r"""A label value between quotation marks; ``"``, ``\`` and line ends cannot leave them."""
    return f'"{value.translate(_ESCAPES)}"'


def selector(series: str, labels: Mapping[str, Sequence[str]]) -> str:
    """``series{name="value",other=~"one|two"}``; a label without values matches nothing."""
    return f"{series}{{{','.join(map(_matcher, labels, labels.values()))}}}"


def _matcher(label: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{label}={quoted(values[0])}"
    pattern = "|".join(map(_literal, values)) if values else "$.^"
    return f"{label}=~{quoted(pattern)}"


def _literal(value: str) -> str:
    """A value as a regular expression (RE2) that matches it and nothing else."""
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", value)


def summed(labels: Iterable[str], expression: str) -> str:
    return f"sum by ({','.join(labels)}) ({expression})"


def seconds(length: float) -> str:
    """A range such as ``90s``; whole milliseconds."""
    return f"{length:.0f}s" if length == int(length) else f"{round(length * 1000)}ms"
