"""Everything that the package declares, found by importing it: no test keeps a list of its own."""

from __future__ import annotations

import pkgutil
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin
from uuid import UUID

import typer

import bai_manager
from bai_manager.actions.base import Action, ActionResult
from bai_manager.actions.processor import noun_of, service_methods
from bai_manager.cli.nouns import NOUNS
from bai_manager.errors import BackendAIError
from bai_manager.types.credentials import Secret
from bai_manager.types.jsonable import _hints
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from typer._click.core import Command

PACKAGE = Path(bai_manager.__file__).parent

AnyAction = type[Action[ActionResult]]


def module_names() -> list[str]:
    """Every module of the package but ``__main__``."""
    found = pkgutil.walk_packages([str(PACKAGE)], prefix="bai_manager.")
    return sorted(module.name for module in found if not module.name.endswith("__main__"))


@cache
def all_modules() -> tuple[ModuleType, ...]:
    return tuple(import_module(name) for name in module_names())


def service_nouns() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("services/*/actions.py"))


def action_modules(noun: str) -> list[ModuleType]:
    """``actions`` of a noun, and those that were parted from it."""
    found = sorted(PACKAGE.glob(f"services/{noun}/actions*.py"))
    return [import_module(f"bai_manager.services.{noun}.{path.stem}") for path in found]


def _import_actions() -> None:
    for noun in service_nouns():
        action_modules(noun)


def actions() -> list[AnyAction]:
    """The actions that can be run: those that name their operation."""
    _import_actions()
    runnable = (action for action in _descendants(Action) if hasattr(action, "operation"))
    return sorted(_of_package(runnable), key=lambda action: action.__name__)


def results() -> list[type[ActionResult]]:
    _import_actions()
    return sorted(_of_package(_descendants(ActionResult)), key=lambda result: result.__name__)


def errors() -> list[type[BackendAIError]]:
    all_modules()
    found = {BackendAIError, *_of_package(_descendants(BackendAIError))}
    return sorted(found, key=lambda error: f"{error.__module__}.{error.__name__}")


def service_class(noun: str) -> type:
    """The one class of the noun's ``service`` module that has methods taking actions."""
    module = import_module(f"bai_manager.services.{noun}.service")
    (service,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and service_methods(value)
    )
    return service


def service_of(action: AnyAction) -> type:
    return service_class(noun_of(action))


def commands() -> Iterator[tuple[str, Command]]:
    """``session list`` and its command, for every command of every noun."""
    for name, noun in NOUNS.items():
        app: typer.Typer = import_module(f"bai_manager.cli.{noun.module}").app
        yield from _commands_of(name, typer.main.get_command(app))


def _commands_of(path: str, command: Command) -> Iterator[tuple[str, Command]]:
    members = getattr(command, "commands", None)
    if members is None:
        yield path, command
        return
    for name, member in members.items():
        yield from _commands_of(f"{path} {name}", member)


def _descendants(base: type) -> Iterator[type]:
    children: list[type] = base.__subclasses__()
    for child in children:
        yield child
        yield from _descendants(child)


def _of_package(classes: Iterator[type]) -> set[type]:
    """Not those that tests declare; slots dataclasses leave a twin behind, which is not found."""
    return {
        found
        for found in classes
        if found.__module__.startswith("bai_manager.")
        and getattr(import_module(found.__module__), found.__name__, None) is found
    }


def sample(kind: type) -> object:
    """An instance of a dataclass with every field given, made from its annotations."""
    hints = _hints(kind)
    return kind(**{field.name: _value(hints[field.name]) for field in fields(kind) if field.init})


def defaults(kind: type) -> object:
    """The same with only what has no default given."""
    hints = _hints(kind)
    needed = [
        field
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    return kind(**{field.name: _value(hints[field.name]) for field in needed})


_SAMPLES: dict[object, object] = {
    str: "text",
    bool: True,
    int: 3,
    float: 1.5,
    bytes: b"\x00\xff",
    NoneType: None,
    object: {"any": [1, None]},
    UUID: UUID(int=7),
    datetime: datetime(2026, 3, 1, 12, tzinfo=UTC),
    date: date(2026, 3, 1),
    timedelta: timedelta(seconds=90),
    Decimal: Decimal("1.5"),
    Secret: Secret("hidden-secret"),
    ResourceSlot: ResourceSlot({"cpu": 2, "mem": 1 << 30}),
}


def _value(kind: object) -> object:  # noqa: PLR0911 - one line for each kind
    if kind in _SAMPLES:
        return _SAMPLES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _value(next(argument for argument in arguments if argument is not NoneType))
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return tuple(_value(argument) for argument in arguments if argument is not Ellipsis)
    if len(arguments) == 2:  # a mapping
        return {_value(arguments[0]): _value(arguments[1])}
    if arguments:
        return [_value(arguments[0])]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, type) and is_dataclass(kind):
        return sample(kind)
    return {}
