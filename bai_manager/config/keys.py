"""The dotted names of settings, and the environment variables that set them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

from pydantic import BaseModel

from bai_manager.config.errors import UnknownSetting
from bai_manager.config.settings import Settings, StorageSettings
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANY_STORAGE = "NAME"
RESERVED_VARIABLES = frozenset({"BAI_HOME", "BAI_PROFILE"})


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about a setting beside its value.

    ``name`` is dotted; of a storage proxy's settings, ``storage.NAME.secret`` stands for all.
    """

    name: str
    help: str
    is_secret: bool
    is_path: bool

    @property
    def variable(self) -> str:
        """``BAI_DATABASE_DSN`` for ``database.dsn``; ``BAI_OUTPUT`` for ``defaults.output``."""
        return "BAI_" + self.name.removeprefix("defaults.").replace(".", "_").upper()


@cache
def known_keys() -> Mapping[str, Key]:
    """Every setting by name, in the order in which they are declared."""
    return {key.name: key for key in _walk(Settings, "")}


def find_key(name: str) -> Key | None:
    """Find a setting; ``storage.local.secret`` finds the one for any storage proxy."""
    path = path_of(name)
    if len(path) == 3 and path[0] == "storage":  # noqa: PLR2004 - storage, name, field
        path = ("storage", ANY_STORAGE, path[2])
    return known_keys().get(".".join(path))


def require_key(name: str) -> Key:
    """Find a setting. Raises UnknownSetting, with the names that are closest."""
    key = find_key(name)
    if key is None:
        raise UnknownSetting(name, known_keys())
    return key


def path_of(name: str) -> tuple[str, ...]:
    """Split a name into tables and key; a storage proxy's name may itself have dots."""
    first, _, rest = name.partition(".")
    proxy, _, field = rest.rpartition(".")
    return (first, proxy, field) if first == "storage" and proxy else tuple(name.split("."))


def values_of(settings: Settings) -> Iterator[tuple[str, object]]:
    """Every setting by dotted name with its value."""
    for name in known_keys():
        first, *rest = path_of(name)
        if first != "storage":
            yield name, reduce(getattr, [first, *rest], settings)
    for proxy, storage in settings.storage.items():
        for field in StorageSettings.model_fields:
            yield f"storage.{proxy}.{field}", getattr(storage, field)


def _walk(model: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        inner = _plain_type(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _walk(inner, f"{prefix}{name}.")
        elif get_origin(inner) is dict:
            yield from _walk(StorageSettings, f"{prefix}{name}.{ANY_STORAGE}.")
        else:
            yield Key(f"{prefix}{name}", field.description or "", inner is Secret, inner is Path)


def _plain_type(annotation: object) -> object:
    """``Annotated[X, …] | None`` as ``X``."""
    if get_origin(annotation) is Annotated:
        return _plain_type(get_args(annotation)[0])
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return _plain_type(inner[0]) if type(None) in get_args(annotation) else annotation
