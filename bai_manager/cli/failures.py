"""How a run ends when it does not end well: one message, one exit code, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

from bai_manager.errors import BackendAIError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

_JSON_FORMATS = frozenset({"json", "jsonl"})


class Failures:
    """Reports errors in the format the words asked for, even when the words were not understood."""

    def __init__(self, words: Sequence[str], *, environ: Mapping[str, str], stderr: TextIO) -> None:
        self._words = words
        self._environ = environ
        self._stderr = stderr

    def report(self, error: BackendAIError) -> int:
        """Print the error and return its exit code."""
        from bai_manager.cli.output.errors import emit_error  # noqa: PLC0415 - failures only

        if "--debug" in self._words:
            traceback.print_exception(error, file=self._stderr)
        emit_error(self._stderr, error, as_json=self._wants_json(), environ=self._environ)
        return error.exit_code

    def unexpected(self, error: Exception) -> int:
        """A bug: say so, keep the traceback for ``--debug``."""
        return self.report(
            BackendAIError(
                f"Internal error: {type(error).__name__}: {error}",
                hint="This is a defect. Run the command again with --debug to see where.",
            )
            if "--debug" not in self._words
            else _with_cause(error)
        )

    def interrupted(self) -> int:
        self._stderr.write("Interrupted.\n")
        return ExitCode.INTERRUPTED

    def closed_pipe(self) -> int:
        """The reader went away: say nothing, and keep the interpreter from saying it at exit."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.CLOSED_PIPE

    def usage_hint(self) -> str:
        """Where to read how the command is used."""
        path = [word for word in self._words if not word.startswith("-")][:2]
        return f"See: bai-manager {' '.join([*path, '--help'])}"

    def _wants_json(self) -> bool:
        pairs = zip(self._words, [*self._words[1:], ""], strict=True)
        return any(
            (word in {"-o", "--output"} and value in _JSON_FORMATS)
            or word.removeprefix("--output=").removeprefix("-o") in _JSON_FORMATS
            for word, value in pairs
        )


def _with_cause(error: Exception) -> BackendAIError:
    wrapped = BackendAIError(f"Internal error: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
