"""Configuration: flags over ``BAI_*`` over the profile's files over the machine's over defaults.

``load_config`` gives one profile's values, typed, and where each came from. The user's files are
``config.toml`` and, for secrets, ``credentials.toml``; ``store.py`` changes them.

::

    default_profile = "prod"

    [profiles.prod]
    kind = "cluster"
    access_key = "AKIAIOSFODNN7EXAMPLE"

    [profiles.prod.etcd]
    url = "http://etcd.example.org:2379"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bai_manager.config.files import read_text
from bai_manager.config.paths import LOCATION_VARIABLES, SITE_CONFIG_FILE, Paths
from bai_manager.config.profiles import LOCAL, ConfigFiles, existing_profile, wanted_profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bai_manager.config.errors import MissingSetting
    from bai_manager.config.layers import Layers, ReadSecret
    from bai_manager.config.origin import Origin
    from bai_manager.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One profile, resolved; ``settings`` holds the values as typed attributes."""

    profile_name: str
    profile_origin: Origin
    paths: Paths
    settings: Settings
    layers: Layers = field(repr=False)

    def origin(self, name: str) -> Origin:
        """Where the value of a dotted name came from."""
        return self.layers.origin(name)

    def items(self) -> Iterator[tuple[str, object]]:
        """Every setting by dotted name, in the order of their declaration."""
        from bai_manager.config.keys import values_of  # noqa: PLC0415 - only `config show` asks

        yield from values_of(self.settings)

    def missing(self, name: str) -> MissingSetting:
        """Make the error to raise when a setting is needed and is None."""
        from bai_manager.config.errors import MissingSetting  # noqa: PLC0415 - failures only
        from bai_manager.config.keys import find_key  # noqa: PLC0415

        key = find_key(name)
        return MissingSetting(self.profile_name, name, key.variable if key else "")


def load_config(
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    flags: Mapping[str, str | None] | None = None,
    site_file: Path = SITE_CONFIG_FILE,
) -> Config:
    """Read the files and resolve one profile.

    ``profile`` and ``flags`` (by the setting they override, ``defaults.output``) are what the
    command line says. Raises ConfigurationError.
    """
    files = read_files(environ, site_file=site_file)
    return resolve(files, environ, profile=profile, flags=flags or {}, read_secret=_read_secret)


def read_files(environ: Mapping[str, str], *, site_file: Path = SITE_CONFIG_FILE) -> ConfigFiles:
    """Read the files without looking at any profile in them. Raises ConfigurationError."""
    return ConfigFiles.read(Paths.of(environ, LOCAL), site_file)


def without_files(environ: Mapping[str, str], flags: Mapping[str, str | None]) -> Config:
    """Resolve what only concerns output, for commands that look at or mend broken files."""
    wanted = ("BAI_OUTPUT", "BAI_COLOR", *LOCATION_VARIABLES)
    safe = {name: environ[name] for name in wanted if name in environ}
    return resolve(ConfigFiles(), safe, profile=LOCAL, flags=flags, read_secret=_read_secret)


def resolve(
    files: ConfigFiles,
    environ: Mapping[str, str],
    *,
    profile: str | None,
    flags: Mapping[str, str | None],
    read_secret: ReadSecret,
) -> Config:
    """Do the same without touching the disk, but for ``read_secret``."""
    from bai_manager.config.layers import Layers  # noqa: PLC0415 - imports pydantic
    from bai_manager.config.validation import settings_from  # noqa: PLC0415

    wanted, origin = wanted_profile(profile, environ, files)
    name = existing_profile(wanted, origin, files)
    layers = Layers.of(files, name, environ, flags, read_secret)
    return Config(
        profile_name=name,
        profile_origin=origin,
        paths=Paths.of(environ, name),
        settings=settings_from(layers),
        layers=layers,
    )


def _read_secret(path: Path) -> str | None:
    return read_text(path, secret=True)
