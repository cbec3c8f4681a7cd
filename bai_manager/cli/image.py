"""``bai-manager image``."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.watch import shown
from bai_manager.services.image.actions import ListImagesAction

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.session.types import ImageData

app = typer.Typer(
    help="List what sessions can run.\n\nExample: bai-manager image list",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[ImageData]


LIST_COLUMNS: tuple[Column[ImageData], ...] = (
    Column("name", lambda image: image.name),
    Column("aliases", lambda image: image.aliases),
    Column("architecture", lambda image: image.architecture),
    Column("registry", lambda image: image.registry),
    id_column("id", lambda image: image.id, wide=True),
    Column("project", lambda image: image.project, wide=True),
    Column("tag", lambda image: image.tag, wide=True),
    Column("digest", lambda image: image.digest, wide=True),
    Column("is_local", lambda image: image.is_local, title="Local", wide=True),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """List images that sessions can be created from.

    Example: bai-manager image list --filter name~python
    """
    cli = cli_of(ctx)
    action = ListImagesAction(query=make_query(filters, sort, limit))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.images, name=lambda i: i.name, noun="images")

    shown(cli, render, watch)


@app.callback()
def image() -> None:
    """Keep ``list`` a verb: a Typer app with one command would be that command."""
