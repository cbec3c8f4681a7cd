"""What commands about one session have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_image, complete_session
from bai_manager.cli.output.rows import emit_object
from bai_manager.cli.session_columns import SHOW_FIELDS

if TYPE_CHECKING:
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.session.types import SessionData

SessionArgument = Annotated[
    str, typer.Argument(help="Name, id or unique id prefix.", autocompletion=complete_session)
]
SessionsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Names, ids or unique id prefixes; '-' reads them.", autocompletion=complete_session
    ),
]
ImageArgument = Annotated[
    str, typer.Argument(help="Image name or alias.", autocompletion=complete_image)
]


def emit_session(cli: Cli, session: SessionData) -> None:
    """Print one session as ``show`` does."""
    emit_object(cli.output, session, SHOW_FIELDS, name=lambda s: s.name)
