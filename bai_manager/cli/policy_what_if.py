"""``bai-manager policy what-if``: what a change to a policy would do, without making it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.amounts import amount_column
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column, id_column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.policy_changes import read_changes
from bai_manager.cli.verbs import counted
from bai_manager.services.policy.actions import RehearsePolicyChangeAction
from bai_manager.services.policy.types import Ending, PolicyKind, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal
    from uuid import UUID

    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.policy.types import (
        FieldOutlook,
        FolderLoss,
        OverLine,
        PolicyRehearsal,
        SessionEffect,
        SessionEnding,
    )


class Prints:
    """What each command prints with ``-o json``."""

    what_if: PolicyRehearsal


@dataclass(frozen=True, kw_only=True, slots=True)
class Consequence:
    """One thing a change would do: to somebody's standing, or to a session that waits."""

    what: str
    whose: str
    session: str | None = None
    resource: str | None = None
    unit: Unit = Unit.COUNT
    limit: Decimal | None = None
    used: Decimal | None = None
    requested: Decimal | None = None
    excess: Decimal | None = None
    reason: str | None = None
    scaling_group: str | None = None
    session_id: UUID | None = None


def _short(row: Consequence) -> str:
    """``over``, ``ended``, ``no longer start``."""
    return row.what.removeprefix("would ").removeprefix("be ").removeprefix("is ")


COLUMNS: tuple[Column[Consequence], ...] = (
    Column("what", lambda row: row.what, title="Consequence", short=_short, keep=True),
    Column("whose", lambda row: row.whose),
    Column("session", lambda row: row.session),
    Column("resource", lambda row: row.resource),
    amount_column("limit", lambda row: row.limit, lambda row: row.unit),
    amount_column("used", lambda row: row.used, lambda row: row.unit),
    amount_column("requested", lambda row: row.requested, lambda row: row.unit, title="Takes"),
    amount_column("excess", lambda row: row.excess, lambda row: row.unit, title="Too much"),
    Column("scaling_group", lambda row: row.scaling_group, title="Resource group", wide=True),
    Column("reason", lambda row: row.reason, wide=True),
    id_column("session_id", lambda row: row.session_id, wide=True),
    Column("unit", lambda row: row.unit, wide=True),
)
_NOUNS: Mapping[PolicyKind, str] = {
    PolicyKind.KEYPAIR: "key pair",
    PolicyKind.USER: "user",
    PolicyKind.PROJECT: "project",
}
HEADER: tuple[Column[PolicyRehearsal], ...] = (
    Column("policy", lambda found: f"{found.kind.value} {found.policy}"),
    Column("bound", lambda found: counted(found.bound, _NOUNS[found.kind]), title="Binds"),
    Column(
        "changed", lambda found: found.changed, human=lambda f: ", ".join(f.changed) or "nothing"
    ),
    Column("over", lambda found: _summary_over(found.over), title="Would be over"),
    Column("sessions", lambda found: _summary_sessions(found.sessions), title="Waiting sessions"),
)
_ENDINGS: Column[PolicyRehearsal] = Column(
    "endings", lambda found: _summary_endings(found.endings), title="Running sessions"
)
_FOLDERS: Column[PolicyRehearsal] = Column(
    "folders", lambda found: _summary_folders(found.folders), title="Folders"
)
_MEANING: Column[PolicyRehearsal] = Column(
    "fields", lambda found: _meanings(found.fields), title="Meaning"
)


def what_if(
    ctx: typer.Context,
    kind: Annotated[PolicyKind, typer.Argument(help="Which kind of policy.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    sets: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="max_concurrent_sessions=5, total_resource_slots.cpu=8, idle_timeout=unlimited …",
        ),
    ],
) -> None:
    """Say what a change to a policy would do: who is over it, what starts, waits, ends or is lost.

    Example: bai-manager policy what-if keypair default --set total_resource_slots.cpu=8
    """
    cli = cli_of(ctx)
    action = RehearsePolicyChangeAction(policy=name, changes=read_changes(kind, sets))
    _show(cli.output, cli.execute(action).rehearsal)


def _show(output: OutputOptions, found: PolicyRehearsal) -> None:
    """One object, or its consequences as rows; people see both."""
    if output.chosen_format.is_structured:
        emit_object(output, found, HEADER, name=lambda one: one.policy)
        return
    rows = [
        *map(_standing, found.over),
        *map(_end, found.endings),
        *map(_loss, found.folders),
        *(row for one in found.sessions for row in _turn(one)),
    ]
    columns: Sequence[Column[Consequence]] = COLUMNS
    if output.chosen_format.is_human and output.columns is None:
        emit_object(output, found, _header(found), name=lambda one: one.policy)
        if not rows:
            return
        output.stdout.write("\n")
        columns = [
            column for column in COLUMNS if any(column.value(row) is not None for row in rows)
        ]
    emit_rows(output, columns, rows, name=lambda row: row.session or row.whose, noun="consequences")


def _header(found: PolicyRehearsal) -> tuple[Column[PolicyRehearsal], ...]:
    """What is said of everybody, and of running sessions, folders and fields where it matters."""
    more = ((found.endings, _ENDINGS), (found.folders, _FOLDERS), (found.fields, _MEANING))
    return (*HEADER, *(column for told, column in more if told))


def _standing(line: OverLine) -> Consequence:
    return Consequence(
        what=_standing_word(line),
        whose=line.owner or line.name,
        session=line.name if line.owner else None,
        resource=line.resource,
        unit=line.unit,
        limit=line.limit,
        used=line.used,
        excess=line.excess,
    )


def _standing_word(line: OverLine) -> str:
    if line.excess and not line.excess_before:
        return "would be over"
    if not line.excess:
        return "would no longer be over"
    if line.excess == line.excess_before:
        return "is over already"
    return "would be over by more" if line.excess > line.excess_before else "would be over by less"


def _end(ending: SessionEnding) -> Consequence:
    return Consequence(
        what=ending.ending.value,
        whose=ending.user_email,
        session=ending.name,
        resource=ending.resource,
        unit=Unit.SECONDS,
        limit=ending.allowed,
        used=ending.used,
        excess=ending.used - ending.allowed,
        reason=ending.reason,
        session_id=ending.session_id,
    )


def _loss(loss: FolderLoss) -> Consequence:
    return Consequence(
        what="would lose",
        whose=loss.user_email,
        resource=f"{loss.host}, {counted(loss.folders, 'folder')}",
        reason=", ".join(loss.permissions),
    )


def _turn(effect: SessionEffect) -> Iterator[Consequence]:
    """One row for each limit that the session would pass; or one that says what stops it."""
    for short in effect.short or (None,):
        yield Consequence(
            what=effect.effect.value,
            whose=effect.user_email if short is None else short.name,
            session=effect.name,
            resource=short.resource if short else None,
            unit=short.unit if short else Unit.COUNT,
            limit=short.limit if short else None,
            used=short.used if short else None,
            requested=short.requested if short else None,
            excess=short.excess if short else None,
            reason=effect.reason,
            scaling_group=effect.scaling_group,
            session_id=effect.session_id,
        )


def _summary_over(over: tuple[OverLine, ...]) -> str:
    """``2 newly, 1 already``; who is over two limits counts once."""
    now = {(one.scope, one.name) for one in over if one.excess_before}
    then = {(one.scope, one.name) for one in over if one.excess}
    counts = {"newly": len(then - now), "already": len(then & now), "no longer": len(now - then)}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nobody"


def _summary_endings(endings: tuple[SessionEnding, ...]) -> str:
    ended = sum(one.ending is Ending.ENDED for one in endings)
    said = {f"{ended} {Ending.ENDED}": ended}
    said[f"{len(endings) - ended} {Ending.SPARED}"] = len(endings) - ended
    return ", ".join(text for text, count in said.items() if count)


def _summary_folders(losses: tuple[FolderLoss, ...]) -> str:
    users = {one.user_email for one in losses}
    hosts = ", ".join(sorted({one.host for one in losses}))
    return f"{counted(len(users), 'user')} would lose rights on folders of {hosts}"


def _meanings(fields: tuple[FieldOutlook, ...]) -> str:
    return "\n".join(f"{one.field}: {one.meaning}" for one in fields)


def _summary_sessions(effects: tuple[SessionEffect, ...]) -> str:
    counts: dict[str, int] = {}
    for one in effects:
        counts[one.effect.value] = counts.get(one.effect.value, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items()) or "no difference"
