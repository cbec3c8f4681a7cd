"""A prompt into a session: lines with history, statements of several lines, ``exec`` for each."""

from __future__ import annotations

import readline
import shlex
import warnings
from codeop import compile_command
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from bai_manager.cli.console import TerminalConsole
from bai_manager.cli.output.errors import emit_error
from bai_manager.errors import BackendAIError
from bai_manager.services.session_inside.actions import (
    CompleteAction,
    ExecuteSessionAction,
    InterruptSessionAction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bai_manager.cli.runtime import Cli, Execute

_KEPT: Final = 1000


class Prompt:
    """Reads statements and runs them in the session until the end of input.

    Ctrl-C drops what is typed, or interrupts what runs; Ctrl-D ends the prompt, not the session.
    """

    def __init__(self, cli: Cli, session: str, *, owner: str | None, shell: bool) -> None:
        self._cli = cli
        self._session = session
        self._owner = owner
        self._shell = shell

    def run(self) -> int:
        """The exit code of the last statement."""
        code = 0
        how = "shell commands" if self._shell else "Python"
        self._cli.terminal.note(
            f"{how} in {self._session}; Ctrl-C interrupts, Ctrl-D leaves the session running."
        )
        with (
            TerminalConsole(self._cli) as console,
            self._cli.conversation(console) as execute,
            _history(self._cli.config.paths.state_dir / "exec_history"),
            _completion(self, execute),
        ):
            while (statement := self._read()) is not None:
                if statement.strip():
                    code = self._execute(execute, statement)
        return code

    def _read(self) -> str | None:
        """One whole statement; None at the end of input."""
        lines: list[str] = []
        while True:
            try:
                lines.append(input(self._sign(first=not lines)))
            except EOFError:
                self._cli.stdout.write("\n")
                return None
            except KeyboardInterrupt:
                self._cli.stdout.write("\n")
                lines.clear()
                continue
            text = "\n".join(lines)
            if not (wants_more_shell(text) if self._shell else wants_more(text)):
                return text

    def _sign(self, *, first: bool) -> str:
        if self._shell:
            return "$ " if first else "> "
        return ">>> " if first else "... "

    def _execute(self, execute: Execute, statement: str) -> int:
        try:
            result = execute(
                ExecuteSessionAction(
                    session=self._session,
                    owner=self._owner,
                    code=statement,
                    shell=self._shell,
                    stream=True,
                )
            )
        except KeyboardInterrupt:
            with suppress(BackendAIError):
                execute(InterruptSessionAction(session=self._session, owner=self._owner))
            self._cli.stdout.write("\n")
            return 130
        except BackendAIError as error:
            output = self._cli.output
            emit_error(
                output.stderr, error, as_json=False, color=output.color, environ=self._cli.environ
            )
            return int(error.exit_code)
        return result.exit_code

    def suggestions(self, execute: Execute, text: str) -> list[str]:
        """What a name may go on as; nothing when the session does not say."""
        try:
            action = CompleteAction(session=self._session, owner=self._owner, code=text)
            return execute(action).suggestions
        except BackendAIError:
            return []


def wants_more(text: str) -> bool:
    """Whether Python needs more lines: a block is ended by an empty one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile_command(text, "<input>", "single") is None
        except (SyntaxError, ValueError, OverflowError):
            return False  # the session says what is wrong with it


def wants_more_shell(text: str) -> bool:
    """Whether a quote is open, or the line ends in a backslash."""
    if text.endswith("\\") and not text.endswith("\\\\"):
        return True
    try:
        shlex.split(text, comments=True)
    except ValueError as error:
        return "closing quotation" in str(error)
    return False


@contextmanager
def _history(file: Path) -> Iterator[None]:
    """What was typed before, and for the next time; readable by its owner alone."""
    readline.clear_history()
    with suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        readline.set_history_length(_KEPT)
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(0o600)
            readline.write_history_file(file)


@contextmanager
def _completion(prompt: Prompt, execute: Execute) -> Iterator[None]:
    """Tab asks the session."""
    found: list[str] = []

    def complete(text: str, state: int) -> str | None:
        if state == 0:
            found[:] = prompt.suggestions(execute, readline.get_line_buffer()) if text else []
        fitting = [word for word in found if word.startswith(text)]
        return fitting[state] if state < len(fitting) else None

    before = readline.get_completer()
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(before)
