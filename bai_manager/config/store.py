"""Changing the configuration files.

Comments and order stay. A file is replaced as a whole, so that a reader sees the old or the new
one and a crash leaves no half; a lock keeps two writers from losing each other's change. What is
new is for its owner alone: files 0600, folders 0700.
"""

from __future__ import annotations

import copy
import fcntl
import os
import time
from collections.abc import MutableMapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

from bai_manager.config.errors import (
    BadConfigFile,
    ConfigLocked,
    SecretOnCommandLine,
    UnwritableConfig,
)
from bai_manager.config.files import parse_config, read_text
from bai_manager.config.profiles import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bai_manager.config.paths import Paths
    from bai_manager.types.credentials import Secret

TomlScalar: TypeAlias = "bool | int | float | str"

_PATIENCE = 10.0
_PAUSE = 0.02


def save_settings(
    paths: Paths, profile: str, values: Mapping[str, str], *, dry_run: bool = False
) -> bool:
    """Set values, given as text, in the profile's table of ``config.toml``.

    Either all of them are written, or none; returns whether that made a difference. With
    ``dry_run`` all is checked and nothing written. Raises InvalidProfileName, UnknownSetting,
    SecretOnCommandLine, InvalidGivenValue, BadConfigFile, UnwritableConfig, ConfigLocked.
    """
    from bai_manager.config.keys import require_key  # noqa: PLC0415 - imports pydantic
    from bai_manager.config.validation import toml_value  # noqa: PLC0415

    for name in values:
        if (key := require_key(name)).is_secret:
            raise SecretOnCommandLine(name, key.variable)
    changes = {name: toml_value(name, text) for name, text in values.items()}
    return _edit(paths.config_file, _profile_changes(profile, changes), dry_run=dry_run)


def save_credentials(
    paths: Paths, profile: str, values: Mapping[str, Secret], *, dry_run: bool = False
) -> bool:
    """Set secrets in ``credentials.toml``, which only its owner can read.

    Raises UnsafeSecretFile, and what ``save_settings`` raises.
    """
    from bai_manager.config.validation import toml_value  # noqa: PLC0415 - imports pydantic

    changes = {name: toml_value(name, secret.reveal()) for name, secret in values.items()}
    return _edit(
        paths.credentials_file, _profile_changes(profile, changes), secret=True, dry_run=dry_run
    )


def remove_setting(paths: Paths, profile: str, name: str, *, dry_run: bool = False) -> bool:
    """Take a setting out of the user's files; whether it was in one of them.

    Raises UnknownSetting, and what saving raises.
    """
    from bai_manager.config.keys import require_key  # noqa: PLC0415 - imports pydantic

    require_key(name)
    changes = _profile_changes(profile, {name: None})
    removed = _edit(paths.config_file, changes, dry_run=dry_run)
    return _edit(paths.credentials_file, changes, secret=True, dry_run=dry_run) or removed


def save_default_profile(paths: Paths, profile: str, *, dry_run: bool = False) -> bool:
    """Make a profile the one that is used when none is named."""
    changes: Changes = {("default_profile",): check_name(profile)}
    return _edit(paths.config_file, changes, dry_run=dry_run)


Changes: TypeAlias = "Mapping[tuple[str, ...], TomlScalar | None]"


def _profile_changes(profile: str, values: Mapping[str, TomlScalar | None]) -> Changes:
    from bai_manager.config.keys import path_of  # noqa: PLC0415 - imports pydantic

    table = ("profiles", check_name(profile))
    return {(*table, *path_of(name)): value for name, value in values.items()}


def _edit(path: Path, changes: Changes, *, secret: bool = False, dry_run: bool = False) -> bool:
    """Apply changes to a file, None removing a key; whether that made a difference.

    A link is followed, so that a file kept elsewhere stays where it is.
    """
    target = path.resolve()
    removes_only = all(value is None for value in changes.values())
    if removes_only and not target.exists():
        return False
    with nullcontext() if dry_run else _locked(target.parent):
        old = read_text(target, secret=secret) or ""
        new = _changed(target, old, changes)
        if new != old and not dry_run:
            _replace(target, new)
        return new != old


def _changed(path: Path, old: str, changes: Changes) -> str:
    """Edit the text, and check that it says what was meant and nothing else has changed."""
    import tomlkit  # noqa: PLC0415 - only a change needs it

    before = parse_config(path, old).tree
    wanted = copy.deepcopy(dict(before))
    document = tomlkit.parse(old)
    for keys, value in changes.items():
        _apply(path, wanted, keys, value)
        _apply(path, document, keys, value)
    if wanted == before:
        return old
    new = tomlkit.dumps(document).rstrip("\n") + "\n"
    if parse_config(path, new).tree != wanted:
        raise BadConfigFile(
            path,
            "cannot be changed without losing something",
            hint=f"Edit {path} by hand: put each table in one place.",
        )
    return new


def _apply(
    path: Path,
    tree: MutableMapping[str, object],
    keys: tuple[str, ...],
    value: TomlScalar | None,
) -> None:
    tables = [tree]
    for key in keys[:-1]:
        if key not in tables[-1]:
            if value is None:
                return
            tables[-1][key] = {}
        inner = tables[-1][key]
        if not isinstance(inner, MutableMapping):
            raise BadConfigFile(path, f"{key} must be a table")
        tables.append(inner)
    if value is None:
        tables[-1].pop(keys[-1], None)
    else:
        tables[-1][keys[-1]] = value


def _replace(path: Path, text: str) -> None:
    """Write beside the file, then rename; what an earlier crash left there is written over."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UnwritableConfig(path, error) from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only writer in the folder, which is made if there is none. Raises ConfigLocked."""
    file = folder / "config.lock"
    try:
        _make_folder(folder)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnwritableConfig(file, error) from None
    try:
        _wait_for_lock(file, descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(file: Path, descriptor: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigLocked(file, _PATIENCE) from None
            time.sleep(_PAUSE)
        else:
            return


def _make_folder(folder: Path) -> None:
    for missing in reversed([at for at in (folder, *folder.parents) if not at.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
