"""``bai-manager export``."""

from __future__ import annotations

from typing import Annotated

import typer

from bai_manager.cli.options import cli_of
from bai_manager.cli.output.encode import json_text, yaml_text
from bai_manager.cli.output.options import Format
from bai_manager.services.manifest.actions import ExportManifestAction
from bai_manager.services.manifest.types import Section
from bai_manager.types.errors import InvalidChoice

app = typer.Typer(add_completion=False)


@app.command()
def export(
    ctx: typer.Context,
    only: Annotated[
        str | None, typer.Option("--only", metavar="SECTIONS", help="users,groups,…")
    ] = None,
) -> None:
    """Write policies, domains, users, projects, resource groups and presets as one document.

    Passwords, keys and tokens are not in it. It is YAML, and JSON with -o json.

    Example: bai-manager export > cluster.yaml
    """
    cli = cli_of(ctx)
    document = cli.execute(ExportManifestAction(sections=_sections(only))).document
    match cli.output.chosen_format:
        case Format.JSON:
            cli.stdout.write(json_text(document, indent=2) + "\n")
        case Format.JSONL:
            cli.stdout.write(json_text(document) + "\n")
        case _:
            parts = (yaml_text({name: part}) for name, part in document.items())
            cli.stdout.write("\n".join(parts))
    cli.stdout.flush()


def _sections(only: str | None) -> tuple[Section, ...]:
    """In the order of a document. Raises ``InvalidChoice``."""
    given = [] if only is None else [word.strip().replace("-", "_") for word in only.split(",")]
    known = [section.value for section in Section]
    for word in given:
        if word not in known:
            raise InvalidChoice(word, "section", known)
    return tuple(section for section in Section if section.value in given)
