"""Container registries: which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.container_registry.actions import (
    GetContainerRegistryActionResult,
    ListContainerRegistriesActionResult,
)

if TYPE_CHECKING:
    from bai_manager.repositories.container_registry import ContainerRegistryRepository
    from bai_manager.services.container_registry.actions import (
        GetContainerRegistryAction,
        ListContainerRegistriesAction,
    )


class ContainerRegistryService:
    """Reads container registries."""

    def __init__(self, *, registries: ContainerRegistryRepository) -> None:
        self._registries = registries

    async def list_container_registries(
        self, action: ListContainerRegistriesAction
    ) -> ListContainerRegistriesActionResult:
        """By name and project."""
        return ListContainerRegistriesActionResult(
            registries=await self._registries.list_registries(action.query)
        )

    async def get_container_registry(
        self, action: GetContainerRegistryAction
    ) -> GetContainerRegistryActionResult:
        """One of them."""
        return GetContainerRegistryActionResult(
            registry=await self._registries.get_registry(action.registry)
        )
