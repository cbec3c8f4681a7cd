"""What each profile is, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from bai_manager.config import resolve
from bai_manager.config.keys import RESERVED_VARIABLES, known_keys
from bai_manager.config.paths import LOCATION_VARIABLES
from bai_manager.config.profiles import wanted_profile
from bai_manager.errors import BackendAIError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.config import Config
    from bai_manager.config.profiles import ConfigFiles
    from bai_manager.types.credentials import Secret

_NEARLY = 0.85
_SHOWN_PARAMETERS = frozenset({"host", "port", "dbname", "user", "sslmode"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileSummary:
    """What the files say about a profile; ``problem`` is why it cannot be used, if so."""

    name: str
    default: bool
    kind: str | None = None
    database: str | None = None
    problem: str | None = None


def profile_summaries(files: ConfigFiles, environ: Mapping[str, str]) -> list[ProfileSummary]:
    """Sum up every profile by the files alone: no flag and no variable is looked at.

    ``default`` is the profile that is used when none is named on the command line.
    """
    places = {name: environ[name] for name in LOCATION_VARIABLES if name in environ}
    default, _ = wanted_profile(None, environ, files)
    return [_summary(files, places, name, default=name == default) for name in files.profiles]


def misspelt_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Find ``BAI_*`` variables that set nothing but nearly have the name of one that does.

    Others with the prefix are somebody else's, or name a storage proxy. The values are the names
    probably meant.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only `config show` asks

    keys = known_keys().values()
    known = {key.variable for key in keys} | RESERVED_VARIABLES
    known |= {f"{key.variable}_FILE" for key in keys if key.is_secret}
    found: dict[str, str] = {}
    for variable in environ:
        ours = variable.startswith("BAI_") and not variable.startswith("BAI_STORAGE_")
        if ours and variable not in known:
            for meant in get_close_matches(variable, known, n=1, cutoff=_NEARLY):
                found[variable] = meant
    return found


def without_password(dsn: Secret) -> str:
    """Write where a database is, with nothing that could be a password."""
    url = urlsplit(dsn.reveal())
    _, at, host = url.netloc.rpartition("@")
    user = f"{url.username}@" if at and url.username else ""
    query = [(name, value) for name, value in parse_qsl(url.query) if name in _SHOWN_PARAMETERS]
    parameters = f"?{urlencode(query, safe='/')}" if query else ""
    return f"{url.scheme}://{user}{host}{url.path}{parameters}"


def _summary(
    files: ConfigFiles, environ: Mapping[str, str], name: str, *, default: bool
) -> ProfileSummary:
    try:
        config = resolve(files, environ, profile=name, flags={}, read_secret=lambda _: None)
    except BackendAIError as error:
        return ProfileSummary(name=name, default=default, problem=error.message)
    kind = config.settings.kind
    return ProfileSummary(name=name, default=default, kind=kind, database=_database(config))


def _database(config: Config) -> str | None:
    """Name the embedded database's folder, or a cluster's address."""
    if config.settings.kind == "embedded":
        return str(config.paths.data_dir)
    dsn = config.settings.database.dsn
    return None if dsn is None else without_password(dsn)
