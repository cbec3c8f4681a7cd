"""``bai-manager db``: the embedded database as a process of this machine.

These commands manage what all actions stand on, so there is no action behind them: nothing could
be audited in a database that is stopped. Who may run them is who may write the data folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bai_manager.cli.embedded import embedded_postgres, require_embedded
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column, size_column, time_column
from bai_manager.cli.output.rows import emit_object

if TYPE_CHECKING:
    from bai_manager.cli.runtime import Cli
    from bai_manager.clients.postgres.embedded import EmbeddedPostgres, EmbeddedStatus

app = typer.Typer(
    help="Start, stop and reach the embedded database.\n\nExample: bai-manager db status",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    start: EmbeddedStatus
    stop: EmbeddedStatus
    status: EmbeddedStatus
    dsn: Dsn


class Mode(StrEnum):
    """How the server ends the connections of its clients."""

    SMART = "smart"
    FAST = "fast"
    IMMEDIATE = "immediate"


@dataclass(frozen=True, slots=True)
class Dsn:
    """Where the database is, as libpq reads it."""

    dsn: str


STATUS_FIELDS: tuple[Column[EmbeddedStatus], ...] = (
    Column("running", lambda status: status.running),
    Column("pid", lambda status: status.pid, title="PID"),
    Column("version", lambda status: status.version),
    Column("data_dir", lambda status: status.data_dir, title="Data folder"),
    Column("socket_dir", lambda status: status.socket_dir, title="Socket folder"),
    time_column("started_at", lambda status: status.started_at),
    size_column("size_bytes", lambda status: status.size_bytes, title="Size"),
)
DSN_FIELDS: tuple[Column[Dsn], ...] = (Column("dsn", lambda row: row.dsn, title="DSN"),)

TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to wait for it.")
]
ArgumentsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="-- ARGUMENTS", help="More arguments for it.")
]


@app.command("start")
def start(ctx: typer.Context, timeout: TimeoutOption = 30) -> None:
    """Start the database; it is left running.

    Example: bai-manager db start
    """
    cli = cli_of(ctx)
    database = _database(cli)
    if database.is_running():
        cli.terminal.note("It runs already.")
    elif not cli.flags.dry_run:
        database.start(timeout)
    _emit_status(cli, database)


@app.command("stop")
def stop(
    ctx: typer.Context,
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode", help="smart waits for clients, fast disconnects them, immediate crashes."
        ),
    ] = Mode.FAST,
    timeout: TimeoutOption = 30,
) -> None:
    """Stop the database; kernels go on running, and the next command starts it again.

    Example: bai-manager db stop --yes
    """
    cli = cli_of(ctx)
    database = _database(cli)
    kernels = _count_kernels(cli)
    if kernels and database.is_running():
        cli.terminal.confirm(
            f"Stop the database? Kernels that go on running without it: {kernels}."
            " What becomes of them is recorded when it runs again.",
            yes=cli.flags.yes or cli.flags.dry_run,
        )
    if not cli.flags.dry_run:
        database.stop(mode.value, timeout)
    _emit_status(cli, database)


@app.command("status")
def status(ctx: typer.Context) -> None:
    """Show whether the database runs, where it is and how large.

    Example: bai-manager db status -o json
    """
    cli = cli_of(ctx)
    _emit_status(cli, _database(cli))


@app.command("dsn")
def dsn(ctx: typer.Context) -> None:
    """Print the connection string for psql, pg_dump and other clients; nothing is started.

    Example: psql "$(bai-manager db dsn)"
    """
    cli = cli_of(ctx)
    database = _database(cli)
    if not database.is_running():
        cli.terminal.note("It does not run now: start it with 'bai-manager db start'.")
    if cli.output.chosen_format.is_structured:
        emit_object(cli.output, Dsn(database.dsn()), DSN_FIELDS, name=lambda row: row.dsn)
    else:
        cli.stdout.write(f"{database.dsn()}\n")


@app.command("shell")
def shell(ctx: typer.Context, arguments: ArgumentsArgument = None) -> None:
    """Open psql on the database, which is started if need be.

    Example: bai-manager db shell -- -c 'SELECT count(*) FROM sessions'
    """
    cli = cli_of(ctx)
    database = _started(cli)
    _become(cli, [*database.psql_argv(), *(arguments or ())])


@app.command("dump")
def dump(ctx: typer.Context, arguments: ArgumentsArgument = None) -> None:
    """Write the whole database as SQL to standard output.

    Example: bai-manager db dump > backup.sql
    """
    cli = cli_of(ctx)
    database = _started(cli)
    _become(cli, [*database.pg_dump_argv(), *(arguments or ())])


def _database(cli: Cli) -> EmbeddedPostgres:
    require_embedded(cli.config, "These commands manage the embedded database")
    return embedded_postgres(cli.config)


def _started(cli: Cli) -> EmbeddedPostgres:
    database = _database(cli)
    if cli.config.settings.database.autostart:
        database.start()
    return database


def _emit_status(cli: Cli, database: EmbeddedPostgres) -> None:
    emit_object(cli.output, database.status(), STATUS_FIELDS, name=lambda s: str(s.data_dir))


def _count_kernels(cli: Cli) -> int:
    """Kernels of the local agent that are alive, counted without the database."""
    from bai_manager.clients.agent.local.folder import kernel_folders  # noqa: PLC0415 - stop only

    root = cli.config.settings.agent.local_root or cli.config.paths.data_dir / "agents"
    return sum(folder.is_held and not folder.has_ended for folder in kernel_folders(str(root)))


def _become(cli: Cli, argv: list[str]) -> NoReturn:
    """Replace this process, so that signals, the terminal and the exit code are the program's."""
    cli.stdout.flush()
    cli.stderr.flush()
    os.execv(argv[0], argv)  # noqa: S606 - a program of the wheel and its arguments, no shell
