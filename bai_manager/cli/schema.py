"""``bai-manager schema``: what commands print with ``-o json``, from the dataclasses they print."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.encode import json_text, yaml_text
from bai_manager.cli.output.options import Format
from bai_manager.cli.output.rows import emit_rows
from bai_manager.errors import NotFound
from bai_manager.types.errors import closest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.json import JsonObject

app = typer.Typer(add_completion=False)


class Printed(NamedTuple):
    """What a command prints: ``module:class`` below ``bai_manager``, one or an array of them."""

    result: str
    many: bool = False
