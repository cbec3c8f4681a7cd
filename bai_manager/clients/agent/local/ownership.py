"""Whose kernels are in a root: two systems that shared one would end each other's.

A system ends every kernel of its machine that no row of its database stands for. So the first to
use a root leaves its mark in it, and another one is refused. The mark is an id kept in the data
folder, beside the database: it survives that the folder is moved.

::

    <data folder>/identity    the system's id
    <root>/.owner             {"id": …, "profile": …, "data": …}; the last two are for people
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.clients.agent.local.state import read_json, write_json
from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

OWNER = ".owner"
IDENTITY = "identity"


class AgentRootTaken(ConfigurationError):
    """The local agent's work folder is that of another system."""

    error_code = "agent_setup_conflict"

    def __init__(self, root: Path, profile: str, data: str) -> None:
        super().__init__(
            f"{root} holds the kernels of another system: profile {profile!r} with its data in"
            f" {data}. Two systems with one folder would end each other's kernels.",
            hint="Give this profile a folder of its own: 'bai-manager config set"
            f" agent.local_root FOLDER'. If that system is gone, remove {root / OWNER}.",
            details={"root": str(root), "profile": profile, "data": data},
        )


def claim_root(root: Path, data: Path, profile: str, *, read_only: bool = False) -> None:
    """Make sure that the root is this system's, and mark it unless ``read_only``.

    Raises ``AgentRootTaken``.
    """
    known = read_json(str(data / IDENTITY))
    if (root / OWNER).exists():
        marked = read_json(str(root / OWNER)) or {}
        if known is None or marked.get("id") != known.get("id"):
            raise AgentRootTaken(root, str(marked.get("profile")), str(marked.get("data")))
        return
    if read_only:
        return
    identity = _identity(data)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _create(root / OWNER, {"id": identity, "profile": profile, "data": str(data)})
    claim_root(root, data, profile, read_only=True)


def _identity(data: Path) -> str:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _create(data / IDENTITY, {"id": uuid4().hex})
    found = read_json(str(data / IDENTITY)) or {}
    return str(found.get("id"))


def _create(path: Path, value: dict[str, str]) -> None:
    """Write a file that is not there; of several at once the first one's stays, complete."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    write_json(str(new), {**value})
    with suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
