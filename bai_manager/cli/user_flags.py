"""The options of ``user create`` and ``user update``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bai_manager.cli.completion import (
    complete_domain,
    complete_group,
    complete_keypair,
    complete_user,
    complete_user_policy,
)
from bai_manager.services.user.types import UserChanges
from bai_manager.types.choice import Choice
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
ChoiceT = TypeVar("ChoiceT", bound=Choice)

UserArgument = Annotated[
    str,
    typer.Argument(help="E-mail, user name, id or id prefix.", autocompletion=complete_user),
]
UsersArgument = Annotated[
    list[str],
    typer.Argument(help="E-mails, names or ids; '-' reads them.", autocompletion=complete_user),
]
UsernameOption = Annotated[str | None, typer.Option("--username", help="Unique; default: e-mail.")]
FullNameOption = Annotated[str | None, typer.Option("--full-name", help="For people.")]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="For people.")]
RoleOption = Annotated[
    str | None, typer.Option("--role", help="superadmin, admin, user or monitor.")
]
UserStatusOption = Annotated[
    str | None,
    typer.Option("--status", help="active, inactive, before-verification or deleted."),
]
DomainOption = Annotated[
    str | None, typer.Option("--domain", help="Domain.", autocompletion=complete_domain)
]
ProjectsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--project",
        "--group",
        help="A project of the domain; once for each.",
        autocompletion=complete_group,
    ),
]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", help="User policy.", autocompletion=complete_user_policy),
]
NetworksOption = Annotated[
    list[str] | None,
    typer.Option("--allowed-client-ip", metavar="CIDR", help="Where requests may come from."),
]
TotpOption = Annotated[
    bool | None, typer.Option("--totp/--no-totp", help="Whether one-time passwords are asked for.")
]
SudoOption = Annotated[
    bool | None, typer.Option("--sudo/--no-sudo", help="Whether sessions have sudo.")
]
UidOption = Annotated[
    int | None, typer.Option("--container-uid", help="User number in containers.")
]
MainGidOption = Annotated[
    int | None, typer.Option("--container-main-gid", help="Group number in containers.")
]
GidsOption = Annotated[
    list[int] | None, typer.Option("--container-gid", help="One more group; once for each.")
]
MainKeyOption = Annotated[
    str | None,
    typer.Option(
        "--main-access-key",
        help="The key pair to log in with.",
        autocompletion=complete_keypair,
    ),
]


class Clearable(Choice):
    """What ``--unset`` may clear; ``projects`` is leaving them all."""

    FULL_NAME = "full-name"
    DESCRIPTION = "description"
    PROJECTS = "projects"
    MAIN_ACCESS_KEY = "main-access-key"
    ALLOWED_CLIENT_IP = "allowed-client-ip"
    CONTAINER_UID = "container-uid"
    CONTAINER_MAIN_GID = "container-main-gid"
    CONTAINER_GIDS = "container-gids"


def _complete_clearable(incomplete: str) -> list[str]:
    return [one.value for one in Clearable if one.value.startswith(incomplete)]


UnsetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--unset",
        metavar="FIELD",
        help=f"Clear one of {', '.join(one.value for one in Clearable)}.",
        autocompletion=_complete_clearable,
    ),
]


def cleared(words: Sequence[str] | None) -> UserChanges:
    """What ``--unset`` clears; raises ``InvalidChoice``."""
    found = {Clearable.parse(word).value.replace("-", "_") for word in words or ()}
    values: dict[str, object] = dict.fromkeys(found)
    if "projects" in values:
        values["projects"] = ()
    return UserChanges(**values)  # type: ignore[arg-type]


def given(value: T | None) -> Maybe[T]:
    """An option that was not given changes nothing."""
    return UNSET if value is None else value


def read_choice(text: str | None, kind: type[ChoiceT]) -> Maybe[ChoiceT]:
    """A member, if one was given; raises ``InvalidChoice``."""
    return UNSET if text is None else kind.parse(text)


def several(values: Sequence[T] | None) -> Maybe[tuple[T, ...]]:
    """An option that may be repeated."""
    return UNSET if not values else tuple(values)
