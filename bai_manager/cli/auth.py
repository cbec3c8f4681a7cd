"""``bai-manager auth``."""

from __future__ import annotations

from dataclasses import dataclass, fields

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object
from bai_manager.services.auth.actions import GetIdentityAction
from bai_manager.services.auth.types import IdentityData

app = typer.Typer(
    help="Show who you act as.\n\nExample: bai-manager auth whoami",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    whoami: ProfileIdentity


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


@app.callback()
def auth() -> None:
    """Keep ``whoami`` a verb: a Typer app with one command would be that command."""
