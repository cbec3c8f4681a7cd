"""``bai-manager domain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bai_manager.cli.completion import complete_domain, complete_scaling_group
from bai_manager.cli.limits import (
    ClearHostsOption,
    ClearSlotsOption,
    HostOption,
    NoHostOption,
    NoSlotOption,
    SlotOption,
    hosts_column,
    read_hosts,
    read_slots,
)
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    WatchOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.columns import Column, slots_column, time_column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import (
    FailFastOption,
    IfNotExistsOption,
    IfUnchangedOption,
    IgnoreNotFoundOption,
    confirm,
    counted,
    for_each,
    note_changed,
    note_created,
)
from bai_manager.cli.watch import shown
from bai_manager.services.domain.actions import (
    CreateDomainAction,
    DeleteDomainAction,
    GetDomainAction,
    ListDomainsAction,
    PurgeDomainAction,
    UpdateDomainAction,
)
from bai_manager.services.domain.errors import DomainNotFound
from bai_manager.services.domain.types import (
    DomainChanges,
    DomainContents,
    DomainData,
    DomainDetails,
    DomainSpec,
    changed_spec,
)
from bai_manager.types.patches import NamesPatch
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.domain.actions import PurgeDomainActionResult


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[DomainData]
    show: DomainDetails
    create: DomainData
    update: DomainData
    delete: list[Outcome]
    purge: PurgeDomainActionResult


DomainT = TypeVar("DomainT", bound=DomainData)

app = typer.Typer(
    add_completion=False,
    help="The outermost tenants.\n\nExample: bai-manager domain list",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(help="Its name.", autocompletion=complete_domain)]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="For people.")]
ActiveOption = Annotated[
    bool | None, typer.Option("--active/--inactive", help="Whether anything may begin in it.")
]
RegistryOption = Annotated[
    list[str] | None,
    typer.Option("--docker-registry", metavar="HOST", help="A registry whose images may be used."),
]
IntegrationOption = Annotated[
    str | None, typer.Option("--integration-id", help="What another system calls it.")
]


def _columns(_of: type[DomainT]) -> tuple[Column[DomainT], ...]:
    """What is shown of a domain, in a list and alone."""
    return (
        Column("name", lambda domain: domain.name, keep=True),
        Column("is_active", lambda domain: domain.is_active, title="Active"),
        slots_column(
            "total_resource_slots", lambda domain: domain.total_resource_slots, title="Slots"
        ),
        Column("user_count", lambda domain: domain.user_count, title="Users", justify="right"),
        Column(
            "project_count", lambda domain: domain.project_count, title="Projects", justify="right"
        ),
        Column(
            "session_count", lambda domain: domain.session_count, title="Sessions", justify="right"
        ),
        Column("scaling_groups", lambda domain: domain.scaling_groups, title="Resource groups"),
        Column("description", lambda domain: domain.description),
        hosts_column(
            "allowed_vfolder_hosts",
            lambda domain: domain.allowed_vfolder_hosts,
            title="Storage hosts",
            wide=True,
        ),
        Column(
            "allowed_docker_registries",
            lambda domain: domain.allowed_docker_registries,
            title="Registries",
            wide=True,
        ),
        Column(
            "integration_id", lambda domain: domain.integration_id, title="Elsewhere", wide=True
        ),
        time_column("created_at", lambda domain: domain.created_at, wide=True),
        time_column("modified_at", lambda domain: domain.modified_at, wide=True),
        Column("version", lambda domain: domain.version, wide=True),
    )


LIST_COLUMNS = _columns(DomainData)


def _contents_text(contents: DomainContents | None) -> str | None:
    """What is in a domain, one kind a line."""
    if contents is None:
        return None
    lines = [
        counted(contents.live_sessions, "live session"),
        f"{counted(contents.sessions, 'session')} and {counted(contents.kernels, 'kernel')} in all",
        counted(contents.folders, "folder"),
        f"{counted(contents.services, 'model service')}, {contents.live_services} of them live",
        counted(contents.templates, "template"),
        "an empty model store" if contents.model_store else "no empty model store",
    ]
    return "\n".join(lines)


SHOW_FIELDS: tuple[Column[DomainDetails], ...] = (
    *_columns(DomainDetails),
    Column("contents", lambda domain: domain.contents, human=lambda d: _contents_text(d.contents)),
)
PURGE_FIELDS: tuple[Column[PurgeDomainActionResult], ...] = (
    Column("domain", lambda result: result.domain),
    Column("purged", lambda result: result.purged, human=lambda r: _removed_text(r.purged)),
)


def _removed_text(contents: DomainContents | None) -> str:
    """What goes, or went, with a domain that is purged."""
    if contents is None:
        return "there was none"
    parts = [
        counted(contents.sessions, "ended session"),
        counted(contents.kernels, "kernel"),
        counted(contents.services, "destroyed model service"),
        counted(contents.templates, "template"),
        counted(contents.scaling_groups, "association with resource groups", "associations"),
        counted(contents.roles, "role"),
    ]
    return ", ".join([*parts, *(["its model store"] if contents.model_store else [])])


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """List domains with how many users, projects and live sessions each has.

    Example: bai-manager domain list --filter is_active=true --sort -user_count
    """
    cli = cli_of(ctx)
    action = ListDomainsAction(query=make_query(filters, sort, limit))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.domains, name=lambda d: d.name, noun="domains")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, name: NameArgument, watch: WatchOption = None) -> None:
    """Show one domain and what is in it.

    Example: bai-manager domain show default
    """
    cli = cli_of(ctx)
    action = GetDomainAction(domain=name)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.domain, SHOW_FIELDS, name=lambda d: d.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    description: DescriptionOption = None,
    active: ActiveOption = None,
    slots: SlotOption = None,
    hosts: HostOption = None,
    registries: RegistryOption = None,
    integration_id: IntegrationOption = None,
    scaling_groups: Annotated[
        list[str] | None,
        typer.Option(
            "--scaling-group",
            help="A resource group to open to it.",
            autocompletion=complete_scaling_group,
        ),
    ] = None,
    model_store: Annotated[
        bool, typer.Option("--model-store/--no-model-store", help="With a project for models.")
    ] = True,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a domain; slots that are not named are not limited.

    Example: bai-manager domain create research --slot cpu=64 --scaling-group default
    """
    cli = cli_of(ctx)
    changes = DomainChanges(
        description=UNSET if description is None else description,
        is_active=UNSET if active is None else active,
        total_resource_slots=read_slots(slots),
        allowed_vfolder_hosts=read_hosts(hosts),
        allowed_docker_registries=_registries(registries, None, replace=False),
        integration_id=UNSET if integration_id is None else integration_id,
    )
    result = cli.execute(
        CreateDomainAction(
            spec=changed_spec(DomainSpec(name=name), changes),
            scaling_groups=tuple(scaling_groups or ()),
            model_store=model_store,
            if_not_exists=if_not_exists,
        )
    )
    note_created(cli, f"Domain {name}", created=result.created)
    emit_object(cli.output, result.domain, LIST_COLUMNS, name=lambda d: d.name)


@app.command("update")
def update(
    ctx: typer.Context,
    name: NameArgument,
    new_name: Annotated[
        str | None, typer.Option("--name", help="Another name, while nobody is in it.")
    ] = None,
    description: DescriptionOption = None,
    no_description: Annotated[
        bool, typer.Option("--no-description", help="Without a description.")
    ] = False,
    active: ActiveOption = None,
    slots: SlotOption = None,
    no_slots: NoSlotOption = None,
    clear_slots: ClearSlotsOption = False,
    hosts: HostOption = None,
    no_hosts: NoHostOption = None,
    clear_hosts: ClearHostsOption = False,
    registries: RegistryOption = None,
    no_registries: Annotated[
        list[str] | None,
        typer.Option("--no-docker-registry", metavar="HOST", help="No longer this one."),
    ] = None,
    clear_registries: Annotated[
        bool, typer.Option("--clear-docker-registries", help="Begin without any.")
    ] = False,
    integration_id: IntegrationOption = None,
    no_integration_id: Annotated[
        bool, typer.Option("--no-integration-id", help="It is called nothing elsewhere.")
    ] = False,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a domain; slots, hosts and registries that are not given stay as they are.

    Example: bai-manager domain update research --slot cpu=128 --active
    """
    cli = cli_of(ctx)
    changes = DomainChanges(
        name=UNSET if new_name is None else new_name,
        description=_text(description, cleared=no_description),
        is_active=UNSET if active is None else active,
        total_resource_slots=read_slots(slots, no_slots, replace=clear_slots),
        allowed_vfolder_hosts=read_hosts(hosts, no_hosts, replace=clear_hosts),
        allowed_docker_registries=_registries(registries, no_registries, replace=clear_registries),
        integration_id=_text(integration_id, cleared=no_integration_id),
    )
    result = cli.execute(
        UpdateDomainAction(domain=name, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"Domain {name}", result.changed)
    emit_object(cli.output, result.domain, LIST_COLUMNS, name=lambda d: d.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(help="Names; '-' reads them.", autocompletion=complete_domain)
    ],
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Deactivate domains: nothing can begin in them; what runs goes on. Undo: update --active.

    Example: bai-manager domain delete research --yes
    """
    cli = cli_of(ctx)
    given = targets(names, cli)

    async def affected(processor: ActionProcessor) -> list[str]:
        lines = []
        for name in given:
            try:
                domain = (await processor.run(GetDomainAction(domain=name))).domain
            except DomainNotFound:
                continue
            lines.append(
                f"{name}: {counted(domain.user_count, 'user')},"
                f" {counted(domain.project_count, 'project')},"
                f" {counted(domain.session_count, 'live session')}"
            )
        return lines

    if not (cli.flags.yes or cli.flags.dry_run):
        confirm(cli, "\n".join([*cli.run(affected), "Deactivate these domains?"]))

    async def act(processor: ActionProcessor, name: str) -> str:
        result = await processor.run(
            DeleteDomainAction(domain=name, ignore_not_found=ignore_not_found)
        )
        if result.domain is None:
            return "there was none"
        return "deactivated" if result.changed else "was inactive already"

    for_each(cli, given, act, noun="domains", fail_fast=fail_fast)


@app.command("purge")
def purge(
    ctx: typer.Context,
    name: NameArgument,
    confirmed: Annotated[
        str | None, typer.Option("--confirm", metavar="NAME", help="The name, once more.")
    ] = None,
    ignore_not_found: IgnoreNotFoundOption = False,
) -> None:
    """Remove a domain for good, with the records of what ended in it; nothing may live there.

    Example: bai-manager domain purge research --confirm research
    """
    cli = cli_of(ctx)

    async def purged(processor: ActionProcessor) -> PurgeDomainActionResult:
        if not cli.flags.dry_run:
            await _preview(processor)
        return await processor.run(
            PurgeDomainAction(domain=name, ignore_not_found=ignore_not_found)
        )

    async def _preview(processor: ActionProcessor) -> None:
        try:
            domain = (await processor.run(GetDomainAction(domain=name))).domain
        except DomainNotFound:
            return
        question = (
            f"The domain {name} is lost for good, and with it {_removed_text(domain.contents)}."
        )
        cli.terminal.confirm_name(question, name, given=confirmed)

    emit_object(cli.output, cli.run(purged), PURGE_FIELDS, name=lambda r: r.domain)


def _registries(
    put: list[str] | None, drop: list[str] | None, *, replace: bool
) -> Maybe[NamesPatch]:
    if not (put or drop or replace):
        return UNSET
    return NamesPatch(put=tuple(put or ()), drop=tuple(drop or ()), replace=replace)


def _text(text: str | None, *, cleared: bool) -> Maybe[str | None]:
    if cleared:
        return None
    return UNSET if text is None else text
