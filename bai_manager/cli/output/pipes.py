"""Standard output that nobody reads any more: silence and exit code 141."""

from __future__ import annotations

import os
import select
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from bai_manager.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def guard_stdout() -> Iterator[None]:
    """Turn a closed pipe into ``SystemExit(141)``, also when it shows only in the last flush.

    Text that UTF-8 cannot hold (lone surrogates) is escaped rather than refused. A
    ``BrokenPipeError`` of another pipe is not swallowed.
    """
    for stream in (sys.stdout, sys.stderr):
        _never_refuse(stream)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        if not (reader_is_gone(sys.stdout) or reader_is_gone(sys.stderr)):
            raise
        _silence()
        raise SystemExit(ExitCode.CLOSED_PIPE) from None


def reader_is_gone(stream: TextIO) -> bool:
    """Whether ``stream`` is a pipe or socket whose other end was closed."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _never_refuse(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _silence() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's own flush succeeds."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if reader_is_gone(stream):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
