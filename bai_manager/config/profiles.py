"""Which profiles there are, and which one is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bai_manager.config.errors import (
    BadConfigFile,
    InvalidProfileName,
    ProfileNotFound,
    UnknownKeyInFile,
)
from bai_manager.config.files import ConfigFile, read_config, read_credentials
from bai_manager.config.origin import DEFAULT, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bai_manager.config.paths import Paths

LOCAL = "local"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFiles:
    """The files that exist, strongest first: secrets, the user's, the machine's."""

    credentials: ConfigFile | None = None
    config: ConfigFile | None = None
    site: ConfigFile | None = None

    def __post_init__(self) -> None:
        for file in self.present:
            known = ["profiles"] if file is self.credentials else ["default_profile", "profiles"]
            for name in file.tree:
                if name not in known:
                    raise UnknownKeyInFile(file.path, file.line_of((name,)), name, known)

    @classmethod
    def read(cls, paths: Paths, site_file: Path) -> ConfigFiles:
        """Read what exists. Raises BadConfigFile, UnsafeSecretFile, UnknownKeyInFile."""
        return cls(
            credentials=read_credentials(paths.credentials_file),
            config=read_config(paths.config_file),
            site=read_config(site_file),
        )

    @property
    def present(self) -> list[ConfigFile]:
        return [file for file in (self.credentials, self.config, self.site) if file is not None]

    @property
    def profiles(self) -> list[str]:
        """Every profile that a file names, and ``local``, which needs no file."""
        named = {name for file in self.present for name in file.table("profiles")}
        return sorted(named | {LOCAL})

    def storage_proxies(self, profile: str) -> set[str]:
        """Name the storage proxies that a profile names."""
        return {
            name for file in self.present for name in file.table("profiles", profile, "storage")
        }


def wanted_profile(
    flag: str | None, environ: Mapping[str, str], files: ConfigFiles
) -> tuple[str, Origin]:
    """Find the name asked for, whether or not there is such a profile.

    Raises BadConfigFile.
    """
    if flag is not None:
        return flag, Origin("flag", "--profile")
    if environ.get("BAI_PROFILE"):
        return environ["BAI_PROFILE"], Origin("environment", "BAI_PROFILE")
    for file in (files.config, files.site):
        name = None if file is None else file.tree.get("default_profile")
        if file is not None and name is not None:
            where = ("default_profile",)
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise BadConfigFile(
                    file.path, "default_profile is no profile's name", line=file.line_of(where)
                )
            return name, Origin("file", file.place_of(where))
    return LOCAL, DEFAULT


def existing_profile(name: str, origin: Origin, files: ConfigFiles) -> str:
    """Check that a profile exists.

    Raises ProfileNotFound, with the names that are closest, and InvalidProfileName.
    """
    known = files.profiles
    if name not in known:
        raise ProfileNotFound(name, str(origin), known)
    return check_name(name)


def check_name(name: str) -> str:
    """Check a profile's name, which is also that of its folders. Raises InvalidProfileName."""
    if not _NAME.fullmatch(name):
        raise InvalidProfileName(name)
    return name
