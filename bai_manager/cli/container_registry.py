"""``bai-manager container-registry``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    WatchOption,
    cli_of,
    make_query,
)
from bai_manager.cli.output.columns import Column, id_column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.watch import shown
from bai_manager.services.container_registry.actions import (
    GetContainerRegistryAction,
    ListContainerRegistriesAction,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.container_registry.types import ContainerRegistryData

app = typer.Typer(
    add_completion=False,
    help="Where images come from.\n\nExample: bai-manager container-registry list",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[ContainerRegistryData]
    show: ContainerRegistryData


def _allowed(registry: ContainerRegistryData) -> str:
    return "everybody" if registry.is_global else ", ".join(registry.allowed_groups) or "nobody"


LIST_COLUMNS: tuple[Column[ContainerRegistryData], ...] = (
    Column("registry_name", lambda registry: registry.registry_name, title="Registry", keep=True),
    Column("project", lambda registry: registry.project),
    Column("type", lambda registry: registry.type),
    Column("url", lambda registry: registry.url, title="URL"),
    Column("image_count", lambda registry: registry.image_count, title="Images", justify="right"),
    id_column("id", lambda registry: registry.id, wide=True),
    Column("username", lambda registry: registry.username, wide=True),
    Column("has_password", lambda registry: registry.has_password, title="Password", wide=True),
    Column("ssl_verify", lambda registry: registry.ssl_verify, title="Verified TLS", wide=True),
    Column("is_global", lambda registry: registry.is_global, title="Global", wide=True),
    Column(
        "allowed_groups",
        lambda registry: registry.allowed_groups,
        title="For",
        human=_allowed,
        wide=True,
    ),
)
SHOW_FIELDS: tuple[Column[ContainerRegistryData], ...] = (
    id_column("id", lambda registry: registry.id),
    *(column for column in LIST_COLUMNS if column.name != "id"),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """List container registries, one line for each of their projects.

    Example: bai-manager container-registry list --filter type=harbor2
    """
    cli = cli_of(ctx)
    action = ListContainerRegistriesAction(query=make_query(filters, sort, limit))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.registries, name=_name, noun="container registries")

    shown(cli, render, watch)


@app.command("show")
def show(
    ctx: typer.Context,
    registry: Annotated[str, typer.Argument(help="REGISTRY/PROJECT, name or id.")],
    watch: WatchOption = None,
) -> None:
    """Show one container registry; its password is never shown.

    Example: bai-manager container-registry show local/stable
    """
    cli = cli_of(ctx)
    action = GetContainerRegistryAction(registry=registry)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.registry, SHOW_FIELDS, name=_name)

    shown(cli, render, watch)


def _name(registry: ContainerRegistryData) -> str:
    return "/".join(part for part in (registry.registry_name, registry.project) if part)
