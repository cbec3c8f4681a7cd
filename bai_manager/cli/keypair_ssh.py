"""``bai-manager user keypair ssh``: the key with which sessions are entered."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.keypair_columns import SSH_FIELDS, SSH_PAIR_FIELDS, SSHKeypairRow
from bai_manager.cli.options import OwnerOption, cli_of
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.secret_io import (
    SecretFileOption,
    ShowOption,
    read_secret_file,
    require_outlet,
    secret_file,
    shown,
)
from bai_manager.services.keypair.actions import (
    GenerateSSHKeypairAction,
    GetSSHKeypairAction,
    UploadSSHKeypairAction,
)

if TYPE_CHECKING:
    from bai_manager.services.keypair.actions import SSHPublicKeyActionResult


class Prints:
    """What each command prints with ``-o json``."""

    show: SSHPublicKeyActionResult
    generate: SSHKeypairRow
    upload: SSHPublicKeyActionResult


app = typer.Typer(
    add_completion=False,
    help="The key with which sessions are entered.\n\nExample: bai-manager user keypair ssh show",
    no_args_is_help=True,
)


@app.command("show")
def show(ctx: typer.Context, owner: OwnerOption = None) -> None:
    """Show the public half of the SSH key.

    Example: bai-manager user keypair ssh show --owner AKIAIOSFODNN7EXAMPLE
    """
    cli = cli_of(ctx)
    result = cli.execute(GetSSHKeypairAction(owner=owner))
    emit_object(cli.output, result, SSH_FIELDS, name=lambda k: k.access_key)


@app.command("generate")
def generate(
    ctx: typer.Context,
    show_secret: ShowOption = False,
    path: SecretFileOption = None,
    owner: OwnerOption = None,
) -> None:
    """Make another SSH key for new sessions, and tell its private half where you say.

    Example: bai-manager user keypair ssh generate --secret-file id_sessions
    """
    cli = cli_of(ctx)
    require_outlet(show=show_secret, file=path)
    with secret_file(cli, path) as write:
        result = cli.execute(GenerateSSHKeypairAction(owner=owner))
        write(result.private_key.reveal())
    row = SSHKeypairRow(
        access_key=result.access_key,
        public_key=result.public_key,
        private_key=shown(result.private_key, show=show_secret),
    )
    emit_object(cli.output, row, SSH_PAIR_FIELDS, name=lambda k: k.access_key)


@app.command("upload")
def upload(
    ctx: typer.Context,
    public: Annotated[
        typer.FileText, typer.Option("--public", help="File with the public half, or '-'.")
    ],
    private: Annotated[
        Path, typer.Option("--private", metavar="FILE", help="Private file with the other half.")
    ],
    owner: OwnerOption = None,
) -> None:
    """Keep an SSH key that was made elsewhere, for new sessions.

    Example: bai-manager user keypair ssh upload --public - --private id_ed25519
    """
    cli = cli_of(ctx)
    action = UploadSSHKeypairAction(
        public_key=public.read(), private_key=read_secret_file(private), owner=owner
    )
    emit_object(cli.output, cli.execute(action), SSH_FIELDS, name=lambda k: k.access_key)
