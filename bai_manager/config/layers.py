"""Where values come from: flags, the environment, files; each a layer over the next."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bai_manager.config.errors import BadConfigFile, UnknownKeyInFile
from bai_manager.config.keys import ANY_STORAGE, Key, find_key, known_keys, path_of
from bai_manager.config.origin import DEFAULT, Origin
from bai_manager.config.paths import expand_home
from bai_manager.errors import ConfigurationError
from bai_manager.types.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from bai_manager.config.files import ConfigFile
    from bai_manager.config.profiles import ConfigFiles

ReadSecret: TypeAlias = "Callable[[Path], str | None]"


@dataclass(frozen=True, slots=True)
class Layer:
    """Values by dotted name, secrets already wrapped; ``origin_of`` says where one came from."""

    values: Mapping[str, object] = field(repr=False)
    origin_of: Callable[[str], Origin] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers on top of each other, the strongest first."""

    stack: tuple[Layer, ...] = field(repr=False)

    @classmethod
    def of(
        cls,
        files: ConfigFiles,
        profile: str,
        environ: Mapping[str, str],
        flags: Mapping[str, str | None],
        read_secret: ReadSecret,
    ) -> Layers:
        """Stack flags, environment and files, over what follows from them.

        Raises ConfigurationError.
        """
        proxies = files.storage_proxies(profile)
        given = (
            flag_layer(flags),
            environment_layer(environ, proxies, read_secret),
            *(
                file_layer(file, profile, environ, secrets=file is files.credentials)
                for file in files.present
            ),
        )
        return cls((*given, derived_layer(given)))

    def origin(self, name: str) -> Origin:
        """Where the value that counts came from."""
        found = (layer.origin_of(name) for layer in self.stack if name in layer.values)
        return next(found, DEFAULT)

    def value(self, name: str) -> object:
        """Find the value that counts, not yet validated; None when no layer has one."""
        return next((la.values[name] for la in self.stack if name in la.values), None)


def flag_layer(flags: Mapping[str, str | None]) -> Layer:
    """Take flags by the setting they override (``defaults.output`` for ``--output``)."""
    given = {name: value for name, value in flags.items() if value is not None}
    return Layer(given, lambda name: Origin("flag", "--" + name.rpartition(".")[2]))


def environment_layer(
    environ: Mapping[str, str], proxies: set[str], read_secret: ReadSecret
) -> Layer:
    """Take ``BAI_*``; an empty variable counts as not set.

    A secret may also be named by a file: ``BAI_SECRET_KEY_FILE``. ``proxies`` are the storage
    proxies that the files name. Raises ConfigurationError, and what ``read_secret`` raises.
    """
    values: dict[str, object] = {}
    variables: dict[str, str] = {}
    for name, key, variable in _variables(environ, proxies):
        given = _from_environment(environ, key, variable, read_secret)
        if given is not None:
            variables[name], text = given
            values[name] = wrapped(key, text, environ)
    return Layer(values, lambda name: Origin("environment", variables[name]))


def file_layer(
    file: ConfigFile, profile: str, environ: Mapping[str, str], *, secrets: bool
) -> Layer:
    """Take the profile's table in a file.

    A file for secrets (``secrets``) may hold any setting, another one none that is secret.
    Raises UnknownKeyInFile, BadConfigFile.
    """
    values: dict[str, object] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for path, value in _leaves(file.table("profiles", profile)):
        name, place = ".".join(path), ("profiles", profile, *path)
        key = find_key(name)
        if key is None:
            raise UnknownKeyInFile(file.path, file.line_of(place), name, known_keys())
        if key.is_secret and not secrets:
            raise BadConfigFile(
                file.path,
                f"{name} is a secret and does not belong in this file",
                line=file.line_of(place),
                hint=f"Remove the line, then: bai-manager config set {name} --profile {profile}",
            )
        paths[name] = place
        values[name] = wrapped(key, value, environ)
    return Layer(values, lambda name: Origin("file", file.place_of(paths[name])))


def derived_layer(given: Iterable[Layer]) -> Layer:
    """Decide that a database address without a kind means a cluster."""
    addressed = any("database.dsn" in layer.values for layer in given)
    return Layer({"kind": "cluster"} if addressed else {}, lambda _: DEFAULT)


def nested(values: Mapping[str, object]) -> dict[str, object]:
    """``{"database.dsn": x}`` as ``{"database": {"dsn": x}}``."""
    tree: dict[str, object] = {}
    for name, value in values.items():
        *groups, leaf = path_of(name)
        table = tree
        for group in groups:
            inner = table.setdefault(group, {})
            assert isinstance(inner, dict)  # noqa: S101 - no setting is also a group
            table = inner
        table[leaf] = value
    return tree


def _leaves(
    table: Mapping[str, object], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, value in table.items():
        path = (*prefix, name)
        if isinstance(value, dict):
            yield from _leaves(value, path)
        else:
            yield path, value


def wrapped(key: Key, value: object, environ: Mapping[str, str]) -> object:
    """Make a raw value a Secret or a path without ``~``, where the setting is one."""
    if not isinstance(value, str):
        return value
    if key.is_secret and value:
        return Secret(value)
    return expand_home(value, environ) if key.is_path else value


def _variables(environ: Mapping[str, str], proxies: set[str]) -> Iterator[tuple[str, Key, str]]:
    """Each setting that a variable may name: its own name, its key, the variable."""
    for key in known_keys().values():
        if ANY_STORAGE not in key.name:
            yield key.name, key, key.variable
            continue
        before, after = key.variable.split(ANY_STORAGE)
        form = re.compile(f"({before}(.+){after})(_FILE)?")
        for variable in environ:
            if found := form.fullmatch(variable):
                proxy = _proxy(found[2], proxies)
                yield key.name.replace(ANY_STORAGE, proxy), key, found[1]


def _proxy(word: str, proxies: set[str]) -> str:
    """``NFS_1`` is the proxy ``nfs-1`` if the files name that one, else ``nfs_1``."""
    same = [name for name in proxies if _as_variable(name) == word]
    return same[0] if len(same) == 1 else word.lower()


def _as_variable(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name).upper()


def _from_environment(
    environ: Mapping[str, str], key: Key, variable: str, read_secret: ReadSecret
) -> tuple[str, str] | None:
    """Find the variable that sets it, and the text; None when none does."""
    text, file_variable = environ.get(variable), f"{variable}_FILE"
    file = environ.get(file_variable) if key.is_secret else None
    if text and file:
        raise ConfigurationError(
            f"Both {variable} and {file_variable} are set",
            hint="Unset one of them.",
            details={"variables": [variable, file_variable]},
        )
    if text:
        return variable, text
    if not file:
        return None
    content = read_secret(expand_home(file, environ))
    if content is None:
        raise ConfigurationError(
            f"{file_variable} names a file that does not exist: {file}",
            details={"variable": file_variable, "file": file},
        )
    return file_variable, content.rstrip("\r\n")
