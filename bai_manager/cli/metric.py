"""``bai-manager metric``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_session
from bai_manager.cli.metric_columns import (
    IDLE_COLUMNS,
    INFO_COLUMNS,
    LIVE_COLUMNS,
    SLOT_HOURS_COLUMN,
    point_table_columns,
    rank_columns,
    slot_hours_columns,
)
from bai_manager.cli.metric_options import (
    AgentsOption,
    AsciiOption,
    GroupsOption,
    KernelsOption,
    SessionsOption,
    SinceOption,
    UntilOption,
    UsersOption,
    optional_timedelta,
    parse_dimension,
    parse_dimensions,
    parse_month,
    without_synonym,
)
from bai_manager.cli.metric_rows import PointWriter, points
from bai_manager.cli.options import (
    LimitOption,
    OwnerOption,
    SortOption,
    WatchOption,
    cli_of,
    make_query,
)
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.human import time_text
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import counted
from bai_manager.cli.watch import shown
from bai_manager.services.metric.actions import (
    ContainerMetricAction,
    ContainerMetricMetadataAction,
    ContainerMetricOptionalLabel,
    GetLiveMetricsAction,
    GetSlotHoursAction,
    ListIdleAction,
    RankUsageAction,
)
from bai_manager.services.metric.types import (
    Dimension,
    IdleDimension,
    UsageDimension,
    ValueType,
)
from bai_manager.types.clock import system_clock
from bai_manager.types.duration import parse_time, parse_timedelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.app import App
    from bai_manager.cli.metric_pictures import Picture
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.metric.actions import ContainerMetricActionResult
    from bai_manager.services.metric.types import (
        IdleUsage,
        LiveMetric,
        MetricInfo,
        SeriesPoint,
        SlotHours,
        UsageRank,
    )

app = typer.Typer(
    add_completion=False,
    help="See who uses what, now and over time.\n\n"
    "Example: bai-manager metric query cpu_util --since 6h",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """Where metrics are exposed."""

    address: str
    port: int
    url: str


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[MetricInfo]
    query: list[SeriesPoint]
    live: list[LiveMetric]
    top: list[UsageRank]
    idle: list[IdleUsage]
    usage: list[SlotHours]
    serve: Serving


@app.command("list")
def list_(
    ctx: typer.Context,
    families: Annotated[
        bool, typer.Option("--families", help="All that the cluster's parts export instead.")
    ] = False,
) -> None:
    """List the metrics that can be queried, with their kind and unit.

    Example: bai-manager metric list
    """
    cli = cli_of(ctx)
    result = cli.execute(ContainerMetricMetadataAction(families=families))
    emit_rows(cli.output, INFO_COLUMNS, result.metrics, name=lambda info: info.name, noun="metrics")


@app.command("query")
def query(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="As 'metric list' names it.")],
    sessions: SessionsOption = None,
    kernels: KernelsOption = None,
    users: UsersOption = None,
    groups: GroupsOption = None,
    agents: AgentsOption = None,
    by: Annotated[
        str,
        typer.Option("--by", help="A series each: session, kernel, user, group, agent; or all."),
    ] = "session",
    value: Annotated[
        str, typer.Option("--value", help="current, capacity, or pct of the capacity.")
    ] = "current",
    since: SinceOption = "1h",
    until: UntilOption = "now",
    step: Annotated[
        str | None, typer.Option("--step", help="Between points: 15s, 5m. Default: by the range.")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="What rates are taken over: at least 4 scrapes. Default 1m."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=52, help="Lines in a chart, highest first.")
    ] = 20,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write a picture instead.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Write a picture instead.")
    ] = None,
    ascii_only: AsciiOption = False,
    watch: WatchOption = None,
) -> None:
    """Draw a metric over time; in a pipe or with -o, print it as rows.

    Example: bai-manager metric query mem --user alice@example.com --since 6h -o csv > mem.csv
    """
    cli = cli_of(ctx)
    pictures = {"svg": svg, "png": png}
    chart = cli.output.format is None and cli.stdout.isatty()
    stream = not (chart or svg or png or cli.output.chosen_format.is_human)
    dimensions, value_type = parse_dimensions(by), ValueType.parse(value)

    def action() -> ContainerMetricAction:
        now = system_clock()
        return ContainerMetricAction(
            metric_name=name,
            labels=ContainerMetricOptionalLabel(
                agents=tuple(agents or ()),
                kernels=tuple(kernels or ()),
                sessions=tuple(sessions or ()),
                users=tuple(users or ()),
                groups=tuple(groups or ()),
            ),
            value_type=value_type,
            by=dimensions,
            start=parse_time(since, now),
            end=parse_time(until, now),
            step=optional_timedelta(step),
            window=optional_timedelta(window),
            stream=stream,
        )

    if stream:
        _stream(cli, action())
    elif svg or png:
        _draw_pictures(cli, cli.execute(action()), pictures, limit)
    else:

        async def render(processor: ActionProcessor, output: OutputOptions) -> None:
            result = await processor.run(action())
            if not chart:
                _emit_table(output, result)
                return
            from bai_manager.cli.metric_chart import (  # noqa: PLC0415 - imports Rich
                height_of,
                show_chart,
            )

            show_chart(
                output,
                result,
                limit=limit,
                ascii_only=ascii_only,
                lines_of_terminal=height_of(cli.output) - (watch is not None),
            )

        shown(cli, render, watch)


@app.command("live")
def live(
    ctx: typer.Context,
    session: Annotated[
        str,
        typer.Argument(help="Name, id or unique id prefix.", autocompletion=complete_session),
    ],
    owner: OwnerOption = None,
    watch: WatchOption = None,
) -> None:
    """Show what the kernels of a session use now.

    Example: bai-manager metric live train-1 --watch 2
    """
    cli = cli_of(ctx)
    action = GetLiveMetricsAction(session=session, owner=owner)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        _tell_silent(cli, result.silent)
        emit_rows(output, LIVE_COLUMNS, result.metrics, name=lambda row: row.metric, noun="samples")

    shown(cli, render, watch)


@app.command("top")
def top(
    ctx: typer.Context,
    by: Annotated[
        str, typer.Option("--by", help="session, kernel, user, group or agent.")
    ] = "session",
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Default: CPU, memory, accelerators; repeatable."),
    ] = None,
    over: Annotated[
        str | None, typer.Option("--over", help="The mean of the last 1h, 7d; default: now.")
    ] = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """Show who uses most.

    Example: bai-manager metric top --by user --over 1d --limit 10
    """
    cli = cli_of(ctx)
    dimension = parse_dimension(by)
    action = RankUsageAction(
        by=dimension,
        metrics=tuple(metrics or ()),
        over=optional_timedelta(over),
        query=make_query(None, sort, limit),
    )
    owned = dimension in {Dimension.SESSION, Dimension.KERNEL}

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        _tell_silent(cli, result.silent)
        emit_rows(
            output,
            rank_columns(dimension.value.capitalize(), result.units, owned=owned),
            result.ranks,
            name=lambda rank: rank.name,
            noun="usage",
        )

    shown(cli, render, watch)


@app.command("idle")
def idle(
    ctx: typer.Context,
    by: Annotated[str, typer.Option("--by", help="session or user.")] = "session",
    below: Annotated[
        float, typer.Option("--below", metavar="PERCENT", help="Use less than this on average.")
    ] = 10.0,
    over: Annotated[
        str, typer.Option("--over", help="Look back so far, where there is a Prometheus.")
    ] = "1d",
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: WatchOption = None,
) -> None:
    """Show who holds cores and accelerators without using them, and for how long.

    Without Prometheus, use is the mean since the kernels began to run. The most waste comes
    first; sort by wasted_cpu, wasted_mem, idle_for, held_for or used_share.

    Example: bai-manager metric idle --below 5 --sort -wasted_cpu
    """
    cli = cli_of(ctx)
    action = ListIdleAction(
        by=IdleDimension.parse(by),
        below=below,
        over=parse_timedelta(over),
        query=make_query(None, sort, limit),
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        _tell_silent(cli, result.silent)
        if result.unmeasured:
            unmeasured = counted(result.unmeasured, "running session")
            cli.terminal.warn(f"There are no samples of {unmeasured}.")
        emit_rows(
            output, IDLE_COLUMNS, result.idle, name=lambda row: row.name, noun="idle sessions"
        )

    shown(cli, render, watch)


@app.command("usage")
def usage(
    ctx: typer.Context,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="Default: this month.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Instead of a month.")
    ] = None,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="End of --since; not included.")
    ] = "now",
    by: Annotated[str, typer.Option("--by", help="user, group or domain.")] = "group",
    zone: Annotated[
        str, typer.Option("--timezone", help="Where months begin: UTC, Asia/Seoul.")
    ] = "UTC",
) -> None:
    """Add up what was held, in slot-hours, for reports.

    Example: bai-manager metric usage --month 2026-11 --by user
    """
    cli = cli_of(ctx)
    now = system_clock()
    if since is not None and month is None:
        start, end = parse_time(since, now), parse_time(until, now)
    else:
        start, end = parse_month(month or f"{now:%Y-%m}", zone)
    result = cli.execute(
        GetSlotHoursAction(start=start, end=end, by=UsageDimension.parse(without_synonym(by)))
    )
    human = cli.output.chosen_format.is_human
    columns = slot_hours_columns(result.rows)
    emit_rows(
        cli.output,
        columns if human else (*columns, SLOT_HOURS_COLUMN),
        result.rows,
        name=lambda row: row.name,
        noun="usage",
    )
    counted = "" if result.until == result.end else f", counted up to {time_text(result.until)}"
    if human:
        cli.terminal.note(f"{time_text(result.start)} to {time_text(result.end)}{counted}.")


@app.command("serve")
def serve(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 6003,
    address: Annotated[
        str,
        typer.Option("--address", help="Of this machine; anybody who reaches it can read."),
    ] = "127.0.0.1",
) -> None:
    """Expose the kernels of this machine to Prometheus, until interrupted.

    Example: bai-manager metric serve --port 6003
    """
    from bai_manager.cli import metric_serve  # noqa: PLC0415 - a server

    cli = cli_of(ctx)

    def started(chosen: int) -> None:
        url = f"http://{metric_serve.host_of_url(address)}:{chosen}{metric_serve.PATH}"
        serving = Serving(address=address, port=chosen, url=url)
        emit_object(cli.output, serving, SERVING_FIELDS, name=lambda one: one.url)

    async def until_cancelled(processor: ActionProcessor) -> None:
        await metric_serve.serve(processor, port, started, address=address)

    cli.run(until_cancelled)


SERVING_FIELDS: tuple[Column[Serving], ...] = (
    Column("address", lambda serving: serving.address),
    Column("port", lambda serving: serving.port),
    Column("url", lambda serving: serving.url, title="URL"),
)
PICTURE_COLUMNS: tuple[Column[Picture], ...] = (
    Column("file", lambda picture: picture.file),
    Column("metric", lambda picture: picture.metric),
    Column("series", lambda picture: picture.series),
)


def _stream(cli: Cli, action: ContainerMetricAction) -> None:
    writer = PointWriter(cli.output)

    async def main(app: App) -> None:
        app.series_sink = writer
        await app.processor.run(action)

    cli.run_app(main)
    writer.close()


def _draw_pictures(
    cli: Cli,
    result: ContainerMetricActionResult,
    files: Mapping[str, Path | None],
    limit: int,
) -> None:
    from bai_manager.cli.metric_pictures import write_picture  # noqa: PLC0415 - matplotlib

    written = [
        write_picture(result, file, kind=kind, limit=limit)
        for kind, file in files.items()
        if file is not None
    ]
    emit_rows(
        cli.output, PICTURE_COLUMNS, written, name=lambda picture: picture.file, noun="pictures"
    )


def _emit_table(output: OutputOptions, result: ContainerMetricActionResult) -> None:
    rows = ((series.name, point) for series in result.result for point in points(result, series))
    emit_rows(
        output,
        point_table_columns(result.unit),
        rows,
        name=lambda row: row[0],
        noun="values",
        total=sum(len(series.times) for series in result.result),
    )


def _tell_silent(cli: Cli, silent: Mapping[str, str]) -> None:
    for why in silent.values():
        cli.terminal.warn(f"{why} Its kernels are not counted.")
