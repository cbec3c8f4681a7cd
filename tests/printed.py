"""What a command printed, and the shape of it that programs rely on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.conftest import Done


def said(done: Done) -> Any:
    """The JSON on stdout of a command that went well."""
    assert done.code == 0, done.err
    return json.loads(done.out)


def shape(value: dict[str, Any]) -> dict[str, type | None]:
    """The keys in their order and the type of each; None for what is null."""
    return {key: None if member is None else type(member) for key, member in value.items()}
