"""What every command gets: the flags, the configuration, the output, and the processor."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from bai_manager.cli.output.options import ColorMode, Format, OutputOptions
from bai_manager.cli.output.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from typing import TextIO

    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.actions.monitors.trace import TraceMonitor
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.app import App
    from bai_manager.cli.flags import Flags
    from bai_manager.config import Config
    from bai_manager.services.session_inside.console import ConsoleSink

T = TypeVar("T")
ResultT = TypeVar("ResultT", bound="ActionResult")


class Execute(Protocol):
    """Runs an action to its end."""

    def __call__(self, action: Action[ResultT], /) -> ResultT: ...


class Cli:
    """One command line being carried out; ``ctx.obj`` of every command."""

    def __init__(
        self,
        flags: Flags,
        *,
        environ: Mapping[str, str],
        stdin: TextIO,
        stdout: TextIO,
        stderr: TextIO,
    ) -> None:
        self.flags = flags
        self.environ = environ
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr

    @cached_property
    def config(self) -> Config:
        from bai_manager.config import load_config  # noqa: PLC0415 - only when it is needed

        return load_config(
            self.environ,
            profile=self.flags.profile,
            flags={"defaults.output": self.flags.output, "defaults.color": self.flags.color},
        )

    def forget_config(self) -> None:
        """Read the configuration again when it is needed next."""
        self.__dict__.pop("config", None)

    @cached_property
    def output(self) -> OutputOptions:
        defaults = self.config.settings.defaults
        return OutputOptions(
            stdout=self.stdout,
            stderr=self.stderr,
            format=Format(defaults.output) if defaults.output else None,
            color=ColorMode(defaults.color),
            columns=tuple(self.flags.columns.split(",")) if self.flags.columns else None,
            no_header=self.flags.no_header,
            quiet=self.flags.quiet,
            dry_run=self.flags.dry_run,
            environ=self.environ,
        )

    @cached_property
    def terminal(self) -> Terminal:
        return Terminal(self.output, self.stdin)

    def execute(self, action: Action[ResultT], *, console: ConsoleSink | None = None) -> ResultT:
        """Run one action."""

        async def one(processor: ActionProcessor) -> ResultT:
            return await processor.run(action)

        return self.run(one, console=console)

    def run(
        self,
        main: Callable[[ActionProcessor], Awaitable[T]],
        *,
        console: ConsoleSink | None = None,
    ) -> T:
        """Run a command's coroutine with a processor; connections are closed in any case."""

        async def with_processor(app: App) -> T:
            return await main(app.processor)

        return self.run_app(with_processor, console=console)

    def run_app(
        self, main: Callable[[App], Awaitable[T]], *, console: ConsoleSink | None = None
    ) -> T:
        """The same for the few commands that need more than actions."""
        import asyncio  # noqa: PLC0415 - not for help and completion

        app = self._app(console)

        async def body() -> T:
            try:
                return await main(app)
            finally:
                await app.close()

        return asyncio.run(body())

    @contextmanager
    def conversation(self, console: ConsoleSink) -> Iterator[Execute]:
        """Run one action after another with the same connections; who asks may wait in between."""
        import asyncio  # noqa: PLC0415 - as above

        app = self._app(console)
        with asyncio.Runner() as runner:

            def execute(action: Action[ResultT]) -> ResultT:
                return runner.run(app.processor.run(action))

            try:
                yield execute
            finally:
                runner.run(app.close())

    def _app(self, console: ConsoleSink | None) -> App:
        from bai_manager.app import App  # noqa: PLC0415 - as above

        return App(
            self.config,
            act_as=self.flags.act_as,
            dry_run=self.flags.dry_run,
            console=console,
            monitors=self._monitors(),
            warn=self.terminal.warn,
        )

    def _monitors(self) -> list[TraceMonitor]:
        if not self.flags.trace:
            return []
        from bai_manager.actions.monitors.trace import TraceMonitor  # noqa: PLC0415

        return [TraceMonitor(self.stderr)]
