"""``bai-manager session service``: the programs that a session serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_session
from bai_manager.cli.options import OwnerOption, cli_of, parse_environ
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.services.session_app.actions import (
    ListServicesAction,
    ShutdownServiceAction,
    StartServiceAction,
)
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from bai_manager.services.session_app.actions import (
        ShutdownServiceActionResult,
        StartServiceActionResult,
    )
    from bai_manager.services.session_app.types import AppData

app = typer.Typer(
    help="Start, reach and stop what a session serves.\n\n"
    "Example: bai-manager session service list train-1",
    no_args_is_help=True,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[AppData]
    start: StartServiceActionResult
    stop: ShutdownServiceActionResult
    url: StartServiceActionResult


SessionArgument = Annotated[
    str, typer.Argument(help="Name, id or unique id prefix.", autocompletion=complete_session)
]
ServiceArgument = Annotated[str, typer.Argument(help="As 'session service list' names it.")]
PortOption = Annotated[
    int | None, typer.Option("--port", "-p", help="Of its container ports; default: the first.")
]
PublicOption = Annotated[
    bool, typer.Option("--open-to-public", help="Let in whoever knows the address.")
]

COLUMNS: tuple[Column[AppData], ...] = (
    Column("name", lambda app: app.name, keep=True),
    Column("protocol", lambda app: app.protocol),
    Column(
        "container_ports",
        lambda app: app.container_ports,
        title="Ports",
    ),
    Column(
        "host_ports",
        lambda app: app.host_ports,
        human=lambda app: ", ".join(
            "when started" if p is None else str(p) for p in app.host_ports
        ),
    ),
    Column("is_inference", lambda app: app.is_inference, title="Inference", wide=True),
)
START_FIELDS: tuple[Column[StartServiceActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("service", lambda result: result.service),
    Column("protocol", lambda result: result.protocol),
    Column("url", lambda result: result.url, title="URL"),
)
STOP_FIELDS: tuple[Column[ShutdownServiceActionResult], ...] = (
    Column("session_id", lambda result: result.session_id, title="Session"),
    Column("service", lambda result: result.service),
)


@app.command("list")
def list_(ctx: typer.Context, session: SessionArgument, owner: OwnerOption = None) -> None:
    """List what a running session can serve.

    Example: bai-manager session service list train-1
    """
    cli = cli_of(ctx)
    result = cli.execute(ListServicesAction(session=session, owner=owner))
    emit_rows(cli.output, COLUMNS, result.services, name=lambda app: app.name, noun="services")


@app.command("start")
def start(
    ctx: typer.Context,
    session: SessionArgument,
    service: ServiceArgument,
    port: PortOption = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option("--arg", "-a", metavar="OPTION=VALUE", help="For its command line."),
    ] = None,
    environ: Annotated[
        list[str] | None, typer.Option("--env", "-e", metavar="KEY=VALUE", help="Environment.")
    ] = None,
    open_to_public: PublicOption = False,
    owner: OwnerOption = None,
) -> None:
    """Start a service of a session and print where it is reached.

    Example: bai-manager session service start train-1 files
    """
    cli = cli_of(ctx)
    result = cli.execute(
        StartServiceAction(
            session=session,
            owner=owner,
            service=service,
            port=port,
            arguments=dict(_argument(text) for text in arguments or ()),
            environ=parse_environ(environ or ()),
            open_to_public=open_to_public,
        )
    )
    emit_object(cli.output, result, START_FIELDS, name=lambda r: r.url or r.service)


@app.command("stop")
def stop(
    ctx: typer.Context,
    session: SessionArgument,
    service: ServiceArgument,
    owner: OwnerOption = None,
) -> None:
    """Stop a service of a session; one that does not run is no error.

    Example: bai-manager session service stop train-1 files
    """
    cli = cli_of(ctx)
    result = cli.execute(ShutdownServiceAction(session=session, owner=owner, service=service))
    emit_object(cli.output, result, STOP_FIELDS, name=lambda r: r.service)


@app.command("url")
def url(
    ctx: typer.Context,
    session: SessionArgument,
    service: ServiceArgument,
    port: PortOption = None,
    open_to_public: PublicOption = False,
    owner: OwnerOption = None,
) -> None:
    """Print the address of a service alone, starting it if need be.

    Example: curl -O "$(bai-manager session service url train-1 files)model.pt"
    """
    cli = cli_of(ctx)
    result = cli.execute(
        StartServiceAction(
            session=session,
            owner=owner,
            service=service,
            port=port,
            open_to_public=open_to_public,
        )
    )
    if cli.output.chosen_format.is_structured:
        emit_object(cli.output, result, START_FIELDS, name=lambda r: r.url or r.service)
    elif result.url is not None:
        cli.stdout.write(printable(result.url) + "\n")


def _argument(text: str) -> tuple[str, str]:
    """``OPTION=VALUE``, or an option alone."""
    option, _, value = text.partition("=")
    return option, value
