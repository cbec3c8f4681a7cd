"""``bai-manager user password``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bai_manager.cli import user_flags as flags  # noqa: TC001 - Typer evaluates annotations
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.secret_io import (
    NeedChangeOption,
    PasswordFileOption,
    PasswordStdinOption,
    SecretFileOption,
    ShowOption,
    read_password,
    require_outlet,
    secret_file,
    shown,
)
from bai_manager.cli.user_columns import PASSWORD_FIELDS, USER_FIELDS, PasswordReset
from bai_manager.services.user.actions import ResetUserPasswordAction, SetUserPasswordAction

if TYPE_CHECKING:
    from bai_manager.services.user.types import UserData


class Prints:
    """What each command prints with ``-o json``."""

    set_: UserData
    reset: PasswordReset


app = typer.Typer(
    add_completion=False,
    help="Set and reset passwords of users.\n\n"
    "Example: bai-manager user password set alice@example.com",
    no_args_is_help=True,
)


@app.command("set")
def set_(
    ctx: typer.Context,
    user: flags.UserArgument,
    file: PasswordFileOption = None,
    stdin: PasswordStdinOption = False,
    need_change: NeedChangeOption = None,
) -> None:
    """Set a user's password, asked for at the terminal unless it is said where it comes from.

    Example: bai-manager user password set alice@example.com --password-file new.txt
    """
    cli = cli_of(ctx)
    password = read_password(cli, file, stdin=stdin, prompt=f"New password of {user}")
    action = SetUserPasswordAction(user=user, password=password, need_password_change=need_change)
    result = cli.execute(action)
    cli.terminal.note(f"The password of {result.user.email} is set.")
    emit_object(cli.output, result.user, USER_FIELDS, name=lambda u: u.email)


@app.command("reset")
def reset(
    ctx: typer.Context,
    user: flags.UserArgument,
    show: ShowOption = False,
    path: SecretFileOption = None,
    need_change: NeedChangeOption = None,
) -> None:
    """Give a user a random password, and tell it where you say.

    Example: bai-manager user password reset alice@example.com --secret-file alice.txt
    """
    cli = cli_of(ctx)
    require_outlet(show=show, file=path)
    with secret_file(cli, path) as write:
        result = cli.execute(ResetUserPasswordAction(user=user, need_password_change=need_change))
        write(f"{result.password.reveal()}\n")
    printed = PasswordReset(
        email=result.user.email,
        password=shown(result.password, show=show),
        need_password_change=result.user.need_password_change,
    )
    emit_object(cli.output, printed, PASSWORD_FIELDS, name=lambda r: r.email)
