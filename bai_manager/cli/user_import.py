"""``bai-manager user import``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.secret_io import SecretFileOption  # noqa: TC001 - Typer reads it
from bai_manager.services.user_import.types import DEFAULT_CHUNK

if TYPE_CHECKING:
    from bai_manager.services.user_import.types import ImportedRow


class Prints:
    """What each command prints with ``-o json``."""

    import_: list[ImportedRow]


def import_(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV with a header, or JSON lines; '-' reads it.")
    ],
    generate_passwords: Annotated[
        bool,
        typer.Option("--generate-passwords", help="Make one up for new users that have none."),
    ] = False,
    secret_path: SecretFileOption = None,
    chunk_size: Annotated[
        int, typer.Option("--chunk-size", min=1, max=5000, help="Users in one transaction.")
    ] = DEFAULT_CHUNK,
) -> None:
    """Create or update the users of a file, with key pairs and memberships.

    The whole file is checked first. Interrupted, the same command goes on
    where it stopped. An empty cell leaves a field as it is; members of a list
    are separated by ';'.

    Columns: email, username, full_name, description, domain_name, role,
    status, projects, resource_policy, keypair_resource_policy, rate_limit,
    password, access_key, secret_key, need_password_change, totp_activated,
    allowed_client_ip, sudo_session_enabled, container_uid,
    container_main_gid, container_gids.

    Example: bai-manager user import people.csv --secret-file keys.csv
    """
    from bai_manager.cli.user_import_run import run_import  # noqa: PLC0415 - not to other verbs

    run_import(
        cli_of(ctx),
        file,
        generate_passwords=generate_passwords,
        secret_path=secret_path,
        chunk_size=chunk_size,
    )
