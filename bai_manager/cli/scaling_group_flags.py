"""The options of ``scaling-group create`` and ``update``: columns, and members of their options."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bai_manager.cli.completion import complete_domain
from bai_manager.cli.limits import read_seconds
from bai_manager.types.choice import Choice
from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidValue
from bai_manager.types.patches import JsonPatch
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.json import JsonObject, JsonValue

T = TypeVar("T")
ChoiceT = TypeVar("ChoiceT", bound=Choice)


class InvalidOption(InvalidValue):
    """A word that should have been KEY=VALUE."""

    noun = "option"


DescriptionOption = Annotated[str | None, typer.Option("--description", help="For people.")]
NoDescriptionOption = Annotated[
    bool, typer.Option("--no-description", help="Without a description.")
]
ActiveOption = Annotated[
    bool | None, typer.Option("--active/--inactive", help="Whether sessions may be created there.")
]
PublicOption = Annotated[
    bool | None,
    typer.Option("--public/--private", help="Private ones are for system sessions only."),
]
ProxyOption = Annotated[
    str | None, typer.Option("--wsproxy-addr", metavar="URL", help="The app proxy's address.")
]
NoProxyOption = Annotated[bool, typer.Option("--no-wsproxy-addr", help="Without an app proxy.")]
TokenOption = Annotated[
    typer.FileText | None,
    typer.Option("--wsproxy-api-token-file", help="A file with the app proxy's token, or '-'."),
]
NoTokenOption = Annotated[
    bool, typer.Option("--no-wsproxy-api-token", help="Forget the app proxy's token.")
]
DriverOption = Annotated[str | None, typer.Option("--driver", help="How agents come and go.")]
DriverOptOption = Annotated[
    list[str] | None, typer.Option("--driver-opt", metavar="KEY=VALUE", help="For the driver.")
]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="Who goes first: fifo, lifo or drf.")
]
HostNetworkOption = Annotated[
    bool | None,
    typer.Option("--host-network/--no-host-network", help="Containers share the host's network."),
]
SessionTypesOption = Annotated[
    str | None,
    typer.Option(
        "--session-types", metavar="TYPE,…", help="interactive, batch, inference, system."
    ),
]
PendingTimeoutOption = Annotated[
    str | None,
    typer.Option("--pending-timeout", metavar="DURATION", help="Give up waiting after 1h; never."),
]
StrategyOption = Annotated[
    str | None,
    typer.Option(
        "--agent-selection-strategy", help="dispersed, concentrated, roundrobin or legacy."
    ),
]
ConfigOption = Annotated[
    list[str] | None,
    typer.Option("--scheduler-config", metavar="KEY=VALUE", help="For the scheduler."),
]
NoConfigOption = Annotated[
    list[str] | None,
    typer.Option("--no-scheduler-config", metavar="KEY", help="Set it no longer."),
]
SelectorOption = Annotated[
    list[str] | None,
    typer.Option("--selector-config", metavar="KEY=VALUE", help="For the agent selector."),
]
NoSelectorOption = Annotated[
    list[str] | None,
    typer.Option("--no-selector-config", metavar="KEY", help="Set it no longer."),
]
SpreadOption = Annotated[
    bool | None,
    typer.Option("--spread-replicas/--no-spread-replicas", help="Of one model service."),
]
FractionOption = Annotated[
    bool | None,
    typer.Option(
        "--fractional-fragmentation/--no-fractional-fragmentation",
        help="Whether shares of a device may be scattered.",
    ),
]
RouteCleanupOption = Annotated[
    str | None,
    typer.Option(
        "--route-cleanup",
        metavar="STATUS,…",
        help="Routes to clean up: healthy, unhealthy, degraded.",
    ),
]
DomainsOption = Annotated[
    list[str] | None,
    typer.Option("--domain", "-d", help="Open to this domain.", autocompletion=complete_domain),
]
ProjectsOption = Annotated[
    list[str] | None,
    typer.Option("--group", "--project", "-g", help="Open to this project: ID or DOMAIN/NAME."),
]
KeypairsOption = Annotated[
    list[str] | None,
    typer.Option("--keypair", "-k", metavar="ACCESS_KEY", help="Open to this key pair."),
]


def given(value: T | None) -> Maybe[T]:
    """What an option says, or that it was not given."""
    return UNSET if value is None else value


def text_or_none(text: str | None, *, cleared: bool) -> Maybe[str | None]:
    """A text, None where it is to be cleared, or that nothing was given."""
    return None if cleared else given(text)


def read_token(file: typer.FileText | None, *, cleared: bool) -> Maybe[Secret | None]:
    """A secret out of a file, without the end of its line."""
    if cleared:
        return None
    return UNSET if file is None else Secret(file.read().strip())


def read_choice(text: str | None, choices: type[ChoiceT]) -> Maybe[ChoiceT]:
    """One of a closed list; raises ``InvalidChoice``."""
    return UNSET if text is None else choices.parse(text)


def read_choices(text: str | None, choices: type[ChoiceT]) -> Maybe[tuple[ChoiceT, ...]]:
    """Several of a closed list, with commas; raises ``InvalidChoice``."""
    if text is None:
        return UNSET
    return tuple(choices.parse(word) for word in text.split(",") if word.strip())


def read_duration(text: str | None) -> Maybe[timedelta]:
    """A duration, of which ``never`` is 0; raises ``InvalidDuration``."""
    seconds = read_seconds(text, {"never": 0, "unlimited": 0})
    return UNSET if seconds is UNSET else timedelta(seconds=seconds)


def read_members(put: Sequence[str] | None, drop: Sequence[str] | None = None) -> Maybe[JsonPatch]:
    """Members of a JSON object: values are JSON where they can be read so, else text.

    Raises ``InvalidOption``.
    """
    if not (put or drop):
        return UNSET
    members: JsonObject = {}
    for text in put or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InvalidOption(text, "it is not KEY=VALUE", example="max_retries=5")
        members[key.strip()] = _json_or_text(value)
    return JsonPatch(put=members, drop=tuple(drop or ()))


def _json_or_text(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value
