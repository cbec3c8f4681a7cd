"""``bai-manager image``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from bai_manager.cli.completion import complete_image
from bai_manager.cli.image_columns import LIST_COLUMNS, SHOW_FIELDS
from bai_manager.cli.options import (
    FilterOption,
    LimitOption,
    SortOption,
    StatusOption,
    WatchOption,
    cli_of,
    make_query,
    targets,
)
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.verbs import (
    FailFastOption,
    IfNotExistsOption,
    IfUnchangedOption,
    IgnoreNotFoundOption,
    confirm,
    counted,
    for_each,
    note_changed,
    note_created,
)
from bai_manager.cli.watch import shown
from bai_manager.services.image.actions import (
    AliasImageAction,
    DealiasImageAction,
    ForgetImageAction,
    GetImageAction,
    ListImagesAction,
    PurgeImageAction,
    RegisterImageAction,
    UpdateImageAction,
)
from bai_manager.services.image.errors import ImageAlreadyForgotten, InvalidImageDetail
from bai_manager.services.image.types import (
    ImageChanges,
    ImageRegistration,
    LimitsPatch,
    Registered,
)
from bai_manager.services.session.errors import ImageNotFound
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.resource_slot import ResourceSlot, parse_assignments
from bai_manager.types.status import ImageType
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bai_manager.actions.processor import ActionProcessor
    from bai_manager.cli.output.bulk import Outcome
    from bai_manager.cli.output.options import OutputOptions
    from bai_manager.cli.runtime import Cli
    from bai_manager.services.image.types import ImageDetails, ImageUse
    from bai_manager.types.tristate import Maybe

app = typer.Typer(
    help="What sessions can run.\n\nExample: bai-manager image list",
    no_args_is_help=True,
    add_completion=False,
)


class Prints:
    """What each command prints with ``-o json``."""

    list_: list[ImageDetails]
    show: ImageDetails
    alias: ImageDetails
    dealias: list[Outcome]
    register: ImageDetails
    update: ImageDetails
    forget: list[Outcome]
    purge: ImageDetails


USUAL: Final = "x86_64"

ImageArgument = Annotated[
    str,
    typer.Argument(help="Canonical name, alias or id.", autocompletion=complete_image),
]
ArchitectureOption = Annotated[
    str | None,
    typer.Option("--architecture", help="Which of several of one name: x86_64, aarch64."),
]
DigestOption = Annotated[
    str | None,
    typer.Option("--digest", metavar="SHA256", help="Of its configuration: sha256:4f53…"),
]
SizeOption = Annotated[str | None, typer.Option("--size", metavar="SIZE", help="1.5GiB.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="compute, system or service.")]
AcceleratorsOption = Annotated[
    str | None, typer.Option("--accelerators", metavar="NAME,…", help="cuda, rocm, ….")
]


@app.command("list")
def list_(
    ctx: typer.Context,
    filters: FilterOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    status: StatusOption = None,
    watch: WatchOption = None,
) -> None:
    """List images that sessions can be created from; --status DELETED lists forgotten ones.

    Example: bai-manager image list --filter name~python
    """
    cli = cli_of(ctx)
    action = ListImagesAction(query=make_query(filters, sort, limit, status=status))

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_rows(output, LIST_COLUMNS, result.images, name=lambda i: i.name, noun="images")

    shown(cli, render, watch)


@app.command("show")
def show(
    ctx: typer.Context,
    image: ImageArgument,
    architecture: ArchitectureOption = None,
    watch: WatchOption = None,
) -> None:
    """Show one image with its labels and what a session must ask for.

    Example: bai-manager image show python
    """
    cli = cli_of(ctx)
    action = GetImageAction(image=image, architecture=architecture)

    async def render(processor: ActionProcessor, output: OutputOptions) -> None:
        result = await processor.run(action)
        emit_object(output, result.image, SHOW_FIELDS, name=lambda i: i.name)

    shown(cli, render, watch)


@app.command("alias")
def alias(
    ctx: typer.Context,
    image: ImageArgument,
    alias: Annotated[str, typer.Argument(help="The short name.")],
    architecture: ArchitectureOption = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Give an image a short name.

    Example: bai-manager image alias cr.backend.ai/stable/python:3.13-ubuntu24.04 py
    """
    cli = cli_of(ctx)
    result = cli.execute(
        AliasImageAction(
            image=image, alias=alias, architecture=architecture, if_not_exists=if_not_exists
        )
    )
    note_created(cli, f"Alias {alias}", created=result.created)
    _emit(cli, result.image)


@app.command("dealias")
def dealias(
    ctx: typer.Context,
    aliases: Annotated[
        list[str],
        typer.Argument(help="Short names; '-' reads them.", autocompletion=complete_image),
    ],
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Take short names away from their images.

    Example: bai-manager image dealias py
    """
    cli = cli_of(ctx)

    async def act(processor: ActionProcessor, name: str) -> str:
        result = await processor.run(
            DealiasImageAction(alias=name, ignore_not_found=ignore_not_found)
        )
        return f"stood for {result.image_name}" if result.image_name else "there was none"

    for_each(cli, targets(aliases, cli), act, noun="aliases", fail_fast=fail_fast)


@app.command("register")
def register(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="REGISTRY/PROJECT/IMAGE:TAG.")],
    digest: Annotated[
        str, typer.Option("--digest", metavar="SHA256", help="Of its configuration: sha256:4f53…")
    ],
    architecture: Annotated[
        str, typer.Option("--architecture", help="x86_64, aarch64, ….")
    ] = USUAL,
    size: SizeOption = None,
    kind: TypeOption = None,
    accelerators: AcceleratorsOption = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", metavar="KEY=VALUE", help="As in the image, each."),
    ] = None,
    if_not_exists: IfNotExistsOption = False,
) -> None:
    """Add an image that a known container registry has, or bring a forgotten one back.

    Example: bai-manager image register local/stable/torch:2.5 --digest sha256:4f53…b945
    """
    cli = cli_of(ctx)
    result = cli.execute(
        RegisterImageAction(
            registration=ImageRegistration(
                name=name,
                architecture=architecture,
                digest=digest,
                size_bytes=int(BinarySize.parse(size)) if size else 0,
                type=ImageType.parse(kind) if kind else ImageType.COMPUTE,
                accelerators=accelerators,
                labels=dict(_label(text) for text in labels or ()),
            ),
            if_not_exists=if_not_exists,
        )
    )
    note_created(cli, f"Image {name}", created=result.outcome is not Registered.EXISTED)
    if result.outcome is Registered.RESTORED:
        cli.terminal.note(f"Image {name} had been forgotten; it can be used again.")
    _emit(cli, result.image)


@app.command("update")
def update(
    ctx: typer.Context,
    image: ImageArgument,
    architecture: ArchitectureOption = None,
    least: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="SLOT=AMOUNT", help="A session takes at least: cpu=1."),
    ] = None,
    most: Annotated[
        list[str] | None,
        typer.Option("--max", metavar="SLOT=AMOUNT", help="A session takes at most: mem=8g."),
    ] = None,
    no_least: Annotated[
        list[str] | None, typer.Option("--no-min", metavar="SLOT", help="No own minimum.")
    ] = None,
    no_most: Annotated[
        list[str] | None, typer.Option("--no-max", metavar="SLOT", help="No own maximum.")
    ] = None,
    clear_limits: Annotated[
        bool, typer.Option("--clear-limits", help="Only those of its labels are left.")
    ] = False,
    digest: DigestOption = None,
    size: SizeOption = None,
    kind: TypeOption = None,
    local: Annotated[
        bool | None, typer.Option("--local/--no-local", help="Whether agents never pull it.")
    ] = None,
    accelerators: AcceleratorsOption = None,
    no_accelerators: Annotated[
        bool, typer.Option("--no-accelerators", help="It says nothing of accelerators.")
    ] = False,
    if_unchanged: IfUnchangedOption = None,
) -> None:
    """Change what an image takes and what is known of it.

    Example: bai-manager image update python --min cpu=1 --max mem=8g
    """
    cli = cli_of(ctx)
    changes = ImageChanges(
        limits=_limits(least, most, no_least, no_most, replace=clear_limits),
        digest=UNSET if digest is None else digest,
        size_bytes=UNSET if size is None else int(BinarySize.parse(size)),
        type=UNSET if kind is None else ImageType.parse(kind),
        is_local=UNSET if local is None else local,
        accelerators=None if no_accelerators else UNSET if accelerators is None else accelerators,
    )
    result = cli.execute(
        UpdateImageAction(
            image=image, architecture=architecture, changes=changes, if_unchanged=if_unchanged
        )
    )
    note_changed(cli, f"Image {result.image.name}", result.changed)
    _emit(cli, result.image)


@app.command("forget")
def forget(
    ctx: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            help="Canonical names, aliases or ids; '-' reads them.", autocompletion=complete_image
        ),
    ],
    architecture: ArchitectureOption = None,
    ignore_not_found: IgnoreNotFoundOption = False,
    fail_fast: FailFastOption = False,
) -> None:
    """Let nothing new be made of images; 'image register' brings one back.

    Example: bai-manager image forget python --yes
    """
    cli = cli_of(ctx)
    names = targets(images, cli)
    if not (cli.flags.yes or cli.flags.dry_run):
        found = [_found(cli, name, architecture) for name in names]
        confirm(cli, f"Forget {'; '.join(found)}? What runs goes on, nothing new is made of it.")

    async def act(processor: ActionProcessor, name: str) -> str:
        try:
            result = await processor.run(ForgetImageAction(image=name, architecture=architecture))
        except (ImageNotFound, ImageAlreadyForgotten):
            if ignore_not_found:
                return "there was none"
            raise
        return f"forgot {result.image.name} ({result.image.architecture})"

    for_each(cli, names, act, noun="images", fail_fast=fail_fast)


@app.command("purge")
def purge(
    ctx: typer.Context,
    image: ImageArgument,
    architecture: ArchitectureOption = None,
    confirmed: Annotated[
        str | None, typer.Option("--confirm", metavar="NAME", help="Its canonical name, again.")
    ] = None,
) -> None:
    """Delete an image's row and aliases for good; name a forgotten one by its id.

    Example: bai-manager image purge python --confirm local/stable/python:3.11-host
    """
    cli = cli_of(ctx)
    before = cli.execute(GetImageAction(image=image, architecture=architecture))
    name = before.image.name
    cli.terminal.confirm_name(
        f"Purge {_described(before.image, before.use)}? The registry keeps the image itself.",
        name,
        given=name if cli.flags.dry_run else confirmed,
    )
    result = cli.execute(PurgeImageAction(image=str(before.image.id)))
    _emit(cli, result.image)


def _emit(cli: Cli, image: ImageDetails) -> None:
    emit_object(cli.output, image, SHOW_FIELDS, name=lambda i: i.name)


def _found(cli: Cli, name: str, architecture: str | None) -> str:
    """What would be affected by doing something to an image, for a question."""
    try:
        result = cli.execute(GetImageAction(image=name, architecture=architecture))
    except ImageNotFound:
        return f"{name}, which is not there"
    return _described(result.image, result.use)


def _described(image: ImageDetails, use: ImageUse) -> str:
    return (
        f"{image.name} ({image.architecture}) with"
        f" {counted(len(image.aliases), 'alias', 'aliases')},"
        f" {counted(use.kernels, 'kernel')} and {counted(use.endpoints, 'model service')} of it"
    )


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidImageDetail(
            f"{text!r} is no label.", hint="Write it as KEY=VALUE: ai.backend.role=COMPUTE."
        )
    return key.strip(), value


def _limits(
    least: Iterable[str] | None,
    most: Iterable[str] | None,
    no_least: Iterable[str] | None,
    no_most: Iterable[str] | None,
    *,
    replace: bool,
) -> Maybe[LimitsPatch]:
    """Amounts by slot; raises ``InvalidResourceSlot``."""
    if not (least or most or no_least or no_most or replace):
        return UNSET
    return LimitsPatch(
        minimum=_amounts(least),
        maximum=_amounts(most),
        drop_minimum=tuple(no_least or ()),
        drop_maximum=tuple(no_most or ()),
        replace=replace,
    )


def _amounts(texts: Iterable[str] | None) -> ResourceSlot:
    return ResourceSlot(parse_assignments(texts or ()))
