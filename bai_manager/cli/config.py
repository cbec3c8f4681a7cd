"""``bai-manager config``: profiles and settings, in files of this machine.

These commands touch no cluster, so there is nothing to authorize or audit and no action behind
them. Those that change files or list them also work while the chosen profile is broken or does
not exist yet: they are how it is mended and made.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.encode import machine_text
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.config import read_files, without_files
from bai_manager.config.errors import MissingValue, SecretOnCommandLine
from bai_manager.config.paths import SITE_CONFIG_FILE, Paths
from bai_manager.config.profiles import existing_profile, wanted_profile
from bai_manager.errors import BackendAIError, ConfigurationError
from bai_manager.types.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bai_manager.cli.runtime import Cli
    from bai_manager.config.keys import Key
    from bai_manager.config.origin import OriginKind
    from bai_manager.config.overview import ProfileSummary

app = typer.Typer(
    help="Show and change configuration and profiles.\n\nExample: bai-manager config show --origin",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    show: list[SettingRow]
    get: SettingRow
    set_: Change
    unset: Change
    use: Change
    profiles: list[ProfileSummary]
    path: Places


KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Dotted, as database.autostart.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingRow:
    """A setting, its value (``***`` for a secret), and the kind and place of its origin."""

    key: str
    value: object
    origin: OriginKind
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a command did to a file; ``changed`` is false when it was so already."""

    profile: str
    key: str
    file: Path
    changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a profile keeps things; whether they exist is not said."""

    profile: str
    config_file: Path
    credentials_file: Path
    site_config_file: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path


@app.command()
def show(
    ctx: typer.Context,
    origin: Annotated[
        bool, typer.Option("--origin", help="In a table too, say where each value comes from.")
    ] = False,
) -> None:
    """Show every setting of the profile; secrets as ***.

    Example: bai-manager config show --origin --profile prod
    """
    cli = cli_of(ctx)
    from bai_manager.config.overview import misspelt_variables  # noqa: PLC0415 - imports pydantic

    config = cli.config
    cli.terminal.note(f"Profile {config.profile_name} (chosen by: {config.profile_origin})")
    for variable, meant in misspelt_variables(cli.environ).items():
        cli.terminal.warn(f"{variable} is set and means nothing; did you mean {meant}?")
    emit_rows(
        cli.output, _setting_columns(origin=origin), _settings(cli), name=_key, noun="settings"
    )


@app.command()
def get(ctx: typer.Context, key: KeyArgument) -> None:
    """Print one value; with -o, also where it comes from. A secret is ***.

    Example: bai-manager config get defaults.project
    """
    cli = cli_of(ctx)
    from bai_manager.config.keys import require_key  # noqa: PLC0415 - imports pydantic

    require_key(key)
    rows = {row.key: row for row in _settings(cli)}
    row = rows.get(key, SettingRow(key=key, value=None, origin="default", where=""))
    if cli.output.format is None:
        cli.stdout.write(printable(machine_text(row.value)) + "\n")
    else:
        emit_object(cli.output, row, _setting_columns(origin=True), name=_key)


@app.command("set")
def set_(
    ctx: typer.Context,
    key: KeyArgument,
    value: Annotated[
        str | None,
        typer.Argument(help="The value; for a secret it is asked for, or read from stdin."),
    ] = None,
) -> None:
    """Set a value in the profile, which is made if need be.

    Example: bai-manager config set etcd.url http://etcd.example.org:2379 --profile prod
    """
    cli = cli_of(ctx)
    from bai_manager.config.keys import require_key  # noqa: PLC0415 - imports pydantic
    from bai_manager.config.store import save_credentials, save_settings  # noqa: PLC0415
    from bai_manager.types.credentials import Secret  # noqa: PLC0415

    _settle(cli)
    profile, paths = _wanted(cli)
    known, dry_run = require_key(key), cli.flags.dry_run
    if known.is_secret:
        if value is not None:
            raise SecretOnCommandLine(key, known.variable)
        secret = Secret(_asked(cli, key))
        changed = save_credentials(paths, profile, {key: secret}, dry_run=dry_run)
    elif value is None:
        raise MissingValue(key, known.help)
    else:
        changed = save_settings(paths, profile, {key: value}, dry_run=dry_run)
    file = paths.credentials_file if known.is_secret else paths.config_file
    _report(cli, Change(profile=profile, key=key, file=file, changed=changed), "was so already")
    _warn_if_covered(cli, key, known)


@app.command()
def unset(ctx: typer.Context, key: KeyArgument) -> None:
    """Take a value out of the profile.

    Example: bai-manager config unset defaults.project
    """
    cli = cli_of(ctx)
    from bai_manager.config.keys import require_key  # noqa: PLC0415 - imports pydantic
    from bai_manager.config.store import remove_setting  # noqa: PLC0415

    _settle(cli)
    profile, paths = _wanted(cli)
    known = require_key(key)
    changed = remove_setting(paths, profile, key, dry_run=cli.flags.dry_run)
    file = paths.credentials_file if known.is_secret else paths.config_file
    _report(cli, Change(profile=profile, key=key, file=file, changed=changed), "was not set")
    _warn_if_covered(cli, key, known)


@app.command()
def profiles(ctx: typer.Context) -> None:
    """List the profiles, with their kind and database.

    Example: bai-manager config profiles
    """
    cli = cli_of(ctx)
    from bai_manager.config.overview import profile_summaries  # noqa: PLC0415 - imports pydantic

    _settle(cli)
    rows = profile_summaries(read_files(cli.environ), cli.environ)
    emit_rows(cli.output, _PROFILE_COLUMNS, rows, name=lambda row: row.name, noun="profiles")


def _complete_profile(incomplete: str) -> list[str]:
    """Name the profiles; nothing when the files cannot be read."""
    import os  # noqa: PLC0415 - completion gets no context object

    try:
        return [name for name in read_files(os.environ).profiles if name.startswith(incomplete)]
    except BackendAIError:
        return []


@app.command()
def use(
    ctx: typer.Context,
    profile: Annotated[
        str, typer.Argument(help="The profile to use.", autocompletion=_complete_profile)
    ],
) -> None:
    """Use a profile whenever none is named.

    Example: bai-manager config use prod
    """
    cli = cli_of(ctx)
    from bai_manager.config.origin import Origin  # noqa: PLC0415
    from bai_manager.config.store import save_default_profile  # noqa: PLC0415

    _settle(cli)
    existing_profile(profile, Origin("flag", "config use"), read_files(cli.environ))
    paths = Paths.of(cli.environ, profile)
    changed = save_default_profile(paths, profile, dry_run=cli.flags.dry_run)
    change = Change(profile=profile, key="default_profile", file=paths.config_file, changed=changed)
    _report(cli, change, "was so already")
    if cli.environ.get("BAI_PROFILE"):
        cli.terminal.warn(f"BAI_PROFILE={cli.environ['BAI_PROFILE']} is set and counts instead")


@app.command()
def path(ctx: typer.Context) -> None:
    """Show where configuration, data, state and cache are.

    Example: bai-manager config path --columns config_file --no-header
    """
    cli = cli_of(ctx)
    _settle(cli)
    named = cli.flags.profile or cli.environ.get("BAI_PROFILE")
    profile = named or cli.config.profile_name
    paths = Paths.of(cli.environ, profile)
    places = Places(
        profile=profile,
        config_file=paths.config_file,
        credentials_file=paths.credentials_file,
        site_config_file=SITE_CONFIG_FILE,
        data_dir=paths.data_dir,
        state_dir=paths.state_dir,
        cache_dir=paths.cache_dir,
    )
    emit_object(cli.output, places, _PLACES_COLUMNS, name=lambda row: str(row.config_file))


_PROFILE_COLUMNS: Sequence[Column[ProfileSummary]] = (
    Column("name", lambda row: row.name),
    Column("default", lambda row: row.default, human=lambda row: "*" if row.default else ""),
    Column("kind", lambda row: row.kind),
    Column("database", lambda row: row.database),
    Column("problem", lambda row: row.problem, style="red"),
)
_CHANGE_COLUMNS: Sequence[Column[Change]] = (
    Column("profile", lambda row: row.profile),
    Column("key", lambda row: row.key),
    Column("file", lambda row: row.file),
    Column("changed", lambda row: row.changed),
)
_PLACES_COLUMNS: Sequence[Column[Places]] = (
    Column("profile", lambda row: row.profile),
    Column("config_file", lambda row: row.config_file),
    Column("credentials_file", lambda row: row.credentials_file),
    Column("site_config_file", lambda row: row.site_config_file),
    Column("data_dir", lambda row: row.data_dir),
    Column("state_dir", lambda row: row.state_dir),
    Column("cache_dir", lambda row: row.cache_dir),
)


def _setting_columns(*, origin: bool) -> Sequence[Column[SettingRow]]:
    return (
        Column("key", _key),
        Column("value", lambda row: row.value),
        Column("origin", lambda row: row.origin, wide=not origin),
        Column("where", lambda row: row.where, wide=not origin),
    )


def _key(row: SettingRow) -> str:
    return row.key


def _settings(cli: Cli) -> Sequence[SettingRow]:
    rows = []
    for key, value in cli.config.items():
        origin = cli.config.origin(key)
        shown = int(value) if isinstance(value, float) and value.is_integer() else value
        rows.append(SettingRow(key=key, value=shown, origin=origin.kind, where=origin.where))
    return rows


def _settle(cli: Cli) -> None:
    """Go on with the defaults for output when the profile is broken or does not exist."""
    try:
        _ = cli.config
    except ConfigurationError:
        flags = {"defaults.output": cli.flags.output, "defaults.color": cli.flags.color}
        cli.config = without_files(cli.environ, flags)


def _wanted(cli: Cli) -> tuple[str, Paths]:
    profile, _ = wanted_profile(cli.flags.profile, cli.environ, read_files(cli.environ))
    return profile, Paths.of(cli.environ, profile)


def _asked(cli: Cli, key: str) -> str:
    """Ask without showing what is typed; without a terminal, read all of stdin."""
    if cli.terminal.interactive:
        return getpass.getpass(f"{key}: ", stream=cli.stderr)
    return cli.stdin.read().rstrip("\r\n")


def _report(cli: Cli, change: Change, unchanged: str) -> None:
    if not change.changed:
        cli.terminal.note(f"Nothing to change: {change.key} of {change.profile} {unchanged}.")
    emit_object(cli.output, change, _CHANGE_COLUMNS, name=lambda row: row.key)


def _warn_if_covered(cli: Cli, name: str, key: Key) -> None:
    """Say that a variable wins over what was just written; a storage proxy's are not looked at."""
    if name == key.name and cli.environ.get(key.variable):
        cli.terminal.warn(f"{key.variable} is set and counts instead of the files")
