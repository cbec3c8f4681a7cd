"""From what was asked to what is enqueued: the rules of session creation (``services.md`` §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid5

from bai_manager.services.session.dotfiles import told_to_agents
from bai_manager.services.session.errors import (
    ImageNotAllowed,
    InvalidSessionParameters,
    NoAgentLargeEnough,
    NoAvailableScalingGroup,
    QuotaExceeded,
)
from bai_manager.services.session.types_request import (
    KernelSpec,
    SessionSpec,
    check_priority,
)
from bai_manager.sokovan.quota import (
    CountBreach,
    binding_limits,
    concurrency_breach,
    queueing_breaches,
)
from bai_manager.sokovan.snapshot import PendingKernel, PendingSession
from bai_manager.types.binary_size import BinarySize
from bai_manager.types.image_labels import ImageLabels, effective_limits
from bai_manager.types.names import check_session_name
from bai_manager.types.resource_slot import INTRINSIC_SLOTS, ResourceSlot, guess_unit
from bai_manager.types.status import (
    PRIVATE_SESSION_TYPES,
    ClusterMode,
    SessionType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.repositories.occupancy import QuotaState
    from bai_manager.repositories.open_groups import AllowedGroup
    from bai_manager.services.session.actions import CreateSessionAction
    from bai_manager.services.session.types_request import ImageData, OwnerData
    from bai_manager.sokovan.quota import LimitBreach
    from bai_manager.sokovan.snapshot import AgentSnapshot
    from bai_manager.types.dotfiles import GivenDotfile
    from bai_manager.types.resource_slot import SlotUnit

_MOST_KERNELS: Final = 10_000
_TAG_COLUMN: Final = 64
_BOOTSTRAP_COLUMN: Final = 16_384


class SessionRequest:
    """One create action with everything about it that needs no database checked."""

    def __init__(self, action: CreateSessionAction) -> None:
        self.action = action
        check_session_name(action.name)
        self._check_numbers()
        self._check_texts()
        self._check_batch()

    def _check_numbers(self) -> None:
        if self.action.cluster_size < 1:
            raise InvalidSessionParameters("A session needs at least one kernel (--cluster-size).")
        if self.action.cluster_size > _MOST_KERNELS:
            raise InvalidSessionParameters(
                f"{self.action.cluster_size} kernels are more than a session can have.",
                hint=f"The most is {_MOST_KERNELS}, and less by most policies.",
            )
        check_priority(self.action.priority)

    def _check_texts(self) -> None:
        for noun, text, width in (
            ("tag", self.action.tag, _TAG_COLUMN),
            ("bootstrap script", self.action.bootstrap_script, _BOOTSTRAP_COLUMN),
        ):
            if len(text or "") > width:
                raise InvalidSessionParameters(
                    f"The {noun} is {len(text or '')} characters long.",
                    hint=f"There is room for {width}.",
                )

    def _check_batch(self) -> None:
        action = self.action
        if action.session_type is SessionType.BATCH:
            if not (action.startup_command or "").strip():
                raise InvalidSessionParameters(
                    "A batch session needs a command to run.",
                    hint="Add it with --startup-command 'python train.py'.",
                )
            if action.batch_timeout is not None and action.batch_timeout < 1:
                raise InvalidSessionParameters("A batch timeout is at least one second.")
        elif action.starts_at is not None or action.batch_timeout is not None:
            raise InvalidSessionParameters(
                "A start time or a batch timeout is for batch sessions only.",
                hint="Add --type batch, or drop --starts-at and --batch-timeout.",
            )

    def check_image(
        self, image: ImageData, requester: UUID | None, registries: Collection[str] | None
    ) -> None:
        """May this user start sessions of the image? (``services.md`` §1, create 3 and 4.)

        ``registries`` are those of the user's domain; None does not ask. Raises
        ``ImageNotAllowed``.
        """
        owner = ImageLabels(image.labels).customized_owner
        if owner is not None and owner != f"user:{requester}":
            raise ImageNotAllowed(
                image.name, "it was made by another user", "Use an image of your own."
            )
        if registries is not None and image.registry not in registries:
            raise ImageNotAllowed(
                image.name,
                f"its registry {image.registry} is not allowed in the user's domain",
                f"Allowed there: {', '.join(sorted(registries)) or 'none'}.",
            )

    def choose_group(self, allowed: Sequence[AllowedGroup]) -> AllowedGroup:
        """The resource group asked for, else the first that takes such sessions."""
        wanted = self.action.scaling_group
        candidates = [group for group in allowed if wanted in {None, group.name}]
        names = ", ".join(group.name for group in allowed) or "none"
        if not candidates:
            raise NoAvailableScalingGroup(
                f"Resource group {wanted!r} is not open to this owner."
                if wanted
                else "No resource group is open to this owner.",
                hint=f"Open to this owner: {names}.",
            )
        kind = self.action.session_type
        for group in candidates:
            if kind in group.session_types and (group.is_public or kind in PRIVATE_SESSION_TYPES):
                return group
        raise NoAvailableScalingGroup(
            f"No resource group open to this owner takes {kind.value} sessions.",
            hint=f"Looked at: {', '.join(group.name for group in candidates)}.",
        )

    def build(
        self,
        *,
        session_id: UUID,
        creation_id: str,
        owner: OwnerData,
        image: ImageData,
        domain_name: str,
        group_id: UUID,
        scaling_group: AllowedGroup,
        agents: Sequence[AgentSnapshot],
        dotfiles: Sequence[GivenDotfile],
        now: datetime,
    ) -> SessionSpec:
        """The rows to be, with slots filled in from the image.

        Raises ``InvalidSessionParameters`` for slots the image or the system cannot take, and
        ``NoAgentLargeEnough`` unless the request may wait for a larger agent.
        """
        action = self.action
        labels = ImageLabels(image.labels)
        shmem = self._shmem(labels)
        slots = self._slots(image, labels, shmem, _known_units(agents))
        if not action.queue:
            _require_large_enough(slots, action, image, agents, scaling_group.name)
        return SessionSpec(
            id=session_id,
            creation_id=creation_id,
            name=action.name,
            session_type=action.session_type,
            priority=action.priority,
            cluster_mode=action.cluster_mode,
            kernels=_kernel_specs(action.cluster_size, slots),
            image=image.name,
            registry=image.registry,
            architecture=image.architecture,
            access_key=owner.access_key,
            user_id=owner.user_id,
            group_id=group_id,
            domain_name=domain_name,
            scaling_group=scaling_group.name,
            tag=action.tag,
            environ=self._environ(owner),
            resource_opts={
                "shmem": int(shmem),
                "allow_fractional_resource_fragmentation": (
                    scaling_group.allow_fractional_resource_fragmentation
                ),
            },
            internal_data={"dotfiles": told_to_agents(dotfiles)},
            startup_command=action.startup_command,
            bootstrap_script=action.bootstrap_script or owner.bootstrap_script or None,
            starts_at=action.starts_at,
            batch_timeout=action.batch_timeout,
            depends_on=action.depends_on,
            queue=action.queue,
            created_at=now,
        )

    def check_quota(self, spec: SessionSpec) -> Callable[[QuotaState], None]:
        """The check that ``SessionRepository.enqueue`` runs under its locks."""

        def check(state: QuotaState) -> None:
            for error in objections(spec, state, queue=spec.queue):
                raise error

        return check

    def _shmem(self, labels: ImageLabels) -> BinarySize:
        if self.action.shmem is None:
            return labels.preferred_shmem
        return BinarySize.parse(self.action.shmem)

    def _slots(
        self,
        image: ImageData,
        labels: ImageLabels,
        shmem: BinarySize,
        known: Mapping[str, SlotUnit],
    ) -> ResourceSlot:
        limits = effective_limits(image.resources, labels).including(int(shmem))
        asked = ResourceSlot.from_user_input(self.action.resources, known)
        least = {name: limits.minimum[name] for name in INTRINSIC_SLOTS}
        filled = {name: amount or least.get(name, amount) for name, amount in asked.items()}
        slots = ResourceSlot({name: amount for name, amount in filled.items() if amount})
        if short := limits.below_minimum(slots):
            raise InvalidSessionParameters(
                f"Image {image.name} needs at least {limits.minimum}"
                f" (shared memory of {shmem} included); asked for {slots}.",
                hint="Ask for more of: " + ", ".join(shortage.slot for shortage in short) + ".",
            )
        if over := limits.above_maximum(slots):
            raise InvalidSessionParameters(
                f"Image {image.name} takes at most {limits.maximum}; asked for {slots}.",
                hint="Ask for less of: " + ", ".join(shortage.slot for shortage in over) + ".",
            )
        if int(shmem) >= slots["mem"]:
            raise InvalidSessionParameters(
                f"Shared memory of {shmem} does not leave anything of the memory asked for."
            )
        return slots

    def _environ(self, owner: OwnerData) -> dict[str, str]:
        sudo = {"SUDO_SESSION_ENABLED": "1"} if owner.sudo_session_enabled else {}
        return {**self.action.environ, **sudo}


def _known_units(agents: Sequence[AgentSnapshot]) -> dict[str, SlotUnit]:
    names = {name for agent in agents for name in agent.available}
    return {**{name: guess_unit(name) for name in sorted(names)}, **INTRINSIC_SLOTS}


def _kernel_specs(size: int, slots: ResourceSlot) -> tuple[KernelSpec, ...]:
    """One main kernel and its subs, named as ``reference/value-types.md`` §12 says."""
    main = KernelSpec(
        cluster_role="main",
        cluster_idx=1,
        local_rank=0,
        cluster_hostname="main1",
        requested_slots=slots,
    )
    subs = (
        KernelSpec(
            cluster_role="sub",
            cluster_idx=index,
            local_rank=index,
            cluster_hostname=f"sub{index}",
            requested_slots=slots,
        )
        for index in range(1, size)
    )
    return (main, *subs)


def _require_large_enough(
    slots: ResourceSlot,
    action: CreateSessionAction,
    image: ImageData,
    agents: Sequence[AgentSnapshot],
    group: str,
) -> None:
    """At least one agent must be able to hold the request when it is empty."""
    together = action.cluster_mode is ClusterMode.SINGLE_NODE
    needed = ResourceSlot.total([slots] * (action.cluster_size if together else 1))
    candidates = [agent for agent in agents if agent.architecture == image.architecture]
    if any(not needed.shortages(agent.available) for agent in candidates):
        return
    largest = "; ".join(f"{agent.id}: {agent.available}" for agent in candidates) or "none"
    raise NoAgentLargeEnough(
        f"No agent of resource group {group!r} can hold {needed}, even when empty.",
        hint=f"Agents for {image.architecture} have {largest}."
        " Ask for less, or add --queue to wait for a larger agent.",
        details={"requested": needed.to_json(), "level": "agent"},
    )


def objections(spec: SessionSpec, state: QuotaState, *, queue: bool) -> Iterator[QuotaExceeded]:
    """Everything that forbids to enqueue the session, the first to be told first.

    Limits on waiting hold for every session, because every session begins PENDING. With
    ``queue``, a limit that is only used up at the moment is no objection.
    """
    asked, limit = len(spec.kernels), state.max_containers_per_session
    if asked > limit:
        yield QuotaExceeded(
            f"The key pair's policy allows {limit} kernels in a session; asked for {asked}.",
            hint="Ask for fewer, or have the policy's max_containers_per_session raised.",
            details={"level": "keypair", "limit": limit, "used": 0, "requested": asked},
        )
    session = as_pending(spec)
    for breach in _committed_breaches(session, state):
        if not queue or breach.never_fits:
            yield _quota_error(breach)
    for waiting in queueing_breaches(session, state.limits, state.occupancy):
        yield _quota_error(waiting)


def as_pending(spec: SessionSpec) -> PendingSession:
    """The session as the scheduler will see it; kernels have ids made up for the occasion."""
    return PendingSession(
        id=spec.id,
        creation_id=spec.creation_id,
        name=spec.name,
        access_key=spec.access_key,
        user_id=spec.user_id,
        group_id=spec.group_id,
        domain_name=spec.domain_name,
        scaling_group=spec.scaling_group,
        session_type=spec.session_type,
        cluster_mode=spec.cluster_mode,
        created_at=spec.created_at,
        kernels=tuple(
            PendingKernel(
                kernel_id=uuid5(spec.id, kernel.cluster_hostname),
                architecture=spec.architecture,
                requested_slots=kernel.requested_slots,
            )
            for kernel in spec.kernels
        ),
        cluster_size=len(spec.kernels),
        priority=spec.priority,
        starts_at=spec.starts_at,
    )


def _committed_breaches(
    session: PendingSession, state: QuotaState
) -> list[CountBreach | LimitBreach]:
    """The limits that would be passed, counting what runs and what already waits.

    What can never hold the request comes before what is only in use; then the nearest to the
    caller: the number of sessions, key pair, user, project, domain.
    """
    limits, occupancy = state.limits, state.occupancy
    number = concurrency_breach(session.access_key, limits, occupancy, private=session.is_private)
    resources = binding_limits(session.owner, session.requested_slots, limits, occupancy)
    breaches: list[CountBreach | LimitBreach] = [number, *resources] if number else [*resources]
    return sorted(breaches, key=lambda breach: not breach.never_fits)


def _quota_error(breach: CountBreach | LimitBreach) -> QuotaExceeded:
    if isinstance(breach, CountBreach):
        return QuotaExceeded(
            f"Key pair {breach.name} may have {breach.limit} {breach.counted.value}"
            f" and has {breach.used}.",
            hint="Destroy one, wait for one to end, or have the key pair's policy changed.",
            details={
                "level": "keypair",
                "limit": breach.limit,
                "used": breach.used,
                "requested": 1,
            },
        )
    return QuotaExceeded(
        f"The {breach.level.value} quota of {breach.name} would be passed: {breach}.",
        hint="Ask for less, or have the limit raised."
        if breach.never_fits
        else "Ask for less, wait until something ends, or add --queue to wait in line.",
        details={
            "level": breach.level.value,
            "name": breach.name,
            "slots": [
                {
                    "slot": slot.slot,
                    "limit": str(slot.limit),
                    "used": str(slot.used),
                    "requested": str(slot.requested),
                }
                for slot in breach.slots
            ],
        },
    )
