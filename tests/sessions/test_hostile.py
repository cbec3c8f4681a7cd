"""What sessions are called and what they write never reaches a terminal raw, and a pipe exactly."""

from __future__ import annotations

import json
import os
import pty
import re
import select
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sessions.system import System

CREATE = ["session", "create", "python", "--name", "evil-1", "-o", "json"]

HOSTILE = (
    "\x1b]0;title\x07"  # sets the title of the window
    "\x1b[2J\x1b[1;1H"  # clears the screen
    "\x1b]52;c;aGk=\x07"  # writes to the clipboard
    "\x9b31m"  # the same with one byte
    "\u202egnp.exe\x08\x7f\x00[bold]end"
)
# Colours and line ends are what a terminal may be told; the rest is not.
_OWN = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?[0-9]+[hl]|\r\n")
_RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def on_terminal(system: System, *argv: str) -> str:
    """What a command writes to a terminal of 200 columns."""
    controller, terminal = pty.openpty()
    name = os.ttyname(terminal)
    environ = {"TERM": "xterm-256color", "COLUMNS": "200"}
    child = system.start(*argv, environ=environ, stdout=name, stderr=name)
    written = b""
    while select.select([controller], [], [], 0.05)[0] or child.is_running:
        if select.select([controller], [], [], 0)[0]:
            written += os.read(controller, 65536)
    os.close(terminal)
    os.close(controller)
    child.wait()
    return written.decode(errors="surrogateescape")


def check_harmless(shown: str, *words: str) -> None:
    rest = _OWN.sub("", shown)
    assert not _RAW.search(rest), (words, ascii(rest))
    assert "title" in rest, words  # it is shown, not hidden


@pytest.fixture
def evil(system: System) -> System:
    system.run(*CREATE, "--tag", "t", "--env", f"X={HOSTILE.replace(chr(0), '')}").ok()
    system.execute(
        "UPDATE sessions SET tag = %s, status_info = %s",
        HOSTILE.replace("\x00", "")[:64],
        HOSTILE.replace("\x00", ""),
    )
    system.run("session", "exec", "evil-1", f"print({HOSTILE!r})").ok()
    return system


def test_hostile_text_is_made_visible_on_a_terminal(evil: System) -> None:
    for words in (
        ["show", "evil-1"],
        ["list", "--columns", "name,status_info"],
        ["list", "-o", "wide"],
        ["logs", "evil-1"],
        ["exec", "evil-1", f"print({HOSTILE!r})"],
        ["exec", "evil-1", f"import sys; sys.stderr.write({HOSTILE!r})"],
        ["exec", "evil-1", f"raise ValueError({HOSTILE!r})"],
    ):
        check_harmless(on_terminal(evil, "session", *words), *words)


def test_a_hostile_name_is_quoted_harmlessly_in_an_error(system: System) -> None:
    name = HOSTILE.replace("\x00", "")
    check_harmless(on_terminal(system, "session", "show", name))


def test_a_hostile_file_name_is_harmless_in_a_listing(evil: System) -> None:
    name = HOSTILE.replace("\x00", "").replace("/", "")
    evil.run("session", "exec", "evil-1", f"open({name!r}, 'w').close()").ok()
    check_harmless(on_terminal(evil, "session", "ls", "evil-1"))


@pytest.mark.parametrize("command", ["exec", "logs"])
def test_what_a_session_writes_arrives_exactly_in_a_pipe(system: System, command: str) -> None:
    system.run(*CREATE).ok()
    text = HOSTILE + "\r\n\ttab \N{SNOWMAN}\n"
    code = f"import sys; sys.stdout.buffer.write({text.encode()!r}); sys.stdout.flush()"
    done = system.run("session", "exec", "evil-1", code).ok()
    if command == "logs":
        done = system.run("session", "logs", "evil-1").ok()
    assert done.out == text


def test_json_holds_hostile_text_escaped_and_whole(evil: System) -> None:
    (listed,) = evil.run("session", "list", "-o", "json").ok().json
    assert listed["status_info"] == HOSTILE.replace("\x00", "")
    raw = evil.run("session", "list", "-o", "jsonl").ok().out
    assert not _RAW.search(raw.replace("\n", ""))
    assert json.loads(raw)["status_info"] == HOSTILE.replace("\x00", "")
