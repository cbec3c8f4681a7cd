"""A kernel's scratch folder, seen by the caller. What is in it: ``state``."""

# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH110, PTH112, PTH118, PTH208 - paths are text here: see state.py
from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from bai_manager.clients.agent.local import process, state

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping, Sequence

    from bai_manager.clients.agent.local.creation import Dotfile
    from bai_manager.clients.agent.local.spec import KernelSpec
    from bai_manager.types.json import JsonObject, JsonValue

LOCKS = ".locks"
_SUPERVISOR = "bai_manager.clients.agent.local.supervisor"
_LAUNCH_LIMIT = 30.0
_FOLDER_NAME = re.compile("[0-9a-f]{32}")


class KernelFolder:
    def __init__(self, root: str, kernel_id: UUID) -> None:
        self.kernel_id = kernel_id
        self._root = root
        self.path = os.path.join(root, kernel_id.hex)
        self.lock_path = os.path.join(root, LOCKS, kernel_id.hex)

    @property
    def work(self) -> str:
        return self._file(state.WORK)

    @property
    def has_work(self) -> bool:
        """Its files are there; they go when the kernel is buried."""
        return os.path.isdir(self.work)

    @property
    def exists(self) -> bool:
        return os.path.isdir(self.path)

    @property
    def has_ended(self) -> bool:
        return os.path.exists(self._file(state.EXIT))

    @property
    def is_held(self) -> bool:
        """Somebody starts, supervises or buries the kernel."""
        return state.is_locked(self.lock_path)

    @property
    def is_serving(self) -> bool:
        return self.is_held and not self.has_ended and self.creation_info() is not None

    @property
    def is_starting(self) -> bool:
        return self.is_held and not self.has_ended and self.creation_info() is None

    def mark_access(self) -> None:
        """Somebody uses it now."""
        with suppress(OSError):
            Path(self.path, state.ACCESS).touch(0o600)

    @property
    def last_access(self) -> float | None:
        """Unix time of the last use, or of its start before there was one; None without it."""
        for name in (state.ACCESS, state.SPEC):
            with suppress(OSError):
                return Path(self.path, name).stat().st_mtime
        return None

    def read(self, name: str) -> JsonObject | None:
        return state.read_json(self._file(name))

    def creation_info(self) -> JsonObject | None:
        record = self.read(state.STATE)
        info = record.get("info") if record is not None else None
        return info if isinstance(info, dict) else None

    def try_lock(self) -> int | None:
        return state.try_lock(self.lock_path)

    def prepare(
        self, spec: KernelSpec, bootstrap_script: str | None, dotfiles: Sequence[Dotfile]
    ) -> None:
        """Make the folder, complete or not at all; the lock must be held.

        What is left of an earlier life of the same kernel is removed.
        """
        if self.exists:
            process.kill_marked(spec.kernel_id)
        new = os.path.join(self._root, f".new-{self.kernel_id.hex}")
        old = os.path.join(self._root, f".old-{self.kernel_id.hex}")
        remove_tree(new)
        remove_tree(old)
        os.makedirs(new, mode=0o700)
        fill_work(os.path.join(new, state.WORK), spec, dotfiles)
        if bootstrap_script:
            script = Path(new, state.BOOTSTRAP)
            script.touch(0o600)
            script.write_text(bootstrap_script, "utf-8")
        state.write_json(os.path.join(new, state.SPEC), spec.to_json())
        if self.exists:
            os.rename(self.path, old)
        os.rename(new, self.path)
        remove_tree(old)

    def launch(self, lock: int, environ: Mapping[str, str]) -> None:
        """Start the guardian and hand the lock over to it."""
        with Path(self.path, state.SUPERVISOR_LOG).open("wb") as log:
            subprocess.run(
                # The supervisor needs the standard library and this package, no site-packages.
                [sys.executable, "-S", "-P", "-m", _SUPERVISOR, self.path, str(lock)],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                pass_fds=(lock,),
                start_new_session=True,
                timeout=_LAUNCH_LIMIT,
            )

    def ask_to_stop(self, reason: str) -> None:
        """Leave the reason where whoever ends the kernel finds it."""
        if self.exists and not self.has_ended and self.read(state.STOP) is None:
            state.write_json(self._file(state.STOP), {"reason": reason})

    def signal(self, number: signal.Signals) -> bool:
        """Signal the guardian, or the supervisor that has lost it; say whether one was there."""
        pids = self.read(state.PIDS)
        if pids is None or pids.get("boot_id") != process.boot_id():
            return False
        for role in ("guardian", "supervisor"):
            keeper = _process_id(pids.get(role))
            if keeper is not None and process.send_signal(keeper, number):
                return True
        return False

    def settle(self, reason: str, now: float) -> None:
        """Make the end of a kernel whose lock is held here complete: nothing of it runs, and
        there is a record of it.
        """
        process.kill_marked(str(self.kernel_id))
        if self.exists and not self.has_ended:
            ended: JsonObject = {"exit_code": None, "reason": reason, "ended_at": now}
            state.write_json(self._file(state.EXIT), ended)

    def bury(self) -> None:
        """Remove what only a living kernel needs; its records and its log stay."""
        for name in (state.WORK, state.SOCKET, state.BOOTSTRAP):
            remove_tree(self._file(name))
        Path(self.path, state.ACCESS).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of it, the lock file last; the lock must be held."""
        for prefix in (".new-", ".old-"):
            remove_tree(os.path.join(self._root, prefix + self.kernel_id.hex))
        remove_tree(self.path)
        os.unlink(self.lock_path)

    def last_words(self) -> str:
        """Return the last line the supervisor wrote: why it did not start, for example."""
        try:
            lines = Path(self.path, state.SUPERVISOR_LOG).read_text("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line for line in reversed(lines) if line.strip()), "")

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)


def kernel_folders(root: str) -> Iterator[KernelFolder]:
    """Every kernel that has a folder; nothing when there is no root."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return
    for name in names:
        if _FOLDER_NAME.fullmatch(name):
            yield KernelFolder(root, UUID(hex=name))


def fill_work(work: str, spec: KernelSpec, dotfiles: Sequence[Dotfile]) -> None:
    """Make the work folder with a link for each mount, and the dotfiles.

    What would be in a mounted folder is hidden by it, and so left out.
    """
    os.mkdir(work, 0o755)
    for mount in spec.mounts:
        link = Path(work, mount.target)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(mount.host_path)
    for dotfile in dotfiles:
        if any(dotfile.target.startswith(f"{mount.target}/") for mount in spec.mounts):
            continue
        file = Path(work, dotfile.target)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dotfile.text, "utf-8")
        file.chmod(dotfile.mode)


def remove_tree(path: str) -> None:
    """Remove a file or a folder of any depth and any permissions; links are not followed."""
    if not os.path.lexists(path):
        return
    if not _succeeds("/bin/rm", "-rf", "--", path):
        _succeeds("/bin/chmod", "-R", "u+rwx", "--", path)
        _succeeds("/bin/rm", "-rf", "--", path)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def _process_id(value: JsonValue) -> process.ProcessId | None:
    match value:
        case [int(pid), int(started)]:
            return process.ProcessId(pid, started)
    return None
