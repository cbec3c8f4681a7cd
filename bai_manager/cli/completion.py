"""Live completion: names out of the database while a command is being typed.

Silent whatever happens, never longer than ``PATIENCE``, and it starts nothing: where no database
runs there are no names. Only names made of plain characters are offered, so that nothing a row
holds means anything to a shell.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import typer  # noqa: TC002 - Typer evaluates the annotations

from bai_manager.cli.flags import hoist, value_of

if TYPE_CHECKING:
    from bai_manager.config import Config
    from bai_manager.repositories.names import Completable

PATIENCE: Final = 0.7
"""Seconds; what comes later is not waited for."""

_PLAIN: Final = re.compile(r"\w[\w./:@+-]*", re.ASCII)
_REMARK: Final = re.compile(r"[^\w ./:@+-]", re.ASCII)


def complete_session(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Sessions that have not ended."""
    return _names(ctx, "session", incomplete)


def complete_kernel(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of kernels that have not ended."""
    return _names(ctx, "kernel", incomplete)


def complete_image(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Canonical names and aliases of usable images."""
    return _names(ctx, "image", incomplete)


def complete_agent(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of agents."""
    return _names(ctx, "agent", incomplete)


def complete_user(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """E-mails of users."""
    return _names(ctx, "user", incomplete)


def complete_keypair(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Access keys."""
    return _names(ctx, "keypair", incomplete)


def complete_group(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of projects."""
    return _names(ctx, "group", incomplete)


def complete_domain(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of domains."""
    return _names(ctx, "domain", incomplete)


def complete_scaling_group(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of resource groups."""
    return _names(ctx, "scaling_group", incomplete)


def complete_preset(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of presets."""
    return _names(ctx, "preset", incomplete)


def complete_keypair_policy(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of key pair policies."""
    return _names(ctx, "keypair_policy", incomplete)


def complete_user_policy(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of user policies."""
    return _names(ctx, "user_policy", incomplete)


def complete_project_policy(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of project policies."""
    return _names(ctx, "project_policy", incomplete)


def complete_vfolder(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of virtual folders."""
    return _names(ctx, "vfolder", incomplete)


def _names(ctx: typer.Context, noun: Completable, incomplete: str) -> list[tuple[str, str]]:
    """Names in a thread of their own, which is left behind when it takes too long."""
    from threading import Thread  # noqa: PLC0415 - only while completing

    found: list[tuple[str, str]] = []

    def look() -> None:
        with suppress(Exception):
            found.extend(_found(ctx, noun, incomplete))

    looking = Thread(target=look, daemon=True)
    looking.start()
    looking.join(PATIENCE)
    return [(name, _REMARK.sub("", about)) for name, about in found if _PLAIN.fullmatch(name)]


def _found(ctx: typer.Context, noun: Completable, incomplete: str) -> list[tuple[str, str]]:
    from bai_manager.actions.actor import Credentials  # noqa: PLC0415 - not for nouns and verbs
    from bai_manager.config import load_config  # noqa: PLC0415
    from bai_manager.repositories.names import Wanted, find_names  # noqa: PLC0415

    options, _ = hoist(_typed())
    config = load_config(os.environ, profile=value_of(options, "--profile"))
    dsn = _running_database(config)
    settings = config.settings
    if dsn is None or settings.access_key is None or settings.secret_key is None:
        return []
    credentials = Credentials(
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        act_as=value_of(options, "--as"),
    )
    wanted = Wanted(noun=noun, prefix=incomplete, owner=ctx.params.get("owner"))
    return find_names(dsn, credentials, wanted)


def _typed() -> list[str]:
    """The words so far, as Typer's scripts hand them over; the parser drops some options."""
    from shlex import split  # noqa: PLC0415

    return split(os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", ""))


def _running_database(config: Config) -> str | None:
    """The database's address for libpq; None for an embedded one that does not run."""
    if config.settings.kind == "embedded":
        from bai_manager.cli.embedded import embedded_postgres  # noqa: PLC0415

        postgres = embedded_postgres(config)
        return postgres.dsn() if postgres.is_running() else None
    dsn = config.settings.database.dsn
    return dsn.reveal() if dsn else None
