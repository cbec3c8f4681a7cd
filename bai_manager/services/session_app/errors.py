"""What can go wrong with the services of sessions (codes: ``reference/actions.md`` §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


class AppNotFound(NotFound):
    """The session has no service of that name."""

    error_code = "backendai_read_not-found"

    def __init__(self, session: str, service: str, known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none"
        super().__init__(
            f"Session {session!r} has no service {service!r}; it has: {listed}.",
            hint=f"List them with 'bai-manager session service list {session}'.",
            details={"session": session, "service": service, "known": [*known]},
        )


class InferenceApp(InvalidInput):
    """The service answers inference requests, which go through the endpoint."""

    error_code = "endpoint_access_invalid-parameters"

    def __init__(self, service: str) -> None:
        super().__init__(
            f"{service} answers inference requests.", hint="Use the address of its model service."
        )


class InvalidAppPort(InvalidInput):
    """The service does not listen on that port."""

    error_code = "session_execute_invalid-parameters"

    def __init__(self, service: str, port: int, known: Sequence[int]) -> None:
        listed = ", ".join(map(str, known))
        super().__init__(
            f"{service} does not listen on port {port}.", hint=f"Its ports are: {listed}."
        )


class AppNotMapped(Conflict):
    """No port of the agent leads to the service."""

    error_code = "kernel_read_not-ready"

    def __init__(self, service: str) -> None:
        super().__init__(
            f"No port of the agent leads to {service}.",
            hint="Create the session anew; see its ports with 'bai-manager session show'.",
        )
