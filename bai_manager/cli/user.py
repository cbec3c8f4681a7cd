"""``bai-manager user``."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import keypair, user_import, user_password
from bai_manager.cli import user_flags as flags
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    StatusOption,
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
from bai_manager.cli.secret_io import (
    NeedChangeOption,
    PasswordFileOption,
    PasswordStdinOption,
    SecretFileOption,
    ShowOption,
    environment,
    read_password,
    secret_file,
)
from bai_manager.cli.secret_io import shown as shown_secret
from bai_manager.cli.user_columns import (
    CREATE_FIELDS,
    LIST_COLUMNS,
    PLAN_FIELDS,
    SHOW_FIELDS,
    STATS_COLUMNS,
    USER_FIELDS,
    created_of,
    details_of,
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
from bai_manager.services.user.actions import (
    CreateUserAction,
    DeleteUserAction,
    GetUserAction,
    GetUserStatsAction,
    ListUsersAction,
    PreviewUserPurgeAction,
    PurgeUserAction,
    UpdateUserAction,
)
from bai_manager.services.user.types import (
    Endpoints,
    SharedFolders,
    UserChanges,
    UserPurgeChoices,
    UserSpec,
)
from bai_manager.types.query import Filter, Op
from bai_manager.types.status import UserRole, UserStatus
from bai_manager.types.tristate import UNSET, given

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.cli.user_columns import CreatedUser, UserDetails
    from bai_manager.services.user.actions import CreateUserActionResult, UpdateUserActionResult
    from bai_manager.services.user.types import UsageBin, UserData, UserPurgePlan
    from bai_manager.types.query import Query


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[UserData]
    show: UserDetails
    create: CreatedUser
    update: UserData
    delete: list[Outcome]
    purge: UserPurgePlan
    stats: list[UsageBin]


app = typer.Typer(
    add_completion=False,
    help="Users, their passwords and key pairs.\n\nExample: bai-manager user list",
    no_args_is_help=True,
)
app.add_typer(user_password.app, name="password")
app.add_typer(keypair.app, name="keypair")
app.command("import")(user_import.import_)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    role: Annotated[str | None, typer.Option("--role", help="One role, or several.")] = None,
    domain: flags.DomainOption = None,
    watch: WatchOption = None,
) -> None:
    """List the users you may see.

    Example: bai-manager user list --status active --role admin -o wide
    """
    cli = cli_of(ctx)
    query = _narrowed(
        make_query(filters, sort, limit, status=status), role=role, domain_name=domain
    )
    action = ListUsersAction(query=query)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.users, name=lambda u: u.email, noun="users")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, user: flags.UserArgument, watch: WatchOption = None) -> None:
    """Show one user and what the user has.

    Example: bai-manager user show alice@example.com
    """
    cli = cli_of(ctx)
    action = GetUserAction(user=user)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        details = details_of(await processor.run(action))
        emit_object(output, details, SHOW_FIELDS, name=lambda u: u.email)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(help="The e-mail, which is unique.")],
    username: flags.UsernameOption = None,
    full_name: flags.FullNameOption = None,
    description: flags.DescriptionOption = None,
    role: flags.RoleOption = None,
    status: flags.UserStatusOption = None,
    domain: flags.DomainOption = None,
    projects: flags.ProjectsOption = None,
    policy: flags.PolicyOption = None,
    keypair_policy: Annotated[
        str | None, typer.Option("--keypair-policy", help="Policy of the key pair.")
    ] = None,
    rate_limit: Annotated[
        int | None, typer.Option("--rate-limit", help="API calls in 15 minutes.")
    ] = None,
    password_file: PasswordFileOption = None,
    password_stdin: PasswordStdinOption = False,
    password_prompt: Annotated[
        bool, typer.Option("--password-prompt", help="Ask for the password.")
    ] = False,
    need_change: NeedChangeOption = None,
    networks: flags.NetworksOption = None,
    totp: flags.TotpOption = None,
    sudo: flags.SudoOption = None,
    uid: flags.UidOption = None,
    main_gid: flags.MainGidOption = None,
    gids: flags.GidsOption = None,
    show_secret: ShowOption = False,
    secret_path: SecretFileOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a user with a key pair, and tell its secret key where you say.

    Example: bai-manager user create eve@example.com --project default --secret-file eve.env
    """
    cli = cli_of(ctx)
    asked = password_prompt or password_stdin or password_file is not None
    password = (
        read_password(cli, password_file, stdin=password_stdin, prompt="Password")
        if asked
        else None
    )
    defaults = UserSpec(email=email, username=email, domain_name=_domain(cli, domain))
    values = {
        "username": username,
        "full_name": full_name,
        "description": description,
        "role": None if role is None else UserRole.parse(role),
        "status": None if status is None else UserStatus.parse(status),
        "projects": tuple(projects or ()),
        "resource_policy": policy,
        "keypair_resource_policy": keypair_policy,
        "rate_limit": rate_limit,
        "need_password_change": need_change,
        "allowed_client_ip": tuple(networks) if networks else None,
        "totp_activated": totp,
        "sudo_session_enabled": sudo,
        "container_uid": uid,
        "container_main_gid": main_gid,
        "container_gids": tuple(gids) if gids else None,
    }
    chosen = {name: value for name, value in values.items() if value is not None}
    action = CreateUserAction(
        spec=replace(defaults, **chosen),  # type: ignore[arg-type]
        password=password,
        if_not_exists=if_not_exists,
    )
    with secret_file(cli, secret_path) as write:
        result = cli.execute(action)
        if result.secret_key is not None:
            write(environment(result.user.main_access_key, result.secret_key))
    _note_new_user(cli, result, told=show_secret or secret_path is not None)
    printed = created_of(result, shown_secret(result.secret_key, show=show_secret))
    emit_object(cli.output, printed, CREATE_FIELDS, name=lambda u: u.email)


@app.command("update")
def update(
    ctx: typer.Context,
    user: flags.UserArgument,
    username: flags.UsernameOption = None,
    full_name: flags.FullNameOption = None,
    description: flags.DescriptionOption = None,
    role: flags.RoleOption = None,
    status: flags.UserStatusOption = None,
    domain: flags.DomainOption = None,
    projects: flags.ProjectsOption = None,
    policy: flags.PolicyOption = None,
    main_access_key: flags.MainKeyOption = None,
    need_change: NeedChangeOption = None,
    networks: flags.NetworksOption = None,
    totp: flags.TotpOption = None,
    sudo: flags.SudoOption = None,
    uid: flags.UidOption = None,
    main_gid: flags.MainGidOption = None,
    gids: flags.GidsOption = None,
    unset: flags.UnsetOption = None,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a user; what is not given stays as it is. --project replaces all memberships.

    Example: bai-manager user update alice@example.com --role admin --unset description
    """
    cli = cli_of(ctx)
    changes = UserChanges(
        username=flags.given(username),
        full_name=flags.given(full_name),
        description=flags.given(description),
        role=flags.read_choice(role, UserRole),
        status=flags.read_choice(status, UserStatus),
        domain_name=flags.given(domain),
        projects=flags.several(projects),
        resource_policy=flags.given(policy),
        main_access_key=flags.given(main_access_key),
        need_password_change=flags.given(need_change),
        allowed_client_ip=flags.several(networks),
        totp_activated=flags.given(totp),
        sudo_session_enabled=flags.given(sudo),
        container_uid=flags.given(uid),
        container_main_gid=flags.given(main_gid),
        container_gids=flags.several(gids),
    )
    action = UpdateUserAction(
        user=user, changes=_merged(changes, flags.cleared(unset)), if_unchanged=if_unchanged
    )
    result = cli.execute(action)
    note_changed(cli, f"User {result.user.email}", result.changed)
    _note_keypairs(cli, result)
    emit_object(cli.output, result.user, USER_FIELDS, name=lambda u: u.email)


@app.command("delete")
def delete(
    ctx: typer.Context,
    users: flags.UsersArgument,
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Deactivate users and their key pairs; nothing else is lost, and sessions go on.

    Example: bai-manager user delete eve@example.com --yes
    """
    cli = cli_of(ctx)
    given_users = targets(users, cli)
    known = len(given_users) == 1 and not ignore_not_found
    confirm(cli, f"Deactivate {_holdings(cli, given_users, look=known)}?")

    async def act(processor: ActionProcessor, user: str) -> str:
        result = await processor.run(DeleteUserAction(user=user, ignore_not_found=ignore_not_found))
        if result.user is None:
            return "there was none"
        return f"deactivated, with {counted(len(result.keypairs), 'active key pair')}"

    for_each(cli, given_users, act, noun="users", fail_fast=fail_fast)


@app.command("purge")
def purge(
    ctx: typer.Context,
    user: flags.UserArgument,
    preview: PreviewOption = False,
    destroy_sessions: DestroySessionsOption = False,
    migrate: Annotated[
        bool | None,
        typer.Option(
            "--migrate-shared-folders/--delete-shared-folders",
            help="Give folders that others use to the heir, or delete them.",
        ),
    ] = None,
    delegate: Annotated[
        bool | None,
        typer.Option(
            "--delegate-endpoints/--delete-endpoints",
            help="Give model services to the heir, or delete them.",
        ),
    ] = None,
    heir: Annotated[
        str | None, typer.Option("--heir", metavar="USER", help="Who inherits; default: you.")
    ] = None,
    confirm_name: ConfirmOption = None,
) -> None:
    """Remove a user for good; refuses while something lives that was not decided about.

    Example: bai-manager user purge eve@example.com --preview --migrate-shared-folders
    """
    cli = cli_of(ctx)
    folders = {None: None, True: SharedFolders.MIGRATE, False: SharedFolders.DELETE}[migrate]
    endpoints = {None: None, True: Endpoints.DELEGATE, False: Endpoints.DELETE}[delegate]
    choices = UserPurgeChoices(
        destroy_sessions=destroy_sessions, shared_folders=folders, endpoints=endpoints, heir=heir
    )

    async def body(processor: ActionProcessor) -> UserPurgePlan:
        look = PreviewUserPurgeAction(user=user, choices=choices)
        plan = (await processor.run(look)).plan
        if preview:
            return plan
        expected = None
        if not plan.blockers:
            expected = confirm_purge(cli, plan, plan.email, given=confirm_name)
        action = PurgeUserAction(user=str(plan.user_id), choices=choices, expected=expected)
        return (await processor.run(action)).plan

    emit_object(cli.output, cli.run(body), PLAN_FIELDS, name=lambda plan: plan.email)


@app.command("stats")
def stats(
    ctx: typer.Context,
    user: Annotated[
        str | None,
        typer.Argument(help="Default: all you may see.", autocompletion=flags.complete_user),
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="Default: the last 30 days.")
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Where the month is: Asia/Seoul.")
    ] = "UTC",
) -> None:
    """Say what kernels had in every quarter of an hour of a month; tables leave out empty ones.

    Example: bai-manager user stats alice@example.com --month 2026-11 -o csv
    """
    cli = cli_of(ctx)
    bins = cli.execute(GetUserStatsAction(user=user, month=month, timezone=timezone)).bins
    if cli.output.chosen_format.is_human:
        busy = [one for one in bins if one.num_sessions]
        cli.terminal.note(f"{len(bins) - len(busy)} of {len(bins)} quarters of an hour are empty.")
        bins = busy
    emit_rows(
        cli.output, STATS_COLUMNS, bins, name=lambda one: one.date.isoformat(), noun="quarters"
    )


def _narrowed(query: Query, **wanted: str | None) -> Query:
    found = tuple(
        Filter(field, Op.EQ, tuple(value.split(",")))
        for field, value in wanted.items()
        if value is not None
    )
    return replace(query, filters=(*query.filters, *found))


def _domain(cli: Cli, given_domain: str | None) -> str:
    return given_domain or cli.config.settings.defaults.domain or "default"


def _merged(changes: UserChanges, cleared: UserChanges) -> UserChanges:
    """What is set and cleared at once is set."""
    names = [field.name for field in fields(changes)]
    both = {name: given(getattr(changes, name), getattr(cleared, name, UNSET)) for name in names}
    return UserChanges(**both)


def _note_new_user(cli: Cli, result: CreateUserActionResult, *, told: bool) -> None:
    note_created(cli, f"User {result.user.email}", created=result.created)
    if not result.created:
        return
    user = result.user
    if not told:
        cli.terminal.note(
            f"The secret key was not told; 'user keypair rotate {user.main_access_key} --show'"
            " makes another."
        )
    if not user.has_password:
        cli.terminal.note(f"There is no password; 'user password set {user.email}' sets one.")
    if not user.projects:
        cli.terminal.note(f"{user.email} is in no project, and so can create no session.")


def _note_keypairs(cli: Cli, result: UpdateUserActionResult) -> None:
    """Key pairs that changed with the user, or that the user's new status says nothing about."""
    for effect in result.keypairs:
        active = "active" if effect.is_active else "inactive"
        admin = "an administrator's" if effect.is_admin else "no administrator's"
        cli.terminal.note(f"Key pair {effect.access_key} is {active} and {admin} now.")
    if "status" in result.changed and result.user.keypair_count:
        cli.terminal.note(
            "Key pairs keep their own state, and a running manager looks at nothing else:"
            f" 'user keypair list {result.user.email}'."
        )


def _holdings(cli: Cli, users: list[str], *, look: bool) -> str:
    """What deactivating would touch, as far as can be told before asking."""
    if not look or cli.flags.yes or cli.flags.dry_run:
        return counted(len(users), "user")
    result = cli.execute(GetUserAction(user=users[0]))
    holdings = result.holdings
    return (
        f"{result.user.email} with {counted(holdings.active_keypairs, 'active key pair')}"
        f" ({counted(holdings.live_sessions, 'session goes', 'sessions go')} on)"
    )
