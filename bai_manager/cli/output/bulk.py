"""Several targets in one call: a line for each, a summary, one exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import Column, status_column
from bai_manager.cli.output.errors import error_json
from bai_manager.cli.output.rows import mark_dry_run, row_writer
from bai_manager.errors import BackendAIError, ExitCode
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.types.json import JsonObject

OK = "OK"
FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one target; ``error`` is null unless ``result`` is ``FAILED``."""

    target: str
    result: str
    message: str
    error: JsonObject | None = None


COLUMNS: tuple[Column[Outcome], ...] = (
    Column("target", lambda outcome: outcome.target),
    status_column("result", lambda outcome: outcome.result),
    Column("message", lambda outcome: outcome.message),
)


class BulkReport:
    """Takes outcomes as they happen; ``finish`` says how the whole went."""

    def __init__(self, options: OutputOptions, *, noun: str = "targets") -> None:
        self._options = options
        self._noun = noun
        self._succeeded = 0
        self._failed = 0
        self._writer = (
            None
            if options.chosen_format.is_human
            else row_writer(options, COLUMNS, name=lambda outcome: outcome.target)
        )

    def succeeded(self, target: str, message: str = "") -> None:
        self._succeeded += 1
        self._write(Outcome(target, OK, message))

    def failed(self, target: str, error: BackendAIError) -> None:
        self._failed += 1
        self._write(Outcome(target, FAILED, error.message, error_json(error)))

    def finish(self, *, not_tried: int = 0) -> ExitCode:
        """Close the output, sum up on stderr, and say the exit code: 7 if anything failed."""
        if self._writer is not None:
            self._writer.close()
        parts = [f"{self._succeeded} ok", f"{self._failed} failed"]
        if not_tried:
            parts.append(f"{not_tried} not tried")
        total = self._succeeded + self._failed + not_tried
        whole = "" if total == 1 else f"{total} {self._noun}: "
        self._options.note(f"{whole}{', '.join(parts)}.")
        mark_dry_run(self._options)
        return ExitCode.PARTIAL if self._failed else ExitCode.OK

    def _write(self, outcome: Outcome) -> None:
        if self._writer is not None:
            self._writer.write(outcome)
        else:
            self._options.stdout.write(self._line(outcome))
        self._options.stdout.flush()

    def _line(self, outcome: Outcome) -> str:
        word = outcome.result.ljust(len(FAILED))
        if self._options.wants_color(self._options.stdout):
            word = f"\x1b[{32 if outcome.result == OK else 31}m{word}\x1b[0m"
        parts = [word, printable(outcome.target), printable(outcome.message)]
        return "  ".join(part for part in parts if part) + "\n"


async def run_bulk(
    options: OutputOptions,
    targets: Sequence[str],
    act: Callable[[str], Awaitable[str]],
    *,
    noun: str = "targets",
    fail_fast: bool = False,
) -> ExitCode:
    """Do ``act`` to each target in turn; it returns what to say beside ``OK``.

    One failure does not stop the rest unless ``fail_fast``. A single target that fails raises
    its own error, with its own exit code.
    """
    report = BulkReport(options, noun=noun)
    tried = 0
    for target in targets:
        tried += 1
        try:
            message = await act(target)
        except BackendAIError as error:
            if len(targets) == 1:
                raise
            report.failed(target, error)
            if fail_fast:
                break
        else:
            report.succeeded(target, message)
    return report.finish(not_tried=len(targets) - tried)
