"""Output of kernels: bytes that somebody else wrote."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, TextIO

from bai_manager.types.text import printable

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_SGR = re.compile(r"(\x1b\[[0-9;:]*m)")
_UNFINISHED = re.compile(r"(?:\r|\x1b(?:\[[0-9;:]{0,64})?)\Z")
_RESET = "\x1b[0m"


class RawWriter:
    r"""Writes chunks of a log or a console.

    In a pipe or a file every byte arrives as it is. On a terminal the text is shown: colours
    (SGR) are kept, ``\n`` and ``\t`` work, ``\r\n`` is a line end, and every other control
    sequence is made visible. Chunks may end anywhere, inside a character or a sequence.
    """

    def __init__(self, stream: TextIO, *, is_terminal: bool, color: bool = True) -> None:
        self._stream = stream
        self._is_terminal = is_terminal
        self._color = color
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        self._held = ""
        self._styled = False

    def write(self, data: bytes | bytearray) -> None:
        if self._is_terminal:
            self._show(self._decoder.decode(data))
        else:
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()

    def close(self) -> None:
        """Show what is held back and leave the terminal in its normal colours."""
        if self._is_terminal:
            rest = self._held + self._decoder.decode(b"", final=True)
            self._held = ""
            self._stream.write(self._visible(rest) + (_RESET if self._styled else ""))
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _show(self, text: str) -> None:
        text = self._held + text
        unfinished = _UNFINISHED.search(text)
        whole = text[: unfinished.start()] if unfinished else text
        self._held = text[len(whole) :]
        self._stream.write(self._visible(whole))
        self._stream.flush()

    def _visible(self, text: str) -> str:
        parts = _SGR.split(text.replace("\r\n", "\n"))
        parts[::2] = [printable(part, multiline=True) for part in parts[::2]]
        sequences = parts[1::2]
        if not self._color:
            parts[1::2] = [""] * len(sequences)
        self._styled = self._styled or (self._color and bool(sequences))
        return "".join(parts)


def write_raw(stream: TextIO, data: bytes, *, is_terminal: bool, color: bool = True) -> None:
    """Write the whole of a log at once, as ``RawWriter`` does."""
    with RawWriter(stream, is_terminal=is_terminal, color=color) as writer:
        writer.write(data)
