"""``bai-manager preset``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bai_manager.cli.completion import complete_preset, complete_scaling_group
from bai_manager.cli.limits import ClearSlotsOption, NoSlotOption, SlotOption, read_slots
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    OwnerOption,
    SortOption,
    WatchOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.preset_columns import CHECK_FIELDS, FIELDS, FIT_COLUMNS
from bai_manager.cli.verbs import (
    FailFastOption,
    IfNotExistsOption,
    IfUnchangedOption,
    IgnoreNotFoundOption,
    confirm,
    for_each,
    note_changed,
    note_created,
)
from bai_manager.cli.watch import shown
from bai_manager.services.resource_preset.actions import (
    CheckResourcePresetsAction,
    CreateResourcePresetAction,
    DeleteResourcePresetAction,
    GetResourcePresetAction,
    ListResourcePresetsAction,
    UpdateResourcePresetAction,
)
from bai_manager.services.resource_preset.types import (
    ResourcePresetChanges,
    ResourcePresetSpec,
    changed_spec,
)
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.services.resource_preset.types import PresetCheck, ResourcePresetData


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[ResourcePresetData]
    show: ResourcePresetData
    create: ResourcePresetData
    update: ResourcePresetData
    delete: list[Outcome]
    check: PresetCheck


app = typer.Typer(
    add_completion=False,
    help="Named requests for resources.\n\nExample: bai-manager preset check",
    no_args_is_help=True,
)

PresetArgument = Annotated[
    str, typer.Argument(help="Its name or id.", autocompletion=complete_preset)
]
SharedMemoryOption = Annotated[
    str | None, typer.Option("--shmem", metavar="SIZE", help="Shared memory, a part of mem: 64m.")
]
ScalingGroupOption = Annotated[
    str | None,
    typer.Option(
        "--scaling-group",
        help="For this resource group alone.",
        autocompletion=complete_scaling_group,
    ),
]


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    scaling_group: Annotated[
        str | None,
        typer.Option(
            "--scaling-group",
            help="Those that can be used there.",
            autocompletion=complete_scaling_group,
        ),
    ] = None,
    watch: WatchOption = None,
) -> None:
    """List presets.

    Example: bai-manager preset list --scaling-group default
    """
    cli = cli_of(ctx)
    action = ListResourcePresetsAction(
        query=make_query(filters, sort, limit), scaling_group=scaling_group
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, FIELDS, result.presets, name=lambda p: p.name, noun="presets")

    shown(cli, render, watch)


@app.command("show")
def show(ctx: typer.Context, preset: PresetArgument, watch: WatchOption = None) -> None:
    """Show one preset.

    Example: bai-manager preset show small
    """
    cli = cli_of(ctx)
    action = GetResourcePresetAction(preset=preset)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.preset, FIELDS, name=lambda p: p.name)

    shown(cli, render, watch)


@app.command("create")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    slots: SlotOption = None,
    shmem: SharedMemoryOption = None,
    scaling_group: ScalingGroupOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Create a preset of cpu, mem and whatever else it asks for.

    Example: bai-manager preset create small --slot cpu=2 --slot mem=4g --shmem 512m
    """
    cli = cli_of(ctx)
    changes = ResourcePresetChanges(
        resource_slots=read_slots(slots), shared_memory=_size(shmem, cleared=False)
    )
    spec = changed_spec(ResourcePresetSpec(name=name, scaling_group_name=scaling_group), changes)
    result = cli.execute(CreateResourcePresetAction(spec=spec, if_not_exists=if_not_exists))
    note_created(cli, f"Preset {name}", created=result.created)
    emit_object(cli.output, result.preset, FIELDS, name=lambda p: p.name)


@app.command("update")
def update(
    ctx: typer.Context,
    preset: PresetArgument,
    new_name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    slots: SlotOption = None,
    no_slots: NoSlotOption = None,
    clear_slots: ClearSlotsOption = False,
    shmem: SharedMemoryOption = None,
    no_shmem: Annotated[
        bool, typer.Option("--no-shmem", help="Leave shared memory to the image.")
    ] = False,
    scaling_group: ScalingGroupOption = None,
    no_scaling_group: Annotated[
        bool, typer.Option("--no-scaling-group", help="For all resource groups.")
    ] = False,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change a preset; slots that are not given stay as they are.

    Example: bai-manager preset update small --slot mem=8g
    """
    cli = cli_of(ctx)
    changes = ResourcePresetChanges(
        name=UNSET if new_name is None else new_name,
        resource_slots=read_slots(slots, no_slots, replace=clear_slots),
        shared_memory=_size(shmem, cleared=no_shmem),
        scaling_group_name=(
            None if no_scaling_group else UNSET if scaling_group is None else scaling_group
        ),
    )
    result = cli.execute(
        UpdateResourcePresetAction(preset=preset, changes=changes, if_unchanged=if_unchanged)
    )
    note_changed(cli, f"Preset {preset}", result.changed)
    emit_object(cli.output, result.preset, FIELDS, name=lambda p: p.name)


@app.command("delete")
def delete(
    ctx: typer.Context,
    presets: Annotated[
        list[str],
        typer.Argument(help="Names or ids; '-' reads them.", autocompletion=complete_preset),
    ],
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Delete presets; sessions that were created from them go on.

    Example: bai-manager preset delete small --yes
    """
    cli = cli_of(ctx)
    given = targets(presets, cli)
    confirm(cli, f"Delete the presets {', '.join(given)}? No session is affected.")

    async def act(processor: ActionProcessor, preset: str) -> str:
        result = await processor.run(
            DeleteResourcePresetAction(preset=preset, ignore_not_found=ignore_not_found)
        )
        return "deleted" if result.preset else "there was none"

    for_each(cli, given, act, noun="presets", fail_fast=fail_fast)


@app.command("check")
def check(
    ctx: typer.Context,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="For another user: e-mail or id.")
    ] = None,
    owner: OwnerOption = None,
    project: Annotated[
        str | None, typer.Option("--group", "--project", "-g", help="In this project.")
    ] = None,
    scaling_group: ScalingGroupOption = None,
    watch: WatchOption = None,
) -> None:
    """Say which presets would fit now, why the others would not, and what is left.

    Example: bai-manager preset check --user alice@example.com --project vision
    """
    cli = cli_of(ctx)
    action = CheckResourcePresetsAction(
        user=user,
        owner=owner,
        project=project or cli.config.settings.defaults.project,
        scaling_group=scaling_group,
    )

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        found = (await processor.run(action)).check
        if output.chosen_format.is_human or output.chosen_format.is_structured:
            emit_object(output, found, CHECK_FIELDS, name=lambda c: c.access_key)
        else:
            emit_rows(output, FIT_COLUMNS, found.presets, name=lambda p: p.name, noun="presets")

    shown(cli, render, watch)


def _size(text: str | None, *, cleared: bool) -> Maybe[int | None]:
    if cleared:
        return None
    return UNSET if text is None else int(BinarySize.parse(text))
