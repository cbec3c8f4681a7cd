"""The rules of session creation, with repositories that only remember what they were asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock, create_autospec
from uuid import UUID

import pytest

from bai_manager.errors import ExitCode
from bai_manager.repositories.image import ImageRepository
from bai_manager.repositories.occupancy import QuotaState
from bai_manager.repositories.open_groups import AllowedGroup, OpenGroupRepository
from bai_manager.repositories.owner import OwnerRepository
from bai_manager.repositories.session import SessionRepository
from bai_manager.repositories.session_records import SessionRecordRepository
from bai_manager.services.session.actions import CreateSessionAction
from bai_manager.services.session.creation import Creation
from bai_manager.services.session.errors import (
    InvalidSessionParameters,
    NoAgentLargeEnough,
    NoAvailableScalingGroup,
    QuotaExceeded,
    SessionAlreadyExists,
)
from bai_manager.services.session.request import SessionRequest
from bai_manager.services.session.service import SessionService
from bai_manager.services.session.types_request import ImageData, OwnerData
from bai_manager.sokovan.snapshot import AgentSnapshot, KeypairLimits, Limits, Occupancy
from bai_manager.types.errors import InvalidName, UnknownResourceSlot
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionStatus, SessionType

if TYPE_CHECKING:
    from bai_manager.services.session.types_request import SessionSpec

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIB, MIB = 1 << 30, 1 << 20
KEY, USER, PROJECT = "AKIAALICE", UUID(int=1), UUID(int=2)
PUBLIC_TYPES = frozenset({SessionType.INTERACTIVE, SessionType.BATCH})

OWNER = OwnerData(
    access_key=KEY,
    user_id=USER,
    email="alice@example.com",
    username="alice",
    domain_name="default",
    bootstrap_script="",
    sudo_session_enabled=False,
)
IMAGE = ImageData(
    id=UUID(int=3),
    name="local/stable/python:3.11-host",
    registry="local",
    project="stable",
    tag="3.11-host",
    architecture="x86_64",
    digest="sha256:0",
    is_local=True,
    labels={"ai.backend.resource.min.cpu": "1", "ai.backend.resource.min.mem": "256m"},
    resources={},
    aliases=["python"],
)
AGENT = AgentSnapshot(
    id="i-local",
    addr="local://",
    architecture="x86_64",
    available=ResourceSlot({"cpu": 4, "mem": 8 * GIB, "cuda.device": 2}),
)


def _group(
    name: str = "default",
    *,
    is_public: bool = True,
    types: frozenset[SessionType] = PUBLIC_TYPES,
    fragments: bool = True,
) -> AllowedGroup:
    return AllowedGroup(
        name=name,
        is_public=is_public,
        session_types=types,
        allow_fractional_resource_fragmentation=fragments,
    )


def _action(**changed: Any) -> CreateSessionAction:
    return CreateSessionAction(**{"name": "train-1", "image": "python", "owner": KEY, **changed})


def _spec(
    action: CreateSessionAction,
    *,
    image: ImageData = IMAGE,
    owner: OwnerData = OWNER,
    group: AllowedGroup | None = None,
    agents: tuple[AgentSnapshot, ...] = (AGENT,),
) -> SessionSpec:
    return SessionRequest(action).build(
        session_id=UUID(int=9),
        creation_id="creation",
        owner=owner,
        image=image,
        domain_name="default",
        group_id=PROJECT,
        scaling_group=group or _group(),
        agents=agents,
        dotfiles=(),
        now=NOW,
    )


def _image(**labels: str) -> ImageData:
    """The image with labels below ``ai.backend.resource``, written with ``_`` for ``.``."""
    named = {f"ai.backend.resource.{name.replace('_', '.')}": text for name, text in labels.items()}
    return replace(IMAGE, labels={**IMAGE.labels, **named})


# What makes no sense


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cluster_size": 0}, "at least one kernel"),
        ({"cluster_size": 10_001}, "more than a session can have"),
        ({"priority": -1}, "Priority -1 is outside 0 to 100"),
        ({"priority": 101}, "Priority 101 is outside 0 to 100"),
        ({"tag": "x" * 65}, "tag is 65 characters long"),
        ({"bootstrap_script": "x" * 16_385}, "bootstrap script is 16385 characters long"),
    ],
    ids=str,
)
def test_numbers_and_texts_outside_their_bounds_are_refused(
    changed: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidSessionParameters, match=message):
        SessionRequest(_action(**changed))


@pytest.mark.parametrize(
    "changed",
    [{"priority": 0}, {"priority": 100}, {"cluster_size": 10_000}, {"tag": "x" * 64}],
    ids=str,
)
def test_the_bounds_themselves_are_accepted(changed: dict[str, object]) -> None:
    SessionRequest(_action(**changed))


@pytest.mark.parametrize("name", ["abc", "-train", "two words", "from-template", "a" * 65])
def test_a_name_that_breaks_the_rules_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        SessionRequest(_action(name=name))


@pytest.mark.parametrize("command", [None, "", "  "], ids=repr)
def test_a_batch_session_needs_a_command(command: str | None) -> None:
    with pytest.raises(InvalidSessionParameters, match="needs a command"):
        SessionRequest(_action(session_type=SessionType.BATCH, startup_command=command))


@pytest.mark.parametrize("changed", [{"starts_at": NOW}, {"batch_timeout": 60}], ids=str)
def test_a_start_time_and_a_batch_timeout_are_for_batch_sessions(
    changed: dict[str, object],
) -> None:
    with pytest.raises(InvalidSessionParameters, match="for batch sessions only"):
        SessionRequest(_action(**changed))
    batch = {"session_type": SessionType.BATCH, "startup_command": "make", **changed}
    assert SessionRequest(_action(**batch)).action.startup_command == "make"


def test_a_batch_timeout_of_nothing_is_refused() -> None:
    batch = {"session_type": SessionType.BATCH, "startup_command": "make", "batch_timeout": 0}
    with pytest.raises(InvalidSessionParameters, match="at least one second"):
        SessionRequest(_action(**batch))


# Slots


def test_what_is_not_asked_for_is_what_the_image_needs_with_its_shared_memory() -> None:
    spec = _spec(_action())
    assert spec.kernels[0].requested_slots == ResourceSlot({"cpu": 1, "mem": (256 + 64) * MIB})
    assert spec.resource_opts["shmem"] == 64 * MIB


def test_an_image_that_says_nothing_needs_a_core_and_a_gigabyte() -> None:
    spec = _spec(_action(), image=replace(IMAGE, labels={}))
    assert spec.kernels[0].requested_slots == ResourceSlot({"cpu": 1, "mem": GIB + 64 * MIB})


def test_shared_memory_is_the_image_s_wish_unless_asked_for() -> None:
    image = _image(preferred_shmem="1g")
    assert _spec(_action(), image=image).resource_opts["shmem"] == GIB
    asked = _spec(_action(shmem="128m"), image=image)
    assert asked.resource_opts["shmem"] == 128 * MIB
    assert asked.kernels[0].requested_slots["mem"] == (256 + 128) * MIB


def test_what_is_asked_for_is_taken_as_typed() -> None:
    spec = _spec(_action(resources={"cpu": "1.5", "mem": "2g", "cuda.device": "1"}))
    assert spec.kernels[0].requested_slots == ResourceSlot(
        {"cpu": Decimal("1.5"), "mem": 2 * GIB, "cuda.device": 1}
    )


def test_a_slot_of_nothing_is_left_out() -> None:
    spec = _spec(_action(resources={"cuda.device": "0", "rocm.device": "0"}))
    assert set(spec.kernels[0].requested_slots) == {"cpu", "mem"}


def test_a_slot_that_no_agent_offers_is_unknown() -> None:
    with pytest.raises(UnknownResourceSlot, match=r"cuda\.devices"):
        _spec(_action(resources={"cuda.devices": "1"}))


@pytest.mark.parametrize(
    ("resources", "slot"),
    [({"cpu": "0.5"}, "cpu"), ({"mem": "300m"}, "mem"), ({"cpu": "0.5", "mem": "4g"}, "cpu")],
    ids=str,
)
def test_less_than_the_image_needs_is_refused_slot_by_slot(
    resources: dict[str, str], slot: str
) -> None:
    with pytest.raises(InvalidSessionParameters, match="needs at least") as refused:
        _spec(_action(resources=resources))
    assert refused.value.hint == f"Ask for more of: {slot}."


def test_an_image_may_need_what_is_no_core_and_no_memory() -> None:
    image = _image(min_cuda_device="1")
    with pytest.raises(InvalidSessionParameters, match="needs at least") as refused:
        _spec(_action(), image=image)
    assert refused.value.hint == "Ask for more of: cuda.device."
    assert _spec(_action(resources={"cuda.device": "1"}), image=image)


def test_more_than_the_image_takes_is_refused() -> None:
    image = _image(max_cpu="2")
    with pytest.raises(InvalidSessionParameters, match="takes at most") as refused:
        _spec(_action(resources={"cpu": "3", "cuda.device": "1"}), image=image)
    assert refused.value.hint == "Ask for less of: cpu."
    assert _spec(_action(resources={"cpu": "2", "cuda.device": "1"}), image=image)


def test_custom_limits_of_the_image_row_count_as_well() -> None:
    image = replace(IMAGE, resources={"cpu": {"min": "2", "max": "3"}})
    assert _spec(_action(), image=image).kernels[0].requested_slots["cpu"] == 2
    with pytest.raises(InvalidSessionParameters, match="takes at most"):
        _spec(_action(resources={"cpu": "4"}), image=image)


def test_shared_memory_that_leaves_no_memory_is_refused() -> None:
    image = replace(IMAGE, labels={"ai.backend.resource.min.mem": "0"})
    with pytest.raises(InvalidSessionParameters, match="does not leave anything"):
        _spec(_action(shmem="1g", resources={"mem": "1g"}), image=image)


# Agents


def test_a_request_that_no_agent_could_ever_hold_is_refused_with_what_there_is() -> None:
    with pytest.raises(NoAgentLargeEnough, match="even when empty") as refused:
        _spec(_action(resources={"cpu": "5"}))
    assert refused.value.exit_code is ExitCode.CONFLICT
    assert refused.value.details["level"] == "agent"
    assert "i-local" in (refused.value.hint or "")


def test_with_queue_it_may_wait_for_a_larger_agent() -> None:
    assert _spec(_action(resources={"cpu": "5"}, queue=True)).queue
    assert _spec(_action(queue=True), agents=())


def test_an_agent_of_another_architecture_does_not_count() -> None:
    with pytest.raises(NoAgentLargeEnough, match="even when empty"):
        _spec(_action(), agents=(replace(AGENT, architecture="aarch64"),))


def test_the_kernels_of_one_node_have_to_fit_together_those_of_several_do_not() -> None:
    cluster = {"cluster_size": 3, "resources": {"cpu": "2"}}
    with pytest.raises(NoAgentLargeEnough):
        _spec(_action(**cluster, cluster_mode=ClusterMode.SINGLE_NODE))
    spec = _spec(_action(**cluster, cluster_mode=ClusterMode.MULTI_NODE))
    assert len(spec.kernels) == 3


def test_an_agent_that_is_full_now_is_large_enough() -> None:
    assert _spec(_action(), agents=(replace(AGENT, occupied=AGENT.available),))


# Kernels and what else is enqueued


def test_kernels_are_one_main_and_its_subs_by_number() -> None:
    spec = _spec(_action(cluster_size=3))
    named = [
        (kernel.cluster_role, kernel.cluster_idx, kernel.local_rank, kernel.cluster_hostname)
        for kernel in spec.kernels
    ]
    assert named == [("main", 1, 0, "main1"), ("sub", 1, 1, "sub1"), ("sub", 2, 2, "sub2")]
    assert len({kernel.requested_slots for kernel in spec.kernels}) == 1


def test_the_session_is_the_owner_s_in_the_group_s_terms() -> None:
    spec = _spec(_action(tag="night", priority=50), group=_group("gpu", fragments=False))
    assert (spec.access_key, spec.user_id, spec.group_id) == (KEY, USER, PROJECT)
    assert (spec.domain_name, spec.scaling_group) == ("default", "gpu")
    assert (spec.image, spec.registry, spec.architecture) == (IMAGE.name, "local", "x86_64")
    assert (spec.tag, spec.priority, spec.created_at) == ("night", 50, NOW)
    assert spec.resource_opts["allow_fractional_resource_fragmentation"] is False


def test_the_bootstrap_script_is_the_request_s_else_the_key_pair_s() -> None:
    owner = replace(OWNER, bootstrap_script="theirs")
    assert _spec(_action(bootstrap_script="mine"), owner=owner).bootstrap_script == "mine"
    assert _spec(_action(), owner=owner).bootstrap_script == "theirs"
    assert _spec(_action()).bootstrap_script is None


def test_sudo_is_for_users_who_may() -> None:
    owner = replace(OWNER, sudo_session_enabled=True)
    spec = _spec(_action(environ={"A": "1"}), owner=owner)
    assert spec.environ == {"A": "1", "SUDO_SESSION_ENABLED": "1"}
    assert _spec(_action(environ={"A": "1"})).environ == {"A": "1"}


# The resource group


def test_the_first_open_group_that_takes_such_sessions_is_chosen() -> None:
    allowed = [
        _group("a-batch", types=frozenset({SessionType.BATCH})),
        _group("b-private", is_public=False),
        _group("c-open"),
        _group("d-open"),
    ]
    assert SessionRequest(_action()).choose_group(allowed).name == "c-open"


def test_the_group_asked_for_is_taken_if_it_is_open_and_fits() -> None:
    allowed = [_group("a"), _group("b", types=frozenset({SessionType.BATCH}))]
    assert SessionRequest(_action(scaling_group="a")).choose_group(allowed).name == "a"
    with pytest.raises(NoAvailableScalingGroup, match="takes interactive sessions"):
        SessionRequest(_action(scaling_group="b")).choose_group(allowed)
    with pytest.raises(NoAvailableScalingGroup, match="'c' is not open") as refused:
        SessionRequest(_action(scaling_group="c")).choose_group(allowed)
    assert refused.value.hint == "Open to this owner: a, b."


def test_without_any_group_the_owner_learns_so() -> None:
    with pytest.raises(NoAvailableScalingGroup, match="No resource group is open"):
        SessionRequest(_action()).choose_group([])


def test_private_groups_are_for_system_sessions() -> None:
    private = _group("sftp", is_public=False, types=frozenset({SessionType.SYSTEM}))
    system = SessionRequest(_action(session_type=SessionType.SYSTEM))
    assert system.choose_group([_group(), private]).name == "sftp"


# Quotas

LEVELS = ("keypair", "user", "project", "domain")


def _state(
    limited: str | None = None,
    *,
    cpu: int = 3,
    used: int = 0,
    containers: int = 16,
    **keypair: Any,
) -> QuotaState:
    """A limit of ``cpu`` cores at one level, of which ``used`` are in use."""
    limit, use = ResourceSlot({"cpu": cpu, "mem": 64 * GIB}), ResourceSlot({"cpu": used})
    of_keypair = KeypairLimits(resource_slots=limit if limited == "keypair" else None, **keypair)
    return QuotaState(
        limits=Limits(
            keypairs={KEY: of_keypair},
            users={USER: limit if limited == "user" else None},
            groups={PROJECT: limit if limited == "project" else None},
            domains={"default": limit if limited == "domain" else None},
        ),
        occupancy=Occupancy(
            keypairs={KEY: use},
            users={USER: use},
            groups={PROJECT: use},
            domains={"default": use},
            session_counts={KEY: 2},
            sftp_counts={KEY: 1},
            pending_counts={KEY: 1},
            pending_slots={KEY: use},
        ),
        max_containers_per_session=containers,
        known_slots=frozenset({"cpu", "mem"}),
    )


def _check(action: CreateSessionAction, state: QuotaState) -> None:
    SessionRequest(action).check_quota(_spec(action))(state)


def _refused(action: CreateSessionAction, state: QuotaState) -> QuotaExceeded:
    with pytest.raises(QuotaExceeded) as refused:
        _check(action, state)
    assert refused.value.exit_code is ExitCode.CONFLICT
    return refused.value


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_that_binds_is_named_with_its_numbers(level: str) -> None:
    error = _refused(_action(resources={"cpu": "2"}), _state(level, cpu=3, used=2))
    assert error.message.startswith(f"The {level} quota of ")
    assert "cpu: limit=3, current=2, requested=2" in error.message
    assert error.details["level"] == level
    assert error.details["slots"] == [{"slot": "cpu", "limit": "3", "used": "2", "requested": "2"}]
    assert "--queue" in (error.hint or "")


@pytest.mark.parametrize("level", LEVELS)
def test_what_fits_exactly_is_accepted(level: str) -> None:
    _check(_action(resources={"cpu": "1"}), _state(level, cpu=3, used=2))


@pytest.mark.parametrize("level", LEVELS)
def test_with_queue_what_could_fit_later_waits(level: str) -> None:
    _check(_action(resources={"cpu": "2"}, queue=True), _state(level, cpu=3, used=2))


@pytest.mark.parametrize("level", LEVELS)
def test_with_queue_what_can_never_fit_is_refused_all_the_same(level: str) -> None:
    error = _refused(_action(resources={"cpu": "4"}, queue=True), _state(level, cpu=3))
    assert "--queue" not in (error.hint or "")


def test_all_kernels_of_a_session_count() -> None:
    error = _refused(_action(cluster_size=4), _state("keypair", cpu=3))
    assert error.details["slots"] == [{"slot": "cpu", "limit": "3", "used": "0", "requested": "4"}]


def test_a_limit_that_never_fits_is_named_before_one_that_is_only_in_use() -> None:
    state = _state("domain", cpu=1, used=1)
    tight = replace(
        state.limits,
        keypairs={KEY: KeypairLimits(resource_slots=ResourceSlot({"cpu": 2, "mem": 64 * GIB}))},
    )
    error = _refused(_action(resources={"cpu": "2"}), replace(state, limits=tight))
    assert error.details["level"] == "domain"


def test_the_number_of_sessions_is_limited_by_the_key_pair() -> None:
    error = _refused(_action(), _state(max_concurrent_sessions=2))
    assert error.details == {"level": "keypair", "limit": 2, "used": 2, "requested": 1}
    assert "may have 2 concurrent sessions and has 2" in error.message
    _check(_action(), _state(max_concurrent_sessions=3))
    _check(_action(queue=True), _state(max_concurrent_sessions=2))


def test_system_sessions_have_a_limit_of_their_own() -> None:
    system = _action(session_type=SessionType.SYSTEM)
    _check(system, _state(max_concurrent_sessions=2, max_concurrent_sftp_sessions=2))
    error = _refused(system, _state(max_concurrent_sftp_sessions=1))
    assert "SFTP" in error.message


@pytest.mark.parametrize("limit", [None, 0, -1])
def test_no_limit_on_sessions_is_no_limit(limit: int | None) -> None:
    _check(_action(), _state(max_concurrent_sessions=limit))


def test_the_number_of_kernels_in_a_session_is_limited_even_with_queue() -> None:
    for queue in (False, True):
        error = _refused(_action(cluster_size=3, queue=queue), _state(containers=2))
        assert error.details == {"level": "keypair", "limit": 2, "used": 0, "requested": 3}
    _check(_action(cluster_size=2), _state(containers=2))


def test_who_waits_counts_against_the_limits_on_waiting() -> None:
    for queue in (False, True):
        error = _refused(_action(queue=queue), _state(max_pending_session_count=1))
        assert "pending sessions" in error.message
        _check(_action(queue=queue), _state(max_pending_session_count=2))


def test_what_those_who_wait_ask_for_is_limited() -> None:
    state = _state(used=1, max_pending_session_resource_slots=ResourceSlot({"cpu": 2}))
    error = _refused(_action(queue=True, resources={"cpu": "2"}), state)
    assert error.details["level"] == "queue"
    _check(_action(queue=True), state)


# The service


class Stage:
    """A service whose repositories answer as they were told to."""

    def __init__(self, existing: object = None) -> None:
        self.sessions: Any = create_autospec(SessionRepository, instance=True)
        self.images: Any = create_autospec(ImageRepository, instance=True)
        self.owners: Any = create_autospec(OwnerRepository, instance=True)
        self.groups: Any = create_autospec(OpenGroupRepository, instance=True)
        self.scheduler = Mock(advance=AsyncMock(), changed=AsyncMock())
        self.sessions.find_live.return_value = existing
        self.sessions.enqueue.return_value = _session("PENDING")
        self.sessions.get_by_id.return_value = existing or _session("PENDING")
        self.images.resolve.return_value = IMAGE
        self.owners.get_owner.return_value = OWNER
        self.owners.resolve_project.return_value = PROJECT
        self.groups.allowed_groups.return_value = [_group()]
        self.groups.agents_of.return_value = (AGENT,)
        self.service = SessionService(
            sessions=self.sessions,
            records=create_autospec(SessionRecordRepository, instance=True),
            creation=lambda: Creation(
                sessions=self.sessions,
                images=self.images,
                owners=self.owners,
                scaling_groups=self.groups,
                mounts=Mock(settle=AsyncMock(return_value=())),
                scheduler=self.scheduler,
                clock=lambda: NOW,
            ),
            scheduler=self.scheduler,
            clock=lambda: NOW,
        )


def _session(status: str, *, image: str = IMAGE.name) -> Any:
    return SimpleNamespace(
        id=UUID(int=9),
        name="train-1",
        status=SessionStatus(status),
        images=[image],
        access_key=KEY,
        status_history={},
    )


async def test_a_session_is_enqueued_as_checked_and_scheduled() -> None:
    stage = Stage()
    result = await stage.service.create_session(_action(wait=False))
    assert result.created
    (spec, check), _ = stage.sessions.enqueue.call_args
    assert (spec.name, spec.created_at, spec.access_key) == ("train-1", NOW, KEY)
    assert len(spec.creation_id) == 22
    check(_state())
    assert stage.scheduler.advance.await_count >= 1


async def test_the_request_is_checked_before_anything_is_asked() -> None:
    stage = Stage()
    with pytest.raises(InvalidSessionParameters):
        await stage.service.create_session(_action(priority=101))
    assert stage.sessions.mock_calls == []
    assert stage.scheduler.mock_calls == []


async def test_the_domain_is_the_owner_s_unless_named() -> None:
    stage = Stage()
    await stage.service.create_session(_action(wait=False))
    await stage.service.create_session(_action(wait=False, domain="other", group="research"))
    asked = [call.kwargs for call in stage.owners.resolve_project.call_args_list]
    assert asked == [
        {"domain_name": "default", "project": None},
        {"domain_name": "other", "project": "research"},
    ]


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
async def test_reuse_takes_a_live_session_of_the_same_image_as_it_is(status: str) -> None:
    existing = _session(status)
    stage = Stage(existing)
    result = await stage.service.create_session(_action(wait=False, reuse_if_exists=True))
    assert result.session is existing
    assert not result.created
    stage.sessions.enqueue.assert_not_called()


@pytest.mark.parametrize(
    ("reuse", "image"),
    [(False, IMAGE.name), (True, "local/stable/other:1")],
    ids=["reuse not asked for", "another image"],
)
async def test_a_name_that_is_taken_is_refused(reuse: bool, image: str) -> None:
    stage = Stage(_session("RUNNING", image=image))
    with pytest.raises(SessionAlreadyExists):
        await stage.service.create_session(_action(wait=False, reuse_if_exists=reuse))
    stage.sessions.enqueue.assert_not_called()


async def test_a_name_that_is_free_after_one_more_pass_is_taken() -> None:
    stage = Stage(_session("TERMINATING"))
    stage.sessions.get_by_id.return_value = _session("TERMINATED")
    result = await stage.service.create_session(_action(wait=False))
    assert result.created
