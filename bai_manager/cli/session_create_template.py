"""``bai-manager session create --template``: what a template says, unless somebody says more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bai_manager.services.template.actions import GetTemplateAction
from bai_manager.services.template.body import cluster_mode, nodes, session_fields
from bai_manager.services.template.errors import TemplateNotApplicable
from bai_manager.services.template.types import TemplateType

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

    from bai_manager.actions.processor import ActionProcessor, ActionT
    from bai_manager.services.session.actions import CreateSessionAction
    from bai_manager.services.template.types import TemplateData

_OPTIONS = {"bootstrap_script": "bootstrap"}
"""Where a field of the action is filled by an option of another name."""
_MAPS = frozenset({"environ", "resources"})


async def templated(
    processor: ActionProcessor,
    action: CreateSessionAction,
    template: str,
    ctx: typer.Context,
) -> CreateSessionAction:
    """The action with what the template says in place of what was not given.

    Resources and environment are merged, what was given winning. Raises as reading a template
    does, and ``TemplateNotApplicable``.
    """
    found = (await processor.run(GetTemplateAction(template=template))).template
    fields = await _fields(processor, found)
    changes: dict[str, object] = {}
    for name, value in fields.items():
        if name in _MAPS and isinstance(value, dict):
            changes[name] = {**value, **getattr(action, name)}
        elif not _given(ctx, _OPTIONS.get(name, name)):
            changes[name] = value
    return _changed(action, changes)


def _changed(action: ActionT, changes: Mapping[str, object]) -> ActionT:
    """Generic, as the types of fields that are named by text cannot be known."""
    return replace(action, **changes)


async def _fields(processor: ActionProcessor, template: TemplateData) -> dict[str, object]:
    """Those of a task, or of a cluster whose tasks are all alike."""
    if template.type is TemplateType.TASK:
        return session_fields(template)
    listed = nodes(template)
    tasks = [
        (await processor.run(GetTemplateAction(template=str(task)))).template for task, _ in listed
    ]
    kinds = [{**session_fields(task), "tag": None} for task in tasks]
    if any(kind != kinds[0] for kind in kinds):
        raise TemplateNotApplicable(
            f"The tasks of template {template.name!r} differ, and all kernels of a session that is"
            " created here are alike.",
            hint="Let all nodes name one task.",
        )
    return {
        **session_fields(tasks[0]),
        "cluster_size": sum(count for _, count in listed),
        "cluster_mode": cluster_mode(template),
    }


def _given(ctx: typer.Context, option: str) -> bool:
    """Whether somebody typed it."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name not in {"DEFAULT", "DEFAULT_MAP"}
