"""What creating, changing and deleting have in common for every noun that has them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.runtime import Cli

IfNotExistsOption = Annotated[
    bool, typer.Option("--if-not-exists", help="Leave one of that name as it is.")
]
IgnoreNotFoundOption = Annotated[
    bool, typer.Option("--ignore-not-found", help="It is well when there is none.")
]
IfUnchangedOption = Annotated[
    str | None,
    typer.Option("--if-unchanged", metavar="VERSION", help="Only if 'show' still says so."),
]
FailFastOption = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")]


def note_created(cli: Cli, what: str, *, created: bool) -> None:
    """Say when nothing was created because it was there."""
    if not created:
        cli.terminal.note(f"{what} existed already; it is as it was.")


def note_changed(cli: Cli, what: str, changed: Sequence[str]) -> None:
    """Say which fields have another value now, or that none has."""
    cli.terminal.note(
        f"{what}: changed {', '.join(changed)}." if changed else f"{what}: no change."
    )


def for_each(
    cli: Cli,
    names: Sequence[str],
    act: Callable[[ActionProcessor, str], Awaitable[str]],
    *,
    noun: str,
    fail_fast: bool,
) -> NoReturn:
    """Do ``act`` to each name, print what it returns beside it, and exit."""
    from bai_manager.cli.output.bulk import run_bulk  # noqa: PLC0415 - not to list and show

    async def each(processor: ActionProcessor) -> int:
        async def one(name: str) -> str:
            return await act(processor, name)

        return await run_bulk(cli.output, names, one, noun=noun, fail_fast=fail_fast)

    raise typer.Exit(cli.run(each))


@contextmanager
def if_stopped(cli: Cli, what_next: str) -> Iterator[None]:
    """Say what to do next when Ctrl-C stops what is done inside."""
    try:
        yield
    except KeyboardInterrupt:
        cli.terminal.note(f"Stopped. {what_next}")
        raise


def confirm(cli: Cli, question: str) -> None:
    """Ask before something is lost; ``--yes`` agrees, and a dry run loses nothing."""
    cli.terminal.confirm(question, yes=cli.flags.yes or cli.flags.dry_run)


def counted(count: int | None, one: str, many: str | None = None) -> str:
    """``1 user``, ``3 users``."""
    return f"{count or 0} {one if count == 1 else many or f'{one}s'}"
