"""Images: what sessions can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.image.actions import ListImagesActionResult

if TYPE_CHECKING:
    from bai_manager.repositories.image import ImageRepository
    from bai_manager.services.image.actions import ListImagesAction


class ImageService:
    """Reads images."""

    def __init__(self, *, images: ImageRepository) -> None:
        self._images = images

    async def list_images(self, action: ListImagesAction) -> ListImagesActionResult:
        """Images that are alive, with their aliases."""
        return ListImagesActionResult(images=await self._images.list_images(action.query))
