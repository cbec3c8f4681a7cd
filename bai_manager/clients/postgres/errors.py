"""Why the embedded database cannot be used.

::

    ConfigurationError
    ├── EmbeddedNotInstalled       the wheel with PostgreSQL is not there
    ├── DataFolderRefused          the folder is not ours alone, or cannot be written
    ├── DatabaseVersionMismatch    the folder was made by another major version
    └── PrivilegesNotDroppable     root, on a system where PostgreSQL cannot be run by root
    Unreachable
    ├── DatabaseStartFailed        it was started and did not come up
    └── DatabaseStopped            it is not running, and a dry run does not start it
    TimedOut
    └── DatabaseStopTimedOut       it was told to stop and is still there
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError, TimedOut, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class EmbeddedNotInstalled(ConfigurationError):
    """The optional dependency that holds PostgreSQL is not installed."""

    error_code = "backendai_setup_not-found"

    def __init__(self) -> None:
        super().__init__(
            "The profile uses the embedded database, and PostgreSQL is not installed here.",
            hint="Install it with: pip install 'bai-manager[embedded]'",
        )


class DataFolderRefused(ConfigurationError):
    """The data folder is not this user's alone, or is not usable as one."""

    error_code = "backendai_setup_forbidden"

    def __init__(self, folder: Path, why: str, *, hint: str) -> None:
        super().__init__(
            f"The data folder {folder} cannot be used: {why}",
            hint=hint,
            details={"folder": str(folder)},
        )


class DatabaseVersionMismatch(ConfigurationError):
    """The data folder holds a database of another major version."""

    error_code = "backendai_setup_mismatch"

    def __init__(self, folder: Path, *, found: str, expected: str) -> None:
        super().__init__(
            f"The database in {folder} was made by PostgreSQL {found}; "
            f"this installation runs PostgreSQL {expected}, which cannot read it.",
            hint=f"Dump it with PostgreSQL {found}, move the folder away, and restore the dump.",
            details={"folder": str(folder), "found": found, "expected": expected},
        )


class PrivilegesNotDroppable(ConfigurationError):
    """PostgreSQL refuses to run as root and there is no way here to be somebody else."""

    error_code = "backendai_setup_forbidden"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"PostgreSQL does not run as root, and this system offers no way around it: {why}",
            hint="Run bai-manager as an ordinary user.",
        )


class DatabaseStartFailed(Unreachable):
    """The database was started and did not come up; the message ends with what it said."""

    error_code = "backendai_start_unavailable"

    def __init__(self, why: str, *, log: Path, lines: Sequence[str] = ()) -> None:
        said = "".join(f"\n  {line}" for line in lines)
        super().__init__(
            f"The embedded database did not start: {why}{said}",
            hint=f"Its log is {log}; space left and permissions of that folder come first.",
            details={"log": str(log), "lines": list(lines)},
        )


class DatabaseStopped(Unreachable):
    """A dry run has to see what is there, and may not start the server that knows."""

    error_code = "backendai_start_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The database is not running, and a dry run does not start it.",
            hint="Start it with 'bai-manager db start' to see what is missing in it.",
        )


class DatabaseStopTimedOut(TimedOut):
    """The database was told to stop and still runs."""

    error_code = "backendai_execute_timeout"

    def __init__(self, mode: str, timeout: float) -> None:
        super().__init__(
            f"The embedded database still runs {timeout:g} s after a {mode} stop was asked for.",
            hint="Close the sessions using it, or stop it with the mode 'immediate'.",
            details={"mode": mode, "timeout": timeout},
        )
