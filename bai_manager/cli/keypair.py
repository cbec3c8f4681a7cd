"""``bai-manager user keypair``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import keypair_bootstrap, keypair_dotfile, keypair_ssh
from bai_manager.cli.completion import complete_keypair, complete_keypair_policy, complete_user
from bai_manager.cli.keypair_columns import (
    KEYPAIR_FIELDS,
    LIST_COLUMNS,
    SECRET_FIELDS,
    SHOW_FIELDS,
    details_of,
    with_secret,
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
from bai_manager.cli.secret_io import (
    SecretFileOption,
    ShowOption,
    environment,
    require_outlet,
    secret_file,
)
from bai_manager.cli.secret_io import shown as shown_secret
from bai_manager.cli.user_flags import given
from bai_manager.cli.verbs import (
    FailFastOption,
    IfUnchangedOption,
    IgnoreNotFoundOption,
    confirm,
    counted,
    for_each,
    note_changed,
)
from bai_manager.cli.watch import shown
from bai_manager.services.keypair.actions import (
    CreateKeypairAction,
    DeleteKeypairAction,
    GetKeypairAction,
    ListKeypairsAction,
    RotateKeypairAction,
    UpdateKeypairAction,
)
from bai_manager.services.keypair.types import (
    DEFAULT_POLICY,
    DEFAULT_RATE_LIMIT,
    KeypairChanges,
    KeypairSpec,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.keypair_columns import KeypairDetails, KeypairWithSecret
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.keypair.types import KeypairData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[KeypairData]
    show: KeypairDetails
    create: KeypairWithSecret
    update: KeypairData
    activate: list[Outcome]
    deactivate: list[Outcome]
    rotate: KeypairWithSecret
    delete: list[Outcome]


app = typer.Typer(
    add_completion=False,
    help="What users sign requests with.\n\nExample: bai-manager user keypair list",
    no_args_is_help=True,
)
app.add_typer(keypair_ssh.app, name="ssh")
app.add_typer(keypair_dotfile.app, name="dotfile")
app.add_typer(keypair_bootstrap.app, name="bootstrap")

KeyArgument = Annotated[
    str, typer.Argument(help="The access key.", autocompletion=complete_keypair)
]
KeysArgument = Annotated[
    list[str], typer.Argument(help="Access keys; '-' reads them.", autocompletion=complete_keypair)
]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", help="Key pair policy.", autocompletion=complete_keypair_policy),
]
RateLimitOption = Annotated[
    int | None, typer.Option("--rate-limit", help="API calls in 15 minutes.")
]
AdminOption = Annotated[
    bool | None,
    typer.Option("--admin/--no-admin", help="Whether requests may be an administrator's."),
]
ActiveOption = Annotated[
    bool | None, typer.Option("--active/--inactive", help="Whether it may be used.")
]


@app.command("list")
def list_(
    ctx: typer.Context,
    user: Annotated[
        str | None,
        typer.Argument(help="Of one user; default: all.", autocompletion=complete_user),
    ] = None,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """List the key pairs you may see, never their secrets.

    Example: bai-manager user keypair list alice@example.com --filter is_active=true
    """
    cli = cli_of(ctx)
    action = ListKeypairsAction(user=user, query=make_query(filters, sort, limit))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        keypairs = (await processor.run(action)).keypairs
        emit_rows(output, LIST_COLUMNS, keypairs, name=lambda k: k.access_key, noun="key pairs")

    shown(cli, render, watch)


@app.command("show")
def show(
    ctx: typer.Context,
    access_key: Annotated[
        str | None,
        typer.Argument(help="Default: your own.", autocompletion=complete_keypair),
    ] = None,
    watch: WatchOption = None,
) -> None:
    """Show one key pair, never its secrets.

    Example: bai-manager user keypair show AKIAIOSFODNN7EXAMPLE
    """
    cli = cli_of(ctx)
    action = GetKeypairAction(owner=access_key)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        details = details_of(await processor.run(action))
        emit_object(output, details, SHOW_FIELDS, name=lambda k: k.access_key)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(help="Whose.", autocompletion=complete_user)],
    policy: PolicyOption = None,
    rate_limit: RateLimitOption = None,
    admin: AdminOption = None,
    active: ActiveOption = None,
    show_secret: ShowOption = False,
    path: SecretFileOption = None,
) -> None:
    """Create another key pair of a user, and tell its secret key where you say.

    Example: bai-manager user keypair create alice@example.com --secret-file alice.env
    """
    cli = cli_of(ctx)
    require_outlet(show=show_secret, file=path)
    spec = KeypairSpec(
        resource_policy=policy or DEFAULT_POLICY,
        rate_limit=DEFAULT_RATE_LIMIT if rate_limit is None else rate_limit,
        is_admin=bool(admin),
        is_active=active is not False,
    )
    with secret_file(cli, path) as write:
        result = cli.execute(CreateKeypairAction(user=user, spec=spec))
        write(environment(result.keypair.access_key, result.secret_key))
    _emit(cli, result.keypair, shown_secret(result.secret_key, show=show_secret))


@app.command("update")
def update(
    ctx: typer.Context,
    access_key: KeyArgument,
    policy: PolicyOption = None,
    rate_limit: RateLimitOption = None,
    admin: AdminOption = None,
    active: ActiveOption = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a key pair; what is not given stays as it is.

    Example: bai-manager user keypair update AKIAIOSFODNN7EXAMPLE --policy large
    """
    cli = cli_of(ctx)
    changes = KeypairChanges(
        resource_policy=given(policy),
        rate_limit=given(rate_limit),
        is_admin=given(admin),
        is_active=given(active),
    )
    result = cli.execute(
        UpdateKeypairAction(access_key=access_key, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"Key pair {access_key}", result.changed)
    emit_object(cli.output, result.keypair, KEYPAIR_FIELDS, name=lambda k: k.access_key)


@app.command("activate")
def activate(
    ctx: typer.Context, access_keys: KeysArgument, fail_fast: FailFastOption = False
) -> None:
    """Let key pairs be used again.

    Example: bai-manager user keypair activate AKIAIOSFODNN7EXAMPLE
    """
    _switch(cli_of(ctx), access_keys, active=True, fail_fast=fail_fast)


@app.command("deactivate")
def deactivate(
    ctx: typer.Context, access_keys: KeysArgument, fail_fast: FailFastOption = False
) -> None:
    """Let key pairs not be used any more; sessions created with them go on.

    Example: bai-manager user keypair deactivate AKIAIOSFODNN7EXAMPLE --yes
    """
    cli = cli_of(ctx)
    confirm(cli, f"Deactivate {counted(len(access_keys), 'key pair')}?")
    _switch(cli, access_keys, active=False, fail_fast=fail_fast)


@app.command("rotate")
def rotate(
    ctx: typer.Context,
    access_key: KeyArgument,
    show_secret: ShowOption = False,
    path: SecretFileOption = None,
) -> None:
    """Give a key pair another secret key, told once; the old one is worth nothing from then on.

    Example: bai-manager user keypair rotate AKIAIOSFODNN7EXAMPLE --secret-file new.env --yes
    """
    cli = cli_of(ctx)
    require_outlet(show=show_secret, file=path)
    confirm(cli, f"Make the present secret key of {access_key} worthless?")
    with secret_file(cli, path) as write:
        result = cli.execute(RotateKeypairAction(access_key=access_key))
        write(environment(result.keypair.access_key, result.secret_key))
    _emit(cli, result.keypair, shown_secret(result.secret_key, show=show_secret))


@app.command("delete")
def delete(
    ctx: typer.Context,
    access_keys: KeysArgument,
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Delete key pairs for good, but for a user's main one.

    Example: bai-manager user keypair delete AKIAIOSFODNN7EXAMPLE --yes
    """
    cli = cli_of(ctx)
    given_keys = targets(access_keys, cli)
    confirm(cli, f"Delete {_use(cli, given_keys, ignore=ignore_not_found)} for good?")

    async def act(processor: ActionProcessor, access_key: str) -> str:
        action = DeleteKeypairAction(access_key=access_key, ignore_not_found=ignore_not_found)
        found = (await processor.run(action)).keypair
        return "there was none" if found is None else f"deleted, of {found.user_email}"

    for_each(cli, given_keys, act, noun="key pairs", fail_fast=fail_fast)


def _switch(cli: Cli, access_keys: list[str], *, active: bool, fail_fast: bool) -> None:
    async def act(processor: ActionProcessor, access_key: str) -> str:
        action = UpdateKeypairAction(
            access_key=access_key, changes=KeypairChanges(is_active=active)
        )
        word = "active" if active else "inactive"
        changed = (await processor.run(action)).changed
        return f"{word} now" if changed else f"{word} already"

    for_each(cli, targets(access_keys, cli), act, noun="key pairs", fail_fast=fail_fast)


def _use(cli: Cli, access_keys: list[str], *, ignore: bool) -> str:
    """What deleting would touch, as far as can be told before asking."""
    if len(access_keys) > 1 or ignore or cli.flags.yes or cli.flags.dry_run:
        return counted(len(access_keys), "key pair")
    result = cli.execute(GetKeypairAction(owner=access_keys[0]))
    return (
        f"{result.keypair.access_key} of {result.keypair.user_email}"
        f" ({counted(result.live_sessions, 'session goes', 'sessions go')} on)"
    )


def _emit(cli: Cli, keypair: KeypairData, secret: str | None) -> None:
    emit_object(
        cli.output, with_secret(keypair, secret), SECRET_FIELDS, name=lambda k: k.access_key
    )
