"""Arguments that several commands of virtual folders share."""

from __future__ import annotations

from typing import Annotated

import typer

from bai_manager.cli.completion import complete_vfolder

FolderArgument = Annotated[
    str, typer.Argument(help="Name, id or id prefix.", autocompletion=complete_vfolder)
]
FoldersArgument = Annotated[
    list[str],
    typer.Argument(help="Names or ids; '-' reads them.", autocompletion=complete_vfolder),
]
