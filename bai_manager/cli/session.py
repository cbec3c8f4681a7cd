"""``bai-manager session``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli import session_commit, session_service, session_why
from bai_manager.cli.completion import complete_image, complete_session
from bai_manager.cli.console import TerminalConsole, raw_writer
from bai_manager.cli.mounts import MountOption, read_mounts
from bai_manager.cli.options import (
    EndedOption,
    EverybodyOption,
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    StatusOption,
    TimeoutOption,
    WatchOption,
    cli_of,
    make_query,
    parse_environ,
    seconds,
    targets,
)
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.session_columns import (
    DESTROY_FIELDS,
    EXECUTION_FIELDS,
    FILE_COLUMNS,
    LIST_COLUMNS,
    LOG_FIELDS,
    SHOW_FIELDS,
    TRANSFER_FIELDS,
    USAGE_COLUMNS,
    usage_rows,
)
from bai_manager.cli.watch import shown
from bai_manager.services.session.actions import (
    CompleteAction,
    CreateSessionAction,
    DestroySessionAction,
    DownloadFileAction,
    ExecuteSessionAction,
    GetContainerLogsAction,
    GetSessionAction,
    GetUsageAction,
    InterruptSessionAction,
    ListFilesAction,
    ListSessionsAction,
    UploadFileAction,
    WaitSessionAction,
)
from bai_manager.types.clock import system_clock
from bai_manager.types.duration import parse_time, parse_timedelta
from bai_manager.types.names import unique_suffix
from bai_manager.types.resource_slot import parse_assignments
from bai_manager.types.status import ClusterMode, SessionStatus, SessionType

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.cli.session_columns import UsageRow
    from bai_manager.clients.agent.protocol import FileEntry
    from bai_manager.services.session.actions import (
        CreateSessionActionResult,
        DestroySessionActionResult,
        ExecuteSessionActionResult,
        GetContainerLogsActionResult,
        TransferResult,
    )
    from bai_manager.services.session.types import SessionData

app = typer.Typer(
    add_completion=False,
    help="Create, run, inspect and destroy sessions.\n\nExample: bai-manager session list",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    create: SessionData
    list_: list[SessionData]
    show: SessionData
    wait: SessionData
    destroy: DestroySessionActionResult
    exec_: ExecuteSessionActionResult
    run: ExecuteSessionActionResult
    logs: GetContainerLogsActionResult
    interrupt: SessionData
    complete: list[str]
    ls: list[FileEntry]
    upload: TransferResult
    download: TransferResult
    usage: list[UsageRow]


SessionArgument = Annotated[
    str, typer.Argument(help="Name, id or unique id prefix.", autocompletion=complete_session)
]
ImageArgument = Annotated[
    str, typer.Argument(help="Image name or alias.", autocompletion=complete_image)
]

SUGGESTION_COLUMNS: tuple[Column[str], ...] = (Column("suggestion", str),)


@app.command("create")
def create(
    ctx: typer.Context,
    image: Annotated[
        str, typer.Argument(help="Image name or alias.", autocompletion=complete_image)
    ] = "",
    template: Annotated[
        str | None, typer.Option("--template", help="What is not given is as it says.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Default: made up.")] = None,
    resources: Annotated[
        list[str] | None,
        typer.Option(
            "--resource", "-r", metavar="SLOT=AMOUNT", help="cpu=2, mem=4g, … each kernel."
        ),
    ] = None,
    session_type: Annotated[
        str, typer.Option("--type", "-t", help="interactive, batch, inference or system.")
    ] = "interactive",
    startup_command: Annotated[
        str | None, typer.Option("--startup-command", "-c", help="What a batch session runs.")
    ] = None,
    cluster_size: Annotated[int, typer.Option("--cluster-size", help="How many kernels.")] = 1,
    cluster_mode: Annotated[
        str, typer.Option("--cluster-mode", help="single-node or multi-node.")
    ] = "single-node",
    environ: Annotated[
        list[str] | None, typer.Option("--env", "-e", metavar="KEY=VALUE", help="Environment.")
    ] = None,
    shmem: Annotated[str | None, typer.Option("--shmem", help="Shared memory: 64m.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="Project.")
    ] = None,
    domain: Annotated[str | None, typer.Option("--domain", "-d", help="Domain.")] = None,
    scaling_group: Annotated[
        str | None, typer.Option("--scaling-group", help="Resource group.")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="A word to find it by.")] = None,
    priority: Annotated[int, typer.Option("--priority", help="0 to 100; higher first.")] = 10,
    mounts: MountOption = None,
    bootstrap: Annotated[
        typer.FileText | None, typer.Option("--bootstrap", help="Script to run first.")
    ] = None,
    starts_at: Annotated[
        str | None, typer.Option("--starts-at", help="Batch: not before this time, or +2h.")
    ] = None,
    batch_timeout: Annotated[
        str | None, typer.Option("--batch-timeout", help="Batch: end it after 2h.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", help="Of the image: x86_64, aarch64.")
    ] = None,
    owner: OwnerOption = None,
    reuse: Annotated[
        bool,
        typer.Option("--reuse", "--if-not-exists", help="Take an existing one of that name."),
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Wait in line when a quota is used up now.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it runs.")] = True,
    timeout: TimeoutOption = None,
) -> None:
    """Create a session and wait until it runs.

    Example: bai-manager session create python --name train-1 -r cpu=2 -r mem=4g
    """
    cli = cli_of(ctx)
    defaults = cli.config.settings.defaults
    now = system_clock()
    if not image and template is None:
        raise typer.BadParameter("Name an image, or a --template.", param_hint="IMAGE")
    action = CreateSessionAction(
        name=name or f"session-{unique_suffix()}",
        image=image,
        architecture=architecture,
        owner=owner,
        session_type=SessionType.parse(session_type),
        resources=parse_assignments(resources or ()),
        shmem=shmem,
        cluster_size=cluster_size,
        cluster_mode=ClusterMode.parse(cluster_mode),
        domain=domain or defaults.domain,
        group=group or defaults.project,
        scaling_group=scaling_group or defaults.scaling_group,
        environ=parse_environ(environ or ()),
        tag=tag,
        priority=priority,
        startup_command=startup_command,
        bootstrap_script=bootstrap.read() if bootstrap else None,
        starts_at=parse_time(starts_at, now, ahead=True) if starts_at else None,
        batch_timeout=(
            int(parse_timedelta(batch_timeout).total_seconds()) if batch_timeout else None
        ),
        reuse_if_exists=reuse,
        mounts=read_mounts(mounts),
        queue=queue,
        wait=wait,
        timeout=seconds(timeout, cli),
    )

    async def created(processor: ActionProcessor) -> CreateSessionActionResult:
        if template is None:
            return await processor.run(action)
        from bai_manager.cli.session_template import templated  # noqa: PLC0415 - --template only

        return await processor.run(await templated(processor, action, template, ctx))

    result = cli.run(created)
    if not result.created:
        cli.terminal.note(f"Session {result.session.name} existed already; it is used as it is.")
    _emit_session(cli, result.session)


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    owner: OwnerOption = None,
    everybody: EverybodyOption = False,
    ended: EndedOption = False,
    spark: Annotated[
        str | None,
        typer.Option("--spark", metavar="METRIC[:TIME]", help="Its last while: cpu_util:1h."),
    ] = None,
    watch: WatchOption = None,
) -> None:
    """List sessions that have not ended.

    Example: bai-manager session list --status RUNNING --sort -created_at
    """
    cli = cli_of(ctx)
    action = ListSessionsAction(
        owner=owner,
        everybody=everybody,
        include_ended=ended,
        query=make_query(filters, sort, limit, status=status),
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        if spark is not None:
            from bai_manager.cli.metric_spark import emit_sparked  # noqa: PLC0415 - --spark only

            await emit_sparked(processor, output, result.sessions, spark)
            return
        emit_rows(output, LIST_COLUMNS, result.sessions, name=lambda s: s.name, noun="sessions")

    shown(cli, render, watch)


@app.command("show")
def show(
    ctx: typer.Context,
    session: SessionArgument,
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Show one session with its kernels and history.

    Example: bai-manager session show train-1
    """
    cli = cli_of(ctx)
    action = GetSessionAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.session, SHOW_FIELDS, name=lambda s: s.name)

    shown(cli, render, watch)


@app.command("wait")
def wait(
    ctx: typer.Context,
    session: SessionArgument,
    until: Annotated[
        str, typer.Option("--until", "-u", help="The status to wait for.")
    ] = "RUNNING",
    owner: OwnerOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Wait until a session has a status, or has passed it.

    Example: bai-manager session wait train-1 --until TERMINATED --timeout 1h
    """
    cli = cli_of(ctx)
    result = cli.execute(
        WaitSessionAction(
            session=session,
            owner=owner,
            until=SessionStatus.parse(until),
            timeout=seconds(timeout, cli),
        )
    )
    _emit_session(cli, result.session)


@app.command("destroy")
def destroy(
    ctx: typer.Context,
    sessions: Annotated[
        list[str],
        typer.Argument(
            help="Names, ids or unique id prefixes; '-' reads them.",
            autocompletion=complete_session,
        ),
    ],
    forced: Annotated[bool, typer.Option("--forced", "-f", help="Recorded as forced.")] = False,
    owner: OwnerOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it has ended.")] = True,
    timeout: TimeoutOption = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first failure.")
    ] = False,
) -> None:
    """End sessions and free their resources.

    Example: bai-manager session destroy train-1 train-2
    """
    cli = cli_of(ctx)
    names = targets(sessions, cli)
    limit = seconds(timeout, cli)

    def action(name: str) -> DestroySessionAction:
        return DestroySessionAction(
            session=name, owner=owner, forced=forced, wait=wait, timeout=limit
        )

    if len(names) == 1:
        result = cli.execute(action(names[0]))
        emit_object(cli.output, result, DESTROY_FIELDS, name=lambda r: r.name)
        return

    from bai_manager.cli.output.bulk import run_bulk  # noqa: PLC0415 - several targets only

    async def each(processor: ActionProcessor) -> int:
        async def act(name: str) -> str:
            result = await processor.run(action(name))
            return result.status or "ended before"

        return await run_bulk(cli.output, names, act, noun="sessions", fail_fast=fail_fast)

    raise typer.Exit(cli.run(each))


@app.command("exec")
def exec_(
    ctx: typer.Context,
    session: SessionArgument,
    code: Annotated[
        str | None, typer.Argument(help="Code; without it, standard input is read.")
    ] = None,
    shell: Annotated[
        bool, typer.Option("--shell", "-s", help="The code is a shell command.")
    ] = False,
    owner: OwnerOption = None,
) -> None:
    """Run code in a session; exits with the code's own exit code.

    Example: bai-manager session exec train-1 'print(6 * 7)'
    """
    cli = cli_of(ctx)
    text = cli.stdin.read() if code in {None, "-"} else code or ""
    raise typer.Exit(_execute(cli, session, text, shell=shell, owner=owner))


@app.command("run")
def run(
    ctx: typer.Context,
    image: ImageArgument,
    command: Annotated[list[str], typer.Argument(help="Command and its arguments, after --.")],
    name: Annotated[str | None, typer.Option("--name", "-n", help="Default: made up.")] = None,
    resources: Annotated[
        list[str] | None,
        typer.Option("--resource", "-r", metavar="SLOT=AMOUNT", help="cpu=2, mem=4g, …"),
    ] = None,
    environ: Annotated[
        list[str] | None, typer.Option("--env", "-e", metavar="KEY=VALUE", help="Environment.")
    ] = None,
    mounts: MountOption = None,
    group: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="Project.")
    ] = None,
    owner: OwnerOption = None,
    timeout: TimeoutOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the session running.")] = False,
) -> None:
    """Create a session, run a command in it, destroy it; exits with the command's exit code.

    Example: bai-manager session run python -- python -c 'print(6 * 7)'
    """
    cli = cli_of(ctx)
    limit = seconds(timeout, cli)
    create_action = CreateSessionAction(
        name=name or f"run-{unique_suffix()}",
        image=image,
        owner=owner,
        resources=parse_assignments(resources or ()),
        environ=parse_environ(environ or ()),
        group=group or cli.config.settings.defaults.project,
        mounts=read_mounts(mounts),
        wait=False,
    )
    as_json = cli.output.chosen_format.is_structured

    def execute_action(own: str) -> ExecuteSessionAction:
        return ExecuteSessionAction(  # noqa: S604 - a shell in the session, not here
            session=own, owner=owner, code=shlex.join(command), shell=True, stream=not as_json
        )

    async def whole(processor: ActionProcessor) -> int:
        # Outside of the block that destroys: a session whose name is taken is not this one's.
        created = await processor.run(create_action)
        own = str(created.session.id)
        try:
            await processor.run(WaitSessionAction(session=own, owner=owner, timeout=limit))
            result = await processor.run(execute_action(own))
        finally:
            if not keep:
                await processor.run(DestroySessionAction(session=own, owner=owner))
        if as_json:
            emit_object(cli.output, result, EXECUTION_FIELDS, name=lambda r: r.run_id)
        return result.exit_code

    with TerminalConsole(cli) as console:
        code = cli.run(whole, console=console)
    raise typer.Exit(code)


@app.command("logs")
def logs(
    ctx: typer.Context,
    session: SessionArgument,
    kernel: Annotated[
        str | None, typer.Option("--kernel", "-k", help="Kernel id or hostname: sub1.")
    ] = None,
    tail: Annotated[int | None, typer.Option("--tail", help="The last lines only.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-F", help="Until it ends.")] = False,
    owner: OwnerOption = None,
) -> None:
    """Print what a session wrote; kept after it has ended.

    Example: bai-manager session logs train-1 --tail 20
    """
    cli = cli_of(ctx)
    with TerminalConsole(cli) as console:
        result = cli.execute(
            GetContainerLogsAction(
                session=session, owner=owner, kernel=kernel, tail=tail, follow=follow
            ),
            console=console,
        )
    if cli.output.chosen_format.is_structured:
        emit_object(cli.output, result, LOG_FIELDS, name=lambda r: str(r.kernel_id))
    else:
        with raw_writer(cli, cli.stdout) as writer:
            writer.write(result.logs.encode())


@app.command("interrupt")
def interrupt(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """Interrupt what runs in a session.

    Example: bai-manager session interrupt train-1
    """
    cli = cli_of(ctx)
    _emit_session(cli, cli.execute(InterruptSessionAction(session=session, owner=owner)).session)


@app.command("complete")
def complete(
    ctx: typer.Context,
    session: SessionArgument,
    code: Annotated[str, typer.Argument(help="The beginning of a name.")],
    owner: OwnerOption = None,
) -> None:
    """Complete code in a session's namespace.

    Example: bai-manager session complete train-1 pri
    """
    cli = cli_of(ctx)
    result = cli.execute(CompleteAction(session=session, owner=owner, code=code))
    emit_rows(
        cli.output,
        SUGGESTION_COLUMNS,
        result.suggestions,
        name=str,
        noun="suggestions",
    )


@app.command("ls")
def ls(
    ctx: typer.Context,
    session: SessionArgument,
    path: Annotated[str, typer.Argument(help="Below the work folder.")] = ".",
    owner: OwnerOption = None,
) -> None:
    """List files in a session's work folder.

    Example: bai-manager session ls train-1 results
    """
    cli = cli_of(ctx)
    result = cli.execute(ListFilesAction(session=session, owner=owner, path=path))
    emit_rows(
        cli.output, FILE_COLUMNS, result.files, name=lambda entry: entry.filename, noun="files"
    )


@app.command("upload")
def upload(
    ctx: typer.Context,
    session: SessionArgument,
    source: Annotated[str, typer.Argument(help="A file of this machine.")],
    destination: Annotated[
        str | None, typer.Argument(help="Below the work folder; default: the same name.")
    ] = None,
    owner: OwnerOption = None,
) -> None:
    """Copy a file into a session.

    Example: bai-manager session upload train-1 data.csv
    """
    cli = cli_of(ctx)
    result = cli.execute(
        UploadFileAction(
            session=session,
            owner=owner,
            source=source,
            destination=destination or source.rpartition("/")[2],
        )
    )
    emit_object(cli.output, result, TRANSFER_FIELDS, name=lambda r: r.destination)


@app.command("download")
def download(
    ctx: typer.Context,
    session: SessionArgument,
    source: Annotated[str, typer.Argument(help="Below the work folder.")],
    destination: Annotated[
        str | None, typer.Argument(help="A file of this machine; default: the same name.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace it.")] = False,
    owner: OwnerOption = None,
) -> None:
    """Copy a file out of a session.

    Example: bai-manager session download train-1 results/model.bin
    """
    cli = cli_of(ctx)
    result = cli.execute(
        DownloadFileAction(
            session=session,
            owner=owner,
            source=source,
            destination=destination or source.rpartition("/")[2],
            overwrite=overwrite,
        )
    )
    emit_object(cli.output, result, TRANSFER_FIELDS, name=lambda r: r.destination)


@app.command("usage")
def usage(
    ctx: typer.Context,
    session: SessionArgument,
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Show what a session uses now.

    Example: bai-manager session usage train-1 --watch 2
    """
    cli = cli_of(ctx)
    action = GetUsageAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(
            output, USAGE_COLUMNS, usage_rows(result), name=lambda row: row.metric, noun="metrics"
        )

    shown(cli, render, watch)


def _execute(cli: Cli, session: str, code: str, *, shell: bool, owner: str | None) -> int:
    as_json = cli.output.chosen_format.is_structured
    with TerminalConsole(cli) as console:
        result = cli.execute(
            ExecuteSessionAction(
                session=session, owner=owner, code=code, shell=shell, stream=not as_json
            ),
            console=console,
        )
    if as_json:
        emit_object(cli.output, result, EXECUTION_FIELDS, name=lambda r: r.run_id)
    return result.exit_code


def _emit_session(cli: Cli, session: SessionData) -> None:
    emit_object(cli.output, session, SHOW_FIELDS, name=lambda s: s.name)


app.add_typer(session_why.app)
app.add_typer(session_service.app, name="service")
app.add_typer(session_commit.app)
