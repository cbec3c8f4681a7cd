"""``bai-manager template``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    WatchOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.columns import Column, id_column, time_column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import (
    FailFastOption,
    IfNotExistsOption,
    IfUnchangedOption,
    IgnoreNotFoundOption,
    confirm,
    for_each,
    note_changed,
    note_created,
)
from bai_manager.cli.watch import shown
from bai_manager.services.template.actions import (
    CreateTemplateAction,
    DeleteTemplateAction,
    GetTemplateAction,
    ListTemplatesAction,
    UpdateTemplateAction,
)
from bai_manager.services.template.errors import InvalidTemplate, TaskTemplateNotFound

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.template.types import TemplateData
    from bai_manager.types.json import JsonObject

app = typer.Typer(
    add_completion=False,
    help="Requests for sessions, kept by name.\n\nExample: bai-manager template list",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[TemplateData]
    show: TemplateData
    create: TemplateData
    update: TemplateData
    delete: list[Outcome]


TemplateArgument = Annotated[str, typer.Argument(help="Name, id or unique id prefix.")]
FileArgument = Annotated[typer.FileText, typer.Argument(help="YAML or JSON; '-' reads it.")]

LIST_COLUMNS: tuple[Column[TemplateData], ...] = (
    Column("name", lambda template: template.name, keep=True),
    Column("type", lambda template: template.type),
    Column("user_email", lambda template: template.user_email, title="User"),
    Column("group_name", lambda template: template.group_name, title="Project"),
    id_column("id", lambda template: template.id),
    Column("domain_name", lambda template: template.domain_name, title="Domain", wide=True),
    Column("is_active", lambda template: template.is_active, title="Active", wide=True),
    time_column("created_at", lambda template: template.created_at),
)
SHOW_FIELDS: tuple[Column[TemplateData], ...] = (
    *LIST_COLUMNS,
    Column("template", lambda template: template.template, human=lambda t: _as_yaml(t.template)),
    Column("version", lambda template: template.version, wide=True),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones as well.")] = False,
    watch: WatchOption = None,
) -> None:
    """List templates of yours and of your projects.

    Example: bai-manager template list --filter type=task
    """
    cli = cli_of(ctx)
    action = ListTemplatesAction(query=make_query(filters, sort, limit), include_deleted=deleted)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.templates, name=_name, noun="templates")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, template: TemplateArgument, watch: WatchOption = None) -> None:
    """Show one template with what it says.

    Example: bai-manager template show train
    """
    cli = cli_of(ctx)
    action = GetTemplateAction(template=template)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.template, SHOW_FIELDS, name=_name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    file: FileArgument,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="Default: that of its metadata.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="Its members may use it.")
    ] = None,
    owner: OwnerOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Keep a template of a task, or of a cluster of tasks.

    Example: bai-manager template create - --name train
    """
    cli = cli_of(ctx)
    result = cli.execute(
        CreateTemplateAction(
            body=_read(file), name=name, group=group, owner=owner, if_not_exists=if_not_exists
        )
    )
    note_created(cli, f"Template {result.template.name}", created=result.created)
    _emit(cli, result.template)


@app.command("update")
def update(
    ctx: typer.Context,
    template: TemplateArgument,
    file: Annotated[
        typer.FileText | None, typer.Option("--file", "-f", help="YAML or JSON; '-' reads it.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Another name.")] = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Put another text in a template's place, or give it another name.

    Example: bai-manager template update train --name train-large
    """
    cli = cli_of(ctx)
    result = cli.execute(
        UpdateTemplateAction(
            template=template,
            body=None if file is None else _read(file),
            name=name,
            if_unchanged=if_unchanged,
        )
    )
    note_changed(cli, f"Template {result.template.name}", result.changed)
    _emit(cli, result.template)


@app.command("delete")
def delete(
    ctx: typer.Context,
    templates: Annotated[
        list[str], typer.Argument(help="Names, ids or unique id prefixes; '-' reads them.")
    ],
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Let nothing be created from templates any more; sessions that were go on.

    Example: bai-manager template delete train --yes
    """
    cli = cli_of(ctx)
    names = targets(templates, cli)
    confirm(cli, f"Delete {', '.join(names)}? Sessions that were created from them go on.")

    async def act(processor: ActionProcessor, name: str) -> str:
        try:
            result = await processor.run(DeleteTemplateAction(template=name))
        except TaskTemplateNotFound:
            if ignore_not_found:
                return "there was none"
            raise
        return f"deleted {result.template.id}"

    for_each(cli, names, act, noun="templates", fail_fast=fail_fast)


def _emit(cli: Cli, template: TemplateData) -> None:
    emit_object(cli.output, template, SHOW_FIELDS, name=_name)


def _name(template: TemplateData) -> str:
    return template.name or str(template.id)


def _as_yaml(value: JsonObject) -> str:
    from bai_manager.cli.output.encode import yaml_text  # noqa: PLC0415 - 'show' only

    return yaml_text(value).rstrip("\n")


def _read(file: typer.FileText) -> JsonObject:
    """JSON is YAML; raises ``InvalidTemplate``."""
    import yaml  # noqa: PLC0415 - 'create' and 'update' only

    try:
        found = yaml.safe_load(file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidTemplate("the file", f"is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise InvalidTemplate("the file", "holds no object")
    return found
