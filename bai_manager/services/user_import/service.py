"""Users in bulk: chunk by chunk, and nothing twice."""

from __future__ import annotations

import asyncio
import csv
import io
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager.services.user.types import NewUserSecrets
from bai_manager.services.user_import.actions import (
    CheckUserImportActionResult,
    ImportUsersActionResult,
)
from bai_manager.services.user_import.types import (
    COMMITTED,
    RUNNING,
    ImportedRow,
    PreparedRow,
    RowResult,
)
from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.jsonable import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.user_import import UserImportRepository
    from bai_manager.services.user_import.actions import CheckUserImportAction, ImportUsersAction
    from bai_manager.services.user_import.types import ImportChunk, ImportRow, Known
    from bai_manager.types.credentials import Token
    from bai_manager.types.json import JsonObject
    from bai_manager.types.ssh_keys import SSHKeypair

_PASSWORD_BYTES: Final = 15
_POLL: Final = 0.05
"""Seconds between two looks at a transaction whose process is gone."""


class StagedChunk(Protocol):
    """A chunk of which only the database knows whether it was committed."""

    @property
    def transaction(self) -> int: ...

    @property
    def rows(self) -> Sequence[JsonObject]: ...


class Journal(Protocol):
    """How far an import has come; ``clients/import_journal.py`` says what each means."""

    def done(self, number: int) -> Sequence[JsonObject] | None: ...

    def staged(self, number: int) -> StagedChunk | None: ...

    def stage(
        self, number: int, transaction: int, rows: Sequence[JsonObject], secrets: str
    ) -> None: ...

    def finish(self, number: int) -> None: ...

    def discard(self) -> None: ...


class UserImportService:
    """Imports users; ``journal_of`` opens the journal of an import by its digest.

    Hashes and keys take their time, so they are made in threads; ``token`` is where random bytes
    come from.
    """

    def __init__(
        self,
        *,
        imports: UserImportRepository,
        journal_of: Callable[[str, str | None], Journal],
        hash_password: Callable[[Secret], str],
        verify_password: Callable[[Secret, str | None], bool],
        new_ssh_keypair: Callable[[], SSHKeypair],
        token: Token,
        memory: ManagerMemory,
    ) -> None:
        self._imports = imports
        self._journal_of = journal_of
        self._hash_password = hash_password
        self._verify_password = verify_password
        self._new_ssh_keypair = new_ssh_keypair
        self._token = token
        self._memory = memory
        self._journals: dict[str, Journal] = {}

    async def check_import(self, action: CheckUserImportAction) -> CheckUserImportActionResult:
        """What would keep rows from being imported."""
        known = await self._imports.known(action.rows)
        return CheckUserImportActionResult(
            problems=await self._imports.problems(action.rows),
            new_users=sum(row.email not in known for row in action.rows),
        )

    async def import_users(self, action: ImportUsersAction) -> ImportUsersActionResult:
        """One chunk, in one transaction; the last one ends the journal.

        Raises ``UserImportRaced``, ``UserImportRunning``, ``SecretsLost``, and what creating and
        changing users raises.
        """
        journal = self._journal(action)
        rows = await self._done_before(journal, action.chunk)
        if rows is None:
            rows = await self._import(journal, action)
        if action.chunk.number + 1 == action.chunk.count:
            await self._memory.forget_room()
            journal.discard()
            del self._journals[action.chunk.digest]
        return ImportUsersActionResult(rows=rows)

    def _journal(self, action: ImportUsersAction) -> Journal:
        digest = action.chunk.digest
        if digest not in self._journals:
            self._journals[digest] = self._journal_of(digest, action.secret_file)
        return self._journals[digest]

    async def _done_before(self, journal: Journal, chunk: ImportChunk) -> list[ImportedRow] | None:
        """What a run before this did, None where it has to be done."""
        staged = journal.staged(chunk.number)
        if staged is not None and await self._committed(staged.transaction):
            journal.finish(chunk.number)
        rows = journal.done(chunk.number)
        return None if rows is None else [_row_of(row) for row in rows]

    async def _committed(self, transaction: int) -> bool:
        """Whether it was; a process that was killed may have left it to the server."""
        while True:
            status = await self._imports.status_of(transaction)
            if status != RUNNING:
                return status == COMMITTED
            await asyncio.sleep(_POLL)

    async def _import(self, journal: Journal, action: ImportUsersAction) -> list[ImportedRow]:
        known = await self._imports.known(action.rows)
        owners = await self._imports.owners_of(
            [row.access_key for row in action.rows if row.access_key is not None]
        )
        made = await asyncio.gather(
            *(
                asyncio.to_thread(
                    self._prepared, row, known.get(row.email), owners, action.generate_passwords
                )
                for row in action.rows
            )
        )
        told = _told(made)

        def before_commit(transaction: int, rows: Sequence[ImportedRow]) -> None:
            facts = [_facts_of(row) for row in rows]
            journal.stage(action.chunk.number, transaction, facts, told)

        rows = await self._imports.import_rows([one for one, _ in made], before_commit)
        journal.finish(action.chunk.number)
        return rows

    def _prepared(
        self,
        row: ImportRow,
        known: Known | None,
        owners: Mapping[str, str],
        generate: bool,
    ) -> tuple[PreparedRow, Secret | None]:
        """What takes its time, and the password that was made up."""
        if known is None:
            made_up = self._new_password() if generate and row.password is None else None
            password = row.password or made_up
            hashed = None if password is None else self._hash_password(password)
            secrets = self._new_secrets(row, hashed)
            return PreparedRow(row=row, is_new=True, secrets=secrets), made_up
        other = row.password is not None and not self._verify_password(
            row.password, known.password_hash
        )
        new_key = row.access_key is not None and row.access_key not in owners
        return PreparedRow(
            row=row,
            is_new=False,
            secrets=self._new_secrets(row, None) if new_key else None,
            password_hash=self._hash_password(row.password) if other and row.password else None,
        ), None

    def _new_secrets(self, row: ImportRow, password_hash: str | None) -> NewUserSecrets:
        return NewUserSecrets(
            password_hash=password_hash,
            access_key=row.access_key or new_access_key(self._token),
            secret_key=row.secret_key or new_secret_key(self._token),
            ssh_keypair=self._new_ssh_keypair(),
        )

    def _new_password(self) -> Secret:
        return Secret(urlsafe_b64encode(self._token(_PASSWORD_BYTES)).decode("ascii"))


def _told(made: Sequence[tuple[PreparedRow, Secret | None]]) -> str:
    """The lines of the file with secrets: those that were made up, never those of the rows."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    for prepared, password in made:
        row, secrets = prepared.row, prepared.secrets
        if secrets is None or (row.secret_key is not None and password is None):
            continue
        lines.writerow(
            [
                row.email,
                secrets.access_key,
                None if row.secret_key is not None else secrets.secret_key.reveal(),
                None if password is None else password.reveal(),
            ]
        )
    return out.getvalue()


def _facts_of(row: ImportedRow) -> JsonObject:
    facts = to_jsonable(row)
    return facts if isinstance(facts, dict) else {}


def _row_of(facts: JsonObject) -> ImportedRow:
    changed = facts["changed"]
    found = ImportedRow(
        line=int(str(facts["line"])),
        email=str(facts["email"]),
        result=RowResult(str(facts["result"])),
        changed=tuple(str(name) for name in changed) if isinstance(changed, list) else (),
        access_key=None if facts["access_key"] is None else str(facts["access_key"]),
    )
    return replace(found, resumed=True)
