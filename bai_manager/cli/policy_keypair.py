"""``bai-manager policy keypair``: how much the holder of a key may run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_keypair_policy
from bai_manager.cli.limits import (
    ClearHostsOption,
    ClearSlotsOption,
    HostOption,
    NoHostOption,
    NoSlotOption,
    SlotOption,
    hosts_column,
    number_column,
    read_hosts,
    read_number,
    read_seconds,
    read_slots,
    seconds_column,
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
    for_each,
    note_changed,
    note_created,
)
from bai_manager.cli.watch import shown
from bai_manager.services.keypair_resource_policy.actions import (
    CreateKeypairResourcePolicyAction,
    DeleteKeypairResourcePolicyAction,
    GetKeypairResourcePolicyAction,
    ListKeypairResourcePoliciesAction,
    UpdateKeypairResourcePolicyAction,
)
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicyData,
    KeypairResourcePolicySpec,
    changed_spec,
)
from bai_manager.types.resource_slot import DefaultForUnspecified
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions

app = typer.Typer(
    add_completion=False,
    help="How much the holder of a key may run.\n\nExample: bai-manager policy keypair list",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[KeypairResourcePolicyData]
    show: KeypairResourcePolicyData
    create: KeypairResourcePolicyData
    update: KeypairResourcePolicyData
    delete: list[Outcome]


NEVER = {"unlimited": 0, "never": 0}
IDLE_WORDS = {**NEVER, "default": -1}

NameArgument = Annotated[
    str, typer.Argument(help="Its name.", autocompletion=complete_keypair_policy)
]
DefaultOption = Annotated[
    str | None,
    typer.Option(
        "--default-for-unspecified",
        metavar="limited|unlimited",
        help="What a slot is that is not named: 0, or without limit.",
    ),
]
LifetimeOption = Annotated[
    str | None,
    typer.Option("--max-session-lifetime", metavar="DURATION", help="12h, or unlimited."),
]
SessionsOption = Annotated[
    str | None,
    typer.Option("--max-concurrent-sessions", metavar="N", help="At a time, or unlimited."),
]
SftpOption = Annotated[
    str | None,
    typer.Option("--max-concurrent-sftp-sessions", metavar="N", help="At a time, or unlimited."),
]
ContainersOption = Annotated[
    int | None, typer.Option("--max-containers-per-session", metavar="N", help="At least 1.")
]
PendingOption = Annotated[
    str | None,
    typer.Option("--max-pending-session-count", metavar="N", help="That wait, or unlimited."),
]
PendingSlotOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max-pending-slot", metavar="SLOT=AMOUNT", help="What waiting sessions may ask for."
    ),
]
NoPendingSlotOption = Annotated[
    list[str] | None,
    typer.Option("--no-max-pending-slot", metavar="SLOT", help="Name it no longer."),
]
ClearPendingSlotsOption = Annotated[
    bool,
    typer.Option("--clear-max-pending-slots", help="Begin without limits on what may wait."),
]
IdleOption = Annotated[
    str | None,
    typer.Option(
        "--idle-timeout", metavar="DURATION", help="30m; unlimited; default (the idle checker's)."
    ),
]

FIELDS: tuple[Column[KeypairResourcePolicyData], ...] = (
    Column("name", lambda policy: policy.name, keep=True),
    slots_column("total_resource_slots", lambda policy: policy.total_resource_slots, title="Slots"),
    Column(
        "default_for_unspecified",
        lambda policy: policy.default_for_unspecified,
        title="Others",
        human=lambda policy: policy.default_for_unspecified.lower(),
    ),
    number_column(
        "max_concurrent_sessions",
        lambda policy: policy.max_concurrent_sessions,
        unlimited=lambda number: number <= 0,
        title="Sessions",
    ),
    number_column(
        "max_containers_per_session",
        lambda policy: policy.max_containers_per_session,
        title="Containers",
    ),
    number_column(
        "max_pending_session_count",
        lambda policy: policy.max_pending_session_count,
        title="Pending",
        wide=True,
    ),
    seconds_column(
        "idle_timeout",
        lambda policy: policy.idle_timeout,
        negative="the idle checker's",
        title="Idle timeout",
    ),
    seconds_column(
        "max_session_lifetime", lambda policy: policy.max_session_lifetime, title="Lifetime"
    ),
    Column(
        "keypair_count", lambda policy: policy.keypair_count, title="Key pairs", justify="right"
    ),
    number_column(
        "max_concurrent_sftp_sessions",
        lambda policy: policy.max_concurrent_sftp_sessions,
        unlimited=lambda number: number <= 0,
        title="SFTP sessions",
        wide=True,
    ),
    slots_column(
        "max_pending_session_resource_slots",
        lambda policy: policy.max_pending_session_resource_slots,
        title="Pending slots",
        wide=True,
    ),
    hosts_column(
        "allowed_vfolder_hosts",
        lambda policy: policy.allowed_vfolder_hosts,
        title="Storage hosts",
        wide=True,
    ),
    time_column("created_at", lambda policy: policy.created_at, wide=True),
    Column("version", lambda policy: policy.version, wide=True),
)

_NARROW = {"idle_timeout": "Idle", "keypair_count": "Keys"}
LIST_COLUMNS = tuple(replace(one, title=_NARROW.get(one.name, one.title)) for one in FIELDS)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """List key pair policies and how many key pairs each binds.

    Example: bai-manager policy keypair list --filter 'keypair_count>0' -o wide
    """
    cli = cli_of(ctx)
    action = ListKeypairResourcePoliciesAction(query=make_query(filters, sort, limit))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.policies, name=lambda p: p.name, noun="policies")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, name: NameArgument, watch: WatchOption = None) -> None:
    """Show one key pair policy.

    Example: bai-manager policy keypair show default
    """
    cli = cli_of(ctx)
    action = GetKeypairResourcePolicyAction(policy=name)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.policy, FIELDS, name=lambda p: p.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    default: DefaultOption = None,
    slots: SlotOption = None,
    lifetime: LifetimeOption = None,
    sessions: SessionsOption = None,
    sftp: SftpOption = None,
    containers: ContainersOption = None,
    pending: PendingOption = None,
    pending_slots: PendingSlotOption = None,
    idle: IdleOption = None,
    hosts: HostOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a key pair policy; what is not given limits little: 30 sessions, 30 minutes idle.

    Example: bai-manager policy keypair create students --slot cpu=8 --slot mem=64g
    """
    cli = cli_of(ctx)
    changes = KeypairResourcePolicyChanges(
        default_for_unspecified=DefaultForUnspecified.parse(default) if default else UNSET,
        total_resource_slots=read_slots(slots),
        max_session_lifetime=read_seconds(lifetime, NEVER),
        max_concurrent_sessions=read_number(sessions, unlimited=0),
        max_concurrent_sftp_sessions=read_number(sftp, unlimited=0),
        max_containers_per_session=UNSET if containers is None else containers,
        max_pending_session_count=read_number(pending, unlimited=None),
        max_pending_session_resource_slots=read_slots(pending_slots),
        idle_timeout=read_seconds(idle, IDLE_WORDS),
        allowed_vfolder_hosts=read_hosts(hosts),
    )
    spec = changed_spec(KeypairResourcePolicySpec(name=name), changes)
    result = cli.execute(CreateKeypairResourcePolicyAction(spec=spec, if_not_exists=if_not_exists))
    note_created(cli, f"Key pair policy {name}", created=result.created)
    emit_object(cli.output, result.policy, FIELDS, name=lambda p: p.name)


@app.command("update")
def update(
    ctx: typer.Context,
    name: NameArgument,
    default: DefaultOption = None,
    slots: SlotOption = None,
    no_slots: NoSlotOption = None,
    clear_slots: ClearSlotsOption = False,
    lifetime: LifetimeOption = None,
    sessions: SessionsOption = None,
    sftp: SftpOption = None,
    containers: ContainersOption = None,
    pending: PendingOption = None,
    pending_slots: PendingSlotOption = None,
    no_pending_slots: NoPendingSlotOption = None,
    clear_pending_slots: ClearPendingSlotsOption = False,
    idle: IdleOption = None,
    hosts: HostOption = None,
    no_hosts: NoHostOption = None,
    clear_hosts: ClearHostsOption = False,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a key pair policy; slots and hosts that are not given stay as they are.

    Example: bai-manager policy keypair update students --slot cpu=16 --idle-timeout 2h
    """
    cli = cli_of(ctx)
    waiting = read_slots(pending_slots, no_pending_slots, replace=clear_pending_slots)
    changes = KeypairResourcePolicyChanges(
        default_for_unspecified=DefaultForUnspecified.parse(default) if default else UNSET,
        total_resource_slots=read_slots(slots, no_slots, replace=clear_slots),
        max_session_lifetime=read_seconds(lifetime, NEVER),
        max_concurrent_sessions=read_number(sessions, unlimited=0),
        max_concurrent_sftp_sessions=read_number(sftp, unlimited=0),
        max_containers_per_session=UNSET if containers is None else containers,
        max_pending_session_count=read_number(pending, unlimited=None),
        max_pending_session_resource_slots=(
            None if clear_pending_slots and not pending_slots else waiting
        ),
        idle_timeout=read_seconds(idle, IDLE_WORDS),
        allowed_vfolder_hosts=read_hosts(hosts, no_hosts, replace=clear_hosts),
    )
    result = cli.execute(
        UpdateKeypairResourcePolicyAction(policy=name, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"Key pair policy {name}", result.changed)
    emit_object(cli.output, result.policy, FIELDS, name=lambda p: p.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(help="Names; '-' reads them.", autocompletion=complete_keypair_policy),
    ],
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Delete key pair policies that bind no key pair.

    Example: bai-manager policy keypair delete students --yes
    """
    cli = cli_of(ctx)
    given = targets(names, cli)
    confirm(cli, f"Delete the key pair policies {', '.join(given)}? Only unused ones are.")

    async def act(processor: ActionProcessor, name: str) -> str:
        result = await processor.run(
            DeleteKeypairResourcePolicyAction(policy=name, ignore_not_found=ignore_not_found)
        )
        return "deleted" if result.policy else "there was none"

    for_each(cli, given, act, noun="policies", fail_fast=fail_fast)
