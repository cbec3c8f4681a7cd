"""What purging a user and purging a project show before they ask."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.services.purging import fingerprint
from bai_manager.types.jsonable import to_jsonable
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from bai_manager.cli.runtime import Cli
    from bai_manager.types.purge import Blocker

PreviewOption = Annotated[
    bool, typer.Option("--preview", help="Print what it would do, and what is in the way.")
]
ConfirmOption = Annotated[
    str | None, typer.Option("--confirm", metavar="NAME", help="Do it without asking.")
]
DestroySessionsOption = Annotated[
    bool, typer.Option("--destroy-sessions", help="End sessions that have not ended.")
]

_SAID_ELSEWHERE = frozenset({"blockers", "mounted_folders", "email", "name", "user_id", "group_id"})


def confirm_purge(cli: Cli, plan: DataclassInstance, name: str, *, given: str | None) -> str:
    """Show what would be lost, ask for the name, and return the fingerprint of what was shown."""
    cli.terminal.note(f"Purging {name}:\n" + "\n".join(f"  {line}" for line in summary(plan)))
    if not cli.flags.dry_run:
        cli.terminal.confirm_name(f"{name} is removed for good.", name, given=given)
    return fingerprint(plan)


def summary(plan: DataclassInstance) -> list[str]:
    """A line for each thing that a plan touches, with a number and names where it has them."""
    return [
        f"{one.name.replace('_', ' ')}: {_said(getattr(plan, one.name))}"
        for one in fields(plan)
        if one.name not in _SAID_ELSEWHERE and getattr(plan, one.name)
    ]


def blockers_text(blockers: list[Blocker]) -> str:
    """Why not, and what to do about it: a line each."""
    return "\n".join(f"{one.message}: {one.remedy}" for one in blockers) or "nothing"


def names_text(found: object) -> str:
    """A number, and names below it."""
    return _said(found) if found else "none"


def _said(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)} ({', '.join(printable(_named(one)) for one in value)})"
    return printable(str(value))


def _named(one: object) -> str:
    facts = to_jsonable(one)
    if not isinstance(facts, dict):
        return str(facts)
    name = str(facts.get("name") or facts.get("folder_name"))
    new_name = facts.get("new_name")
    return f"{name} as {new_name}" if new_name not in {None, name} else name
