"""What can go wrong between us and an app proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import BackendAIError, Conflict, TryAgain, Unreachable

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

_SHOWN = 300


class AppProxyUnreachable(Unreachable):
    """The app proxy refused, broke off, did not answer in time, or answered something else."""

    error_code = "endpoint_access_unreachable"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"The app proxy at {url} {why}.",
            hint="Its address is that of the resource group: 'bai-manager scaling-group show'.",
            details={"url": url},
        )


class AppProxyTokenRefused(Unreachable):
    """The app proxy does not accept the token of the resource group."""

    error_code = "endpoint_auth_unauthorized"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The app proxy at {url} does not accept the token of the resource group.",
            hint="Set the one of its configuration ([secrets] api_secret) with"
            " 'bai-manager scaling-group update NAME --wsproxy-api-token-file FILE'.",
            details={"url": url},
        )


class AppProxyBusy(TryAgain):
    """No worker of the app proxy made a way to the program in time."""

    error_code = "endpoint_create_unavailable"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"The app proxy at {url} made no way to the program: {why[:_SHOWN]}",
            hint="Its workers may be full or gone; try again in a while.",
            details={"url": url},
        )


class AppProxyRefused(BackendAIError):
    """The app proxy answered with a failure."""

    error_code = "endpoint_request_bad-request"

    def __init__(self, url: str, status: int, why: str) -> None:
        details: JsonObject = {"url": url, "status": status}
        super().__init__(
            f"The app proxy at {url} refused ({status}): {why[:_SHOWN]}", details=details
        )


class NoAppProxy(Conflict):
    """The resource group has no app proxy."""

    error_code = "scaling-group_read_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The session's resource group has no app proxy, so there is no way to its services.",
            hint="Name one with 'bai-manager scaling-group update NAME --wsproxy-addr URL'.",
        )
