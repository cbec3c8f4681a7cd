from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.types import status
from bai_manager.types.errors import InvalidChoice, NoKernels, UnusedKernelStatus
from bai_manager.types.status import (
    KERNEL_TRANSITIONS,
    SESSION_TRANSITIONS,
    AgentStatus,
    ClusterMode,
    KernelStatus,
    RouteStatus,
    SessionResult,
    SessionStatus,
    UserStatus,
    VFolderStatus,
    derive_session_status,
)

if TYPE_CHECKING:
    from bai_manager.types.choice import Choice

S = SessionStatus
K = KernelStatus


def kernels(text: str) -> list[KernelStatus]:
    return [KernelStatus(word) for word in text.split()]


@pytest.mark.parametrize(
    ("choice", "text", "member"),
    [
        (SessionStatus, "running", SessionStatus.RUNNING),
        (SessionStatus, "Running_Degraded", SessionStatus.RUNNING_DEGRADED),
        (SessionResult, "SUCCESS", SessionResult.SUCCESS),
        (VFolderStatus, "DELETE_PENDING", VFolderStatus.DELETE_PENDING),
        (VFolderStatus, "delete-pending", VFolderStatus.DELETE_PENDING),
        (UserStatus, "BEFORE_VERIFICATION", UserStatus.BEFORE_VERIFICATION),
        (ClusterMode, "SINGLE_NODE", ClusterMode.SINGLE_NODE),
        (ClusterMode, "multi-node", ClusterMode.MULTI_NODE),
        (RouteStatus, "failed-to-start", RouteStatus.FAILED_TO_START),
        (AgentStatus, " alive ", AgentStatus.ALIVE),
    ],
)
def test_words_are_read_in_any_case_with_dash_or_underscore(
    choice: type[Choice], text: str, member: Choice
) -> None:
    assert choice.parse(text) is member


def test_an_unknown_word_is_answered_with_similar_ones() -> None:
    with pytest.raises(InvalidChoice) as caught:
        SessionStatus.parse("runing")
    assert "'runing' is not a known session status" in caught.value.message
    assert "did you mean RUNNING" in (caught.value.hint or "")


def test_a_word_like_none_is_answered_with_the_whole_list() -> None:
    with pytest.raises(InvalidChoice) as caught:
        VFolderStatus.parse("???")
    assert (caught.value.hint or "").startswith("known values: ready, performing")


def test_errors_still_occupy_resources() -> None:
    assert S.ERROR not in status.SESSION_DEAD
    assert {S.ERROR, S.TERMINATING} <= status.SESSION_OCCUPYING
    assert frozenset(S) - status.SESSION_OCCUPYING == {S.PENDING, S.TERMINATED, S.CANCELLED}


def test_a_session_is_terminatable_between_pending_and_its_end() -> None:
    assert {
        S.SCHEDULED,
        S.PREPARING,
        S.PULLING,
        S.PREPARED,
        S.CREATING,
        S.RUNNING,
        S.RESTARTING,
        S.RUNNING_DEGRADED,
    } == status.SESSION_TERMINATABLE


def test_an_error_session_may_be_retried_but_a_running_one_not() -> None:
    assert S.ERROR in status.SESSION_RETRIABLE
    assert S.RUNNING not in status.SESSION_RETRIABLE
    assert S.TERMINATING not in status.SESSION_RETRIABLE
    assert K.ERROR in status.KERNEL_RETRIABLE


def test_an_error_session_keeps_being_found_by_name_but_frees_it() -> None:
    assert S.ERROR in status.SESSION_VISIBLE_BY_NAME
    assert S.ERROR not in status.SESSION_NAME_UNIQUE


def test_a_kernel_counts_once_as_occupied_or_requested() -> None:
    counted = status.KERNEL_RESOURCE_OCCUPIED, status.KERNEL_RESOURCE_REQUESTED
    assert not counted[0] & counted[1]
    assert counted[0] | counted[1] < status.KERNEL_OCCUPYING
    assert status.KERNEL_OCCUPYING - counted[0] - counted[1] == {
        K.ERROR,
        K.BUILDING,
        K.RESTARTING,
        K.RESIZING,
        K.SUSPENDED,
    }


def test_folder_sets() -> None:
    v = VFolderStatus
    assert {v.READY, v.PERFORMING, v.CLONING, v.MOUNTED} == status.VFOLDER_MOUNTABLE
    assert {v.ERROR, v.DELETE_PENDING} == status.VFOLDER_READABLE - status.VFOLDER_MOUNTABLE
    assert len(status.VFOLDER_DEAD) == 4
    assert {
        v.READY,
        v.DELETE_PENDING,
        v.DELETE_ONGOING,
        v.DELETE_ERROR,
    } == status.VFOLDER_DELETABLE_BY_FORCE


def test_every_status_has_its_transitions() -> None:
    assert set(SESSION_TRANSITIONS) == set(SessionStatus)
    assert set(KERNEL_TRANSITIONS) == set(KernelStatus)


@pytest.mark.parametrize("member", [S.TERMINATED, S.CANCELLED])
def test_a_dead_session_stays_dead(member: SessionStatus) -> None:
    assert not any(member.may_become(other) for other in S)


def test_no_status_follows_itself() -> None:
    assert not any(member.may_become(member) for member in S)
    assert not any(member.may_become(member) for member in K)


def test_the_checked_path_starts_running_only_from_creating_or_restarting() -> None:
    sources = {member for member in S if member.may_become(S.RUNNING)}
    assert sources == {S.CREATING, S.RESTARTING, S.RUNNING_DEGRADED}
    assert not S.PREPARED.may_become(S.CREATING)


def test_kernels_that_are_resized_may_not_go_back_in_line() -> None:
    assert frozenset(K) - KERNEL_TRANSITIONS[K.RESIZING] == {
        K.RESIZING,
        K.PENDING,
        K.SCHEDULED,
        K.TERMINATED,
    }


@pytest.mark.parametrize(
    ("kernel", "session"),
    [
        (K.RUNNING, S.RUNNING),
        (K.BUILDING, S.PREPARING),
        (K.RESIZING, S.RUNNING),
        (K.SUSPENDED, S.ERROR),
        (K.RESTARTING, S.RESTARTING),
        (K.CANCELLED, S.CANCELLED),
    ],
)
def test_one_kernel_gives_its_own_status(kernel: KernelStatus, session: SessionStatus) -> None:
    assert derive_session_status([kernel]) is session


@pytest.mark.parametrize(
    ("statuses", "session"),
    [
        ("PENDING PENDING", S.PENDING),
        ("PENDING CANCELLED", S.CANCELLED),
        ("PENDING RUNNING", S.ERROR),
        ("SCHEDULED PREPARED", S.SCHEDULED),
        ("SCHEDULED PULLING PREPARED", S.PULLING),
        ("SCHEDULED PREPARING", S.ERROR),
        ("PREPARING PULLING PREPARING", S.PULLING),
        ("PULLING PREPARING PREPARED", S.PULLING),
        ("PREPARED PREPARED", S.PREPARED),
        ("PREPARED PREPARING PULLING", S.PULLING),
        ("PREPARED CANCELLED PENDING", S.CANCELLED),
        ("CREATING RUNNING", S.CREATING),
        ("RUNNING CREATING RUNNING", S.CREATING),
        ("RUNNING RUNNING", S.RUNNING),
        ("RUNNING TERMINATED", S.ERROR),
        ("CANCELLED RUNNING", S.ERROR),
        ("TERMINATING TERMINATED", S.TERMINATING),
        ("TERMINATED TERMINATING", S.TERMINATING),
        ("TERMINATED TERMINATED", S.TERMINATED),
        ("RUNNING ERROR RUNNING", S.ERROR),
        ("ERROR RUNNING", S.ERROR),
    ],
)
def test_several_kernels_give_the_status_they_agree_on(
    statuses: str, session: SessionStatus
) -> None:
    assert derive_session_status(kernels(statuses)) is session


def test_a_session_without_kernels_has_no_status() -> None:
    with pytest.raises(NoKernels):
        derive_session_status([])


@pytest.mark.parametrize("statuses", ["SUSPENDED RUNNING", "RUNNING RESIZING"])
def test_several_kernels_never_are_in_an_unused_status(statuses: str) -> None:
    with pytest.raises(UnusedKernelStatus):
        derive_session_status(kernels(statuses))


def test_active_and_inactive_split_routes_and_endpoints() -> None:
    assert {
        RouteStatus.PROVISIONING,
        RouteStatus.HEALTHY,
        RouteStatus.UNHEALTHY,
        RouteStatus.DEGRADED,
    } == status.ROUTE_ACTIVE
    assert not status.ENDPOINT_ACTIVE & status.ENDPOINT_INACTIVE
    assert status.ENDPOINT_NEEDING_SCALING < status.ENDPOINT_ACTIVE
