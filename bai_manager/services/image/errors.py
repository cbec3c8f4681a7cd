"""What can go wrong with images (codes: ``reference/services.md`` §14).

That there is none of a name is ``services/session/errors.py``, where images are looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from bai_manager.services.image.types import ImageUse


class AmbiguousImage(InvalidInput):
    """One name stands for images of several architectures, or the beginning of an id for more."""

    error_code = "image_read_conflict"

    def __init__(self, image: str, found: Sequence[str]) -> None:
        super().__init__(
            f"{image!r} could be any of {len(found)} images: {', '.join(found)}.",
            hint="Say which with --architecture, or name it by its whole id.",
            details={"image": image, "found": [*found]},
        )


class ImageAlreadyForgotten(NotFound):
    """Only an image that is ALIVE can be used, aliased or forgotten."""

    error_code = "image_soft-delete_not-found"

    def __init__(self, image: str) -> None:
        super().__init__(
            f"The image {image!r} is forgotten already.",
            hint="To use it again: 'bai-manager image register'. To be rid of its row:"
            " 'bai-manager image purge'.",
            details={"image": image},
        )


class ImageAliasNotFound(NotFound):
    """No image has that alias."""

    error_code = "image-alias_read_not-found"

    def __init__(self, alias: str) -> None:
        super().__init__(
            f"There is no alias {alias!r}.",
            hint="Aliases are listed by 'bai-manager image list'.",
            details={"alias": alias},
        )


class ImageAliasAlreadyExists(Conflict):
    """An alias stands for one image only."""

    error_code = "image-alias_update_already-exists"

    def __init__(self, alias: str, *, image: str, forgotten: bool) -> None:
        said = f"{image}, which is forgotten" if forgotten else image
        super().__init__(
            f"The alias {alias!r} stands for {said}.",
            hint=f"Take it away first: bai-manager image dealias {alias}",
            details={"alias": alias, "image": image},
        )


class ImageAlreadyExists(Conflict):
    """An image of that name and architecture can be used already."""

    error_code = "image_create_already-exists"

    def __init__(self, image: str, architecture: str) -> None:
        super().__init__(
            f"The image {image!r} for {architecture} is registered already.",
            hint="Change it with 'bai-manager image update', or give --if-not-exists to leave it"
            " as it is.",
            details={"image": image, "architecture": architecture},
        )


class ImageInUse(Conflict):
    """Kernels or model services are made of it."""

    error_code = "image_purge_conflict"

    def __init__(self, image: str, use: ImageUse) -> None:
        super().__init__(
            f"The image {image!r} is in use: {use.kernels} kernels that have not ended,"
            f" {use.endpoints} model services.",
            hint="So that nothing new is made of it, forget it: 'bai-manager image forget'.",
            details={"image": image, "kernels": use.kernels, "endpoints": use.endpoints},
        )


class RegistryNotFoundForImage(NotFound):
    """The name begins with no registry and project that is known."""

    error_code = "container-registry_read_not-found"

    def __init__(self, image: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No container registry is known that {image!r} could be in.",
            hint=f"A canonical name begins with one of: {', '.join(known) or 'none is known'}.",
            details={"image": image, "known": [*known]},
        )


class InvalidImageLimits(InvalidInput):
    """The least that an image takes is more than the most."""

    error_code = "image_update_invalid-parameters"

    def __init__(self, slot: str, *, least: Decimal, most: Decimal) -> None:
        super().__init__(
            f"Of {slot} the image would take at least {least} and at most {most}: nothing fits.",
            hint="Labels of the image count too: see 'bai-manager image show'.",
            details={"slot": slot, "minimum": str(least), "maximum": str(most)},
        )


class InvalidImageDetail(InvalidInput):
    """A digest, a size or a name that no image has."""

    error_code = "image_create_invalid-parameters"
