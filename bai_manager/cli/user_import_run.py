"""What ``user import`` does: a file in, a row out for each of its lines."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bai_manager.cli.documents import read_document
from bai_manager.cli.output.columns import Column, status_column
from bai_manager.cli.output.rows import mark_dry_run, row_writer
from bai_manager.cli.secret_io import SecretNeeded, read_secret_file
from bai_manager.cli.verbs import counted
from bai_manager.errors import BackendAIError
from bai_manager.services.user_import.actions import CheckUserImportAction, ImportUsersAction
from bai_manager.services.user_import.errors import InvalidUserFile
from bai_manager.services.user_import.reading import has_secrets, read_rows
from bai_manager.services.user_import.types import ImportChunk, RowResult
from bai_manager.types.jsonable import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.user_import.types import ImportedRow, ImportRow

COLUMNS: tuple[Column[ImportedRow], ...] = (
    Column("line", lambda row: row.line, justify="right"),
    Column("email", lambda row: row.email, keep=True),
    status_column("result", lambda row: row.result.value),
    Column("changed", lambda row: row.changed),
    Column("access_key", lambda row: row.access_key),
    Column("resumed", lambda row: row.resumed, wide=True),
)


def run_import(
    cli: Cli, file: str, *, generate_passwords: bool, secret_path: Path | None, chunk_size: int
) -> None:
    """Look at the whole file, then do it chunk by chunk.

    Raises ``SecretNeeded``, ``UnsafeSecretFile`` and ``InvalidUserFile``.
    """
    if generate_passwords and secret_path is None:
        raise SecretNeeded(
            "The passwords can be told only once, and it was not said where to.",
            hint="Give --secret-file FILE to write them into a new file.",
        )
    text, source = read_document(cli, file)
    rows, problems = read_rows(text, default_domain=_default_domain(cli))
    if file != "-" and has_secrets(rows):
        read_secret_file(Path(file))
    secrets = None if secret_path is None else str(secret_path.absolute())
    digest = _digest(cli, text, [generate_passwords, secrets, chunk_size])

    async def body(processor: ActionProcessor) -> None:
        found = await processor.run(CheckUserImportAction(rows=tuple(rows)))
        if problems or found.problems:
            raise InvalidUserFile(source, [*problems, *found.problems])
        if found.new_users and secrets is None:
            cli.terminal.note(
                f"The secret keys of {counted(found.new_users, 'new user')} are told to nobody;"
                " --secret-file FILE writes them."
            )
        chunks = [
            ImportUsersAction(
                chunk=ImportChunk(digest=digest, number=number, count=-(-len(rows) // chunk_size)),
                rows=tuple(rows[start : start + chunk_size]),
                generate_passwords=generate_passwords,
                secret_file=secrets,
            )
            for number, start in enumerate(range(0, len(rows), chunk_size))
        ]
        await _run(cli, processor, chunks, rows)

    cli.run(body)


async def _run(
    cli: Cli,
    processor: ActionProcessor,
    chunks: Sequence[ImportUsersAction],
    rows: Sequence[ImportRow],
) -> None:
    """One chunk after the other; rows are printed when they are committed."""
    writer = row_writer(cli.output, COLUMNS, name=lambda row: row.email, noun="users")
    counts: Counter[RowResult] = Counter()
    resumed = 0
    try:
        with cli.terminal.progress("Importing users", total=len(rows)) as progress:
            for chunk in chunks:
                done = (await processor.run(chunk)).rows
                for row in done:
                    writer.write(row)
                    counts[row.result] += 1
                    resumed += row.resumed
                progress.advance(len(done))
    except BackendAIError:
        if cli.output.chosen_format.is_human:
            writer.close()
        _note_stopped(cli, counts.total(), len(rows))
        raise
    writer.close()
    said = ", ".join(f"{counts[result]} {result.value}" for result in RowResult)
    before = f" ({resumed} by an earlier run)" if resumed else ""
    cli.terminal.note(f"{counted(len(rows), 'user')}: {said}{before}.")
    mark_dry_run(cli.output)


def _note_stopped(cli: Cli, done: int, count: int) -> None:
    """An array is left open, so that nobody takes it for all of it."""
    if not cli.flags.dry_run:
        cli.terminal.note(f"{done} of {counted(count, 'user')} are done; the same command goes on.")


def _default_domain(cli: Cli) -> str:
    return cli.config.settings.defaults.domain or "default"


def _digest(cli: Cli, text: str, options: Sequence[object]) -> str:
    """What tells one import from another: the file, all that was asked for, and where."""
    database = cli.config.settings.database.dsn
    asked = [
        cli.config.profile_name,
        None if database is None else database.reveal(),
        _default_domain(cli),
        *options,
    ]
    said = f"{to_jsonable(asked)}\n{text}"
    return hashlib.sha256(said.encode()).hexdigest()
