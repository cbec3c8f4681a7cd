"""Where things are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SITE_CONFIG_FILE = Path("/etc/bai-manager/config.toml")
LOCATION_VARIABLES = (
    "HOME",
    "BAI_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
)
_NAME = "bai-manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Absolute paths; nothing is created or even looked at.

    The two files are shared by all profiles. Data (the embedded database, local folders), state
    (journals, sockets, logs) and cache belong to one profile each, so that two embedded systems
    never share a database.
    """

    config_file: Path
    credentials_file: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path

    @classmethod
    def of(cls, environ: Mapping[str, str], profile: str) -> Paths:
        """Put everything below ``BAI_HOME``, else into the XDG folders.

        Raises ConfigurationError when there is neither ``BAI_HOME`` nor a home directory.
        """
        folders = _Folders(environ)
        return cls(
            config_file=folders.config / "config.toml",
            credentials_file=folders.config / "credentials.toml",
            data_dir=folders.of("data", "XDG_DATA_HOME", ".local/share") / profile,
            state_dir=folders.of("state", "XDG_STATE_HOME", ".local/state") / profile,
            cache_dir=folders.of("cache", "XDG_CACHE_HOME", ".cache") / profile,
        )


class _Folders:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @property
    def config(self) -> Path:
        return self.of("config", "XDG_CONFIG_HOME", ".config")

    def of(self, name: str, variable: str, below_home: str) -> Path:
        """Find a folder; the XDG standard ignores variables that are not absolute paths."""
        root = self._environ.get("BAI_HOME")
        if root:
            return expand_home(root, self._environ).absolute() / name
        given = Path(self._environ.get(variable, ""))
        return (given if given.is_absolute() else home(self._environ) / below_home) / _NAME


def home(environ: Mapping[str, str]) -> Path:
    """``HOME``, else what the system says about the user."""
    given = Path(environ.get("HOME") or Path("~").expanduser())
    if not given.is_absolute():
        raise ConfigurationError(
            "There is no home directory: HOME is not set to an absolute path",
            hint="Set HOME, or BAI_HOME to the folder that is to hold everything.",
        )
    return given


def expand_home(text: str, environ: Mapping[str, str]) -> Path:
    """Make a leading ``~`` the home directory; nothing else is expanded."""
    if text == "~" or text.startswith("~/"):
        return home(environ) / text[2:]
    return Path(text)
