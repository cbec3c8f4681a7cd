"""How the parts of a system are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bai_manager.errors import BackendAIError
from bai_manager.services.status.actions import GetStatusActionResult
from bai_manager.services.status.types import DependencyData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.services.status.actions import GetStatusAction
    from bai_manager.services.status.types import Answer, Probe

_LIMIT: Final = 10.0


class StatusService:
    """Asks every dependency, all at the same time."""

    def __init__(self, *, probes: Sequence[Probe]) -> None:
        self._probes = probes

    async def get_status(self, action: GetStatusAction) -> GetStatusActionResult:  # noqa: ARG002 - the action selects the method
        """One line for each dependency, in the profile's order."""
        return GetStatusActionResult(
            dependencies=list(await asyncio.gather(*map(_ask, self._probes)))
        )


async def _ask(probe: Probe) -> DependencyData:
    answer: Answer | None = None
    hint: str | None = None
    try:
        async with asyncio.timeout(_LIMIT):
            answer = await probe.ask()
    except TimeoutError:
        detail: str | None = f"no answer within {_LIMIT:g} s"
    except BackendAIError as error:
        detail, hint = error.message, error.hint
    else:
        detail = answer.detail
    return DependencyData(
        name=probe.name,
        address=probe.address,
        reachable=answer is not None,
        version=answer.version if answer else None,
        detail=detail,
        hint=hint,
    )
