"""Limits as people write and read them: ``8``, ``64g``, ``10GiB``, ``30m``, ``unlimited``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from bai_manager.cli.output.columns import Column
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.duration import humanized, parse_timedelta
from bai_manager.types.errors import InvalidHostPermissions
from bai_manager.types.limits import InvalidLimitValue
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot, parse_assignments
from bai_manager.types.tristate import UNSET, Maybe
from bai_manager.types.vfolder import VFolderHostPermission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bai_manager.types.vfolder import HostPermissions

T = TypeVar("T")
NoneT = TypeVar("NoneT", int, None, int | None)

UNLIMITED: Final = "unlimited"
_EVERY_PERMISSION: Final = frozenset(VFolderHostPermission)

SlotOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slot",
        "--resource",
        "-r",
        metavar="SLOT=AMOUNT",
        help="cpu=8, mem=64g, cuda.device=unlimited.",
    ),
]
NoSlotOption = Annotated[
    list[str] | None, typer.Option("--no-slot", metavar="SLOT", help="Name it no longer.")
]
ClearSlotsOption = Annotated[
    bool, typer.Option("--clear-slots", help="Begin without the slots that were named.")
]
HostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vfolder-host",
        metavar="HOST=PERMISSION,…",
        help="local:volume1=create-vfolder,upload-file; or =all, or =none.",
    ),
]
NoHostOption = Annotated[
    list[str] | None, typer.Option("--no-vfolder-host", metavar="HOST", help="Name it no longer.")
]
ClearHostsOption = Annotated[
    bool, typer.Option("--clear-vfolder-hosts", help="Begin without the hosts that were named.")
]


def read_number(text: str | None, *, unlimited: NoneT) -> Maybe[int | NoneT]:
    """A whole number, or what stands for none; raises ``InvalidLimitValue``."""
    if text is None:
        return UNSET
    if text.strip().lower() == UNLIMITED:
        return unlimited
    try:
        return int(text)
    except ValueError:
        raise InvalidLimitValue(
            text, "it is neither a whole number nor 'unlimited'", example="30"
        ) from None


def read_size(text: str | None, *, unlimited: int) -> Maybe[int]:
    """Bytes, or what stands for no limit; raises ``InvalidSize``."""
    if text is None:
        return UNSET
    return unlimited if text.strip().lower() == UNLIMITED else int(BinarySize.parse(text))


def read_seconds(text: str | None, words: Mapping[str, int]) -> Maybe[int]:
    """Whole seconds of a duration, or what a word stands for; raises ``InvalidDuration``."""
    if text is None:
        return UNSET
    word = text.strip().lower()
    return words[word] if word in words else int(parse_timedelta(text).total_seconds())


def read_slots(
    put: Sequence[str] | None, drop: Sequence[str] | None = None, *, replace: bool = False
) -> Maybe[SlotsPatch]:
    """Amounts by slot; raises ``InvalidResourceSlot``."""
    if not (put or drop or replace):
        return UNSET
    amounts = {
        slot: "inf" if amount.lower() == UNLIMITED else amount
        for slot, amount in parse_assignments(put or ()).items()
    }
    return SlotsPatch(put=ResourceSlot(amounts), drop=tuple(drop or ()), replace=replace)


def read_hosts(
    put: Iterable[str] | None, drop: Sequence[str] | None = None, *, replace: bool = False
) -> Maybe[HostsPatch]:
    """Permissions by storage host; raises ``InvalidHostPermissions`` and ``InvalidChoice``."""
    if not (put or drop or replace):
        return UNSET
    hosts = dict(_host(text) for text in put or ())
    return HostsPatch(put=hosts, drop=tuple(drop or ()), replace=replace)


def _host(text: str) -> tuple[str, frozenset[VFolderHostPermission]]:
    host, equals, permissions = text.partition("=")
    if not equals:
        raise InvalidHostPermissions(
            text, "it is not HOST=PERMISSION,…", example="local:volume1=create-vfolder,upload-file"
        )
    match permissions.strip().lower():
        case "all":
            return host.strip(), _EVERY_PERMISSION
        case "none" | "":
            return host.strip(), frozenset()
        case listed:
            return host.strip(), frozenset(
                VFolderHostPermission.parse(permission) for permission in listed.split(",")
            )


def number_column(
    name: str,
    value: Callable[[T], int | None],
    *,
    unlimited: Callable[[int], bool] = lambda _: False,
    title: str = "",
    wide: bool = False,
) -> Column[T]:
    """Show a limit on a number; None is no limit, and ``unlimited`` says what else is."""

    def human(row: T) -> object:
        number = value(row)
        return UNLIMITED if number is None or unlimited(number) else number

    return Column(name, value, human=human, justify="right", title=title, wide=wide)


def quota_column(
    name: str, value: Callable[[T], int], *, title: str = "", wide: bool = False
) -> Column[T]:
    """Show a limit in bytes, of which 0 or less is none."""

    def human(row: T) -> str:
        size = value(row)
        return str(BinarySize(size)) if size > 0 else UNLIMITED

    return Column(name, value, human=human, justify="right", title=title, wide=wide)


def seconds_column(
    name: str,
    value: Callable[[T], int],
    *,
    negative: str = UNLIMITED,
    title: str = "",
    wide: bool = False,
) -> Column[T]:
    """Show a limit in seconds, of which 0 is none; ``negative`` is what less than 0 means."""

    def human(row: T) -> str:
        seconds = value(row)
        if seconds < 0:
            return negative
        return humanized(timedelta(seconds=seconds)) if seconds else UNLIMITED

    return Column(name, value, human=human, justify="right", title=title, wide=wide)


def hosts_column(
    name: str, value: Callable[[T], HostPermissions], *, title: str = "", wide: bool = False
) -> Column[T]:
    """Show what may be done on each storage host."""
    return Column(
        name,
        value,
        human=lambda row: "\n".join(_host_texts(value(row))) or None,
        title=title,
        wide=wide,
    )


def _host_texts(hosts: HostPermissions) -> list[str]:
    return [host_text(host, granted) for host, granted in sorted(hosts.items())]


def host_text(host: str, granted: frozenset[VFolderHostPermission]) -> str:
    """``local:volume1: all``."""
    said = "all" if granted == _EVERY_PERMISSION else ", ".join(sorted(granted)) or "none"
    return f"{host}: {said}"
