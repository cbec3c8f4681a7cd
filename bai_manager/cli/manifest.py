"""What ``diff`` and ``apply`` have in common: a document in, differences out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.encode import json_text
from bai_manager.cli.output.rows import emit_rows
from bai_manager.services.manifest.types import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bai_manager.cli.runtime import Cli
    from bai_manager.services.manifest.types import Change, Difference, Plan
    from bai_manager.types.json import JsonValue

DocumentArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A document as 'export' writes it; '-' reads it.")
]
PruneOption = Annotated[
    bool,
    typer.Option("--prune", help="Also remove what the sections of the document do not name."),
]
SHOWN = 100
"""Changes that are named before somebody is asked; 'diff' shows all."""
_SIGNS = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.DEACTIVATE: "-", Verb.DELETE: "-"}


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferenceRow:
    """One field that differs; all of them for what is created or removed (``field`` is None).

    ``line`` is that of the document, None for what it does not name.
    """

    action: Verb
    section: str
    name: str
    field: str | None
    before: JsonValue
    after: JsonValue
    line: int | None


COLUMNS: tuple[Column[DifferenceRow], ...] = (
    Column("action", lambda row: row.action.value, keep=True),
    Column("section", lambda row: row.section),
    Column("name", lambda row: row.name, keep=True),
    Column("field", lambda row: row.field, keep=True),
    Column("before", lambda row: row.before, human=lambda row: short(row.before)),
    Column("after", lambda row: row.after, human=lambda row: short(row.after)),
    Column("line", lambda row: row.line, justify="right", wide=True),
)


def emit_plan(cli: Cli, plan: Plan) -> None:
    """A row for each field that differs."""
    rows = (row for change in plan.changes for row in _rows(change))
    emit_rows(cli.output, COLUMNS, rows, name=lambda row: row.name, noun="differences")


def plan_text(plan: Plan) -> str:
    """What will be done, for whoever is asked."""
    lines = [line for change in plan.changes[:SHOWN] for line in _lines(change)]
    if len(plan.changes) > SHOWN:
        lines.append(f"… and {len(plan.changes) - SHOWN} more; 'bai-manager diff' shows all.")
    return "\n".join([*lines, counts_text(plan)])


def counts_text(plan: Plan) -> str:
    """``2 to create, 1 to update.``"""
    counts = Counter(change.verb for change in plan.changes)
    said = [f"{counts[verb]} to {verb.value}" for verb in Verb if counts[verb]]
    return f"{', '.join(said) or 'Nothing to do'}."


def note_unlisted(cli: Cli, plan: Plan) -> None:
    """Say that there is more than the document names."""
    if plan.unlisted:
        cli.terminal.note(
            f"{plan.unlisted} that the document does not name stay; --prune removes them."
        )


def short(value: object) -> str:
    """A value as somebody would write it."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        members = (f"{key}={short(member)}" for key, member in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(short(member) for member in value)}]"
    return value if isinstance(value, str) else json_text(value)  # type: ignore[arg-type]


def _rows(change: Change) -> Iterator[DifferenceRow]:
    line = change.line or None
    if change.verb is Verb.CREATE or change.verb is Verb.DELETE:
        yield DifferenceRow(
            action=change.verb,
            section=change.section.value,
            name=change.name,
            field=None,
            before=_whole(change.differences, "before"),
            after=_whole(change.differences, "after"),
            line=line,
        )
        return
    for one in change.differences:
        yield DifferenceRow(
            action=change.verb,
            section=change.section.value,
            name=change.name,
            field=one.field,
            before=one.before,
            after=one.after,
            line=line,
        )


def _whole(differences: Sequence[Difference], side: str) -> JsonValue:
    """All fields of one thing that hold something, None for none."""
    found: dict[str, JsonValue] = {one.field: getattr(one, side) for one in differences}
    return {name: value for name, value in found.items() if value is not None} or None


def _lines(change: Change) -> Iterator[str]:
    said = f"{_SIGNS[change.verb]} {change.verb.value} {change.section.value} {change.name}"
    if change.verb is Verb.CREATE:
        whole = _whole(change.differences, "after")
        yield f"{said} {short(whole)}" if whole else said
        return
    yield said
    if change.verb is Verb.DELETE:
        return
    for one in change.differences:
        yield f"    {one.field}: {short(one.before)} → {short(one.after)}"
