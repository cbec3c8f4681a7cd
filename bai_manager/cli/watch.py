"""Showing a result once, or again and again with ``--watch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli


def shown(
    cli: Cli,
    render: Callable[[ActionProcessor, OutputOptions], Awaitable[None]],
    interval: float | None,
) -> None:
    """Render once, or every ``interval`` seconds until interrupted."""

    async def once(processor: ActionProcessor) -> None:
        await render(processor, cli.output)

    async def watching(processor: ActionProcessor) -> None:
        from bai_manager.cli.output.watch import run_watch  # noqa: PLC0415 - --watch only

        async def frame(output: OutputOptions) -> None:
            await render(processor, output)

        await run_watch(cli.output, frame, interval or 0)

    cli.run(once if interval is None else watching)
