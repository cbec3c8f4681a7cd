"""Options of ``bai-manager metric``, and how they become values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from bai_manager.cli.completion import complete_agent, complete_kernel, complete_session
from bai_manager.services.metric.types import Dimension
from bai_manager.types.duration import parse_timedelta
from bai_manager.types.errors import InvalidTime

SinceOption = Annotated[
    str, typer.Option("--since", metavar="TIME", help="From: 6h (ago), 7d, 2026-01-31.")
]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="TIME", help="Up to: now, 1h (ago), 2026-01-31T12:00Z.")
]
SessionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--session", "-s", help="Of this session; repeatable.", autocompletion=complete_session
    ),
]
KernelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kernel", "-k", help="Of this kernel; repeatable.", autocompletion=complete_kernel
    ),
]
UsersOption = Annotated[
    list[str] | None,
    typer.Option("--user", "-u", metavar="EMAIL", help="Of this user; repeatable."),
]
GroupsOption = Annotated[
    list[str] | None,
    typer.Option("--group", "--project", "-g", help="Of this project; repeatable."),
]
AgentsOption = Annotated[
    list[str] | None,
    typer.Option("--agent", help="On this agent; repeatable.", autocompletion=complete_agent),
]
AsciiOption = Annotated[bool, typer.Option("--ascii", help="Draw with plain characters.")]

_SYNONYMS = {"project": "group"}


def parse_dimensions(text: str) -> tuple[Dimension, ...]:
    """``session,user``; ``all`` is one series for everything. Raises ``InvalidChoice``."""
    if text.strip().casefold() == "all":
        return ()
    return tuple(dict.fromkeys(map(parse_dimension, text.split(","))))


def parse_dimension(text: str) -> Dimension:
    """One of session, kernel, user, group (or project) and agent."""
    return Dimension.parse(without_synonym(text))


def without_synonym(text: str) -> str:
    return _SYNONYMS.get(text.strip().casefold(), text)


def optional_timedelta(text: str | None) -> timedelta | None:
    return None if text is None else parse_timedelta(text)


def parse_month(text: str, zone: str) -> tuple[datetime, datetime]:
    """The beginning of a month, ``2026-11``, and that of the next one, in a time zone.

    Raises ``InvalidTime``.
    """
    try:
        where = UTC if zone.casefold() == "utc" else ZoneInfo(zone)
        start = datetime.strptime(text.strip(), "%Y-%m").replace(tzinfo=where)
    except (ZoneInfoNotFoundError, ValueError) as error:
        why = "there is no such time zone" if zone in str(error) else "it is no month"
        raise InvalidTime(
            f"{text} {zone}", why, example="--month 2026-11 --timezone Asia/Seoul"
        ) from None
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start, following
