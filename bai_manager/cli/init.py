"""``bai-manager init``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.embedded import one_at_a_time, require_embedded
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object
from bai_manager.services.system.actions import InitializeAction

if TYPE_CHECKING:
    from bai_manager.app import App
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.system.actions import InitializeActionResult

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    init: InitializeActionResult


FIELDS: tuple[Column[InitializeActionResult], ...] = (
    Column("profile", lambda result: result.profile),
    Column("admin_email", lambda result: result.admin_email, title="Superadmin"),
    Column("access_key", lambda result: result.access_key),
    Column("domain_name", lambda result: result.domain_name, title="Domain"),
    Column("project_name", lambda result: result.project_name, title="Project"),
    Column("scaling_group", lambda result: result.scaling_group, title="Resource group"),
    Column("agent_id", lambda result: result.agent_id, title="Agent"),
    Column("storage_host", lambda result: result.storage_host),
    Column("images", lambda result: result.images, human=lambda r: "\n".join(r.images)),
    Column(
        "created",
        lambda result: result.created,
        human=lambda r: "\n".join(r.created) or "nothing: all was there",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RevealedSecrets:
    """The one place where secrets are plain text: somebody asked to see them."""

    access_key: str
    secret_key: str | None
    admin_password: str | None


SECRET_FIELDS: tuple[Column[RevealedSecrets], ...] = (
    Column("access_key", lambda secrets: secrets.access_key),
    Column("secret_key", lambda secrets: secrets.secret_key),
    Column("admin_password", lambda secrets: secrets.admin_password),
)


@app.command()
def init(
    ctx: typer.Context,
    admin_email: Annotated[
        str, typer.Option("--admin-email", help="The superadmin's e-mail.")
    ] = "admin@localhost",
    admin_username: Annotated[
        str, typer.Option("--admin-username", help="The superadmin's name.")
    ] = "admin",
    admin_full_name: Annotated[
        str, typer.Option("--admin-full-name", help="The superadmin's full name.")
    ] = "Administrator",
    domain: Annotated[str, typer.Option("--domain", help="The first domain.")] = "default",
    project: Annotated[str, typer.Option("--project", help="The first project.")] = "default",
    scaling_group: Annotated[
        str, typer.Option("--scaling-group", help="The first resource group.")
    ] = "default",
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Print the secret key and the password.")
    ] = False,
) -> None:
    """Create the local system: database, superadmin, agent, images; or complete what is missing.

    Example: bai-manager init --admin-email you@example.com
    """
    cli = cli_of(ctx)
    action = InitializeAction(
        admin_email=admin_email,
        admin_username=admin_username,
        admin_full_name=admin_full_name,
        domain_name=domain,
        project_name=project,
        scaling_group=scaling_group,
    )
    result = initialize(cli, action)
    if show_secrets:
        cli.forget_config()
        emit_object(
            cli.output, _secrets(cli), SECRET_FIELDS, name=lambda secrets: secrets.access_key
        )
    else:
        emit_object(cli.output, result, FIELDS, name=lambda r: r.profile)


def _secrets(cli: Cli) -> RevealedSecrets:
    settings = cli.config.settings
    return RevealedSecrets(
        access_key=settings.access_key or "",
        secret_key=settings.secret_key.reveal() if settings.secret_key else None,
        admin_password=settings.admin_password.reveal() if settings.admin_password else None,
    )


def initialize(cli: Cli, action: InitializeAction) -> InitializeActionResult:
    """Create the schema where there is none, then run the action; a dry run makes no folder."""
    require_embedded(cli.config, "A cluster has been set up by its own manager")

    async def whole(app_: App) -> InitializeActionResult:
        await app_.prepare_database()
        return await app_.processor.run(action)

    if cli.flags.dry_run:
        return cli.run_app(whole)
    with one_at_a_time(cli.config.paths.data_dir):
        cli.forget_config()
        return cli.run_app(whole)
