"""``bai-manager help``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.help_topics import TOPICS, topic
from bai_manager.cli.nouns import NOUNS, NounGroup
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object, emit_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    help_: list[Topic]


_ABOUT: Mapping[str, str] = {
    "exit-codes": "what each exit code means",
    "formats": "-o, what programs can rely on, --watch and --dry-run",
    "environment": "variables, files and every setting",
    "filters": "--filter, --sort, --limit; times, durations and sizes",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that ``help`` has a text about."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class TopicText:
    """The text about a topic, for programs."""

    topic: str
    text: str


TOPIC_COLUMNS: tuple[Column[Topic], ...] = (
    Column("name", lambda row: row.name, title="Topic"),
    Column("about", lambda row: row.about),
)
TEXT_FIELDS: tuple[Column[TopicText], ...] = (
    Column("topic", lambda row: row.topic),
    Column("text", lambda row: row.text),
)


def topics() -> list[Topic]:
    """Every topic there is a text about, with a remark."""
    return [Topic(name, _ABOUT[name]) for name in TOPICS]


def _complete_topic() -> list[tuple[str, str]]:
    return [(row.name, row.about) for row in topics()]


@app.command("help")
def help_(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="TOPIC", help="Or a noun.", autocompletion=_complete_topic),
    ] = None,
) -> None:
    """Read about a topic or a noun; without one, list the topics.

    Example: bai-manager help exit-codes
    """
    cli = cli_of(ctx)
    if name is None:
        emit_rows(cli.output, TOPIC_COLUMNS, topics(), name=lambda row: row.name, noun="topics")
    elif name in NOUNS and name not in TOPICS:
        _show_help_of(name, ctx)
    elif cli.output.chosen_format.is_structured:
        text = TopicText(name, topic(name))
        emit_object(cli.output, text, TEXT_FIELDS, name=lambda row: row.topic)
    else:
        cli.stdout.write(topic(name))


def _show_help_of(noun: str, ctx: typer.Context) -> None:
    root = ctx.find_root()
    if isinstance(root.command, NounGroup):
        root.command.get_command(root, noun).make_context(noun, ["--help"], parent=root)
