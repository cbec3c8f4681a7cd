"""A noun, an actor and a log in memory: all that the processor needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from bai_manager.actions.actor import Actor
from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.processor import ActionProcessor
from bai_manager.actions.targets import KeypairTarget, Target, TargetScope
from bai_manager.types.credentials import Secret
from bai_manager.types.status import UserRole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bai_manager.actions.monitors.base import Monitor, Outcome, Run
    from bai_manager.actions.processor import ActionT

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTION_ID = UUID(int=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class ThingResult(ActionResult):
    thing: str

    def entity_id(self) -> str | None:
        return f"id of {self.thing}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadThing(Action[ThingResult]):
    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.GET

    name: str = "lamp"
    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)

    def entity_id(self) -> str | None:
        return self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteThing(Action[ThingResult]):
    entity_type: ClassVar[EntityType] = EntityType.SESSION
    operation: ClassVar[Operation] = Operation.CREATE

    secret: Secret = field(default_factory=lambda: Secret("hidden-secret"))
    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetUp(Action[ThingResult]):
    """Run by whoever has the folder: there is nobody to authenticate yet."""

    entity_type: ClassVar[EntityType] = EntityType.SYSTEM
    operation: ClassVar[Operation] = Operation.INITIALIZE

    def target(self) -> Target:
        raise AssertionError("nothing is asked about a target")


class ThingService:
    """Does what ``behaviour`` does."""

    def __init__(self, events: list[str], behaviour: Callable[[], None]) -> None:
        self._events = events
        self._behaviour = behaviour
        self.seen: list[Action[ActionResult]] = []

    async def read_thing(self, action: ReadThing) -> ThingResult:
        return self._act(action)

    async def write_thing(self, action: WriteThing) -> ThingResult:
        return self._act(action)

    async def set_up(self, action: SetUp) -> ThingResult:
        return self._act(action)

    def _act(self, action: Action[ActionResult]) -> ThingResult:
        self._events.append("service")
        self.seen.append(action)
        self._behaviour()
        return ThingResult(thing="lamp")


@dataclass
class Log:
    """An audit log; ``fails_when`` is ``started`` or ``finished``."""

    events: list[str]
    failure: Exception | None = None
    fails_when: str = ""
    started: list[Run] = field(default_factory=list)
    finished: list[tuple[Run, Outcome]] = field(default_factory=list)

    async def record_started(self, run: Run) -> None:
        self.events.append("audit started")
        if self.failure and self.fails_when == "started":
            raise self.failure
        self.started.append(run)

    async def record_finished(self, run: Run, outcome: Outcome) -> None:
        self.events.append(f"audit {outcome.status.value}")
        if self.failure and self.fails_when == "finished":
            raise self.failure
        self.finished.append((run, outcome))

    @property
    def outcome(self) -> Outcome:
        ((_, outcome),) = self.finished
        return outcome


@dataclass
class Door:
    """An authorizer; ``refuses`` says at which step it raises what.

    Everything is ``owner``'s, by default the actor's own.
    """

    events: list[str]
    who: Actor
    refuses: dict[str, Exception] = field(default_factory=dict)
    owner: UUID | None = None

    async def actor(self) -> Actor:
        self.events.append("authenticate")
        if error := self.refuses.get("authenticate"):
            raise error
        return self.who

    async def settle(self, action: ActionT, actor: Actor) -> tuple[ActionT, TargetScope]:
        self.events.append("access")
        if error := self.refuses.get("access"):
            raise error
        scope = TargetScope(owner_user_id=self.owner or actor.user_id)
        return replace(action, owner=actor.access_key), scope  # type: ignore[call-arg]


@dataclass
class Watcher:
    """A monitor that may fail."""

    events: list[str]
    name: str
    failure: Exception | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    async def started(self, run: Run) -> None:
        self.events.append(f"{self.name} started {run.action.operation.value}")
        if self.failure:
            raise self.failure

    async def finished(self, run: Run, outcome: Outcome) -> None:  # noqa: ARG002 - as called
        self.events.append(f"{self.name} {outcome.status.value}")
        self.outcomes.append(outcome)
        if self.failure:
            raise self.failure


def actor(
    role: UserRole = UserRole.USER,
    *,
    user: int = 1,
    domain: str = "default",
    authenticated_by: str | None = None,
) -> Actor:
    access_key = f"AKIA{user:016}"
    return Actor(
        user_id=UUID(int=user),
        email=f"user{user}@example.com",
        username=f"user{user}",
        role=role,
        domain_name=domain,
        access_key=access_key,
        authenticated_by=authenticated_by or access_key,
    )


class Stage:
    """A processor with everything about it in sight; ``events`` is the order of what happened."""

    def __init__(
        self,
        *,
        behaviour: Callable[[], None] = lambda: None,
        refuses: dict[str, Exception] | None = None,
        owner: UUID | None = None,
        who: Actor | None = None,
        audit_failure: Exception | None = None,
        audit_fails_when: str = "",
        audit_reads: bool = False,
        dry_run: bool = False,
        watchers: Sequence[Monitor] = (),
        events: list[str] | None = None,
    ) -> None:
        self.events: list[str] = [] if events is None else events
        self.warnings: list[str] = []
        self.service = ThingService(self.events, behaviour)
        self.log = Log(self.events, audit_failure, audit_fails_when)
        ticks = _ticks()
        self.processor = ActionProcessor(
            service_of=lambda _noun: self.service,
            authorizer=Door(self.events, who or actor(), refuses or {}, owner),
            audit=self.log,
            clock=lambda: next(ticks),
            new_id=lambda: ACTION_ID,
            monitors=watchers,
            audit_reads=audit_reads,
            dry_run=dry_run,
            warn=self.warnings.append,
        )


def _ticks() -> Iterator[datetime]:
    moment = START
    while True:
        yield moment
        moment += timedelta(seconds=1)
