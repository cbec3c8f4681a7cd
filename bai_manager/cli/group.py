"""``bai-manager group``: projects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import group_dotfile, group_members, group_usage
from bai_manager.cli.completion import complete_domain, complete_group, complete_project_policy
from bai_manager.cli.group_columns import (
    GROUP_FIELDS,
    LIST_COLUMNS,
    PLAN_FIELDS,
    SHOW_FIELDS,
    details_of,
)
from bai_manager.cli.limits import (
    ClearHostsOption,
    ClearSlotsOption,
    HostOption,
    NoHostOption,
    NoSlotOption,
    SlotOption,
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
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.purging import (
    ConfirmOption,
    DestroySessionsOption,
    PreviewOption,
    confirm_purge,
)
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
from bai_manager.services.group.actions import (
    CreateGroupAction,
    DeleteGroupAction,
    GetGroupAction,
    ListGroupsAction,
    PreviewGroupPurgeAction,
    PurgeGroupAction,
    UpdateGroupAction,
)
from bai_manager.services.group.errors import GroupNotFound
from bai_manager.services.group.types import (
    DEFAULT_POLICY,
    GroupChanges,
    GroupSpec,
    ProjectRegistry,
    changed_spec,
)
from bai_manager.types.errors import InvalidValue
from bai_manager.types.query import Filter, Op
from bai_manager.types.status import ProjectType
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.group_columns import GroupDetails
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.group.types import GroupData, GroupPurgePlan


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[GroupData]
    show: GroupDetails
    create: GroupData
    update: GroupData
    delete: list[Outcome]
    purge: GroupPurgePlan


class InvalidRegistry(InvalidValue):
    noun = "project registry"


app = typer.Typer(
    add_completion=False,
    help="Projects, their members and what they used.\n\nExample: bai-manager group list",
    no_args_is_help=True,
)
app.add_typer(group_members.app, name="members")
app.add_typer(group_usage.app, name="usage")
app.add_typer(group_dotfile.app, name="dotfile")

GroupArgument = Annotated[
    str,
    typer.Argument(help="Name, DOMAIN/NAME, id or id prefix.", autocompletion=complete_group),
]
GroupsArgument = Annotated[
    list[str], typer.Argument(help="Names or ids; '-' reads them.", autocompletion=complete_group)
]
DomainOption = Annotated[
    str | None, typer.Option("--domain", help="Domain.", autocompletion=complete_domain)
]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="For people.")]
ActiveOption = Annotated[
    bool | None, typer.Option("--active/--inactive", help="Whether sessions may be created in it.")
]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", help="Project policy.", autocompletion=complete_project_policy),
]
IntegrationOption = Annotated[
    str | None, typer.Option("--integration-id", help="Its id in another system.")
]
RegistryOption = Annotated[
    str | None,
    typer.Option(
        "--container-registry", metavar="REGISTRY/PROJECT", help="Where its own images are kept."
    ),
]


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    domain: DomainOption = None,
    watch: WatchOption = None,
) -> None:
    """List the projects you may see: your own, your domain's, or all.

    Example: bai-manager group list --filter is_active=true --sort -created_at
    """
    cli = cli_of(ctx)
    query = make_query(filters, sort, limit)
    if domain is not None:
        wanted = Filter("domain_name", Op.EQ, tuple(domain.split(",")))
        query = replace(query, filters=(*query.filters, wanted))
    action = ListGroupsAction(query=query)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        groups = (await processor.run(action)).groups
        emit_rows(output, LIST_COLUMNS, groups, name=lambda g: g.name, noun="projects")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, group: GroupArgument, watch: WatchOption = None) -> None:
    """Show one project and what it has.

    Example: bai-manager group show default/research
    """
    cli = cli_of(ctx)
    action = GetGroupAction(group=group)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        details = details_of(await processor.run(action))
        emit_object(output, details, SHOW_FIELDS, name=lambda g: g.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it, unique in the domain.")],
    domain: DomainOption = None,
    kind: Annotated[str, typer.Option("--type", help="general or model-store.")] = "general",
    description: DescriptionOption = None,
    active: ActiveOption = None,
    policy: PolicyOption = None,
    slots: SlotOption = None,
    hosts: HostOption = None,
    integration_id: IntegrationOption = None,
    registry: RegistryOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a project without members.

    Example: bai-manager group create research --slot cpu=64 --vfolder-host local:volume1=all
    """
    cli = cli_of(ctx)
    changes = GroupChanges(
        total_resource_slots=read_slots(slots), allowed_vfolder_hosts=read_hosts(hosts)
    )
    spec = GroupSpec(
        name=name,
        domain_name=domain or cli.config.settings.defaults.domain or "default",
        type=ProjectType.parse(kind),
        description=description,
        is_active=active is not False,
        integration_id=integration_id,
        resource_policy=policy or DEFAULT_POLICY,
        container_registry=None if registry is None else _registry(registry),
    )
    result = cli.execute(
        CreateGroupAction(spec=changed_spec(spec, changes), if_not_exists=if_not_exists)
    )
    note_created(cli, f"Project {name}", created=result.created)
    emit_object(cli.output, result.group, GROUP_FIELDS, name=lambda g: g.name)


@app.command("update")
def update(
    ctx: typer.Context,
    group: GroupArgument,
    name: Annotated[str | None, typer.Option("--name", help="Call it otherwise.")] = None,
    domain: Annotated[
        str | None,
        typer.Option("--domain", help="Move it, without members.", autocompletion=complete_domain),
    ] = None,
    description: DescriptionOption = None,
    no_description: Annotated[
        bool, typer.Option("--no-description", help="Without a description.")
    ] = False,
    active: ActiveOption = None,
    policy: PolicyOption = None,
    slots: SlotOption = None,
    no_slots: NoSlotOption = None,
    clear_slots: ClearSlotsOption = False,
    hosts: HostOption = None,
    no_hosts: NoHostOption = None,
    clear_hosts: ClearHostsOption = False,
    integration_id: IntegrationOption = None,
    no_integration_id: Annotated[
        bool, typer.Option("--no-integration-id", help="In no other system any more.")
    ] = False,
    registry: RegistryOption = None,
    no_registry: Annotated[
        bool, typer.Option("--no-container-registry", help="Without images of its own.")
    ] = False,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a project; what is not given stays as it is.

    Example: bai-manager group update research --slot cpu=128 --no-description
    """
    cli = cli_of(ctx)
    changes = GroupChanges(
        name=UNSET if name is None else name,
        domain_name=UNSET if domain is None else domain,
        description=_text(description, cleared=no_description),
        is_active=UNSET if active is None else active,
        resource_policy=UNSET if policy is None else policy,
        total_resource_slots=read_slots(slots, no_slots, replace=clear_slots),
        allowed_vfolder_hosts=read_hosts(hosts, no_hosts, replace=clear_hosts),
        integration_id=_text(integration_id, cleared=no_integration_id),
        container_registry=_registry(registry) if registry else None if no_registry else UNSET,
    )
    result = cli.execute(UpdateGroupAction(group=group, changes=changes, if_unchanged=if_unchanged))
    note_changed(cli, f"Project {result.group.name}", result.changed)
    emit_object(cli.output, result.group, GROUP_FIELDS, name=lambda g: g.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    groups: GroupsArgument,
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Deactivate projects; members and folders stay, and sessions go on.

    Example: bai-manager group delete research --yes
    """
    cli = cli_of(ctx)
    given = targets(groups, cli)
    look = len(given) == 1 and not ignore_not_found
    confirm(cli, f"Deactivate {_holdings(cli, given, look=look)}?")

    async def act(processor: ActionProcessor, group: str) -> str:
        try:
            await processor.run(DeleteGroupAction(group=group))
        except GroupNotFound:
            if not ignore_not_found:
                raise
            return "there was none"
        return "deactivated"

    for_each(cli, given, act, noun="projects", fail_fast=fail_fast)


@app.command("purge")
def purge(
    ctx: typer.Context,
    group: GroupArgument,
    preview: PreviewOption = False,
    destroy_sessions: DestroySessionsOption = False,
    confirm_name: ConfirmOption = None,
) -> None:
    """Remove a project for good, with the history of its sessions; refuses while something lives.

    Example: bai-manager group purge research --preview
    """
    cli = cli_of(ctx)

    async def body(processor: ActionProcessor) -> GroupPurgePlan:
        look = PreviewGroupPurgeAction(group=group, destroy_sessions=destroy_sessions)
        plan = (await processor.run(look)).plan
        if preview:
            return plan
        expected = None
        if not plan.blockers:
            expected = confirm_purge(cli, plan, plan.name, given=confirm_name)
        action = PurgeGroupAction(
            group=str(plan.group_id), destroy_sessions=destroy_sessions, expected=expected
        )
        return (await processor.run(action)).plan

    emit_object(cli.output, cli.run(body), PLAN_FIELDS, name=lambda plan: plan.name)


def _text(text: str | None, *, cleared: bool) -> Maybe[str | None]:
    if text is not None:
        return text
    return None if cleared else UNSET


def _registry(text: str) -> ProjectRegistry:
    registry, slash, project = text.rpartition("/")
    if not (registry and slash and project):
        raise InvalidRegistry(text, "it is not REGISTRY/PROJECT", example="cr.example.com/research")
    return ProjectRegistry(registry=registry, project=project)


def _holdings(cli: Cli, groups: list[str], *, look: bool) -> str:
    """What deactivating would touch, as far as can be told before asking."""
    if not look or cli.flags.yes or cli.flags.dry_run:
        return counted(len(groups), "project")
    result = cli.execute(GetGroupAction(group=groups[0]))
    members = counted(result.group.member_count, "member")
    sessions = counted(result.holdings.live_sessions, "session goes", "sessions go")
    return f"{result.group.name} with {members} ({sessions} on)"
