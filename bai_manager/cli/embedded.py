"""The embedded database of a profile, for the few commands that manage it themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from bai_manager.clients.postgres.embedded import EmbeddedPostgres
    from bai_manager.config import Config


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


def embedded_postgres(config: Config) -> EmbeddedPostgres:
    """The database server below the profile's data folder; nothing is started."""
    from bai_manager.clients.postgres.embedded import EmbeddedPostgres  # noqa: PLC0415

    return EmbeddedPostgres(config.paths.data_dir / "postgres")
