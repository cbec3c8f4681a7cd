"""What can be wrong with configuration. What is wrong in a file or a variable exits with 78.

::

    ConfigurationError
    ├── BadConfigFile        a file cannot be read, is no TOML, or holds what it must not
    ├── UnsafeSecretFile     a file with secrets that others can read or could have written
    ├── UnknownKeyInFile     a key that no setting has
    ├── InvalidSetting       a value that does not fit its setting
    ├── MissingSetting       a setting that is needed and has no value anywhere
    ├── ProfileNotFound      no file has a profile of that name
    └── UnwritableConfig     a file or folder cannot be written
    TryAgain
    └── ConfigLocked         another process is changing the files
    InvalidInput
    ├── InvalidProfileName   a name that cannot be the name of a folder
    ├── InvalidGivenValue    a value on the command line that does not fit
    ├── UnknownSetting       ``config get|set|unset`` of a key that no setting has
    ├── MissingValue         ``config set`` of a setting that is no secret, without a value
    └── SecretOnCommandLine  ``config set`` of a secret with its value as an argument
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError, InvalidInput, TryAgain
from bai_manager.types.errors import closest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class BadConfigFile(ConfigurationError):
    """``why`` holds no value out of the file, which may be a secret."""

    error_code = "backendai_parsing_invalid-data-format"

    def __init__(
        self,
        path: Path,
        why: str,
        *,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(
            f"{place}: {why}",
            hint=hint or f"Correct the file {path}, or move it away to start afresh.",
            details={"file": str(path), "line": line, "column": column},
        )


class UnsafeSecretFile(ConfigurationError):
    error_code = "backendai_setup_forbidden"

    def __init__(self, path: Path, why: str, *, remedy: str) -> None:
        super().__init__(
            f"{path} holds secrets and {why}, so it is not used",
            hint=f"Make it yours alone: {remedy}",
            details={"file": str(path), "remedy": remedy},
        )


class UnknownKeyInFile(ConfigurationError):
    error_code = "backendai_setup_not-found"

    def __init__(self, path: Path, line: int | None, key: str, known: Iterable[str]) -> None:
        place = f"{path}:{line}" if line else str(path)
        near, hint = _suggest(key, known)
        super().__init__(
            f"{place}: there is no setting {quoted(key)}",
            hint=hint,
            details={"file": str(path), "line": line, "key": key, "similar": [*near]},
        )


class InvalidSetting(ConfigurationError):
    """``where`` is the place the value came from; ``given`` is None for a secret."""

    def __init__(self, where: str, key: str, why: str, *, given: str | None, hint: str) -> None:
        shown = "" if given is None else f" = {given}"
        super().__init__(
            f"{where}: {key}{shown} is not valid: {why}",
            hint=hint,
            details={"key": key, "where": where, "reason": why},
        )


class MissingSetting(ConfigurationError):
    error_code = "backendai_setup_not-ready"

    def __init__(self, profile: str, key: str, variable: str) -> None:
        super().__init__(
            f"Profile {quoted(profile)} has no {key}",
            hint=f"bai-manager config set {key} --profile {profile}, or set {variable}",
            details={"profile": profile, "key": key, "variable": variable},
        )


class ProfileNotFound(ConfigurationError):
    error_code = "backendai_setup_not-found"

    def __init__(self, name: str, where: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near, hint = _suggest(name, names)
        super().__init__(
            f"There is no profile {quoted(name)} (asked for by {where})",
            hint=f"{hint} A profile is made by: bai-manager config set kind cluster --profile NAME",
            details={"profile": name, "similar": [*near], "known": [*names]},
        )


class UnwritableConfig(ConfigurationError):
    error_code = "backendai_setup_forbidden"

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written: {error.strerror}",
            hint="Look at the folder's owner and mode, or set BAI_HOME to a folder of yours.",
            details={"file": str(path)},
        )


class ConfigLocked(TryAgain):
    error_code = "backendai_setup_timeout"

    def __init__(self, lock: Path, patience: float) -> None:
        super().__init__(
            f"Another process has been changing the configuration for {patience:g} s",
            hint=f"Try again; to see who it is: fuser {lock}",
            details={"lock": str(lock)},
        )


class InvalidGivenValue(InvalidInput):
    """A value on the command line; ``key`` is a setting or a flag, ``given`` None for a secret."""

    error_code = "backendai_setup_invalid-parameters"

    def __init__(self, key: str, why: str, *, given: str | None, hint: str) -> None:
        shown = "What was given" if given is None else given
        super().__init__(
            f"{shown} is not valid for {key}: {why}",
            hint=hint,
            details={"key": key, "reason": why},
        )


class InvalidProfileName(InvalidInput):
    error_code = "backendai_setup_invalid-parameters"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{quoted(name)} cannot be the name of a profile",
            hint="A name has 1 to 64 letters, digits, and . _ - and begins with no punctuation.",
            details={"profile": quoted(name)},
        )


class UnknownSetting(InvalidInput):
    def __init__(self, key: str, known: Iterable[str]) -> None:
        near, hint = _suggest(key, known)
        super().__init__(
            f"There is no setting {quoted(key)}",
            hint=f"{hint} All of them: bai-manager config show",
            details={"key": key, "similar": [*near]},
        )


class MissingValue(InvalidInput):
    error_code = "backendai_setup_invalid-parameters"

    def __init__(self, key: str, help_: str) -> None:
        super().__init__(
            f"There is no value for {key}",
            hint=f"{help_} bai-manager config set {key} VALUE".strip(),
            details={"key": key},
        )


class SecretOnCommandLine(InvalidInput):
    error_code = "backendai_setup_forbidden"

    def __init__(self, key: str, variable: str) -> None:
        super().__init__(
            f"{key} is a secret, and a command line is seen by everybody on the machine",
            hint=(
                f"Type it when asked: bai-manager config set {key}; "
                f"or from a file: bai-manager config set {key} < FILE; "
                f"or in the environment: {variable}"
            ),
            details={"key": key, "variable": variable},
        )


def _suggest(given: str, known: Iterable[str]) -> tuple[list[str], str]:
    words = list(known)
    inside = [word for word in words if word.startswith(f"{given}.")]
    near = inside or closest(given, words) or closest(given, {_leaf(w): w for w in words}.values())
    if near:
        return near, f"Did you mean {' or '.join(near[:3])}?"
    return [], f"Known: {', '.join(words)}."


def _leaf(key: str) -> str:
    return key.rpartition(".")[2]
