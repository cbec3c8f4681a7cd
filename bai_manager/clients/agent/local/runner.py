"""The interpreter of one kernel: a namespace that outlives the pieces of code run in it.

Run as a plain file (``python -I -u runner.py FD``) in the kernel's work folder; it imports
nothing of this package. ``FD`` is a socket to the supervisor that carries JSON lines:

======================================  =======================================================
from the supervisor                     from here
======================================  =======================================================
``{"op": "run", "code"}``               ``{"op": "begun"}``: from now on SIGINT is for the code
                                        ``{"op": "done", "exit_code"}``, all output flushed before
``{"op": "input", "text"}``             ``{"op": "ask", "password"}`` while code waits for a line
``{"op": "complete", "id", "text"}``    ``{"op": "completions", "id", "suggestions"}``
======================================  =======================================================

What the code prints goes to file descriptors 1 and 2. SIGINT raises KeyboardInterrupt in the
code and is without effect between two pieces of code.
"""

from __future__ import annotations

import ast
import contextlib
import getpass
import io
import json
import linecache
import os
import re
import signal
import socket
import sys
import traceback
from types import CodeType, FrameType, ModuleType

INTERRUPTED = 130
_TOKEN = re.compile(r"[\w.]+$")
_MOST_SUGGESTIONS = 500


class Channel:
    """JSON lines over the control socket."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._buffer = bytearray()

    def send(self, message: dict[str, object]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, object]:
        """Raise EOFError when the supervisor is gone."""
        while (end := self._buffer.find(b"\n")) < 0:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        message: dict[str, object] = json.loads(line)
        return message


class ConsoleInput(io.TextIOBase):
    """Standard input of the code: each line is asked of whoever runs it."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._rest = ""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        return self.readline(-1 if size is None else size)

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        line = self._rest or self.ask(password=False) + "\n"
        if size < 0:
            size = len(line)
        self._rest = line[size:]
        return line[:size]

    def ask(self, *, password: bool) -> str:
        flush_output()
        self._channel.send({"op": "ask", "password": password})
        while (message := self._channel.receive())["op"] != "input":
            pass
        return str(message["text"])

    def ask_password(self, prompt: str = "Password: ", stream: object = None) -> str:
        """Stand in for ``getpass.getpass``; there is no terminal to open."""
        del stream
        sys.stderr.write(prompt)
        return self.ask(password=True)


class Interpreter:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._main = ModuleType("__main__")
        self._main.__dict__["__builtins__"] = __builtins__
        sys.modules["__main__"] = self._main
        self._input = ConsoleInput(channel)
        getpass.getpass = self._input.ask_password
        self._count = 0
        self._running = False
        signal.signal(signal.SIGINT, self._on_interrupt)

    def serve(self) -> None:
        with contextlib.suppress(EOFError):
            while True:
                message = self._channel.receive()
                if message["op"] == "run":
                    exit_code = self._run(str(message["code"]))
                    self._channel.send({"op": "done", "exit_code": exit_code})
                elif message["op"] == "complete":
                    suggestions = self._complete(str(message["text"]))
                    answer = {"op": "completions", "id": message["id"], "suggestions": suggestions}
                    self._channel.send(answer)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._running:
            raise KeyboardInterrupt

    def _run(self, code: str) -> int:
        owner = os.getpid()
        sys.stdin = self._input
        restore_output()
        try:
            try:
                exit_code = self._execute(code)
            finally:
                self._running = False
        except KeyboardInterrupt as interrupt:
            exit_code = report(interrupt)
        flush_output()
        if os.getpid() != owner:  # code that forked returns here in the child, too
            os._exit(exit_code)
        return exit_code

    def _execute(self, code: str) -> int:
        self._count += 1
        name = f"<input-{self._count}>"
        lines = code.splitlines(keepends=True)
        linecache.cache[name] = (len(code), None, lines, name)
        try:
            self._running = True
            self._channel.send({"op": "begun"})
            for part in compiled(code, name):
                exec(part, self._main.__dict__)  # noqa: S102 - this is what a kernel is for
        except SystemExit as leaving:
            return exit_code_of(leaving)
        except BaseException as error:  # noqa: BLE001 - whatever the code raised is its result
            self._running = False
            return report(error)
        return 0

    def _complete(self, text: str) -> list[str]:
        from rlcompleter import Completer  # noqa: PLC0415 - it loads readline

        token = _TOKEN.search(text)
        if token is None:
            return []
        completer = Completer(self._main.__dict__)
        found: list[str] = []
        self._running = True
        try:
            while len(found) < _MOST_SUGGESTIONS:
                suggestion = completer.complete(token.group(), len(found))
                if suggestion is None:
                    break
                found.append(suggestion)
        except BaseException:  # noqa: BLE001 - a property of the user's object may raise anything
            return found
        finally:
            self._running = False
        return found


def compiled(code: str, name: str) -> list[CodeType]:
    """Compile so that the value of a last expression is echoed, as at a prompt."""
    tree = ast.parse(code, name)
    parts: list[CodeType] = []
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if tree.body:
        parts.append(compile(tree, name, "exec", dont_inherit=True))
    if last is not None:
        parts.append(compile(ast.Interactive([last]), name, "single", dont_inherit=True))
    return parts


def exit_code_of(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    with contextlib.suppress(Exception):
        sys.stderr.write(f"{leaving.code}\n")
    return 1


def report(error: BaseException) -> int:
    """Print the traceback without the frames of this file; return the exit code."""
    try:
        told = traceback.TracebackException.from_exception(error)
        hide_own_frames(told, set())
        text = "".join(told.format())
    except BaseException:  # noqa: BLE001 - e.g. out of memory, or a __str__ that raises
        text = f"{type(error).__name__}\n"
    with contextlib.suppress(Exception):
        sys.stderr.write(text)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def hide_own_frames(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    if told.stack is not None:
        told.stack[:] = [
            frame for frame in told.stack if frame.filename not in {__file__, ast.__file__}
        ]
    parts = [told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())]
    for part in parts:
        if part is not None:
            hide_own_frames(part, seen)


def restore_output() -> None:
    """Undo what earlier code did to ``sys.stdout`` and ``sys.stderr`` if they are closed."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name, None)
        if stream is None or getattr(stream, "closed", False):
            setattr(sys, name, open_output(fd))


def open_output(fd: int) -> io.TextIOWrapper:
    """Unbuffered, like ``python -u``: whoever reads sees at once what was written."""
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", "\n", write_through=True)


def flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def main() -> None:
    channel = Channel(int(sys.argv[1]))
    sys.argv = [""]
    sys.path.insert(0, "")
    sys.stdout, sys.stderr = open_output(1), open_output(2)
    Interpreter(channel).serve()


if __name__ == "__main__":
    main()
