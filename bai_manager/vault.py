"""Where ``init`` keeps what proves the superadmin: the profile's credentials file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.config.store import save_credentials, save_settings
from bai_manager.services.system.types import Secrets

if TYPE_CHECKING:
    from bai_manager.config import Config


class ProfileVault:
    """The credentials of one profile, as loaded with it."""

    def __init__(self, config: Config, *, dry_run: bool = False) -> None:
        self._config = config
        self._dry_run = dry_run
        self.profile = config.profile_name

    def load(self) -> Secrets | None:
        settings = self._config.settings
        if settings.access_key is None or settings.secret_key is None:
            return None
        return Secrets(
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            admin_password=settings.admin_password,
        )

    def save(self, secrets: Secrets) -> None:
        """Secrets first: without the access key beside them they are not used."""
        values = {"secret_key": secrets.secret_key}
        if secrets.admin_password is not None:
            values["admin_password"] = secrets.admin_password
        paths, dry_run = self._config.paths, self._dry_run
        save_credentials(paths, self.profile, values, dry_run=dry_run)
        save_settings(paths, self.profile, {"access_key": secrets.access_key}, dry_run=dry_run)
