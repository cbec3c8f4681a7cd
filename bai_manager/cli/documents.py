"""Files that somebody wrote for a command, or standard input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bai_manager.errors import InvalidInput

if TYPE_CHECKING:
    from bai_manager.cli.runtime import Cli


class UnreadableDocument(InvalidInput):
    """The file is not there, or is no text."""

    error_code = "api_parsing_invalid-parameters"


def read_document(cli: Cli, file: str) -> tuple[str, str]:
    """The text of a document and what it is called. Raises ``UnreadableDocument``."""
    if file == "-":
        return cli.stdin.read(), "standard input"
    try:
        return Path(file).read_text(encoding="utf-8"), file
    except OSError as error:
        raise UnreadableDocument(
            f"{file} cannot be read: {error.strerror}.", hint="Look at its name and mode."
        ) from None
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"{file} is no UTF-8 text (byte {error.start}).", hint="Save it as UTF-8."
        ) from None
