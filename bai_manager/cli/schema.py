"""``bai-manager schema``: what commands print with ``-o json``, from the dataclasses they print.

Each module of commands has a class ``Prints``: its annotations say what the commands print, by the
names of their functions.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, make_dataclass
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bai_manager.cli.nouns import NOUNS, load
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.encode import json_text, yaml_text
from bai_manager.cli.output.options import Format
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.output.schema import DIALECT
from bai_manager.types.errors import InvalidChoice
from bai_manager.types.jsonable import jsonschema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer._click.core import Command

    from bai_manager.types.json import JsonObject

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Described:
    """A command whose results have a schema; ``prints`` is an annotation of ``module``."""

    command: str
    prints: str
    module: str


COLUMNS: tuple[Column[Described], ...] = (
    Column("command", lambda row: row.command),
    Column("prints", lambda row: row.prints),
    Column("module", lambda row: row.module, wide=True),
)


def _complete_noun(incomplete: str) -> list[str]:
    return [noun for noun in NOUNS if noun.startswith(incomplete)]


def _complete_verb(ctx: typer.Context, incomplete: str) -> list[str]:
    words = [ctx.params.get("noun") or "", *(ctx.params.get("verb") or ())]
    rows = described(words[0]) if words[0] in NOUNS else ()
    paths = [row.command.split() for row in rows]
    found = [path[len(words)] for path in paths if path[: len(words)] == words != path]
    return [word for word in dict.fromkeys(found) if word.startswith(incomplete)]


@app.command()
def schema(
    ctx: typer.Context,
    noun: Annotated[str | None, typer.Argument(autocompletion=_complete_noun)] = None,
    verb: Annotated[list[str] | None, typer.Argument(autocompletion=_complete_verb)] = None,
) -> None:
    """Print the JSON Schema of one of NOUN, or of what a VERB prints; without either, list them.

    Example: bai-manager schema session list
    """
    cli = cli_of(ctx)
    if noun is None:
        rows = (row for name in NOUNS for row in described(name))
        emit_rows(cli.output, COLUMNS, rows, name=lambda row: row.command, noun="schemas")
        return
    value = schema_of(noun, *(verb or ()))
    match cli.output.chosen_format:
        case Format.YAML:
            cli.stdout.write(yaml_text(value))
        case Format.JSONL:
            cli.stdout.write(json_text(value) + "\n")
        case _:
            cli.stdout.write(json_text(value, indent=2) + "\n")


def schema_of(*words: str) -> JsonObject:
    """What a command prints; of a noun, what ``show`` prints and ``list`` an array of.

    Raises ``InvalidChoice``.
    """
    if words[0] not in NOUNS:
        raise InvalidChoice(words[0], "noun", NOUNS)
    path = " ".join(words)
    rows = {row.command: row for row in described(words[0])}
    if path in rows:
        return {"$schema": DIALECT, **_printed(rows[path])}
    below = [rows[command] for command in rows if command.startswith(f"{path} ")]
    if not below:
        raise InvalidChoice(path, "command with a schema", rows)
    printed = _printed(rows.get(f"{path} show") or below[0])
    return {"$schema": DIALECT, **cast("JsonObject", printed.get("items", printed))}


def described(noun: str) -> list[Described]:
    """Every command of a noun that has a schema."""
    command = typer.main.get_command(load(NOUNS[noun]))
    rows = (_described(*found) for found in _commands_of(noun, command))
    return [row for row in rows if row is not None]


def _described(path: str, command: Command) -> Described | None:
    module = getattr(command.callback, "__module__", "")
    said = getattr(sys.modules.get(module), "Prints", None)
    prints = getattr(said, "__annotations__", {}).get(getattr(command.callback, "__name__", ""))
    return None if prints is None else Described(path, prints, module)


def _commands_of(path: str, command: Command) -> Iterator[tuple[str, Command]]:
    members = getattr(command, "commands", None)
    if members is None:
        yield path, command
        return
    for name, member in members.items():
        yield from _commands_of(f"{path} {name}", member)


def _printed(row: Described) -> JsonObject:
    """The schema of an annotation, evaluated where it was written."""
    holder = make_dataclass("Printed", [("printed", row.prints)])
    holder.__module__ = row.module
    properties = cast("JsonObject", jsonschema_of(holder)["properties"])
    return cast("JsonObject", properties["printed"])
