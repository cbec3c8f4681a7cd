"""A prompt into a session: whole statements, history kept, interrupts that end nothing else."""

from __future__ import annotations

import io
import readline
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.cli.session_prompt import Prompt, wants_more, wants_more_shell
from bai_manager.errors import Unreachable
from bai_manager.services.session_inside.actions import ExecuteSessionAction, InterruptSessionAction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("x = 1", False),
        ("for i in x:", True),
        ("for i in x:\n    print(i)", True),
        ("for i in x:\n    print(i)\n", False),
        ("f(1,", True),
        ('"""a', True),
        ("x = = 1", False),
        ("", False),
    ],
)
def test_python_goes_on_until_a_statement_is_whole(text: str, more: bool) -> None:
    assert wants_more(text) is more


@pytest.mark.parametrize(
    ("text", "more"),
    [("ls", False), ("echo 'a", True), ("echo \\", True), ("echo \\\\", False), ('a "b"', False)],
)
def test_a_shell_command_goes_on_in_a_quote_or_after_a_backslash(text: str, more: bool) -> None:
    assert wants_more_shell(text) is more


class Talk:
    """A command line whose person types ``lines``; what a line raises is raised."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[object] = []
        self.signs: list[str] = []
        self.answers: list[Any] = []
        self.stdin = io.StringIO()
        self.stdout = io.StringIO()
        self.stderr = io.StringIO()
        self.environ: dict[str, str] = {}
        self.config = SimpleNamespace(paths=SimpleNamespace(state_dir=folder))
        self.terminal = SimpleNamespace(note=lambda _text: None)
        self.output = SimpleNamespace(
            wants_color=lambda _stream: False, stderr=self.stderr, color="never"
        )

    @contextmanager
    def conversation(self, _console: object) -> Iterator[Any]:
        def execute(action: object) -> Any:
            self.asked.append(action)
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        yield execute


def _talk(
    monkeypatch: pytest.MonkeyPatch, folder: Path, lines: list[object], answers: list[object]
) -> tuple[Talk, int]:
    talk = Talk(folder)
    talk.answers = answers
    left = iter([*lines, EOFError()])

    def typed(sign: str) -> str:
        talk.signs.append(sign)
        line = next(left)
        if isinstance(line, BaseException):
            raise line
        return str(line)

    monkeypatch.setattr("builtins.input", typed)
    prompt = Prompt(talk, "train-1", owner=None, shell=False)  # type: ignore[arg-type]
    return talk, prompt.run()


def _ended(code: int = 0) -> SimpleNamespace:
    return SimpleNamespace(exit_code=code)


def test_statements_of_several_lines_are_run_whole_and_the_last_code_is_the_prompt_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[object] = ["if x:", "    y()", "", "  ", "f(", KeyboardInterrupt(), "1/0"]
    talk, code = _talk(monkeypatch, tmp_path, lines, [_ended(), _ended(1)])
    codes = [action.code for action in talk.asked if isinstance(action, ExecuteSessionAction)]
    assert codes == ["if x:\n    y()\n", "1/0"]
    assert talk.signs == [">>> ", "... ", "... ", ">>> ", ">>> ", "... ", ">>> ", ">>> "]
    assert code == 1
    assert (tmp_path / "exec_history").stat().st_mode & 0o777 == 0o600


def test_an_interrupt_or_an_error_ends_the_statement_and_not_the_prompt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[object] = ["sleep()", "gone()", "x"]
    answers = [KeyboardInterrupt(), _ended(), Unreachable("The agent is away."), _ended()]
    talk, code = _talk(monkeypatch, tmp_path, lines, answers)
    assert isinstance(talk.asked[1], InterruptSessionAction)
    assert len(talk.asked) == 4
    assert "The agent is away." in talk.stderr.getvalue()
    assert code == 0


def test_tab_offers_what_the_session_suggests_and_nothing_when_it_does_not_answer() -> None:
    prompt = Prompt(SimpleNamespace(), "train-1", owner=None, shell=False)  # type: ignore[arg-type]

    def refused(_action: object) -> Any:
        raise Unreachable("away")

    suggest = SimpleNamespace(suggestions=["print("])
    assert prompt.suggestions(lambda _action: suggest, "pri") == ["print("]  # type: ignore[arg-type]
    assert prompt.suggestions(refused, "pri") == []
    assert readline.get_completer() is None
