"""Files of a kernel: everything below its work folder, and nothing else.

Paths are relative to the work folder, or begin with ``/home/work``. They are walked one
component at a time from an open folder, never following a symbolic link, so that no link, no
``..`` and no exchange of a folder for a link meanwhile leads out. The links this package made
for virtual folders are no exception: what is below such a mount is walked from the mount's
recorded host path instead.

Names that are no UTF-8 are handed out with surrogate escapes, as everywhere in Python, so that
they can be handed in again.
"""

# ruff: noqa: PTH116, PTH119, PTH123, PTH208 - paths are text here: see state.py
from __future__ import annotations

import io
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local.spec import HOME, Mount
from bai_manager.clients.agent.protocol import FileEntry

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

SIZE_LIMIT = 2**30
"""Bytes that one call moves, as everything of it is in memory."""

_DEEPEST = 128
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileRefused(Exception):
    """``name`` is that of the builtin exception it is like, e.g. ``PermissionError``."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class Place:
    """An open folder to go on from, and the mounts that appear below it."""

    def __init__(self, fd: int, below: Sequence[str], mounts: Sequence[Mount]) -> None:
        self.fd = fd
        self._below = tuple(below)
        self._mounts = mounts

    def mount(self, name: str) -> Mount | None:
        """Find the mount that is an entry of this folder."""
        target = "/".join((*self._below, name))
        return next((mount for mount in self._mounts if mount.target == target), None)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.fd))

    @contextmanager
    def enter(self, name: str) -> Iterator[Self]:
        mount = self.mount(name)
        if mount is not None:
            fd = os.open(mount.host_path, _FOLDER & ~os.O_NOFOLLOW)
            place = type(self)(fd, (), ())
        else:
            fd = os.open(name, _FOLDER, dir_fd=self.fd)
            place = type(self)(fd, (*self._below, name), self._mounts)
        try:
            yield place
        finally:
            os.close(fd)

    def status(self, name: str) -> os.stat_result:
        mount = self.mount(name)
        if mount is not None:
            return os.stat(mount.host_path)
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)


class WorkTree:
    """Every method raises ``FileRefused``."""

    def __init__(self, work: str, mounts: Sequence[Mount]) -> None:
        self._work = work
        self._mounts = mounts

    def list(self, path: str) -> list[FileEntry]:
        """Entries of a folder by name; a mount looks like the folder it is."""
        with _refusing(path), self._open(split(path)) as place:
            return [_entry(place, name) for name in place.names()]

    def read(self, path: str) -> bytes:
        parts = split(path)
        with _refusing(path), self._open(parts[:-1]) as place:
            return _read_file(place, parts[-1] if parts else ".", path)

    def write(self, path: str, data: bytes) -> None:
        """Create or replace a file at once; folders above it are made."""
        parts = split(path)
        if not parts:
            raise FileRefused("IsADirectoryError", f"{path} is a folder")
        _refuse_size(len(data), path)
        self._refuse_read_only(parts, path)
        with _refusing(path), self._open(parts[:-1], create=True) as place:
            if place.mount(parts[-1]) is not None:
                raise FileRefused("IsADirectoryError", f"{path} is a mounted folder")
            _replace_file(place.fd, parts[-1], data)

    def archive(self, path: str) -> bytes:
        """Pack a tar archive whose top entry is the file or folder named."""
        import tarfile  # noqa: PLC0415 - it loads every compression there is

        parts = split(path)
        buffer = io.BytesIO()
        with _refusing(path), tarfile.open(fileobj=buffer, mode="w") as archive:
            packer = _Packer(archive, path)
            if not parts:
                with self._open(()) as place:
                    packer.add_folder(place, os.fstat(place.fd), os.path.basename(HOME), 0)
            else:
                with self._open(parts[:-1]) as place:
                    packer.add(place, parts[-1], parts[-1], 0)
        return buffer.getvalue()

    def keep(self, path: Path) -> None:
        """Pack everything but what is mounted into a compressed archive of its own.

        Raises ``CannotCommit``.
        """
        from bai_manager.clients.agent.local.commits import keep  # noqa: PLC0415 - as above

        keep(self._work, [mount.target for mount in self._mounts], path)

    @contextmanager
    def _open(self, parts: Sequence[str], *, create: bool = False) -> Iterator[Place]:
        with ExitStack() as stack:
            fd = os.open(self._work, _FOLDER)
            stack.callback(os.close, fd)
            place = Place(fd, (), self._mounts)
            for name in parts:
                if create and place.mount(name) is None:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=place.fd)
                place = stack.enter_context(place.enter(name))
            yield place

    def _refuse_read_only(self, parts: Sequence[str], path: str) -> None:
        for mount in self._mounts:
            target = mount.target.split("/")
            if mount.read_only and list(parts[: len(target)]) == target:
                raise FileRefused("PermissionError", f"{path} is in a folder mounted read-only")


class _Packer:
    def __init__(self, archive: tarfile.TarFile, path: str) -> None:
        self._archive = archive
        self._path = path
        self._size = 0

    def add(self, place: Place, name: str, label: str, depth: int) -> None:
        """Add an entry of a folder: files, folders and links; nothing else can be packed."""
        status = place.status(name)
        if stat.S_ISDIR(status.st_mode):
            with place.enter(name) as folder:
                self.add_folder(folder, status, label, depth)
        elif stat.S_ISLNK(status.st_mode):
            member = self._member(label, status, b"2")
            member.linkname = os.readlink(name, dir_fd=place.fd)
            self._archive.addfile(member)
        elif stat.S_ISREG(status.st_mode):
            _refuse_size(self._size + status.st_size, self._path)
            data = _read_file(place, name, self._path)
            self._size += len(data)
            member = self._member(label, status, b"0")
            member.size = len(data)
            self._archive.addfile(member, io.BytesIO(data))

    def add_folder(self, place: Place, status: os.stat_result, label: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise FileRefused("RecursionError", f"{self._path} has folders too deep in one another")
        self._archive.addfile(self._member(label, status, b"5"))
        for name in place.names():
            with suppress(FileNotFoundError):  # removed since it was listed
                self.add(place, name, f"{label}/{name}", depth + 1)

    def _member(self, label: str, status: os.stat_result, kind: bytes) -> tarfile.TarInfo:
        member = self._archive.tarinfo(label)
        member.type = kind
        member.mode = stat.S_IMODE(status.st_mode)
        member.mtime = status.st_mtime
        return member


def split(path: str) -> list[str]:
    """Components below the work folder; the folder itself has none."""
    if "\0" in path:
        raise FileRefused("ValueError", "a path cannot contain a null character")
    inner = path
    if path == HOME or path.startswith(f"{HOME}/"):
        inner = path.removeprefix(HOME).lstrip("/")
    elif path.startswith("/"):
        raise FileRefused("PermissionError", f"{path} is not in {HOME}")
    parts = [part for part in inner.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise FileRefused("PermissionError", f"{path} leads out with ..")
    return parts


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except NotADirectoryError:
        message = f"{path}: a part of it is no folder; symbolic links are not followed"
        raise FileRefused("NotADirectoryError", message) from None
    except OSError as error:
        if error.errno == 40:  # noqa: PLR2004 - ELOOP: the last component is a link
            message = f"{path} is a symbolic link; those are not followed"
            raise FileRefused("PermissionError", message) from None
        raise FileRefused(type(error).__name__, f"{path}: {error.strerror}") from None


def _entry(place: Place, name: str) -> FileEntry:
    try:
        status = place.status(name)
    except FileNotFoundError:
        return FileEntry(filename=name, size=0, mode="?" * 10, mtime=datetime.fromtimestamp(0, UTC))
    return FileEntry(
        filename=name,
        size=status.st_size,
        mode=stat.filemode(status.st_mode),
        mtime=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def _read_file(place: Place, name: str, path: str) -> bytes:
    fd = os.open(name, _FILE, dir_fd=place.fd)
    with ExitStack() as stack:
        stack.callback(os.close, fd)
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise FileRefused("IsADirectoryError", f"{path} is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused("PermissionError", f"{path} is no regular file")
        _refuse_size(status.st_size, path)
        with open(fd, "rb", closefd=False) as file:
            return file.read(SIZE_LIMIT)


def _replace_file(folder: int, name: str, data: bytes) -> None:
    temporary = f".{os.urandom(8).hex()}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o644, dir_fd=folder)
    try:
        with open(fd, "wb") as file:
            file.write(data)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _refuse_size(size: int, path: str) -> None:
    if size > SIZE_LIMIT:
        raise FileRefused(
            "ValueError", f"{path} is {size} bytes; one call moves at most {SIZE_LIMIT}"
        )
