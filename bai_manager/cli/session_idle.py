"""``bai-manager session idle`` and ``end-idle``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_session
from bai_manager.cli.options import (
    EverybodyOption,
    OwnerOption,
    WatchOption,
    cli_of,
    targets,
)
from bai_manager.cli.output.columns import Column, id_column, time_column
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.verbs import confirm, counted
from bai_manager.cli.watch import shown
from bai_manager.errors import InvalidInput
from bai_manager.services.session_idle.actions import (
    EndIdleSessionsAction,
    GetIdleChecksAction,
    ListIdleChecksAction,
)
from bai_manager.types.duration import humanized
from bai_manager.types.idle import LIFETIME, NETWORK, UTILIZATION, CheckState

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.session_idle.types import EndedSession, IdleSession
    from bai_manager.types.idle import IdleCheck

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    idle: list[IdleSession]
    end_idle: list[EndedSession]


def _check(checker: str, title: str) -> Column[IdleSession]:
    """The time left (for programs in seconds), and the state where there is none to tell."""

    def check(session: IdleSession) -> IdleCheck:
        return session.idle_checks[checker]

    return Column(
        checker,
        lambda session: _seconds(check(session)) or check(session).state.value,
        title=title,
        human=lambda session: _text(check(session)),
        style=lambda session: _STYLES.get(check(session).state, ""),
    )


_STYLES = {CheckState.OVER: "red", CheckState.UNKNOWN: "yellow"}


def _seconds(check: IdleCheck) -> float | None:
    return check.remaining if check.state is CheckState.COUNTING else None


def _text(check: IdleCheck) -> str:
    """``2h 5m``, or ``endless``."""
    seconds = _seconds(check)
    return humanized(timedelta(seconds=round(seconds))) if seconds else check.state.value


def _why(session: IdleSession) -> str | None:
    """What is not known, by checker."""
    unknown = [
        f"{checker}: {check.why}"
        for checker, check in session.idle_checks.items()
        if check.state is CheckState.UNKNOWN
    ]
    return "; ".join(unknown) or None


COLUMNS: tuple[Column[IdleSession], ...] = (
    id_column("session_id", lambda session: session.session_id, title="ID"),
    Column("name", lambda session: session.name, keep=True),
    _check(LIFETIME, "Lifetime"),
    _check(NETWORK, "Access"),
    _check(UTILIZATION, "Use"),
    time_column("last_access", lambda session: session.last_access, title="Last access"),
    Column("user_email", lambda session: session.user_email, title="User", wide=True),
    Column("unknown", _why, title="Unknown", wide=True),
    Column(
        "told_by",
        lambda s: ", ".join(sorted({check.told_by for check in s.idle_checks.values()})),
        title="Told by",
        wide=True,
    ),
)
ENDED_COLUMNS: tuple[Column[EndedSession], ...] = (
    id_column("session_id", lambda session: session.session_id, title="ID"),
    Column("name", lambda session: session.name, keep=True),
    Column("reason", lambda session: session.reason),
    Column("user_email", lambda session: session.user_email, title="User"),
)


@app.command("idle")
def idle(
    ctx: typer.Context,
    sessions: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names, ids or unique id prefixes; default: all that run.",
            autocompletion=complete_session,
        ),
    ] = None,
    owner: OwnerOption = None,
    everybody: EverybodyOption = False,
    over: Annotated[bool, typer.Option("--over", help="Only those that a check ends.")] = False,
    watch: WatchOption = None,
) -> None:
    """Tell how long running sessions may go on by each idle check.

    Example: bai-manager session idle --all --over
    """
    cli = cli_of(ctx)
    if sessions and everybody:
        raise InvalidInput("Name sessions, or give --all.", hint="Not both.")
    names = targets(sessions, cli) if sessions else None

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        if names is None:
            listed = await processor.run(ListIdleChecksAction(owner=owner, everybody=everybody))
            found = listed.sessions
        else:
            found = [
                (await processor.run(GetIdleChecksAction(session=name, owner=owner))).session
                for name in names
            ]
        kept = [session for session in found if not over or _is_over(session)]
        emit_rows(output, COLUMNS, kept, name=lambda s: s.name, noun="running sessions")

    shown(cli, render, watch)


@app.command("end-idle")
def end_idle(ctx: typer.Context) -> None:
    """End the sessions that an idle check is over for; refused while a manager does that.

    Example: bai-manager session end-idle --yes
    """
    cli = cli_of(ctx)

    async def run(processor: ActionProcessor) -> list[EndedSession]:
        listed = (await processor.run(ListIdleChecksAction(everybody=True))).sessions
        found = [session for session in listed if _is_over(session)]
        if found:
            names = ", ".join(session.name for session in found)
            confirm(cli, f"To be ended, {counted(len(found), 'session')}: {names}.")
        chosen = tuple(session.session_id for session in found)
        return (await processor.run(EndIdleSessionsAction(sessions=chosen))).sessions

    ended = cli.run(run)
    emit_rows(cli.output, ENDED_COLUMNS, ended, name=lambda s: s.name, noun="idle sessions")


def _is_over(session: IdleSession) -> bool:
    return any(check.state is CheckState.OVER for check in session.idle_checks.values())
