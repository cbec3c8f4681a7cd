"""What can go wrong with templates (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


class TaskTemplateNotFound(NotFound):
    """No visible template has that name or id."""

    error_code = "template_read_not-found"

    def __init__(self, template: str) -> None:
        super().__init__(
            f"No template {template!r} is found among those you may see.",
            hint="List them with 'bai-manager template list'.",
            details={"template": template},
        )


class AmbiguousTemplate(InvalidInput):
    """A name or the beginning of an id fits several templates."""

    error_code = "template_read_conflict"

    def __init__(self, template: str, matches: Sequence[str]) -> None:
        super().__init__(
            f"{template!r} fits several templates: {', '.join(matches)}.",
            hint="Name one of them by its id.",
            details={"template": template, "matches": [*matches]},
        )


class TemplateAlreadyExists(Conflict):
    """The user has a template of that name."""

    error_code = "template_create_already-exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a template {name!r} already.",
            hint=f"Change it with 'bai-manager template update {name}', or choose another name.",
            details={"name": name},
        )


class InvalidTemplate(InvalidInput):
    """The template says something that no session can be made of."""

    error_code = "template_parsing_invalid-parameters"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The template is not valid: {where} {why}.",
            hint="See one with 'bai-manager template show NAME -o yaml'.",
            details={"where": where},
        )


class TemplateNotApplicable(InvalidInput):
    """The template is valid, but no session can be created from it here."""

    error_code = "template_execute_invalid-parameters"
