"""What an upload of many files has done so far, so that the same command goes on.

One file per upload of a source to a target, locked while it runs, removed when every file is
through. Each line is a JSON array: ``["begun", path, size, mtime, token]``, ``["done", path,
size, mtime]`` or ``["dropped", path]``; the time is in nanoseconds. A file that changed since
is not the one that was begun or done. Tokens let whoever has them finish those uploads, so the
file is for its owner alone.

Of an upload that was announced but is not noted here, for its process was killed in between, an
empty part stays in the storage; uploads to that folder remove it after a week.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from bai_manager.clients.storage_proxy.errors import TransferBusy

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from bai_manager.types.json import JsonValue

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Version:
    """A file as it was: a path and what changes when its content does."""

    path: str
    size: int
    modified: int

    def digest(self) -> bytes:
        """What stands for it in memory, where there may be very many."""
        text = f"{self.size} {self.modified} {self.path}"
        return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


class UploadJournal:
    """``folder`` is None for an upload that nobody goes on with.

    ``of`` says what goes where. Raises ``TransferBusy``, ``OSError``.
    """

    def __init__(self, folder: Path | None, of: str) -> None:
        self._done: set[bytes] = set()
        self._begun: dict[str, tuple[Version, str]] = {}
        self._path: Path | None = None
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = blake2b(of.encode(errors="surrogatepass"), digest_size=16).hexdigest()
            self._path = folder / f"upload-{name}.jsonl"
            self._fd = self._locked(self._path, of)
            self._read(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._path is not None:
            os.close(self._fd)

    def is_done(self, version: Version) -> bool:
        return version.digest() in self._done

    def token(self, version: Version) -> str | None:
        """The token of an unfinished upload of just this file."""
        begun = self._begun.get(version.path)
        return begun[1] if begun is not None and begun[0] == version else None

    def begin(self, version: Version, token: str) -> None:
        self._begun[version.path] = version, token
        self._write("begun", version.path, version.size, version.modified, token)

    def finish(self, version: Version) -> None:
        self._begun.pop(version.path, None)
        self._done.add(version.digest())
        self._write("done", version.path, version.size, version.modified)

    def drop(self, version: Version) -> None:
        if self._begun.pop(version.path, None) is not None:
            self._write("dropped", version.path)

    def forget(self) -> None:
        """Everything is through: the next run is a new one."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    @staticmethod
    def _locked(path: Path, of: str) -> int:
        while True:
            fd = os.open(path, _FLAGS, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), path.stat()):
                    return fd
            except BlockingIOError:
                os.close(fd)
                raise TransferBusy(of) from None
            except FileNotFoundError:
                pass
            os.close(fd)  # it was removed between opening and locking

    def _read(self, fd: int) -> None:
        with open(fd, "rb", closefd=False) as lines:
            line = b"\n"
            for line in lines:
                with suppress(ValueError, TypeError, KeyError, IndexError):
                    self._apply(*json.loads(line))
        if not line.endswith(b"\n"):  # torn when the machine stopped
            os.write(fd, b"\n")

    def _apply(self, event: str, path: str, *rest: int | str) -> None:
        if event == "dropped":
            self._begun.pop(path, None)
            return
        version = Version(path, int(rest[0]), int(rest[1]))
        if event == "done":
            self._begun.pop(path, None)
            self._done.add(version.digest())
        else:
            self._begun[path] = version, str(rest[2])

    def _write(self, *event: JsonValue) -> None:
        if self._path is not None:
            os.write(self._fd, json.dumps([*event]).encode() + b"\n")
