"""``bai-manager schema``, and that what every command prints is what it says."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import typer
import yaml

from bai_manager.cli.nouns import NOUNS, load
from bai_manager.cli.output.schema import DIALECT
from bai_manager.cli.schema import described, schema_of
from tests.architecture import catalogue
from tests.cli.conftest import new_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bai_manager.types.json import JsonObject, JsonValue
    from tests.cli.conftest import Ask, Cluster, Home, Typed

OTHER_TEXT = {"db shell", "db dump", "schema", "vfolder cat", "export"}
"""These print what another program writes, schemas, or a document."""

TEMPLATE = """
{kind: task_template, api_version: v1, metadata: {name: walk}, spec: {kernel: {image: python}}}
"""
DIGEST = f"sha256:{'ab' * 32}"
COMMANDS: dict[str, str] = {
    "session list": "session list",
    "session show": "session show walk-1",
    "session create": "session create python --name walk-1 --reuse",
    "session wait": "session wait walk-1",
    "session interrupt": "session interrupt walk-1",
    "session destroy": "session destroy walk-2",
    "session rename": "session rename walk-1 walk-1",
    "session update": "session update walk-1 --priority 20",
    "session restart": "session restart walk-1",
    "session match": "session match walk",
    "session history": "session history walk-1",
    "session timeline": "session timeline walk-1",
    "session graph": "session graph walk-1",
    "session access-info": "session access-info walk-1",
    "session abuse-report": "session abuse-report walk-1",
    "session check-status": "session check-status walk-1",
    "session exec": "session exec walk-1 print(6*7)",
    "session run": "session run shell --name walk-3 -- true",
    "session logs": "session logs walk-1",
    "session complete": "session complete walk-1 pri",
    "session ls": "session ls walk-1",
    "session upload": "session upload walk-1 FILE",
    "session download": "session download walk-1 there.txt COPY",
    "session archive": "session archive walk-1 . --to COPY",
    "session usage": "session usage walk-1",
    "session commit": "session commit walk-1 --filename walk.tar.gz",
    "session convert-to-image": "session convert-to-image walk-1 mine --dry-run",
    "session commit-status": "session commit-status walk-1",
    "session idle": "session idle walk-1",
    "session end-idle": "session end-idle",
    "session service list": "session service list walk-1",
    "session service start": "session service start walk-1 files",
    "session service url": "session service url walk-1 files",
    "session service stop": "session service stop walk-1 files",
    "kernel list": "kernel list",
    "kernel show": "kernel show KERNEL",
    "kernel logs": "kernel logs KERNEL",
    "image list": "image list",
    "image show": "image show python",
    "image alias": "image alias python walk --if-not-exists",
    "image dealias": "image dealias walk --ignore-not-found",
    "image register": f"image register local/stable/walk:1 --if-not-exists --digest {DIGEST}",
    "image update": "image update shell --size 1m",
    "image forget": "image forget shell --dry-run",
    "image purge": "image purge shell --dry-run",
    "template list": "template list",
    "template create": "template create TEMPLATE --if-not-exists",
    "template show": "template show walk",
    "template update": "template update walk --name walk",
    "template delete": "template delete walk --dry-run",
    "container-registry list": "container-registry list",
    "container-registry show": "container-registry show local/stable",
    "agent list": "agent list",
    "agent show": "agent show i-local",
    "agent drain": "agent drain i-local --dry-run",
    "agent undrain": "agent undrain i-local",
    "agent recalculate": "agent recalculate",
    "audit list": "audit list --all",
    "auth whoami": "auth whoami",
    "auth password": "auth password --old-password-file SECRET --password-file SECRET",
    "scheduler run": "scheduler run",
    "scheduler status": "scheduler status",
    "session why-pending": "session why-pending walk-4",
    "session fits": "session fits --image python",
    "db status": "db status",
    "db start": "db start",
    "db stop": "db stop --dry-run",
    "db dsn": "db dsn",
    "config show": "config show",
    "config get": "config get kind",
    "config set": "config set defaults.timeout 5m",
    "config unset": "config unset defaults.timeout",
    "config use": "config use local",
    "config profiles": "config profiles",
    "config path": "config path",
    "init": "init",
    "quickstart": "quickstart",
    "help": "help",
}
"""How each command is called on a system with the sessions ``walk-1`` and ``walk-2``."""

FORMATS: dict[JsonValue, Callable[[str], object]] = {
    "date-time": datetime.fromisoformat,
    "uuid": UUID,
    "decimal": Decimal,
}
TYPES: dict[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}
REMARKS = {"$schema", "title", "contentEncoding", "uniqueItems", "minItems"}


def problems(value: JsonValue, schema: JsonObject, where: str = "$") -> Iterator[str]:
    """Where a value is not what a schema says; a keyword not known here is a problem too."""
    for keyword, said in schema.items():
        if keyword in CHECKS:
            yield from CHECKS[keyword](value, said, where)
        elif keyword not in REMARKS:
            yield f"{where}: unknown keyword {keyword}"


def of_type(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    """A boolean is no number here, as in JSON; a number may be whole."""
    names = said if isinstance(said, list) else [said]
    allowed = {TYPES[str(name)] for name in names if name != "number"}
    if "number" in names:
        allowed |= {int, float}
    if type(value) not in allowed:
        yield f"{where}: {value!r} is no {said}"


def of_choices(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    if isinstance(said, list) and value not in said:
        yield f"{where}: {value!r} is none of {said}"


def of_format(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    if isinstance(value, str):
        try:
            FORMATS[said](value)
        except (ValueError, ArithmeticError):
            yield f"{where}: {value!r} is no {said}"


def with_keys(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(said, list):
        yield from (f"{where}: {key} is missing" for key in said if key not in value)


def one_of_several(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    if isinstance(said, list) and all(any(problems(value, _object(one))) for one in said):
        yield f"{where}: {value!r} fits none of {said}"


def each_item(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    for index, item in enumerate(value if isinstance(value, list) else []):
        yield from problems(item, _object(said), f"{where}[{index}]")


def items_in_order(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    if isinstance(value, list) and isinstance(said, list):
        for index, (item, one) in enumerate(zip(value, said, strict=True)):
            yield from problems(item, _object(one), f"{where}[{index}]")


def each_member(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    for key, member in (value if isinstance(value, dict) else {}).items():
        yield from problems(member, _object(said), f"{where}.{key}")


def known_members(value: JsonValue, said: JsonValue, where: str) -> Iterator[str]:
    for key, one in _object(said).items():
        if isinstance(value, dict) and key in value:
            yield from problems(value[key], _object(one), f"{where}.{key}")


CHECKS: dict[str, Callable[[JsonValue, JsonValue, str], Iterator[str]]] = {
    "type": of_type,
    "enum": of_choices,
    "format": of_format,
    "required": with_keys,
    "anyOf": one_of_several,
    "items": each_item,
    "prefixItems": items_in_order,
    "additionalProperties": each_member,
    "properties": known_members,
}


def _object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def walked() -> Iterator[Home]:
    """A system with the session ``walk-1``."""
    with new_home() as home:
        assert home.run("session", "create", "python", "--name", "walk-1", "--quiet") == 0
        yield home
        assert home.run("session", "destroy", "walk-1", "--quiet") == 0


@pytest.fixture
def prepared(walked: Home, typed: Typed, tmp_path: Path) -> Callable[[str], list[str]]:
    """The words of a command, once what it needs is there."""

    def done(*words: str) -> str:
        done = typed(*words, env=walked.environ)
        assert done.code == 0, done.err
        return done.out

    def prepare(path: str) -> list[str]:
        letter, copy = tmp_path / "there.txt", tmp_path / "copy.txt"
        letter.write_text("hello\n")
        known = {"FILE": str(letter), "COPY": str(copy)}
        if path == "session destroy":
            done("session", "create", "python", "--name", "walk-2")
        if path == "session why-pending":
            later = ("--type", "batch", "-c", "true", "--starts-at", "+2h", "--reuse", "--no-wait")
            done("session", "create", "python", "--name", "walk-4", *later)
        if path.startswith("template "):
            known["TEMPLATE"] = str(tmp_path / "template.yaml")
            (tmp_path / "template.yaml").write_text(TEMPLATE)
            done("template", "create", known["TEMPLATE"], "--if-not-exists")
        if path == "session convert-to-image":
            done("group", "update", "default", "--container-registry", "local/stable")
        if path == "auth password":
            secret = tmp_path / "secret.txt"
            secret.touch(0o600)
            secret.write_text("correct horse\n")
            known["SECRET"] = str(secret)
            words = ("user", "password", "set", "admin@localhost", "--password-file", str(secret))
            done(*words)
        if path == "session download":
            done("session", "upload", "walk-1", str(letter))
        if "KERNEL" in COMMANDS[path]:
            known["KERNEL"] = done("kernel", "list", "-o", "name").split()[0]
        return [known.get(word, word) for word in COMMANDS[path].split(" ")]

    return prepare


@pytest.mark.parametrize("noun", NOUNS)
def test_every_command_has_a_schema_or_prints_other_text(noun: str) -> None:
    found = load(NOUNS[noun])
    paths = {path for path, _ in catalogue._commands_of(noun, typer.main.get_command(found))}
    rows = described(noun)
    assert {row.command for row in rows} == paths - OTHER_TEXT
    for row in rows:
        schema = schema_of(*row.command.split())
        assert (schema["type"] == "array") is row.prints.startswith("list[")


@pytest.mark.parametrize("noun", sorted({path.split()[0] for path in COMMANDS}))
def test_every_schema_is_held_against_a_command(noun: str) -> None:
    held = {path for path in COMMANDS if path.split()[0] == noun}
    assert held == {row.command for row in described(noun)}


@pytest.mark.parametrize("path", COMMANDS)
def test_what_a_command_prints_is_what_its_schema_says(
    walked: Home, typed: Typed, prepared: Callable[[str], list[str]], path: str
) -> None:
    done = typed("-o", "json", *prepared(path), env=walked.environ)
    assert done.code == 0, done.err
    assert list(problems(json.loads(done.out), schema_of(*path.split()))) == []


def test_hostile_rows_are_what_the_schema_says(ask: Ask, cluster: Cluster) -> None:
    for words in (
        ("kernel", "list", "--all-status"),
        ("image", "list"),
        ("agent", "list"),
        ("audit", "list", "--all"),
        ("session", "list", "--all", "--all-status"),
    ):
        done = ask("root", *words, "-o", "json")
        assert list(problems(json.loads(done.out), schema_of(words[0], "list"))) == []
    shown = ask("alice", "session", "show", str(cluster.train.id), "-o", "json")
    assert list(problems(json.loads(shown.out), schema_of("session"))) == []


def test_a_value_that_does_not_fit_would_be_found() -> None:
    schema = schema_of("kernel")
    found = list(problems({"id": 1, "status": "LAZY", "local_rank": True}, schema))
    assert "$.id: 1 is no string" in found
    assert any(problem.startswith("$.status: 'LAZY' is none of") for problem in found)
    assert "$.local_rank: True is no integer" in found
    assert "$: created_at is missing" in found


def test_a_noun_alone_is_the_object_that_show_prints(typed: Typed) -> None:
    done = typed("schema", "session")
    found = json.loads(done.out)
    assert done.code == 0
    assert (found["$schema"], found["title"], found["type"]) == (DIALECT, "SessionData", "object")
    assert found == json.loads(typed("schema", "session", "show").out)


def test_a_list_is_an_array_of_it(typed: Typed) -> None:
    one = json.loads(typed("schema", "image").out)
    many = json.loads(typed("schema", "image", "list").out)
    assert many["type"] == "array"
    assert many["items"] == {key: value for key, value in one.items() if key != "$schema"}


def test_a_noun_below_a_noun_has_schemas_as_well(typed: Typed) -> None:
    short, whole = typed("schema", "policy", "user"), typed("schema", "policy", "user", "show")
    assert short.out == whole.out
    assert json.loads(short.out)["title"] == "UserResourcePolicyData"


def test_a_schema_is_the_same_in_every_format_that_can_hold_it(typed: Typed) -> None:
    as_json = json.loads(typed("schema", "agent", "show", "-o", "table").out)
    assert yaml.safe_load(typed("schema", "agent", "show", "-o", "yaml").out) == as_json
    (line,) = typed("schema", "agent", "show", "-o", "jsonl").out.splitlines()
    assert json.loads(line) == as_json


def test_alone_it_lists_what_there_are_schemas_of(typed: Typed) -> None:
    done = typed("schema")
    assert done.header == ["command", "prints", "module"]
    assert ["session list", "list[SessionData]", "bai_manager.cli.session"] in done.cells


def test_an_unknown_noun_or_verb_is_a_usage_error_with_the_closest(typed: Typed) -> None:
    noun, verb = typed("schema", "sesion"), typed("schema", "session", "lisst")
    assert (noun.code, noun.out, verb.code, verb.out) == (2, "", 2, "")
    assert "did you mean session?" in noun.err
    assert "did you mean session list" in verb.err
