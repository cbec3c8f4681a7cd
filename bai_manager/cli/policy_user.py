"""``bai-manager policy user``: what a user may keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_user_policy
from bai_manager.cli.limits import number_column, quota_column, read_number, read_size
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    WatchOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.columns import Column, time_column
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
from bai_manager.services.user_resource_policy.actions import (
    CreateUserResourcePolicyAction,
    DeleteUserResourcePolicyAction,
    GetUserResourcePolicyAction,
    ListUserResourcePoliciesAction,
    UpdateUserResourcePolicyAction,
)
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicyData,
    UserResourcePolicySpec,
    changed_spec,
)
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions

app = typer.Typer(
    add_completion=False,
    help="What a user may keep.\n\nExample: bai-manager policy user list",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[UserResourcePolicyData]
    show: UserResourcePolicyData
    create: UserResourcePolicyData
    update: UserResourcePolicyData
    delete: list[Outcome]


NameArgument = Annotated[str, typer.Argument(help="Its name.", autocompletion=complete_user_policy)]
VFoldersOption = Annotated[
    str | None, typer.Option("--max-vfolder-count", metavar="N", help="Folders, or unlimited.")
]
QuotaOption = Annotated[
    str | None,
    typer.Option("--max-quota-scope-size", metavar="SIZE", help="10GiB, or unlimited."),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option("--max-session-count-per-model-session", metavar="N", help="Of a model service."),
]
ImagesOption = Annotated[
    int | None, typer.Option("--max-customized-image-count", metavar="N", help="Images made.")
]

FIELDS: tuple[Column[UserResourcePolicyData], ...] = (
    Column("name", lambda policy: policy.name, keep=True),
    number_column(
        "max_vfolder_count",
        lambda policy: policy.max_vfolder_count,
        unlimited=lambda number: number <= 0,
        title="Folders",
    ),
    quota_column("max_quota_scope_size", lambda policy: policy.max_quota_scope_size, title="Quota"),
    number_column(
        "max_session_count_per_model_session",
        lambda policy: policy.max_session_count_per_model_session,
        title="Per service",
    ),
    number_column(
        "max_customized_image_count",
        lambda policy: policy.max_customized_image_count,
        title="Images",
    ),
    Column("user_count", lambda policy: policy.user_count, title="Users", justify="right"),
    time_column("created_at", lambda policy: policy.created_at, wide=True),
    Column("version", lambda policy: policy.version, wide=True),
)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """List user policies and how many users each binds.

    Example: bai-manager policy user list --sort -max_quota_scope_size
    """
    cli = cli_of(ctx)
    action = ListUserResourcePoliciesAction(query=make_query(filters, sort, limit))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, FIELDS, result.policies, name=lambda p: p.name, noun="policies")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, name: NameArgument, watch: WatchOption = None) -> None:
    """Show one user policy.

    Example: bai-manager policy user show default
    """
    cli = cli_of(ctx)
    action = GetUserResourcePolicyAction(policy=name)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.policy, FIELDS, name=lambda p: p.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    vfolders: VFoldersOption = None,
    quota: QuotaOption = None,
    replicas: ReplicasOption = None,
    images: ImagesOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a user policy; folders and quota that are not given are unlimited.

    Example: bai-manager policy user create students --max-quota-scope-size 10GiB
    """
    cli = cli_of(ctx)
    changes = _changes(vfolders, quota, replicas, images)
    spec = changed_spec(UserResourcePolicySpec(name=name), changes)
    result = cli.execute(CreateUserResourcePolicyAction(spec=spec, if_not_exists=if_not_exists))
    note_created(cli, f"User policy {name}", created=result.created)
    emit_object(cli.output, result.policy, FIELDS, name=lambda p: p.name)


@app.command("update")
def update(
    ctx: typer.Context,
    name: NameArgument,
    vfolders: VFoldersOption = None,
    quota: QuotaOption = None,
    replicas: ReplicasOption = None,
    images: ImagesOption = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a user policy.

    Example: bai-manager policy user update students --max-vfolder-count 20
    """
    cli = cli_of(ctx)
    changes = _changes(vfolders, quota, replicas, images)
    result = cli.execute(
        UpdateUserResourcePolicyAction(policy=name, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"User policy {name}", result.changed)
    emit_object(cli.output, result.policy, FIELDS, name=lambda p: p.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(help="Names; '-' reads them.", autocompletion=complete_user_policy),
    ],
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Delete user policies that bind no user.

    Example: bai-manager policy user delete students --yes
    """
    cli = cli_of(ctx)
    given = targets(names, cli)
    confirm(cli, f"Delete the user policies {', '.join(given)}? Only unused ones are.")

    async def act(processor: ActionProcessor, name: str) -> str:
        result = await processor.run(
            DeleteUserResourcePolicyAction(policy=name, ignore_not_found=ignore_not_found)
        )
        return "deleted" if result.policy else "there was none"

    for_each(cli, given, act, noun="policies", fail_fast=fail_fast)


def _changes(
    vfolders: str | None, quota: str | None, replicas: int | None, images: int | None
) -> UserResourcePolicyChanges:
    return UserResourcePolicyChanges(
        max_vfolder_count=read_number(vfolders, unlimited=0),
        max_quota_scope_size=read_size(quota, unlimited=-1),
        max_session_count_per_model_session=UNSET if replicas is None else replicas,
        max_customized_image_count=UNSET if images is None else images,
    )
