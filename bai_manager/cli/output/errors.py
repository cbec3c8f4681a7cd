"""Errors on stderr: for a person two lines, for a program one line of JSON."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from bai_manager.cli.output.encode import json_text
from bai_manager.cli.output.options import ColorMode, wants_color
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.errors import BackendAIError
    from bai_manager.types.json import JsonObject

ERROR_STYLE = "1;31"
WARNING_STYLE = "1;33"
HINT_STYLE = "36"


def emit_error(
    stderr: TextIO,
    error: BackendAIError,
    *,
    as_json: bool,
    color: ColorMode = ColorMode.AUTO,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Say what happened and what to do next; ``details`` are for programs only."""
    if as_json:
        stderr.write(json_text({"error": error_json(error)}) + "\n")
    else:
        colored = wants_color(stderr, color, environ)
        stderr.write(labelled("error", error.message, ERROR_STYLE if colored else None))
        if error.hint:
            stderr.write(labelled("hint", error.hint, HINT_STYLE if colored else None))
    stderr.flush()


def error_json(error: BackendAIError) -> JsonObject:
    return {
        "code": error.error_code,
        "message": error.message,
        "hint": error.hint,
        "details": to_jsonable(error.details),
    }


def labelled(label: str, text: str, style: str | None) -> str:
    """``label: text``, made safe, further lines indented below the first."""
    shown = printable(text, multiline=True).rstrip("\n").replace("\n", "\n" + " " * 2)
    head = f"{label}:" if style is None else f"\x1b[{style}m{label}:\x1b[0m"
    return f"{head} {shown}\n"
