from __future__ import annotations

from bai_manager.types.lifecycle import KernelLifecycleEventReason, SchedulerStatusInfo


def test_there_are_thirty_reasons_spelled_in_kebab_case() -> None:
    assert len(KernelLifecycleEventReason) == 30
    for reason in KernelLifecycleEventReason:
        assert reason.value == reason.name.lower().replace("_", "-")


def test_the_scheduler_spells_some_reasons_its_own_way() -> None:
    assert SchedulerStatusInfo.PENDING_TIMEOUT.value == "PENDING_TIMEOUT"
    assert KernelLifecycleEventReason.PENDING_TIMEOUT.value == "pending-timeout"
