"""What an image says about itself, and the resources it needs (``value-types.md`` §10.2)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bai_manager.errors import InvalidInput
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.choice import Choice
from bai_manager.types.errors import InvalidImageLabel, InvalidSize
from bai_manager.types.resource_slot import ResourceSlot, Shortage
from bai_manager.types.service_port import parse_service_ports
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.json import JsonValue
    from bai_manager.types.service_port import ServicePort

PREFIX: Final = "ai.backend."
DEFAULT_SHMEM: Final = BinarySize(64 * 1024**2)
DEFAULT_MINIMUM: Final = ResourceSlot({"cpu": 1, "mem": 1073741824})
"""What an image needs that does not say."""

_MINIMUM: Final = f"{PREFIX}resource.min."
_MAXIMUM: Final = f"{PREFIX}resource.max."


class ImageRole(Choice):
    COMPUTE = "COMPUTE"
    INFERENCE = "INFERENCE"
    SYSTEM = "SYSTEM"


ROLE_OF_SESSION_TYPE: Final[Mapping[SessionType, ImageRole]] = {
    SessionType.INTERACTIVE: ImageRole.COMPUTE,
    SessionType.BATCH: ImageRole.COMPUTE,
    SessionType.INFERENCE: ImageRole.INFERENCE,
    SessionType.SYSTEM: ImageRole.SYSTEM,
}


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """A typed view of the labels; a property raises ``InvalidImageLabel`` for a bad value."""

    raw: Mapping[str, str]

    @property
    def kernelspec(self) -> int:
        text = self._get("kernelspec", "1")
        if text != "1":
            raise _invalid("kernelspec", text, "only version 1 is known")
        return 1

    @property
    def role(self) -> ImageRole:
        text = self._get("role", ImageRole.COMPUTE)
        try:
            return ImageRole.parse(text)
        except InvalidInput as error:
            raise _invalid("role", text, error.hint or error.message) from None

    @property
    def features(self) -> frozenset[str]:
        return frozenset(self._get("features", "uid-match").split())

    @property
    def base_distro(self) -> str | None:
        return self.raw.get(f"{PREFIX}base-distro")

    @property
    def runtime_type(self) -> str:
        return self._get("runtime-type", "app")

    @property
    def runtime_path(self) -> str:
        return self._get("runtime-path", "/bin/true")

    @property
    def corecount_variables(self) -> tuple[str, ...]:
        """Environment variables that a session sets to its number of cores."""
        return _words(self._get("envs.corecount"))

    @property
    def accelerators(self) -> tuple[str, ...]:
        return _words(self._get("accelerators"))

    @property
    def endpoint_ports(self) -> tuple[str, ...]:
        """Names of the services that answer inference requests."""
        return _words(self._get("endpoint-ports"))

    @property
    def service_ports(self) -> tuple[ServicePort, ...]:
        """Raises ``InvalidServicePorts``."""
        return parse_service_ports(self._get("service-ports"), self.endpoint_ports)

    @property
    def model_path(self) -> str | None:
        return self.raw.get(f"{PREFIX}model-path")

    @property
    def model_format(self) -> str | None:
        return self.raw.get(f"{PREFIX}model-format")

    @property
    def minimum(self) -> ResourceSlot:
        """Only the slots the labels name."""
        return self._amounts(_MINIMUM)

    @property
    def maximum(self) -> ResourceSlot:
        """Only the slots the labels name; the others have no maximum."""
        return self._amounts(_MAXIMUM)

    @property
    def preferred_shmem(self) -> BinarySize:
        """64 MiB where the label is missing or makes no sense."""
        try:
            return BinarySize.parse(self._get("resource.preferred.shmem"))
        except InvalidSize:
            return DEFAULT_SHMEM

    @property
    def customized_owner(self) -> str | None:
        """``user:<uuid>`` or ``project:<uuid>``, whose alone the image is."""
        return self.raw.get(f"{PREFIX}customized-image.owner")

    @property
    def customized_name(self) -> str | None:
        return self.raw.get(f"{PREFIX}customized-image.name")

    def check(self) -> None:
        """Read every label that sessions depend on, so that a wrong one is known now.

        Raises ``InvalidImageLabel`` and ``InvalidServicePorts``.
        """
        _ = self.kernelspec, self.service_ports, self.minimum, self.maximum
        if self.role is ImageRole.INFERENCE and not (self.model_path and self.model_format):
            raise InvalidImageLabel(
                "ai.backend.role=INFERENCE",
                "it also needs ai.backend.model-path and ai.backend.model-format",
                example="ai.backend.model-path=/models",
            )

    def _get(self, key: str, default: str = "") -> str:
        return self.raw.get(f"{PREFIX}{key}") or default

    def _amounts(self, prefix: str) -> ResourceSlot:
        amounts = {
            label.removeprefix(prefix): text
            for label, text in self.raw.items()
            if label.startswith(prefix)
        }
        try:
            return ResourceSlot(amounts)
        except InvalidInput as error:
            raise _invalid(prefix.removeprefix(PREFIX), str(amounts), error.message) from None


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a session with the image must ask for at least and may ask for at most.

    ``maximum`` has only the slots that are limited.
    """

    minimum: ResourceSlot
    maximum: ResourceSlot

    def including(self, shmem: int) -> ImageLimits:
        """Add the session's shared memory, which is taken from its memory, to the minimum."""
        return ImageLimits(self.minimum + ResourceSlot({"mem": shmem}), self.maximum)

    def below_minimum(self, request: ResourceSlot) -> tuple[Shortage, ...]:
        """Slots of which the request has less than needed: ``(slot, needed, requested)``."""
        return self.minimum.shortages(request)

    def above_maximum(self, request: ResourceSlot) -> tuple[Shortage, ...]:
        """Slots of which the request has more than allowed: ``(slot, requested, allowed)``."""
        limited = {name: amount for name, amount in request.items() if name in self.maximum}
        return ResourceSlot(limited).shortages(self.maximum)


def effective_limits(resources: JsonValue, labels: ImageLabels) -> ImageLimits:
    """Merge the column ``images.resources`` with the labels.

    The minimum is the larger of both (labels default to one core and 1 GiB), compared as
    numbers; the maximum is that of the column, else that of the label. Raises
    ``InvalidImageLabel`` and ``InvalidResourceSlot``.
    """
    custom = resources if isinstance(resources, dict) else {}
    least = _custom(custom, "min")
    most = _custom(custom, "max")
    needed = {**DEFAULT_MINIMUM, **labels.minimum}
    for name, amount in least.items():
        needed[name] = max(needed.get(name, Decimal(0)), amount)
    return ImageLimits(ResourceSlot(needed), ResourceSlot({**labels.maximum, **most}))


def _custom(resources: Mapping[str, JsonValue], bound: str) -> ResourceSlot:
    return ResourceSlot.from_json(
        {name: limit.get(bound) for name, limit in resources.items() if isinstance(limit, dict)}
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _invalid(label: str, text: str, why: str) -> InvalidImageLabel:
    return InvalidImageLabel(
        f"{PREFIX}{label}={text}", why, example=f"{PREFIX}resource.min.mem=256m"
    )
