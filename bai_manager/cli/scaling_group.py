"""``bai-manager scaling-group``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import scaling_group_flags as flags
from bai_manager.cli.completion import complete_scaling_group
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
from bai_manager.cli.scaling_group_columns import ASSOCIATION_COLUMNS, LIST_COLUMNS, SHOW_FIELDS
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
from bai_manager.services.scaling_group.actions import (
    AssociateScalingGroupsAction,
    CreateScalingGroupAction,
    DeleteScalingGroupAction,
    DissociateScalingGroupsAction,
    GetScalingGroupAction,
    ListScalingGroupsAction,
    UpdateScalingGroupAction,
)
from bai_manager.services.scaling_group.types import (
    ScalingGroupChanges,
    ScalingGroupSpec,
    Scopes,
    changed_spec,
)
from bai_manager.types.scaling_group_options import AgentSelectionStrategy, SchedulerName
from bai_manager.types.status import RouteStatus, SessionType

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.scaling_group.types import Association, ScalingGroupData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[ScalingGroupData]
    show: ScalingGroupData
    create: ScalingGroupData
    update: ScalingGroupData
    delete: list[Outcome]
    associate: list[Association]
    dissociate: list[Association]


app = typer.Typer(
    add_completion=False,
    help="Groups of agents, and who may use them.\n\nExample: bai-manager scaling-group list",
    no_args_is_help=True,
)

NameArgument = Annotated[
    str, typer.Argument(help="Its name.", autocompletion=complete_scaling_group)
]
NamesArgument = Annotated[
    list[str], typer.Argument(help="Names; '-' reads them.", autocompletion=complete_scaling_group)
]


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    domains: flags.DomainsOption = None,
    projects: flags.ProjectsOption = None,
    keypairs: flags.KeypairsOption = None,
    watch: WatchOption = None,
) -> None:
    """List resource groups with their agents, what is used and what is free.

    Example: bai-manager scaling-group list --domain default
    """
    cli = cli_of(ctx)
    action = ListScalingGroupsAction(
        query=make_query(filters, sort, limit), open_to=_scopes(domains, projects, keypairs)
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        groups = (await processor.run(action)).scaling_groups
        emit_rows(output, LIST_COLUMNS, groups, name=lambda g: g.name, noun="resource groups")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, name: NameArgument, watch: WatchOption = None) -> None:
    """Show one resource group, its options, and whom it is open to.

    Example: bai-manager scaling-group show default
    """
    cli = cli_of(ctx)
    action = GetScalingGroupAction(scaling_group=name)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.scaling_group, SHOW_FIELDS, name=lambda g: g.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    description: flags.DescriptionOption = None,
    active: flags.ActiveOption = None,
    public: flags.PublicOption = None,
    wsproxy_addr: flags.ProxyOption = None,
    token: flags.TokenOption = None,
    driver: flags.DriverOption = None,
    driver_opts: flags.DriverOptOption = None,
    scheduler: flags.SchedulerOption = None,
    host_network: flags.HostNetworkOption = None,
    session_types: flags.SessionTypesOption = None,
    pending_timeout: flags.PendingTimeoutOption = None,
    strategy: flags.StrategyOption = None,
    config: flags.ConfigOption = None,
    selector: flags.SelectorOption = None,
    spread: flags.SpreadOption = None,
    fraction: flags.FractionOption = None,
    route_cleanup: flags.RouteCleanupOption = None,
    domains: flags.DomainsOption = None,
    projects: flags.ProjectsOption = None,
    keypairs: flags.KeypairsOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a resource group, open to nobody unless you say so.

    Example: bai-manager scaling-group create gpu --domain default --session-types batch
    """
    cli = cli_of(ctx)
    changes = ScalingGroupChanges(
        description=flags.given(description),
        is_active=flags.given(active),
        is_public=flags.given(public),
        wsproxy_addr=flags.given(wsproxy_addr),
        wsproxy_api_token=flags.read_token(token, cleared=False),
        driver=flags.given(driver),
        driver_opts=flags.read_members(driver_opts),
        scheduler=flags.read_choice(scheduler, SchedulerName),
        use_host_network=flags.given(host_network),
        allowed_session_types=flags.read_choices(session_types, SessionType),
        pending_timeout=flags.read_duration(pending_timeout),
        config=flags.read_members(config),
        agent_selection_strategy=flags.read_choice(strategy, AgentSelectionStrategy),
        agent_selector_config=flags.read_members(selector),
        enforce_spreading_endpoint_replica=flags.given(spread),
        allow_fractional_resource_fragmentation=flags.given(fraction),
        route_cleanup_target_statuses=flags.read_choices(route_cleanup, RouteStatus),
    )
    result = cli.execute(
        CreateScalingGroupAction(
            spec=changed_spec(ScalingGroupSpec(name=name), changes),
            scopes=_scopes(domains, projects, keypairs),
            if_not_exists=if_not_exists,
        )
    )
    note_created(cli, f"Resource group {name}", created=result.created)
    emit_object(cli.output, result.scaling_group, SHOW_FIELDS, name=lambda g: g.name)


@app.command("update")
def update(
    ctx: typer.Context,
    name: NameArgument,
    description: flags.DescriptionOption = None,
    no_description: flags.NoDescriptionOption = False,
    active: flags.ActiveOption = None,
    public: flags.PublicOption = None,
    wsproxy_addr: flags.ProxyOption = None,
    no_wsproxy_addr: flags.NoProxyOption = False,
    token: flags.TokenOption = None,
    no_token: flags.NoTokenOption = False,
    driver: flags.DriverOption = None,
    driver_opts: flags.DriverOptOption = None,
    scheduler: flags.SchedulerOption = None,
    host_network: flags.HostNetworkOption = None,
    session_types: flags.SessionTypesOption = None,
    pending_timeout: flags.PendingTimeoutOption = None,
    strategy: flags.StrategyOption = None,
    config: flags.ConfigOption = None,
    no_config: flags.NoConfigOption = None,
    selector: flags.SelectorOption = None,
    no_selector: flags.NoSelectorOption = None,
    spread: flags.SpreadOption = None,
    fraction: flags.FractionOption = None,
    route_cleanup: flags.RouteCleanupOption = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a resource group; what is not given stays as it is.

    Example: bai-manager scaling-group update gpu --pending-timeout 1h --inactive
    """
    cli = cli_of(ctx)
    changes = ScalingGroupChanges(
        description=flags.text_or_none(description, cleared=no_description),
        is_active=flags.given(active),
        is_public=flags.given(public),
        wsproxy_addr=flags.text_or_none(wsproxy_addr, cleared=no_wsproxy_addr),
        wsproxy_api_token=flags.read_token(token, cleared=no_token),
        driver=flags.given(driver),
        driver_opts=flags.read_members(driver_opts),
        scheduler=flags.read_choice(scheduler, SchedulerName),
        use_host_network=flags.given(host_network),
        allowed_session_types=flags.read_choices(session_types, SessionType),
        pending_timeout=flags.read_duration(pending_timeout),
        config=flags.read_members(config, no_config),
        agent_selection_strategy=flags.read_choice(strategy, AgentSelectionStrategy),
        agent_selector_config=flags.read_members(selector, no_selector),
        enforce_spreading_endpoint_replica=flags.given(spread),
        allow_fractional_resource_fragmentation=flags.given(fraction),
        route_cleanup_target_statuses=flags.read_choices(route_cleanup, RouteStatus),
    )
    result = cli.execute(
        UpdateScalingGroupAction(scaling_group=name, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"Resource group {name}", result.changed)
    emit_object(cli.output, result.scaling_group, SHOW_FIELDS, name=lambda g: g.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    names: NamesArgument,
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Delete resource groups that no agent, session or service refers to.

    Example: bai-manager scaling-group delete gpu --yes
    """
    cli = cli_of(ctx)
    given = targets(names, cli)
    confirm(
        cli,
        f"Delete the resource groups {', '.join(given)}, whom they are open to, and the presets"
        " that are for them alone? Only unused ones are.",
    )

    async def act(processor: ActionProcessor, name: str) -> str:
        result = await processor.run(
            DeleteScalingGroupAction(scaling_group=name, ignore_not_found=ignore_not_found)
        )
        if result.scaling_group is None:
            return "there was none"
        presets = ", ".join(result.presets)
        return f"deleted, with the presets {presets}" if presets else "deleted"

    for_each(cli, given, act, noun="resource groups", fail_fast=fail_fast)


@app.command("associate")
def associate(
    ctx: typer.Context,
    names: NamesArgument,
    domains: flags.DomainsOption = None,
    projects: flags.ProjectsOption = None,
    keypairs: flags.KeypairsOption = None,
) -> None:
    """Open resource groups to domains, projects and key pairs: all of it, or nothing.

    Example: bai-manager scaling-group associate gpu --domain default --project research/vision
    """
    cli = cli_of(ctx)
    action = AssociateScalingGroupsAction(
        scaling_groups=tuple(targets(names, cli)), scopes=_scopes(domains, projects, keypairs)
    )
    rows = cli.execute(action).associations
    emit_rows(cli.output, ASSOCIATION_COLUMNS, rows, name=lambda a: a.name, noun="associations")


@app.command("dissociate")
def dissociate(
    ctx: typer.Context,
    names: NamesArgument,
    domains: flags.DomainsOption = None,
    projects: flags.ProjectsOption = None,
    keypairs: flags.KeypairsOption = None,
    everybody: Annotated[
        bool, typer.Option("--all", "-a", help="Close them to everybody they are open to.")
    ] = False,
    ignore_not_found: IgnoreNotFoundOption = False,
) -> None:
    """Close resource groups to domains, projects and key pairs; sessions that run go on.

    Example: bai-manager scaling-group dissociate gpu --keypair AKIAIOSFODNN7EXAMPLE
    """
    cli = cli_of(ctx)
    groups = tuple(targets(names, cli))
    scopes = _scopes(domains, projects, keypairs)
    if everybody:
        confirm(cli, f"Close the resource groups {', '.join(groups)} to everybody?")
    action = DissociateScalingGroupsAction(
        scaling_groups=groups,
        scopes=scopes,
        everybody=everybody,
        ignore_not_found=ignore_not_found,
    )
    rows = cli.execute(action).associations
    emit_rows(cli.output, ASSOCIATION_COLUMNS, rows, name=lambda a: a.name, noun="associations")


def _scopes(
    domains: list[str] | None, projects: list[str] | None, keypairs: list[str] | None
) -> Scopes:
    return Scopes(
        domains=tuple(domains or ()),
        projects=tuple(projects or ()),
        access_keys=tuple(keypairs or ()),
    )
