"""``bai-manager quickstart``: a working system and a guided round trip through it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bai_manager.cli.console import TerminalConsole
from bai_manager.cli.init import initialize
from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.rows import emit_object
from bai_manager.services.audit.actions import ListAuditLogsAction
from bai_manager.services.session.actions import CreateSessionAction, DestroySessionAction
from bai_manager.services.session_inside.actions import (
    DownloadFileAction,
    ExecuteSessionAction,
    GetUsageAction,
    UploadFileAction,
)
from bai_manager.services.system.actions import InitializeAction
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.names import unique_suffix
from bai_manager.types.query import Filter, Op, Query
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from uuid import UUID

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.session_inside.actions import GetUsageActionResult

app = typer.Typer(add_completion=False)


class Prints:
    """What each command prints with ``-o json``."""

    quickstart: Tour


_TIMEOUT = 120.0
_LETTER = "Written on this machine.\n"
_FIRST_CODE = (
    "import platform\nanswer = 6 * 7\nprint('Python', platform.python_version(), 'says', answer)"
)
_FILE_CODE = """\
text = open('letter.txt').read()
with open('reply.txt', 'w') as reply:
    reply.write(text + f'Read in the session; the answer was still {answer}.\\n')
print(len(text), 'characters read')
"""
_NEXT = (
    ("bai-manager session create python --name mine-1", "a session of your own, left running"),
    ("bai-manager session exec mine-1 'print(2 ** 10)'", "code in it; it remembers"),
    ("bai-manager session run python -- python3 -V", "create, run a command, destroy"),
    ("bai-manager session list -o json", "for programs; also yaml, csv, tsv, jsonl"),
    ("bai-manager --help", "all the nouns; every command has an example"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the tour and what came of it."""

    title: str
    command: str
    outcome: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tour:
    """All steps, and the commands to try next."""

    steps: list[Step]
    next: list[str]


FIELDS: tuple[Column[Tour], ...] = (
    Column("steps", lambda tour: tour.steps),
    Column("next", lambda tour: tour.next),
)


@app.command()
def quickstart(ctx: typer.Context) -> None:
    """Set this machine up if needed, then create, use and destroy a session, step by step.

    Example: bai-manager quickstart
    """
    cli = cli_of(ctx)
    guide = Guide(cli)
    guide.set_up()
    with TerminalConsole(cli) as console:
        guide.reload()
        cli.run(guide.round_trip, console=console)
    guide.finish()


class Guide:
    """Shows each step as it happens; programs get all of them at the end."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._talks = not cli.output.chosen_format.is_structured
        self._steps: list[Step] = []
        self._session = f"quickstart-{unique_suffix()}"

    def set_up(self) -> None:
        """Database, superadmin, agent, images: whatever is missing."""
        self._announce("A system on this machine", "bai-manager init")
        result = initialize(self._cli, InitializeAction())
        created = ", ".join(result.created) or "all of it was there"
        self._tell(f"Created: {created}." if result.created else f"Nothing to do: {created}.")

    def reload(self) -> None:
        """Read the configuration again: setting up has written the key pair into it."""
        self._cli.forget_config()

    async def round_trip(self, processor: ActionProcessor) -> None:
        """A session from its creation to its end, with everything a newcomer should see."""
        await self._create(processor)
        try:
            await self._execute(processor)
            await self._exchange_files(processor)
            await self._show_usage(processor)
        finally:
            session_id = await self._destroy(processor)
        await self._show_audit(processor, session_id)

    def finish(self) -> None:
        """What to try next."""
        if not self._talks:
            tour = Tour(steps=self._steps, next=[command for command, _why in _NEXT])
            emit_object(self._cli.output, tour, FIELDS, name=lambda _tour: "quickstart")
            return
        width = max(len(command) for command, _why in _NEXT)
        self._print("\nIt works. Try next:\n")
        for command, why in _NEXT:
            self._print(f"  {command:<{width}}  # {why}")

    async def _create(self, processor: ActionProcessor) -> None:
        self._announce(
            "A session: Python with one CPU and 256 MiB",
            f"bai-manager session create python --name {self._session} -r cpu=1 -r mem=256m",
        )
        result = await processor.run(
            CreateSessionAction(
                name=self._session,
                image="python",
                resources={"cpu": "1", "mem": "256m"},
                timeout=_TIMEOUT,
            )
        )
        session = result.session
        self._tell(f"{session.status.value} on {', '.join(session.agent_ids)}, id {session.id}.")

    async def _execute(self, processor: ActionProcessor) -> None:
        self._announce("Code in it", f"bai-manager session exec {self._session} '…'")
        await self._run_code(processor, _FIRST_CODE)

    async def _exchange_files(self, processor: ActionProcessor) -> None:
        self._announce(
            "A file up, read by code that remembers, and a file down",
            f"bai-manager session upload {self._session} letter.txt",
        )
        with tempfile.TemporaryDirectory(prefix="bai-quickstart-") as folder:
            letter, reply = Path(folder) / "letter.txt", Path(folder) / "reply.txt"
            letter.write_text(_LETTER)
            await processor.run(
                UploadFileAction(
                    session=self._session, source=str(letter), destination="letter.txt"
                )
            )
            await self._run_code(processor, _FILE_CODE)
            await processor.run(
                DownloadFileAction(
                    session=self._session, source="reply.txt", destination=str(reply)
                )
            )
            self._tell(reply.read_text().rstrip("\n"))

    async def _show_usage(self, processor: ActionProcessor) -> None:
        self._announce("What it uses now", f"bai-manager session usage {self._session}")
        self._tell(_usage_text(await processor.run(GetUsageAction(session=self._session))))

    async def _destroy(self, processor: ActionProcessor) -> UUID:
        self._announce("The end", f"bai-manager session destroy {self._session}")
        result = await processor.run(DestroySessionAction(session=self._session, timeout=_TIMEOUT))
        self._tell(f"{self._session} is {result.status or 'over'}; nothing of it is left running.")
        return result.session_id

    async def _show_audit(self, processor: ActionProcessor, session_id: UUID) -> None:
        self._announce("The audit trail of it all", "bai-manager audit list --limit 10")
        names = (self._session, str(session_id))
        result = await processor.run(
            ListAuditLogsAction(query=Query(filters=(Filter("entity_id", Op.EQ, names),), limit=10))
        )
        for log in reversed(result.logs):
            self._tell(f"{log.created_at:%H:%M:%S}  {log.operation:<14} {log.status}")

    async def _run_code(self, processor: ActionProcessor, code: str) -> None:
        result = await processor.run(ExecuteSessionAction(session=self._session, code=code))
        for _kind, text in result.console:
            self._tell(text.rstrip("\n"))

    def _announce(self, title: str, command: str) -> None:
        self._steps.append(Step(title=title, command=command, outcome=""))
        number = len(self._steps)
        self._print(f"\n{number}. {title}\n   $ {command}")

    def _tell(self, text: str) -> None:
        last = self._steps.pop()
        outcome = f"{last.outcome}\n{text}".lstrip("\n")
        self._steps.append(Step(title=last.title, command=last.command, outcome=outcome))
        for line in text.splitlines():
            self._print(f"   {printable(line)}")

    def _print(self, text: str) -> None:
        if self._talks:
            self._cli.stdout.write(f"{text}\n")
            self._cli.stdout.flush()


def _usage_text(result: GetUsageActionResult) -> str:
    lines = []
    for metrics in result.usage.values():
        memory = metrics.get("mem", {}).get("current", "0")
        cpu = metrics.get("cpu_used", {}).get("current", "0")
        lines.append(
            f"{float(cpu):.0f} ms of CPU so far, {BinarySize(int(float(memory)))} of memory"
        )
    return "\n".join(lines)
