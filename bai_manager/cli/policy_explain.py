"""``bai-manager policy explain``: every limit on somebody, and which binds first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bai_manager.cli.completion import complete_scaling_group, complete_user
from bai_manager.cli.options import WatchOption, cli_of
from bai_manager.cli.output.options import Format
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.policy_explain_columns import (
    HEADER,
    LIMIT_COLUMNS,
    LIMIT_COLUMNS_WITHOUT_REQUEST,
    header_with_request,
)
from bai_manager.cli.watch import shown
from bai_manager.services.policy.actions import ExplainPolicyAction
from bai_manager.types.wanted_session import EXAMPLE, WantedSession

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.policy.types import LimitsInForce

_ACCESS_KEY: Final = re.compile(r"[A-Z0-9]{20}")


class Prints:
    """What each command prints with ``-o json``."""

    explain: LimitsInForce


def explain(
    ctx: typer.Context,
    holder: Annotated[
        str | None,
        typer.Argument(
            metavar="[USER|ACCESS_KEY]",
            help="E-mail, user name or id; or an access key. Default: yours.",
            autocompletion=complete_user,
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option("--session-spec", metavar="SLOT=AMOUNT,…", help=f"How many fit: {EXAMPLE}"),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="In this project.")
    ] = None,
    scaling_group: Annotated[
        str | None,
        typer.Option(
            "--scaling-group",
            help="In this resource group alone.",
            autocompletion=complete_scaling_group,
        ),
    ] = None,
    watch: WatchOption = None,
) -> None:
    """Show every limit on somebody, where it comes from, what is left, and which binds first.

    Example: bai-manager policy explain alice@example.com --session-spec cpu=2,mem=4g
    """
    cli = cli_of(ctx)
    is_key = holder is not None and _ACCESS_KEY.fullmatch(holder) is not None
    action = ExplainPolicyAction(
        user=None if is_key else holder,
        owner=holder if is_key else None,
        project=project or cli.config.settings.defaults.project,
        scaling_group=scaling_group,
        spec=None if spec is None else WantedSession.parse(spec),
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        _show(output, (await processor.run(action)).explained)

    shown(cli, render, watch)


def _show(output: OutputOptions, found: LimitsInForce) -> None:
    """One object, or the limits as rows; people see both."""
    if output.chosen_format.is_structured:
        emit_object(output, found, HEADER, name=lambda one: one.access_key)
        return
    lines, columns = found.limits, LIMIT_COLUMNS
    if output.chosen_format.is_human and output.columns is None:
        header = HEADER if found.outlook is None else header_with_request(found.outlook)
        emit_object(output, found, header, name=lambda one: one.access_key)
        output.stdout.write("\n")
        if found.outlook is None:
            columns = LIMIT_COLUMNS_WITHOUT_REQUEST
    if output.chosen_format is Format.TABLE:
        lines = tuple(line for line in lines if line.limit.is_finite())
    emit_rows(output, columns, lines, name=lambda line: line.name, noun="limits")
    for line in found.limits:
        if line.unknown and output.chosen_format.is_human:
            output.note(f"{line.resource} of {line.scope.value} {line.name}: {line.unknown}")
    if hidden := len(found.limits) - len(lines):
        output.note(f"{hidden} more are unlimited: see them with -o wide.")
