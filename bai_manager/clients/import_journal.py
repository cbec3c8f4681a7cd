"""How far an import of users has come: a file in the state folder that outlives any process.

A chunk is *staged* before its transaction commits, with that transaction's id, and *done* after.
Between the two only the database knows whether it happened, and it is asked by that id. Secrets
are written, and on the disk, before the chunk is staged; what a chunk wrote that never happened
is cut off again.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, cast

from bai_manager.services.user_import.errors import SecretsLost, UserImportRunning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bai_manager.types.json import JsonObject

HEADER: Final = "email,access_key,secret_key,password\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """A chunk that was about to be committed; ``secrets_end`` is how long that file was then."""

    number: int
    transaction: int
    rows: Sequence[JsonObject]
    secrets_end: int


class ImportJournal:
    """The journal of one import, held by one process at a time."""

    def __init__(self, path: Path, secret_file: str | None) -> None:
        """Open or make it. Raises ``UserImportRunning`` and ``SecretsLost``."""
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._lock()
        self._staged: dict[int, Staged] = {}
        self._done: set[int] = set()
        self._begun = False
        self._secrets: IO[str] | None = None
        try:
            self._load()
            if secret_file is not None:
                self._secrets = self._open_secrets(secret_file)
                self._check_secrets(secret_file)
            if not self._begun:
                self._write({"begun": True})
        except BaseException:
            self.close()
            raise

    def done(self, number: int) -> Sequence[JsonObject] | None:
        """What a chunk did that is known to be committed."""
        return self._staged[number].rows if number in self._done else None

    def staged(self, number: int) -> Staged | None:
        """A chunk of which it is not known."""
        return None if number in self._done else self._staged.get(number)

    def stage(
        self, number: int, transaction: int, rows: Sequence[JsonObject], secrets: str
    ) -> None:
        """Keep what is about to be committed; when this returns it is on the disk."""
        end = 0
        if self._secrets is not None:
            os.truncate(self._secrets.fileno(), self._known_end())
            self._secrets.seek(0, os.SEEK_END)
            end = _append(self._secrets, secrets)
        self._write(
            {
                "staged": number,
                "transaction": transaction,
                "rows": [*rows],
                "secrets_end": end,
            }
        )
        self._staged[number] = Staged(
            number=number, transaction=transaction, rows=rows, secrets_end=end
        )

    def finish(self, number: int) -> None:
        """Keep that a chunk was committed."""
        self._write({"done": number})
        self._done.add(number)

    def discard(self) -> None:
        """Everything is done: the same file may be imported anew."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        self._file.close()
        if self._secrets is not None:
            self._secrets.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserImportRunning from None

    def _load(self) -> None:
        """A last line that a crash cut short was never relied upon."""
        self._file.seek(0)
        good = 0
        for line in self._file:
            if not line.endswith("\n"):
                break
            good += len(line.encode())
            self._take(cast("JsonObject", json.loads(line)))
        os.truncate(self._file.fileno(), good)

    def _take(self, entry: JsonObject) -> None:
        if "done" in entry:
            self._done.add(int(str(entry["done"])))
        elif "staged" in entry:
            number = int(str(entry["staged"]))
            self._staged[number] = Staged(
                number=number,
                transaction=int(str(entry["transaction"])),
                rows=cast("list[JsonObject]", entry["rows"]),
                secrets_end=int(str(entry["secrets_end"])),
            )
        else:
            self._begun = True

    def _open_secrets(self, path: str) -> IO[str]:
        flags = os.O_RDWR | os.O_NOFOLLOW | (0 if self._begun else os.O_CREAT | os.O_EXCL)
        try:
            stream = _opened(path, flags)
        except OSError as error:
            raise SecretsLost(path, f"cannot be used: {error.strerror}") from None
        return stream

    def _check_secrets(self, path: str) -> None:
        """Begin the file, or see that it is not shorter than what it is known to hold."""
        if self._secrets is None:
            return
        if not self._begun:
            _append(self._secrets, HEADER)
        elif os.fstat(self._secrets.fileno()).st_size < self._known_end():
            raise SecretsLost(path, "is shorter than it was")

    def _known_end(self) -> int:
        """Where the secrets of chunks end that are known to be committed."""
        return max((self._staged[one].secrets_end for one in self._done), default=len(HEADER))

    def _write(self, entry: JsonObject) -> None:
        _append(self._file, json.dumps(entry) + "\n")


def _opened(path: Path | str, flags: int) -> IO[str]:
    return os.fdopen(os.open(path, flags | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8")


def _append(stream: IO[str], text: str) -> int:
    """Write and wait for the disk; gives the length in bytes."""
    stream.seek(0, os.SEEK_END)
    stream.write(text)
    stream.flush()
    os.fsync(stream.fileno())
    return stream.tell()


class NoJournal:
    """That of a dry run: nothing is kept, because nothing happens."""

    def done(self, _number: int) -> None: ...

    def staged(self, _number: int) -> None: ...

    def stage(
        self, number: int, transaction: int, rows: Sequence[JsonObject], secrets: str
    ) -> None: ...

    def finish(self, number: int) -> None: ...

    def discard(self) -> None: ...
