"""The error tree: what the process says and how it exits.

::

    BackendAIError                     1    failure
    ├── InvalidInput                   2    the request cannot be understood
    ├── NotFound                       3    the thing named does not exist, or is not visible
    ├── Denied                         4    the actor may not do this
    ├── Conflict                       5    the state of the system does not allow it now
    │   └── InsufficientQuota          5    a limit would be passed
    ├── Unreachable                    6    a dependency did not answer, or answered garbage
    ├── TryAgain                      75    a passing condition; the same call may succeed
    ├── ConfigurationError            78    the profile or environment is wrong
    └── TimedOut                     124    the wait ended before the state was reached

The errors of one noun live in ``services/<noun>/errors.py`` and derive from one of these
families, which fixes the exit code. ``error_code`` has the form
``<domain>_<operation>_<detail>`` with the vocabulary below (``reference/actions.md`` §5.1).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.json import JsonValue


class ExitCode(IntEnum):
    """How the process ends; the same table is in ``help exit-codes`` and the README."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    UNREACHABLE = 6
    PARTIAL = 7
    FINDINGS = 8
    TRY_AGAIN = 75
    CONFIGURATION = 78
    TIMED_OUT = 124
    INTERRUPTED = 130
    CLOSED_PIPE = 141


class BackendAIError(Exception):
    """What happened and why (``message``), what to do next (``hint``), facts (``details``)."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE
    error_code: ClassVar[str] = "backendai_generic_internal-error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, JsonValue] = dict(details or {})


class InvalidInput(BackendAIError):
    """The request cannot be understood or can never be valid."""

    exit_code = ExitCode.USAGE
    error_code = "api_generic_invalid-parameters"


class NotFound(BackendAIError):
    """The thing named does not exist, or the actor may not see it."""

    exit_code = ExitCode.NOT_FOUND
    error_code = "backendai_read_not-found"


class Denied(BackendAIError):
    """The actor may not do this."""

    exit_code = ExitCode.DENIED
    error_code = "backendai_generic_forbidden"


class Conflict(BackendAIError):
    """The state of the system does not allow it now."""

    exit_code = ExitCode.CONFLICT
    error_code = "backendai_generic_conflict"


class InsufficientQuota(Conflict):
    """A limit would be passed; the message names the level that binds and its numbers."""

    error_code = "session_check-limit_forbidden"


class Unreachable(BackendAIError):
    """A dependency (database, agent, storage, Prometheus, app proxy) did not answer usefully."""

    exit_code = ExitCode.UNREACHABLE
    error_code = "backendai_generic_unreachable"


class TryAgain(BackendAIError):
    """A passing condition; the same call may succeed shortly."""

    exit_code = ExitCode.TRY_AGAIN
    error_code = "backendai_generic_unavailable"


class ConfigurationError(BackendAIError):
    """The profile, a configuration file or the environment is wrong."""

    exit_code = ExitCode.CONFIGURATION
    error_code = "backendai_setup_invalid-parameters"


class TimedOut(BackendAIError):
    """The wait ended before the awaited state was reached; nothing was undone."""

    exit_code = ExitCode.TIMED_OUT
    error_code = "backendai_generic_timeout"
