"""The option that puts folders into sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_vfolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bai_manager.types.mounts import MountRequest

MountOption = Annotated[
    list[str] | None,
    typer.Option(
        "--mount",
        "-v",
        metavar="NAME[:PATH][:ro]",
        help="A virtual folder, by default at /home/work/NAME.",
        autocompletion=complete_vfolder,
    ),
]


def read_mounts(texts: Iterable[str] | None) -> tuple[MountRequest, ...]:
    """Raises ``InvalidMount``."""
    if not texts:
        return ()
    from bai_manager.types.mounts import MountRequest  # noqa: PLC0415 - only with folders

    return tuple(MountRequest.parse(text) for text in texts)
