"""The embedded database of a profile, for the few commands that manage it themselves."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bai_manager.clients.postgres.embedded import EmbeddedPostgres
    from bai_manager.config import Config


class NotWritable(ConfigurationError):
    """The profile's data folder cannot be written."""

    error_code = "backendai_setup_forbidden"


class NotEmbedded(ConfigurationError):
    """The command is about this machine's own system, and the profile is a cluster's."""

    error_code = "backendai_setup_mismatch"

    def __init__(self, profile: str, why: str) -> None:
        super().__init__(
            f"{why}, and profile {profile!r} is a cluster.",
            hint="Name an embedded profile with --profile; 'bai-manager config profiles' lists"
            " them.",
            details={"profile": profile, "kind": "cluster"},
        )


def require_embedded(config: Config, why: str) -> None:
    """Raise ``NotEmbedded`` on a cluster's profile; ``why`` begins its message."""
    if config.settings.kind != "embedded":
        raise NotEmbedded(config.profile_name, why)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time set a profile up, so that file and database agree.

    Raises ``NotWritable``.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "init.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotWritable(
            f"The data folder {folder} cannot be written: {error.strerror}.",
            hint="Set BAI_HOME to a folder of your own.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def embedded_postgres(config: Config) -> EmbeddedPostgres:
    """The database server below the profile's data folder; nothing is started."""
    from bai_manager.clients.postgres.embedded import EmbeddedPostgres  # noqa: PLC0415

    return EmbeddedPostgres(config.paths.data_dir / "postgres")
