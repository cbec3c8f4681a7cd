"""The console of a kernel on this process's own streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.cli.output.raw import RawWriter

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO

    from bai_manager.cli.runtime import Cli


def raw_writer(cli: Cli, stream: TextIO) -> RawWriter:
    """A writer for what somebody else wrote, by the rules of the stream it goes to."""
    return RawWriter(stream, is_terminal=stream.isatty(), color=cli.output.wants_color(stream))


class TerminalConsole:
    """Writes output as it comes: made safe on a terminal, exact in a pipe."""

    def __init__(self, cli: Cli) -> None:
        self._stdin = cli.stdin
        self._stdout = raw_writer(cli, cli.stdout)
        self._stderr = raw_writer(cli, cli.stderr)

    def write(self, kind: str, text: str) -> None:
        stream = self._stderr if kind == "stderr" else self._stdout
        stream.write(text.encode(errors="surrogateescape"))

    async def read_input(self) -> str | None:
        """A line of standard input without its end; None at its end."""
        import asyncio  # noqa: PLC0415 - not for help and completion

        line = await asyncio.to_thread(self._stdin.readline)
        return line.rstrip("\n") if line else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stdout.close()
        self._stderr.close()
