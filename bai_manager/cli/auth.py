"""``bai-manager auth``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.secret_io import (
    PasswordFileOption,
    ask_secret,
    read_password,
    read_secret_file,
)
from bai_manager.services.auth.actions import GetIdentityAction, UpdatePasswordAction
from bai_manager.services.auth.types import IdentityData

if TYPE_CHECKING:
    from bai_manager.services.auth.actions import UpdatePasswordActionResult

app = typer.Typer(
    help="Show who you act as, and change your password.\n\nExample: bai-manager auth whoami",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    whoami: ProfileIdentity
    password: UpdatePasswordActionResult


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileIdentity(IdentityData):
    """Who acts, and through which profile."""

    profile: str


FIELDS: tuple[Column[ProfileIdentity], ...] = (
    Column("email", lambda identity: identity.email, title="User"),
    Column("username", lambda identity: identity.username, title="Name"),
    Column("role", lambda identity: identity.role),
    Column("domain_name", lambda identity: identity.domain_name, title="Domain"),
    Column("access_key", lambda identity: identity.access_key),
    Column("projects", lambda identity: identity.projects),
    Column("resource_policy", lambda identity: identity.resource_policy),
    Column("profile", lambda identity: identity.profile),
    Column("user_id", lambda identity: identity.user_id, title="User ID"),
)


PASSWORD_FIELDS: tuple[Column[UpdatePasswordActionResult], ...] = (
    Column("access_key", lambda result: result.access_key),
    Column("user_id", lambda result: result.user_id, title="User ID"),
)


@app.command("whoami")
def whoami(ctx: typer.Context) -> None:
    """Show the user, key pair and profile that act.

    Example: bai-manager auth whoami
    """
    cli = cli_of(ctx)
    found = cli.execute(GetIdentityAction()).identity
    facts = {field.name: getattr(found, field.name) for field in fields(found)}
    identity = ProfileIdentity(**facts, profile=cli.config.profile_name)
    emit_object(cli.output, identity, FIELDS, name=lambda i: i.access_key)


@app.command("password")
def password(
    ctx: typer.Context,
    old_file: Annotated[
        Path | None,
        typer.Option("--old-password-file", metavar="FILE", help="Private file with the old one."),
    ] = None,
    file: PasswordFileOption = None,
) -> None:
    """Change your own password; asks for the old one, and twice for the new one.

    Example: bai-manager auth password
    """
    cli = cli_of(ctx)
    old = (
        read_secret_file(old_file)
        if old_file is not None
        else ask_secret(cli, "Old password", remedy="Give --old-password-file FILE.")
    )
    new = read_password(cli, file, stdin=False, prompt="New password")
    action = UpdatePasswordAction(old_password=old, new_password=new, new_password_confirm=new)
    result = cli.execute(action)
    cli.terminal.note("The password is changed.")
    emit_object(cli.output, result, PASSWORD_FIELDS, name=lambda found: found.access_key)
