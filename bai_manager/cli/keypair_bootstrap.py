"""``bai-manager user keypair bootstrap``: what a key pair's sessions run first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.keypair_columns import SCRIPT_FIELDS
from bai_manager.cli.options import OwnerOption, cli_of
from bai_manager.cli.output.rows import emit_object
from bai_manager.errors import InvalidInput
from bai_manager.services.keypair.actions import GetBootstrapScriptAction, SetBootstrapScriptAction

if TYPE_CHECKING:
    from bai_manager.services.keypair.actions import BootstrapScriptActionResult


class ScriptNeeded(InvalidInput):
    """The script is given in no way, or in two."""

    error_code = "keypair_update_invalid-parameters"


class Prints:
    """What each command prints with ``-o json``."""

    show: BootstrapScriptActionResult
    set_: BootstrapScriptActionResult


app = typer.Typer(
    add_completion=False,
    help="What a key pair's sessions run first.\n\n"
    "Example: bai-manager user keypair bootstrap show",
    no_args_is_help=True,
)


@app.command("show")
def show(ctx: typer.Context, owner: OwnerOption = None) -> None:
    """Show the bootstrap script.

    Example: bai-manager user keypair bootstrap show -o json
    """
    cli = cli_of(ctx)
    result = cli.execute(GetBootstrapScriptAction(owner=owner))
    emit_object(cli.output, result, SCRIPT_FIELDS, name=lambda found: found.access_key)


@app.command("set")
def set_(
    ctx: typer.Context,
    file: Annotated[
        typer.FileText | None, typer.Option("--file", help="File with the script, or '-'.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="The script itself; '' for none.")
    ] = None,
    owner: OwnerOption = None,
) -> None:
    """Say what sessions run first, unless they name another script.

    Example: bai-manager user keypair bootstrap set --text 'pip install -r requirements.txt'
    """
    cli = cli_of(ctx)
    if (file is None) == (text is None):
        raise ScriptNeeded("Either --file or --text says what to run.", hint="Give one of them.")
    script = file.read() if file is not None else text or ""
    result = cli.execute(SetBootstrapScriptAction(script=script, owner=owner))
    emit_object(cli.output, result, SCRIPT_FIELDS, name=lambda found: found.access_key)
