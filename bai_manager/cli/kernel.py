"""``bai-manager kernel``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_kernel
from bai_manager.cli.console import raw_writer
from bai_manager.cli.options import (
    EndedOption,
    EverybodyOption,
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    StatusOption,
    WatchOption,
    cli_of,
    make_query,
)
from bai_manager.cli.output.columns import (
    Column,
    id_column,
    slots_column,
    status_column,
    time_column,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.watch import shown
from bai_manager.services.kernel.actions import (
    GetKernelAction,
    GetKernelLogsAction,
    ListKernelsAction,
)

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.kernel.actions import GetKernelLogsActionResult
    from bai_manager.services.session.types import KernelData

app = typer.Typer(
    help="Look at the kernels of sessions.\n\nExample: bai-manager kernel list",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[KernelData]
    show: KernelData
    logs: GetKernelLogsActionResult


LIST_COLUMNS: tuple[Column[KernelData], ...] = (
    id_column("id", lambda kernel: kernel.id),
    Column("session_name", lambda kernel: kernel.session_name, title="Session"),
    Column("cluster_hostname", lambda kernel: kernel.cluster_hostname, title="Host"),
    status_column("status", lambda kernel: kernel.status),
    Column("image", lambda kernel: kernel.image),
    slots_column("requested_slots", lambda kernel: kernel.requested_slots, title="Resources"),
    Column("agent", lambda kernel: kernel.agent),
    id_column("session_id", lambda kernel: kernel.session_id, wide=True),
    Column("status_info", lambda kernel: kernel.status_info, title="Reason", wide=True),
    Column("result", lambda kernel: kernel.result, wide=True),
    Column("exit_code", lambda kernel: kernel.exit_code, wide=True),
    Column("container_id", lambda kernel: kernel.container_id, title="Container", wide=True),
    Column("owner_email", lambda kernel: kernel.owner_email, title="User", wide=True),
    Column("owner_access_key", lambda kernel: kernel.owner_access_key, wide=True),
    time_column("created_at", lambda kernel: kernel.created_at),
    time_column("terminated_at", lambda kernel: kernel.terminated_at, wide=True),
)
SHOW_FIELDS: tuple[Column[KernelData], ...] = (
    Column("id", lambda kernel: kernel.id, title="ID"),
    Column("session_name", lambda kernel: kernel.session_name, title="Session"),
    Column("session_id", lambda kernel: kernel.session_id, title="Session ID"),
    Column("cluster_hostname", lambda kernel: kernel.cluster_hostname, title="Host"),
    Column("cluster_role", lambda kernel: kernel.cluster_role, title="Role"),
    status_column("status", lambda kernel: kernel.status),
    Column("status_info", lambda kernel: kernel.status_info, title="Reason"),
    Column("result", lambda kernel: kernel.result),
    Column("exit_code", lambda kernel: kernel.exit_code),
    Column("image", lambda kernel: kernel.image),
    Column("architecture", lambda kernel: kernel.architecture),
    slots_column("requested_slots", lambda kernel: kernel.requested_slots, title="Requested"),
    slots_column("occupied_slots", lambda kernel: kernel.occupied_slots, title="Occupied"),
    Column("agent", lambda kernel: kernel.agent),
    Column("container_id", lambda kernel: kernel.container_id, title="Container"),
    Column("owner_email", lambda kernel: kernel.owner_email, title="User"),
    Column("owner_access_key", lambda kernel: kernel.owner_access_key, title="Access key"),
    Column("startup_command", lambda kernel: kernel.startup_command),
    time_column("created_at", lambda kernel: kernel.created_at),
    time_column("terminated_at", lambda kernel: kernel.terminated_at),
    Column(
        "status_history",
        lambda kernel: kernel.status_history,
        title="History",
        human=lambda kernel: "\n".join(
            f"{moment}  {status}" for status, moment in kernel.status_history.items()
        ),
    ),
)
LOG_FIELDS: tuple[Column[GetKernelLogsActionResult], ...] = (
    Column("kernel_id", lambda result: result.kernel_id, title="Kernel"),
    Column("logs", lambda result: result.logs),
)

KernelArgument = Annotated[
    str, typer.Argument(help="Id or unique id prefix.", autocompletion=complete_kernel)
]


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
    watch: WatchOption = None,
) -> None:
    """List kernels that have not ended.

    Example: bai-manager kernel list --filter agent=i-local --sort -created_at
    """
    cli = cli_of(ctx)
    action = ListKernelsAction(
        owner=owner,
        everybody=everybody,
        include_ended=ended,
        query=make_query(filters, sort, limit, status=status),
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.kernels, name=lambda k: str(k.id), noun="kernels")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, kernel: KernelArgument, watch: WatchOption = None) -> None:
    """Show one kernel with its history.

    Example: bai-manager kernel show 4fd1c8a0
    """
    cli = cli_of(ctx)
    action = GetKernelAction(kernel=kernel)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.kernel, SHOW_FIELDS, name=lambda k: str(k.id))

    shown(cli, render, watch)


@app.command("logs")
def logs(ctx: typer.Context, kernel: KernelArgument) -> None:
    """Print what a kernel wrote; kept after it has ended.

    Example: bai-manager kernel logs 4fd1c8a0
    """
    cli = cli_of(ctx)
    result = cli.execute(GetKernelLogsAction(kernel=kernel))
    if cli.output.chosen_format.is_structured:
        emit_object(cli.output, result, LOG_FIELDS, name=lambda r: str(r.kernel_id))
    else:
        with raw_writer(cli, cli.stdout) as writer:
            writer.write(result.logs.encode())
