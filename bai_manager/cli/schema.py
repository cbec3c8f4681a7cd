"""``bai-manager schema``: what commands print with ``-o json``, from the dataclasses they print."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.encode import json_text, yaml_text
from bai_manager.cli.output.options import Format
from bai_manager.cli.output.rows import emit_rows
from bai_manager.cli.output.schema import json_schema
from bai_manager.types.errors import InvalidChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.json import JsonObject

app = typer.Typer(add_completion=False)


class One(NamedTuple):
    """A command prints one of these: ``module:class``."""

    result: str


class Many(NamedTuple):
    """A command prints an array of these."""

    result: str


_SESSION: Final = "bai_manager.services.session.types:SessionData"
_KERNEL: Final = "bai_manager.services.session.types:KernelData"
_DATABASE: Final = "bai_manager.clients.postgres.embedded:EmbeddedStatus"
_CHANGE: Final = "bai_manager.cli.config:Change"
_SETTING: Final = "bai_manager.cli.config:SettingRow"

PRINTED: Final[Mapping[str, Mapping[str, One | Many]]] = {
    "session": {
        "list": Many(_SESSION),
        "show": One(_SESSION),
        "create": One(_SESSION),
        "wait": One(_SESSION),
        "interrupt": One(_SESSION),
        "destroy": One("bai_manager.services.session.actions:DestroySessionActionResult"),
        "exec": One("bai_manager.services.session.actions:ExecuteSessionActionResult"),
        "run": One("bai_manager.services.session.actions:ExecuteSessionActionResult"),
        "logs": One("bai_manager.services.session.actions:GetContainerLogsActionResult"),
        "complete": Many("builtins:str"),
        "ls": Many("bai_manager.clients.agent.protocol:FileEntry"),
        "upload": One("bai_manager.services.session.actions:TransferResult"),
        "download": One("bai_manager.services.session.actions:TransferResult"),
        "usage": Many("bai_manager.cli.session_columns:UsageRow"),
    },
    "kernel": {
        "list": Many(_KERNEL),
        "show": One(_KERNEL),
        "logs": One("bai_manager.services.kernel.actions:GetKernelLogsActionResult"),
    },
    "image": {"list": Many("bai_manager.services.session.types:ImageData")},
    "agent": {
        "list": Many("bai_manager.services.agent.types:AgentData"),
        "show": One("bai_manager.cli.agent:AgentDetails"),
    },
    "audit": {"list": Many("bai_manager.services.audit.types:AuditData")},
    "auth": {"whoami": One("bai_manager.cli.auth:ProfileIdentity")},
    "scheduler": {"run": One("bai_manager.services.scheduler.actions:RunSchedulerActionResult")},
    "db": {
        "status": One(_DATABASE),
        "start": One(_DATABASE),
        "stop": One(_DATABASE),
        "dsn": One("bai_manager.cli.db:Dsn"),
    },
    "config": {
        "show": Many(_SETTING),
        "get": One(_SETTING),
        "set": One(_CHANGE),
        "unset": One(_CHANGE),
        "use": One(_CHANGE),
        "profiles": Many("bai_manager.config.overview:ProfileSummary"),
        "path": One("bai_manager.cli.config:Places"),
    },
    "init": {"init": One("bai_manager.services.system.actions:InitializeActionResult")},
    "quickstart": {"quickstart": One("bai_manager.cli.quickstart:Tour")},
    "help": {"help": Many("bai_manager.cli.help:Topic")},
}


@dataclass(frozen=True, slots=True)
class Described:
    """A command whose results have a schema."""

    noun: str
    verb: str
    prints: str


COLUMNS: tuple[Column[Described], ...] = (
    Column("noun", lambda row: row.noun),
    Column("verb", lambda row: row.verb),
    Column("prints", lambda row: row.prints),
)


def _complete_noun(incomplete: str) -> list[str]:
    return [noun for noun in PRINTED if noun.startswith(incomplete)]


def _complete_verb(ctx: typer.Context, incomplete: str) -> list[str]:
    verbs = PRINTED.get(ctx.params.get("noun") or "", {})
    return [verb for verb in verbs if verb.startswith(incomplete)]


@app.command()
def schema(
    ctx: typer.Context,
    noun: Annotated[str | None, typer.Argument(autocompletion=_complete_noun)] = None,
    verb: Annotated[str | None, typer.Argument(autocompletion=_complete_verb)] = None,
) -> None:
    """Print the JSON Schema of one of NOUN, or of what a VERB prints; without either, list them.

    Example: bai-manager schema session list
    """
    cli = cli_of(ctx)
    if noun is None:
        emit_rows(cli.output, COLUMNS, described(), name=lambda row: row.noun, noun="schemas")
        return
    value = schema_of(noun, verb)
    match cli.output.chosen_format:
        case Format.YAML:
            cli.stdout.write(yaml_text(value))
        case Format.JSONL:
            cli.stdout.write(json_text(value) + "\n")
        case _:
            cli.stdout.write(json_text(value, indent=2) + "\n")


def schema_of(noun: str, verb: str | None = None) -> JsonObject:
    """What a command prints; without a verb, what ``show`` prints and ``list`` an array of.

    Raises ``InvalidChoice``.
    """
    verbs = PRINTED.get(noun)
    if verbs is None:
        raise InvalidChoice(noun, "noun with a schema", PRINTED)
    if verb is None:
        return json_schema(_loaded(verbs.get("show") or next(iter(verbs.values()))))
    if verb not in verbs:
        raise InvalidChoice(verb, f"verb of {noun} with a schema", verbs)
    printed = verbs[verb]
    return json_schema(_loaded(printed), many=isinstance(printed, Many))


def described() -> list[Described]:
    """Every command with a schema."""
    return [
        Described(noun, verb, _title(printed))
        for noun, verbs in PRINTED.items()
        for verb, printed in verbs.items()
    ]


def _title(printed: One | Many) -> str:
    name = printed.result.partition(":")[2]
    return f"array of {name}" if isinstance(printed, Many) else name


def _loaded(printed: One | Many) -> type:
    module, _, name = printed.result.partition(":")
    loaded: type = getattr(import_module(module), name)
    return loaded
