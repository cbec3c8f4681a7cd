"""What can be done with the programs that a session serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bai_manager.actions.base import ActionResult, Operation
from bai_manager.services.session.actions import SessionAction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from bai_manager.services.session_app.types import AppData


@dataclass(frozen=True, kw_only=True, slots=True)
class ListServicesActionResult(ActionResult):
    services: list[AppData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListServicesAction(SessionAction[ListServicesActionResult]):
    """List what the main kernel of a session can serve."""

    operation: ClassVar[Operation] = Operation.LIST_SERVICES


@dataclass(frozen=True, kw_only=True, slots=True)
class StartServiceActionResult(ActionResult):
    """``url`` is for a browser or a client of that protocol; None in a dry run."""

    session_id: UUID
    service: str
    protocol: str
    url: str | None

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartServiceAction(SessionAction[StartServiceActionResult]):
    """Start a service of the main kernel unless it runs, and make a way to it.

    ``port`` is one of its container ports, the first one when None. ``arguments`` and ``environ``
    are for a start only. ``open_to_public`` lets in whoever knows the address.
    """

    operation: ClassVar[Operation] = Operation.START_SERVICE

    service: str
    port: int | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    open_to_public: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ShutdownServiceActionResult(ActionResult):
    session_id: UUID
    service: str

    def entity_id(self) -> str | None:
        return str(self.session_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShutdownServiceAction(SessionAction[ShutdownServiceActionResult]):
    """Stop a service of the main kernel; one that does not run is no error."""

    operation: ClassVar[Operation] = Operation.SHUTDOWN_SERVICE

    service: str
