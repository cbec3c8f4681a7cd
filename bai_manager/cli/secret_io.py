"""Secrets in and out: never on the command line, printed only when asked for.

They come from a prompt, from standard input, or from a file that nobody else may read; they go to
standard output with ``--show``, or into a new file of mode 0600.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.errors import BackendAIError, InvalidInput
from bai_manager.types.credentials import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bai_manager.cli.runtime import Cli

ShowOption = Annotated[bool, typer.Option("--show", help="Print the secret.")]
SecretFileOption = Annotated[
    Path | None,
    typer.Option("--secret-file", metavar="FILE", help="Write the secret into a new file (0600)."),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Read the password from a private file."),
]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
NeedChangeOption = Annotated[
    bool | None,
    typer.Option(
        "--need-password-change/--no-need-password-change", help="It must be changed at login."
    ),
]


class SecretNeeded(InvalidInput):
    """No secret was given, or it was not said where one is to go."""

    error_code = "user_parsing_invalid-parameters"


class SecretFileUnwritable(BackendAIError):
    """The file for a secret is there already, or cannot be made."""

    error_code = "user_create_internal-error"


def read_password(cli: Cli, file: Path | None, *, stdin: bool, prompt: str) -> Secret:
    """The password from where it was said to be, else asked for twice at the terminal.

    Raises ``SecretNeeded``, and ``UnsafeSecretFile`` for a file that others may read.
    """
    if file is not None:
        return read_secret_file(file)
    if stdin:
        return Secret(cli.stdin.readline().rstrip("\r\n"))
    first = ask_secret(cli, prompt, remedy="Give --password-stdin or --password-file FILE.")
    if ask_secret(cli, f"{prompt} again", remedy="") != first:
        raise SecretNeeded("The two differ; nothing was changed.", hint="Type it twice alike.")
    return first


def read_secret_file(file: Path) -> Secret:
    """A file without its last line end. Raises ``SecretNeeded`` and ``UnsafeSecretFile``."""
    from bai_manager.config.files import read_text  # noqa: PLC0415 - loads the TOML parser

    text = read_text(file, secret=True)
    if text is None:
        raise SecretNeeded(f"There is no file {file}.", hint="Look at its name.")
    return Secret(text.rstrip("\r\n"))


def ask_secret(cli: Cli, prompt: str, *, remedy: str) -> Secret:
    """Read what is typed without showing it. Raises ``SecretNeeded`` outside a terminal."""
    if not cli.terminal.interactive:
        raise SecretNeeded("Nobody can be asked for it: this is not a terminal.", hint=remedy)
    from getpass import getpass  # noqa: PLC0415 - only to ask

    return Secret(getpass(f"{prompt}: ", stream=cli.stderr))


def require_outlet(*, show: bool, file: Path | None) -> None:
    """Raise ``SecretNeeded`` where a secret that is told once would be told to nobody."""
    if not show and file is None:
        raise SecretNeeded(
            "The secret can be told only once, and it was not said where to.",
            hint="Give --show to print it, or --secret-file FILE to write it into a new file.",
        )


def shown(secret: Secret | None, *, show: bool) -> str | None:
    """What of a secret is printed."""
    if secret is None:
        return None
    return secret.reveal() if show else MASK


def environment(access_key: str | None, secret_key: Secret) -> str:
    """What makes a shell, or another bai-manager, act with a key pair."""
    return f"BAI_ACCESS_KEY={access_key}\nBAI_SECRET_KEY={secret_key.reveal()}\n"


@contextmanager
def secret_file(cli: Cli, path: Path | None) -> Iterator[Callable[[str], None]]:
    """Make the file before there is a secret, so that none is lost for want of a place.

    It is removed when nothing was written. A dry run makes none, and without a path what is
    written goes nowhere. Raises ``SecretFileUnwritable``.
    """
    if path is None or cli.flags.dry_run:
        yield lambda _text: None
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise SecretFileUnwritable(
            f"{path} cannot be made: {error.strerror}; nothing was changed.",
            hint="Name a file that does not exist, in a folder of yours.",
        ) from None
    written: list[str] = []
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        try:
            yield written.append
            stream.writelines(written)
        finally:
            if not written:
                path.unlink(missing_ok=True)
    if written:
        cli.terminal.note(f"The secret is in {path}.")
