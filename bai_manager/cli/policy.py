"""``bai-manager policy``: what binds key pairs, users and projects."""

from __future__ import annotations

import typer

from bai_manager.cli import (
    policy_explain,
    policy_keypair,
    policy_project,
    policy_user,
    policy_what_if,
)

app = typer.Typer(
    add_completion=False,
    help="Limits of key pairs, users and projects.\n\n"
    "Example: bai-manager policy keypair show default",
    no_args_is_help=True,
)
app.add_typer(policy_keypair.app, name="keypair")
app.add_typer(policy_user.app, name="user")
app.add_typer(policy_project.app, name="project")
app.command("explain")(policy_explain.explain)
app.command("what-if")(policy_what_if.what_if)
