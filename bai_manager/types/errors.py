"""What is said about a value that does not have the form its type asks for.

Every message has the same three parts: what was given, why it is wrong, and (as the hint)
an example of what is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bai_manager.errors import BackendAIError, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 80


def quoted(given: object) -> str:
    """At most 80 characters of the ``repr`` of untrusted input."""
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def closest(given: str, known: Iterable[str]) -> list[str]:
    """Up to three known words that look most like ``given``, best first."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    words = {word.casefold(): word for word in known}
    return [words[match] for match in get_close_matches(given.casefold(), words)]


class InvalidValue(InvalidInput):
    """``given`` is not a ``noun`` because ``why``; ``example`` shows one that is."""

    noun: ClassVar[str] = "value"
    error_code: ClassVar[str] = "api_parsing_invalid-parameters"

    def __init__(self, given: object, why: str, *, example: str, noun: str | None = None) -> None:
        super().__init__(
            f"{quoted(given)} is not a valid {noun or self.noun}: {why}",
            hint=f"for example: {example}",
            details={"given": quoted(given), "reason": why},
        )


class InvalidChoice(InvalidInput):
    """A word outside a closed list; the message proposes the closest members."""

    error_code = "api_parsing_invalid-parameters"

    def __init__(self, given: str, noun: str, known: Iterable[str]) -> None:
        words = list(known)
        similar = closest(given, words)
        hint = f"did you mean {' or '.join(similar)}? " if similar else ""
        super().__init__(
            f"{quoted(given)} is not a known {noun}",
            hint=f"{hint}known values: {', '.join(words)}",
            details={"given": quoted(given), "known": [*words], "similar": [*similar]},
        )


class InvalidSize(InvalidValue):
    noun = "size"


class InvalidResourceSlot(InvalidValue):
    noun = "resource amount"
    error_code = "resource-preset_parsing_invalid-parameters"


class UnknownResourceSlot(InvalidChoice):
    """A resource name that no agent of the cluster reports."""

    error_code = "session_check-limit_invalid-parameters"


class InvalidDuration(InvalidValue):
    noun = "duration"


class InvalidTime(InvalidValue):
    noun = "time"


class InvalidName(InvalidValue):
    """Raised with ``noun`` saying whose name it is."""

    noun = "name"


class InvalidPassword(InvalidInput):
    """Never shows the password."""

    error_code = "user_parsing_invalid-parameters"


class InvalidImageReference(InvalidValue):
    noun = "image reference"
    error_code = "image_parsing_invalid-data-format"


class InvalidImageTag(InvalidImageReference):
    noun = "image tag"


class InvalidImageLabel(InvalidValue):
    noun = "image label"
    error_code = "image_parsing_invalid-data-format"


class InvalidServicePorts(InvalidValue):
    noun = "list of service ports"
    error_code = "image_parsing_invalid-data-format"


class InvalidQuotaScope(InvalidValue):
    noun = "quota scope"
    error_code = "quota-scope_parsing_invalid-parameters"


class InvalidVFolderID(InvalidValue):
    noun = "virtual folder id"
    error_code = "vfolder_parsing_invalid-parameters"


class InvalidStorageHost(InvalidValue):
    noun = "storage host"
    error_code = "storage_parsing_invalid-parameters"


class InvalidMount(InvalidValue):
    noun = "mount"
    error_code = "vfolder_parsing_invalid-parameters"


class InvalidHostPermissions(InvalidValue):
    noun = "map of storage host permissions"
    error_code = "vfolder_parsing_invalid-parameters"


class InvalidSchedulerOptions(InvalidValue):
    noun = "set of scheduler options"
    error_code = "scaling-group_parsing_invalid-data-format"


class InvalidFilter(InvalidValue):
    noun = "filter"
    error_code = "api_list-query_invalid-parameters"


class InvalidSort(InvalidValue):
    noun = "sort order"
    error_code = "api_list-query_invalid-parameters"


class InvalidLimit(InvalidValue):
    noun = "row limit"
    error_code = "api_list-query_invalid-parameters"


class UnknownField(InvalidChoice):
    """A filter, sort key or column that the noun does not have."""

    error_code = "api_list-query_invalid-parameters"


class NoKernels(NotFound):
    """A session without kernel rows has no status of its own."""

    error_code = "kernel_read_not-found"


class UnusedKernelStatus(BackendAIError):
    """A kernel status that the manager never gives to a kernel of a multi-kernel session."""

    error_code = "kernel_read_internal-error"
