"""``bai-manager session create|run``: sessions that begin."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_image
from bai_manager.cli.console import TerminalConsole
from bai_manager.cli.mounts import MountOption, read_mounts
from bai_manager.cli.options import (
    OwnerOption,
    TimeoutOption,
    cli_of,
    parse_environ,
    seconds,
)
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.session_columns import EXECUTION_FIELDS
from bai_manager.cli.session_options import ImageArgument, emit_session
from bai_manager.services.session.actions import (
    CreateSessionAction,
    DestroySessionAction,
    WaitSessionAction,
)
from bai_manager.services.session_inside.actions import ExecuteSessionAction
from bai_manager.types.clock import system_clock
from bai_manager.types.duration import parse_time, parse_timedelta
from bai_manager.types.names import unique_suffix
from bai_manager.types.resource_slot import parse_assignments
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.services.session.actions import CreateSessionActionResult
    from bai_manager.services.session.types import SessionData
    from bai_manager.services.session_inside.actions import ExecuteSessionActionResult

app = typer.Typer()


class Prints:
    """What each command prints with ``-o json``."""

    create: SessionData
    run: ExecuteSessionActionResult


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
    depends_on: Annotated[
        list[str] | None,
        typer.Option("--depends-on", metavar="SESSION", help="Not before that has succeeded."),
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
        mounts=read_mounts(mounts),
        depends_on=tuple(depends_on or ()),
        reuse_if_exists=reuse,
        queue=queue,
        wait=wait,
        timeout=seconds(timeout, cli),
    )

    async def created(processor: ActionProcessor) -> CreateSessionActionResult:
        if template is None:
            return await processor.run(action)
        from bai_manager.cli.session_create_template import templated  # noqa: PLC0415 - --template only

        return await processor.run(await templated(processor, action, template, ctx))

    result = cli.run(created)
    if not result.created:
        cli.terminal.note(f"Session {result.session.name} existed already; it is used as it is.")
    emit_session(cli, result.session)


@app.command("run")
def run(
    ctx: typer.Context,
    image: ImageArgument,
    command: Annotated[list[str], typer.Argument(help="A command with its own options.")],
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
