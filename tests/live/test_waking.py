"""Waking the manager: what is told, and what happens when nobody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from bai_manager.clients.cluster.memory import ClusterMemory
from bai_manager.clients.cluster.signals import ValkeyClientMissing, ValkeyUnreachable
from bai_manager.sokovan.gate import ClusterScheduler, SessionChange, Silence
from bai_manager.types.status import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGE = SessionChange(
    session_id=uuid4(),
    creation_id="c",
    access_key="AKIAIOSFODNN7EXAMPLE",
    status=SessionStatus.PENDING,
    reason="user-requested",
)


class Heard:
    def __init__(self, error: Exception | None = None) -> None:
        self.changes: list[SessionChange] = []
        self.error = error

    async def session_changed(self, change: SessionChange) -> None:
        if self.error is not None:
            raise self.error
        self.changes.append(change)


async def test_a_change_is_passed_on() -> None:
    heard, warnings = Heard(), list[str]()
    await ClusterScheduler(signals=heard, warn=warnings.append).changed(CHANGE)
    assert (heard.changes, warnings) == ([CHANGE], [])


async def test_a_manager_that_cannot_be_woken_is_a_warning_with_the_delay() -> None:
    warnings = list[str]()
    deaf = Heard(ValkeyUnreachable("Valkey does not answer"))
    await ClusterScheduler(signals=deaf, warn=warnings.append).changed(CHANGE)
    assert "up to a minute" in warnings[0]
    assert "Valkey does not answer" in warnings[0]


async def test_a_profile_without_valkey_warns() -> None:
    warnings = list[str]()
    await ClusterScheduler(signals=None, warn=warnings.append).changed(CHANGE)
    assert "valkey.url" in warnings[0]


async def test_a_dry_run_wakes_nobody_and_says_nothing() -> None:
    warnings = list[str]()
    scheduler = ClusterScheduler(signals=Silence(), warn=warnings.append)
    await scheduler.changed(CHANGE)
    await scheduler.advance()
    assert warnings == []


class Told:
    """A manager's memory that keeps what it was told, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[object] = []
        self.error = error

    async def forget_keypairs(self, access_keys: Sequence[str]) -> None:
        if self.error is not None:
            raise self.error
        self.told.append(access_keys)

    async def forget_presets(self) -> None:
        await self.forget_keypairs(["presets"])

    async def forget_room(self) -> None:
        await self.forget_keypairs(["room"])

    async def forget_usage(self) -> None:
        await self.forget_keypairs(["usage"])


async def test_what_a_manager_remembers_is_dropped() -> None:
    told, warnings = Told(), list[str]()
    memory = ClusterMemory(signals=told, warn=warnings.append)
    await memory.forget_keypairs(["AKIA"])
    await memory.forget_presets()
    await memory.forget_room()
    await memory.forget_usage()
    assert (told.told, warnings) == ([["AKIA"], ["presets"], ["room"], ["usage"]], [])


@pytest.mark.parametrize(
    ("signals", "reason"),
    [
        (None, "valkey.url"),
        (Told(ValkeyUnreachable("Valkey does not answer")), "Valkey does not answer"),
        (Told(ValkeyClientMissing("No client for Valkey")), "No client for Valkey"),
    ],
)
async def test_a_memory_that_cannot_be_dropped_is_a_warning(
    signals: Told | None, reason: str
) -> None:
    warnings = list[str]()
    memory = ClusterMemory(signals=signals, warn=warnings.append)
    await memory.forget_keypairs(["AKIA"])
    await memory.forget_presets()
    await memory.forget_room()
    await memory.forget_usage()
    assert all(reason in warning for warning in warnings)
    for warning, delay in zip(
        warnings,
        ("30 days", "up to a minute", "up to a quarter of a minute", "until that user's next"),
        strict=True,
    ):
        assert delay in warning
