"""A home of one's own for each test: files are written as text, the environment is a dict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bai_manager.config import Config, load_config
from bai_manager.config.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Home:
    """``environ`` is all that the configuration sees of the world, beside the files."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> Paths:
        return Paths.of(self.environ, "local")

    @property
    def site_file(self) -> Path:
        return self.folder / "etc" / "config.toml"

    def config(self, text: str) -> Path:
        return self._write(self.paths.config_file, text)

    def credentials(self, text: str) -> Path:
        return self._write(self.paths.credentials_file, text)

    def site(self, text: str) -> Path:
        return self._write(self.site_file, text)

    def load(self, profile: str | None = None, **flags: str) -> Config:
        return load_config(
            self.environ,
            profile=profile,
            flags={f"defaults.{name}": value for name, value in flags.items()},
            site_file=self.site_file,
        )

    def _write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
        path.chmod(0o600)
        return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, {"BAI_HOME": str(tmp_path / "bai")})
