"""``bai-manager init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object
from bai_manager.services.system.actions import InitializeAction

if TYPE_CHECKING:
    from bai_manager.app import App
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.system.actions import InitializeActionResult

app = typer.Typer()

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
    emit_object(cli.output, initialize(cli, action), FIELDS, name=lambda r: r.profile)


def initialize(cli: Cli, action: InitializeAction) -> InitializeActionResult:
    """Create the schema where there is none, then run the action."""

    async def whole(app_: App) -> InitializeActionResult:
        await app_.prepare_database()
        return await app_.processor.run(action)

    return cli.run_app(whole)
