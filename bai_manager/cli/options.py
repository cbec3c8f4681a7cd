"""Options that many commands share, and how they become values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from bai_manager.errors import InvalidInput
from bai_manager.types.duration import parse_timedelta
from bai_manager.types.query import Filter, Op, Query, parse_filter, parse_sort

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bai_manager.cli.runtime import Cli

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class InvalidEnvironment(InvalidInput):
    """A word that should have been KEY=VALUE."""

    error_code = "session_create_invalid-parameters"


FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="FIELD=VALUE", help="Keep what matches; see 'help filters'."),
]
SortOption = Annotated[
    str | None, typer.Option("--sort", metavar="[-]FIELD,…", help="Order; '-' is descending.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", help="At most so many rows in all.")]
OwnerOption = Annotated[
    str | None, typer.Option("--owner", metavar="ACCESS_KEY", help="Of another access key.")
]
EverybodyOption = Annotated[
    bool, typer.Option("--all", "-a", help="Everybody's (superadmin, monitor).")
]
EndedOption = Annotated[bool, typer.Option("--all-status", help="Ended ones too.")]
StatusOption = Annotated[
    str | None, typer.Option("--status", help="One status, or several with commas.")
]
WatchOption = Annotated[
    float | None,
    typer.Option("--watch", metavar="SECONDS", min=0.1, help="Show it again and again."),
]
TimeoutOption = Annotated[
    str | None, typer.Option("--timeout", help="How long to wait: 90s, 5m. Default: without end.")
]


def cli_of(ctx: typer.Context) -> Cli:
    """The runtime that the root put into the context."""
    return cast("Cli", ctx.obj)


def make_query(
    filters: Sequence[str] | None,
    sort: str | None,
    limit: int | None,
    *,
    status: str | None = None,
) -> Query:
    """A list request from its options; raises ``InvalidFilter`` and ``InvalidSort``."""
    parsed = [parse_filter(text) for text in filters or ()]
    if status is not None:
        parsed.append(Filter("status", Op.EQ, tuple(status.split(","))))
    return Query(
        filters=tuple(parsed), sort=parse_sort(sort) if sort is not None else (), limit=limit
    )


def seconds(text: str | None, cli: Cli) -> float | None:
    """A duration option in seconds, or the profile's default; None is without end."""
    if text is None:
        return cli.config.settings.defaults.timeout
    return parse_timedelta(text).total_seconds()


def targets(words: Iterable[str], cli: Cli) -> list[str]:
    """The names given; a single ``-`` reads them from standard input, one a line."""
    given = list(words)
    if given == ["-"]:
        return [line.strip() for line in cli.stdin if line.strip()]
    return given


def parse_environ(pairs: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as a map; raises ``InvalidEnvironment``."""
    environ: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not _VARIABLE.fullmatch(key):
            raise InvalidEnvironment(
                f"{pair!r} is no environment variable.", hint="Write it as KEY=VALUE."
            )
        environ[key] = value
    return environ
