"""The person at the terminal: notes, warnings, progress and questions, all on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from bai_manager.cli.output.errors import WARNING_STYLE, labelled
from bai_manager.errors import BackendAIError, InvalidInput
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bai_manager.cli.output.options import OutputOptions


class ConfirmationRequired(InvalidInput):
    """A destructive command runs where nobody can be asked."""


class WrongConfirmation(InvalidInput):
    """The name given with ``--confirm``, or typed, is not that of the target."""


class Declined(BackendAIError):
    """The person said no."""

    error_code = "backendai_generic_canceled"


class Progress(Protocol):
    """How far a piece of work has come."""

    def advance(self, amount: float = 1) -> None: ...

    def expect(self, amount: float) -> None:
        """There is so much more to do than was known."""

    def describe(self, text: str) -> None: ...


class Unseen:
    """Progress where nobody watches."""

    def advance(self, amount: float = 1) -> None: ...

    def expect(self, amount: float) -> None: ...

    def describe(self, text: str) -> None: ...


class Terminal:
    """Talks on stderr and reads answers from stdin, when both are terminals."""

    def __init__(self, options: OutputOptions, stdin: TextIO) -> None:
        self._options = options
        self._stdin = stdin
        self._stderr = options.stderr

    @property
    def interactive(self) -> bool:
        return self._stdin.isatty() and self._stderr.isatty()

    def note(self, text: str) -> None:
        """Remark, unless ``--quiet``."""
        self._options.note(printable(text, multiline=True))

    def warn(self, text: str) -> None:
        """Warn, even with ``--quiet``."""
        colored = self._options.wants_color(self._stderr)
        self._write(labelled("warning", text, WARNING_STYLE if colored else None))

    def confirm(self, question: str, *, yes: bool = False) -> None:
        """Return when the person (or ``--yes``) agrees.

        ``question`` says what will be affected. Raises Declined, and ConfirmationRequired where
        nobody can be asked.
        """
        if yes:
            return
        if not self.interactive:
            raise ConfirmationRequired(
                f"{question} Nobody can be asked: this is not a terminal.",
                hint="Give --yes to go ahead.",
            )
        self._write(f"{printable(question, multiline=True)} [y/N] ")
        if self._stdin.readline().strip().lower() not in {"y", "yes"}:
            raise Declined("Not confirmed; nothing was changed.")

    def confirm_name(self, question: str, name: str, *, given: str | None = None) -> None:
        """Return when the name of what is lost for good was typed, or given with ``--confirm``.

        Raises WrongConfirmation, and ConfirmationRequired where nobody can be asked.
        """
        if given is None:
            given = self._ask_name(question, name)
        if given != name:
            raise WrongConfirmation(
                f'"{given}" is not "{name}"; nothing was changed.',
                hint="The name has to be given exactly, in the same case.",
                details={"given": given, "expected": name},
            )

    def _ask_name(self, question: str, name: str) -> str:
        if not self.interactive:
            raise ConfirmationRequired(
                f"{question} Nobody can be asked: this is not a terminal.",
                hint=f'Give --confirm "{name}" to go ahead.',
                details={"expected": name},
            )
        self._write(f"{printable(question, multiline=True)}\nType {printable(name)} to confirm: ")
        return self._stdin.readline().rstrip("\r\n")

    @contextmanager
    def progress(
        self, text: str, total: float | None = None, *, in_bytes: bool = False
    ) -> Iterator[Progress]:
        """Show a bar on stderr while the block runs; nothing outside a terminal.

        ``total`` None is work of unknown length. The bar is gone at the end.
        """
        if self._options.quiet or not self._stderr.isatty():
            yield Unseen()
            return
        from bai_manager.cli.output.progress import bar  # noqa: PLC0415 - imports Rich

        with bar(self._options, text, total, in_bytes=in_bytes) as shown:
            yield shown

    def _write(self, text: str) -> None:
        self._options.stdout.flush()
        self._stderr.write(text)
        self._stderr.flush()
