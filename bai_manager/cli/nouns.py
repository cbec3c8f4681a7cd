"""The nouns of the command line, each with its one-line help; their modules load when called."""

from __future__ import annotations

from copy import copy
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.core import TyperGroup, TyperOption
from typer.utils import get_params_from_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from typer._click.core import Command, Context  # what TyperGroup itself is annotated with
    from typer.models import CommandInfo, TyperInfo


class Part(NamedTuple):
    """A module with some VERBS of a noun, or with a GROUP of verbs below it."""

    module: str
    verbs: str = ""
    group: str | None = None

    def has(self, verb: str) -> bool:
        return verb == self.group or verb in self.verbs.split()


class Noun(NamedTuple):
    """``module`` below ``bai_manager.cli`` holds ``app``; ``panel`` groups nouns in the help.

    ``parts`` hold more of its verbs; one loads when a verb of it is called.
    """

    module: str
    help: str
    panel: str
    parts: tuple[Part, ...] = ()


_WORK = "Work"
_PEOPLE = "People and limits"
_SYSTEM = "System"

NOUNS: Mapping[str, Noun] = {
    "quickstart": Noun("quickstart", "Set up this machine and take a guided round trip.", _SYSTEM),
    "init": Noun("init", "Create the local system, or complete it.", _SYSTEM),
    "session": Noun(
        "session",
        "Create, run, inspect and destroy sessions.",
        _WORK,
        (
            Part("session_create", "create run"),
            Part("session_changes", "rename update restart check-status"),
            Part("session_inside", "exec logs interrupt complete usage"),
            Part("session_files", "ls upload download archive"),
            Part(
                "session_records",
                "match history timeline graph access-info abuse-report",
            ),
            Part("session_why", "why-pending fits"),
            Part("session_service", group="service"),
            Part("session_commit", "commit commit-status convert-to-image"),
            Part("session_idle", "idle end-idle"),
        ),
    ),
    "kernel": Noun("kernel", "Look at the kernels of sessions.", _WORK),
    "image": Noun("image", "What sessions can run.", _WORK),
    "template": Noun("template", "Requests for sessions, kept by name.", _WORK),
    "container-registry": Noun("container_registry", "Where images come from.", _SYSTEM),
    "vfolder": Noun(
        "vfolder",
        "Virtual folders, their files and who shares them.",
        _WORK,
        (
            Part("vfolder_trash", "delete restore recover purge"),
            Part("vfolder_files", "ls du cat mkdir mv rm"),
            Part("vfolder_transfer", "upload download"),
            Part("vfolder_invitation", group="invitation"),
            Part("vfolder_quota", group="quota"),
        ),
    ),
    "domain": Noun("domain", "The outermost tenants.", _PEOPLE),
    "user": Noun("user", "Users, their passwords and key pairs.", _PEOPLE),
    "group": Noun("group", "Projects, their members and what they used.", _PEOPLE),
    "policy": Noun("policy", "Limits of key pairs, users and projects.", _PEOPLE),
    "preset": Noun("preset", "Named requests for resources, and what fits now.", _PEOPLE),
    "scaling-group": Noun("scaling_group", "Groups of agents, and who may use them.", _PEOPLE),
    "export": Noun("export", "Write the system as one document.", _PEOPLE),
    "diff": Noun("diff", "Compare the system with a document.", _PEOPLE),
    "apply": Noun("apply", "Make the system what a document says.", _PEOPLE),
    "agent": Noun("agent", "List, inspect, open and close agents.", _SYSTEM),
    "metric": Noun("metric", "See who uses what, now and over time.", _WORK),
    "scheduler": Noun("scheduler", "Run the scheduler by hand.", _SYSTEM),
    "status": Noun("status", "Ask everything a profile depends on how it is.", _SYSTEM),
    "connect": Noun("connect", "Attach a profile to a running cluster.", _SYSTEM),
    "audit": Noun("audit", "Read the audit trail.", _SYSTEM),
    "auth": Noun("auth", "Show who you act as.", _SYSTEM),
    "db": Noun("db", "Start, stop and reach the embedded database.", _SYSTEM),
    "config": Noun("config", "Show and change configuration and profiles.", _SYSTEM),
    "schema": Noun("schema", "Print the JSON Schema of a noun's results.", _SYSTEM),
    "help": Noun("help", "Read about exit codes, formats, filters and the environment.", _SYSTEM),
}
ALIASES: Mapping[str, str] = {"project": "group", "resource-group": "scaling-group"}


def _process_given_value(self: TyperOption, ctx: Context, value: Any) -> Any:
    """Leave an option alone that was not given.

    Typer builds a pydantic adapter for every option of a command, given or not: that is a tenth
    of a short command's time, and loads pydantic to print a help text.
    """
    if value is None and not self.required and self.callback is None:
        return None
    return _process_value(self, ctx, value)


_process_value = TyperOption.process_value
TyperOption.process_value = _process_given_value  # type: ignore[assignment,method-assign]

# Typer evaluates the annotations of every function twice: for its options, and to call it.
vars(typer.main)["get_params_from_function"] = cache(get_params_from_function)


def load(noun: Noun, words: Sequence[str] = ()) -> typer.Typer:
    """Import a noun: the part with the verb that WORDS begin with, or else all of it."""
    for part in noun.parts:
        if words and part.has(words[0]):
            return _with_parts(typer.Typer(add_completion=False), part)
    app: typer.Typer = import_module(f"bai_manager.cli.{noun.module}").app
    is_its_own = bool(words) and _narrow(app, words) is not app
    return app if is_its_own or not noun.parts else _with_parts(app, *noun.parts)


def _with_parts(app: typer.Typer, *parts: Part) -> typer.Typer:
    whole = copy(app)
    whole.registered_groups = [*app.registered_groups]
    for part in parts:
        whole.add_typer(import_module(f"bai_manager.cli.{part.module}").app, name=part.group)
    return whole


def build(app: typer.Typer, words: Sequence[str]) -> Command:
    """APP as Typer's command: only the verb that WORDS begin with, when they name one.

    Typer works out the parameters of every command before it looks for the one to run; for a
    noun of thirty verbs that takes longer than the rest of its start.
    """
    narrowed = _narrow(app, words)
    if narrowed is app:
        return typer.main.get_command(app)
    return typer.main.get_group(narrowed)


def _narrow(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    verb = words[0] if words else None
    known = [*app.registered_commands]
    for info in app.registered_groups:
        if not isinstance(info.name, str) and info.typer_instance is not None:
            known += info.typer_instance.registered_commands
    commands = [info for info in known if _name(info) == verb]
    groups = [info for info in app.registered_groups if _leads_to(info, words)]
    if not commands and not groups:
        return app
    narrowed = copy(app)
    narrowed.registered_commands = commands
    narrowed.registered_groups = [_narrow_group(info, words) for info in groups]
    return narrowed


def _leads_to(info: TyperInfo, words: Sequence[str]) -> bool:
    """Whether the group has the name, or none of its own and a verb of the name."""
    if isinstance(info.name, str):
        return [*words[:1]] == [info.name]
    return info.typer_instance is not None and (
        _narrow(info.typer_instance, words) is not info.typer_instance
    )


def _narrow_group(info: TyperInfo, words: Sequence[str]) -> TyperInfo:
    narrowed = copy(info)
    if info.typer_instance is not None:
        rest = words[1:] if isinstance(info.name, str) else words
        narrowed.typer_instance = _narrow(info.typer_instance, rest)
    return narrowed


def _name(info: CommandInfo) -> str | None:
    if info.name or info.callback is None:
        return info.name
    return typer.main.get_command_name(info.callback.__name__)


class LazyNoun(TyperGroup):
    """Stands for a noun in listings and completion; becomes the noun when it is called."""

    def __init__(self, name: str, noun: Noun) -> None:
        super().__init__(
            name=name, help=noun.help, short_help=noun.help, rich_help_panel=noun.panel
        )
        self._noun = noun

    def make_context(
        self, info_name: str | None, args: list[str], parent: Context | None = None, **extra: Any
    ) -> Context:
        command = build(load(self._noun, args), args)
        command.name = self.name
        return command.make_context(info_name, args, parent=parent, **extra)


class NounGroup(TyperGroup):
    """The root group: nouns by name, unique prefixes are not accepted, aliases are hidden."""

    def list_commands(self, ctx: Context) -> list[str]:
        return [*super().list_commands(ctx), *NOUNS]

    def get_command(self, ctx: Context, cmd_name: str) -> Any:
        name = ALIASES.get(cmd_name, cmd_name)
        noun = NOUNS.get(name)
        return LazyNoun(name, noun) if noun else super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """As usual, but a word that is no noun is answered with those that look like it."""
        word = args[0]
        unknown = not word.startswith("-") and self.get_command(ctx, word) is None
        if unknown and not ctx.resilient_parsing:
            from bai_manager.types.errors import closest  # noqa: PLC0415 - only a mistake needs it

            similar = " or ".join(repr(name) for name in closest(word, [*NOUNS, *ALIASES]))
            ctx.fail(f"No such command {word!r}.{f' Did you mean {similar}?' if similar else ''}")
        return super().resolve_command(ctx, args)
