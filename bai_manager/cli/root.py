"""The command line's root: global options, errors, exit codes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from bai_manager import __version__
from bai_manager.cli.flags import Flags, hoist
from bai_manager.cli.nouns import NounGroup
from bai_manager.cli.runtime import Cli
from bai_manager.errors import BackendAIError, ExitCode, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence


_PROGRAM = "bai-manager"
_GLOBAL = "Global options (before or after the noun)"

app = typer.Typer(
    name=_PROGRAM,
    cls=NounGroup,
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"bai-manager {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    profile: Annotated[
        str | None, typer.Option(help="Profile to use.", rich_help_panel=_GLOBAL)
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="table, wide, json, jsonl, yaml, csv, tsv or name.",
            rich_help_panel=_GLOBAL,
        ),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns to show: id,name,…", rich_help_panel=_GLOBAL)
    ] = None,
    color: Annotated[
        str | None, typer.Option(help="auto, always or never.", rich_help_panel=_GLOBAL)
    ] = None,
    act_as: Annotated[
        str | None,
        typer.Option(
            "--as", help="Act as another access key (superadmin).", rich_help_panel=_GLOBAL
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=_GLOBAL)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Change nothing, show all.", rich_help_panel=_GLOBAL),
    ] = False,
    trace: Annotated[
        bool,
        typer.Option("--trace", help="Print each action on stderr.", rich_help_panel=_GLOBAL),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No notes on stderr.", rich_help_panel=_GLOBAL)
    ] = False,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="No header line.", rich_help_panel=_GLOBAL)
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Answer yes.", rich_help_panel=_GLOBAL)
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Administer a Backend.AI cluster, or this machine, directly.

    Example: bai-manager quickstart
    """
    ctx.obj = Cli(
        Flags(
            profile=profile,
            output=output,
            columns=columns,
            color=color,
            act_as=act_as,
            debug=debug,
            dry_run=dry_run,
            trace=trace,
            quiet=quiet,
            no_header=no_header,
            yes=yes,
        ),
        environ=os.environ,
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
    )


def run(args: Sequence[str]) -> int:
    """Run one command line and return the exit code; nothing raised gets past here."""
    from bai_manager.cli.failures import Failures  # noqa: PLC0415 - only needed around a run

    options, rest = hoist(args)
    failures = Failures(options, environ=os.environ, stderr=sys.stderr)
    try:
        _require_text(args)
        code = _invoke([*options, *rest])
    except TyperException as error:
        return failures.usage(error)
    except BackendAIError as error:
        return failures.report(error)
    except (KeyboardInterrupt, typer.Abort):
        return failures.interrupted()
    except BrokenPipeError:
        raise  # main's guard knows which pipe it was
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            return ExitCode.CLOSED_PIPE  # Rich, which prints help, leaves with 1
        raise
    except Exception as error:  # noqa: BLE001 - the last handler: a bug must not be a traceback
        return failures.unexpected(error)
    return code if isinstance(code, int) else ExitCode.OK


def _require_text(words: Sequence[str]) -> None:
    """Words in another encoding would fail wherever they are first written."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                f"{word!r} is not UTF-8 text.",
                hint="Write it in UTF-8; names are UTF-8 everywhere.",
            ) from None


def _invoke(words: list[str]) -> object:
    """Run the command itself: Typer's own entry turns a closed pipe into exit code 1."""
    if "_BAI_MANAGER_COMPLETE" in os.environ:
        return app(args=words, prog_name=_PROGRAM)
    command = typer.main.get_command(app)
    try:
        with command.make_context(_PROGRAM, words) as context:
            return command.invoke(context)
    except typer.Exit as ending:
        return ending.exit_code
