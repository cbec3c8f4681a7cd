"""What an image looks like to whoever administers it, and what is set in it.

``reference/services.md`` §14, ``reference/value-types.md`` §10.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bai_manager.services.image.errors import InvalidImageLimits
from bai_manager.types.image_labels import ImageLabels, effective_limits
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ImageType
from bai_manager.types.tristate import UNSET, Maybe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from bai_manager.types.json import JsonObject
    from bai_manager.types.status import ImageStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDetails:
    """One image row.

    ``minimum`` and ``maximum`` are what binds a session: ``resources`` merged with the labels;
    None where the labels make no sense. ``owner`` is whose customized image it is.
    """

    id: UUID
    name: str
    registry: str
    project: str | None
    tag: str | None
    architecture: str
    digest: str
    is_local: bool
    labels: Mapping[str, str]
    resources: JsonObject
    aliases: list[str]
    status: ImageStatus
    type: ImageType
    size_bytes: int
    accelerators: str | None
    minimum: ResourceSlot | None
    maximum: ResourceSlot | None
    owner: str | None
    created_at: datetime | None
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageUse:
    """What is made of an image: kernels that have not ended, and model services."""

    kernels: int
    endpoints: int

    def __bool__(self) -> bool:
        return bool(self.kernels or self.endpoints)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRegistration:
    """What is known of an image that exists in a registry; ``name`` is the canonical one."""

    name: str
    architecture: str
    digest: str
    size_bytes: int = 0
    type: ImageType = ImageType.COMPUTE
    accelerators: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Registered(StrEnum):
    """What registering an image came to."""

    CREATED = "created"
    RESTORED = "restored"
    """It had been forgotten."""
    EXISTED = "existed"


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitsPatch:
    """What becomes of the column ``resources``: ``{slot: {"min": text, "max": text | null}}``."""

    minimum: ResourceSlot = field(default_factory=ResourceSlot)
    maximum: ResourceSlot = field(default_factory=ResourceSlot)
    drop_minimum: tuple[str, ...] = ()
    drop_maximum: tuple[str, ...] = ()
    replace: bool = False

    def applied_to(self, resources: JsonObject) -> JsonObject:
        """The column as it will be; a slot without either limit is not in it."""
        least = {} if self.replace else _limits(resources, "min")
        most = {} if self.replace else _limits(resources, "max")
        for limits, put, drop in (
            (least, self.minimum, self.drop_minimum),
            (most, self.maximum, self.drop_maximum),
        ):
            for slot in drop:
                limits.pop(slot, None)
            limits.update({slot: str(amount) for slot, amount in put.to_json().items()})
        return {
            slot: {"min": least.get(slot, "0"), "max": most.get(slot)}
            for slot in sorted(least.keys() | most.keys())
            if least.get(slot, "0") != "0" or slot in most
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageChanges:
    """What an update sets."""

    limits: Maybe[LimitsPatch] = UNSET
    digest: Maybe[str] = UNSET
    size_bytes: Maybe[int] = UNSET
    type: Maybe[ImageType] = UNSET
    is_local: Maybe[bool] = UNSET
    accelerators: Maybe[str | None] = UNSET


def check_limits(resources: JsonObject, labels: Mapping[str, str]) -> None:
    """Raise ``InvalidImageLimits`` where nothing lies between the least and the most."""
    limits = effective_limits(resources, ImageLabels(labels))
    for slot, most in limits.maximum.items():
        least = limits.minimum.get(slot)
        if least is not None and least > most:
            raise InvalidImageLimits(slot, least=least, most=most)


def _limits(resources: JsonObject, bound: str) -> dict[str, str]:
    found = {slot: limit.get(bound) for slot, limit in resources.items() if isinstance(limit, dict)}
    return {slot: str(amount) for slot, amount in found.items() if amount is not None}
