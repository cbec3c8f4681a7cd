"""Images: what sessions can run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bai_manager.services.image.actions import (
    AliasImageActionResult,
    DealiasImageActionResult,
    ForgetImageActionResult,
    GetImageActionResult,
    ListImagesActionResult,
    PurgeImageActionResult,
    RegisterImageActionResult,
    UpdateImageActionResult,
)
from bai_manager.services.image.errors import InvalidImageDetail
from bai_manager.services.image.types import check_limits
from bai_manager.types.errors import InvalidResourceSlot
from bai_manager.types.image_labels import ImageLabels
from bai_manager.types.limits import check_amounts
from bai_manager.types.names import check_name
from bai_manager.types.tristate import UNSET

if TYPE_CHECKING:
    from bai_manager.repositories.image import ImageRepository
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
    from bai_manager.services.image.types import LimitsPatch
    from bai_manager.types.tristate import Maybe

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ALIAS_LENGTH: Final = 255


class ImageService:
    """Reads and changes images."""

    def __init__(self, *, images: ImageRepository) -> None:
        self._images = images

    async def list_images(self, action: ListImagesAction) -> ListImagesActionResult:
        """Images that are alive unless asked otherwise, with their aliases."""
        return ListImagesActionResult(images=await self._images.list_images(action.query))

    async def get_image(self, action: GetImageAction) -> GetImageActionResult:
        """One image; raises ``ImageNotFound`` and ``AmbiguousImage``."""
        image, use = await self._images.get_image(action.image, action.architecture)
        return GetImageActionResult(image=image, use=use)

    async def alias_image(self, action: AliasImageAction) -> AliasImageActionResult:
        """Add an alias; raises ``ImageAliasAlreadyExists`` and ``ImageNotFound``."""
        check_name(action.alias, "image alias", limit=_ALIAS_LENGTH, example="python")
        image, created = await self._images.alias_image(
            action.image,
            action.architecture,
            alias=action.alias,
            if_not_exists=action.if_not_exists,
        )
        return AliasImageActionResult(image=image, alias=action.alias, created=created)

    async def dealias_image(self, action: DealiasImageAction) -> DealiasImageActionResult:
        """Delete an alias; raises ``ImageAliasNotFound``."""
        found = await self._images.dealias_image(
            action.alias, ignore_not_found=action.ignore_not_found
        )
        image_id, name = found or (None, None)
        return DealiasImageActionResult(alias=action.alias, image_id=image_id, image_name=name)

    async def register_image(self, action: RegisterImageAction) -> RegisterImageActionResult:
        """Insert or restore an image.

        Raises ``ImageAlreadyExists``, ``RegistryNotFoundForImage`` and what is wrong with name,
        digest or labels.
        """
        registration = action.registration
        _check_facts(registration.digest, registration.size_bytes)
        ImageLabels(registration.labels).check()
        check_limits({}, registration.labels)
        image, outcome = await self._images.register_image(
            registration, if_not_exists=action.if_not_exists
        )
        return RegisterImageActionResult(image=image, outcome=outcome)

    async def update_image(self, action: UpdateImageAction) -> UpdateImageActionResult:
        """Change what is given; raises ``InvalidImageLimits`` and ``RowChanged``."""
        _check_facts(action.changes.digest, action.changes.size_bytes)
        if action.changes.limits is not UNSET:
            _check_amounts(action.changes.limits)
        image, changed = await self._images.update_image(
            action.image, action.architecture, action.changes, if_unchanged=action.if_unchanged
        )
        return UpdateImageActionResult(image=image, changed=changed)

    async def forget_image(self, action: ForgetImageAction) -> ForgetImageActionResult:
        """Mark an image as deleted; raises ``ImageNotFound`` and ``ImageAlreadyForgotten``."""
        return ForgetImageActionResult(
            image=await self._images.forget_image(action.image, action.architecture)
        )

    async def purge_image(self, action: PurgeImageAction) -> PurgeImageActionResult:
        """Delete an image that nothing is made of; raises ``ImageInUse``."""
        return PurgeImageActionResult(
            image=await self._images.purge_image(action.image, action.architecture)
        )


def _check_facts(digest: Maybe[str], size_bytes: Maybe[int]) -> None:
    """Raise ``InvalidImageDetail`` for a digest or a size that no image has."""
    if digest is not UNSET and not _DIGEST.fullmatch(digest):
        raise InvalidImageDetail(
            f"{digest!r} is no digest of an image's configuration.",
            hint="It is sha256: and 64 hexadecimal digits.",
        )
    if size_bytes is not UNSET and size_bytes < 0:
        raise InvalidImageDetail("An image has no size below zero.")


def _check_amounts(limits: LimitsPatch) -> None:
    """Raise ``InvalidResourceSlot`` for what is no amount, or one without end."""
    for amounts in (limits.minimum, limits.maximum):
        check_amounts(amounts)
        for slot, amount in amounts.items():
            if amount.is_infinite():
                raise InvalidResourceSlot(
                    f"{slot}={amount}", "what is not limited is not named", example="mem=8g"
                )
