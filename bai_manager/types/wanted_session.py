"""A kind of session in one text: ``cpu=2,mem=4g,type=batch,cluster-size=4``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidValue
from bai_manager.types.resource_slot import ResourceSlot, parse_assignments
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from typing import Self

EXAMPLE: Final = "cpu=2,mem=4g,cluster-size=2,type=batch"
MOST_KERNELS: Final = 10_000


class InvalidSessionSpec(InvalidValue):
    """What was written is no kind of session."""

    noun = "session spec"
    error_code = "session_parsing_invalid-parameters"


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedSession:
    """What decides whether a session of a kind fits; ``resources`` are those of each kernel."""

    resources: ResourceSlot
    session_type: SessionType = SessionType.INTERACTIVE
    cluster_size: int = 1
    cluster_mode: ClusterMode = ClusterMode.SINGLE_NODE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read slots and ``type``, ``cluster-size``, ``cluster-mode``, in any order.

        Raises ``InvalidSessionSpec``, ``InvalidResourceSlot`` and ``InvalidChoice``.
        """
        given = parse_assignments(part.strip() for part in text.split(",") if part.strip())
        kind = given.pop("type", SessionType.INTERACTIVE.value)
        mode = given.pop("cluster-mode", ClusterMode.SINGLE_NODE.value)
        size = given.pop("cluster-size", "1")
        resources = ResourceSlot.from_user_input(given, None)
        if not resources:
            raise InvalidSessionSpec(text, "it asks for nothing", example=EXAMPLE)
        if not (size.isascii() and size.isdigit() and 0 < int(size) <= MOST_KERNELS):
            raise InvalidSessionSpec(
                text, f"cluster-size lies between 1 and {MOST_KERNELS}", example=EXAMPLE
            )
        return cls(
            resources=resources,
            session_type=SessionType.parse(kind),
            cluster_size=int(size),
            cluster_mode=ClusterMode.parse(mode),
        )

    @property
    def requested(self) -> ResourceSlot:
        """What all kernels take together."""
        return ResourceSlot(
            {slot: amount * self.cluster_size for slot, amount in self.resources.items()}
        )
