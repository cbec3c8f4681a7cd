"""How a run ends when it does not end well: one message, one exit code, never a traceback."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from bai_manager.cli.flags import value_of
from bai_manager.cli.output.options import ColorMode
from bai_manager.errors import BackendAIError, ExitCode, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from typer import Context
    from typer.exceptions import TyperException

_JSON_FORMATS = frozenset({"json", "jsonl"})


class Failures:
    """Reports errors as the global options ask, even when the command was not understood."""

    def __init__(
        self, options: Sequence[str], *, environ: Mapping[str, str], stderr: TextIO
    ) -> None:
        self._options = options
        self._environ = environ
        self._stderr = stderr

    def report(self, error: BackendAIError) -> int:
        """Print the error and return its exit code."""
        from bai_manager.cli.output.errors import emit_error  # noqa: PLC0415 - failures only

        if self._debug:
            traceback.print_exception(error, file=self._stderr)
        colors = {mode.value: mode for mode in ColorMode}
        emit_error(
            self._stderr,
            error,
            as_json=value_of(self._options, "--output", "-o") in _JSON_FORMATS,
            color=colors.get(value_of(self._options, "--color") or "", ColorMode.AUTO),
            environ=self._environ,
        )
        return error.exit_code

    def usage(self, error: TyperException) -> int:
        """Words that cannot be parsed; nothing to add when the help was shown in their stead."""
        message = error.format_message()
        if not message:
            return ExitCode.USAGE
        context: Context | None = getattr(error, "ctx", None)
        command = context.command_path if context else "bai-manager"
        return self.report(InvalidInput(message, hint=f"See: {command} --help"))

    def unexpected(self, error: Exception) -> int:
        """A bug: say so, keep the traceback for ``--debug``."""
        defect = BackendAIError(
            f"Internal error: {type(error).__name__}: {error}",
            hint="This is a defect."
            if self._debug
            else "This is a defect. Run the command again with --debug to see where.",
        )
        defect.__cause__ = error
        return self.report(defect)

    def interrupted(self) -> int:
        self._stderr.write("Interrupted.\n")
        return ExitCode.INTERRUPTED

    @property
    def _debug(self) -> bool:
        return "--debug" in self._options
