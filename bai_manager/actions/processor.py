"""The one door: every action is authorized, audited, run and recorded here."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from bai_manager.actions.access import Rule, require, rule_for
from bai_manager.actions.errors import AuditUnavailable, SchemaUnsupported
from bai_manager.actions.monitors.base import OperationStatus, Outcome, Run
from bai_manager.errors import BackendAIError, Denied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from bai_manager.actions.actor import Actor
    from bai_manager.actions.base import Action, ActionResult
    from bai_manager.actions.monitors.base import AuditLog, Monitor
    from bai_manager.actions.targets import TargetScope
    from bai_manager.types.clock import Clock

ResultT = TypeVar("ResultT", bound="ActionResult")
ActionT = TypeVar("ActionT", bound="Action[ActionResult]")


class Authorizer(Protocol):
    """The actor of this process, and what its actions are aimed at: validators bound to one set
    of credentials.
    """

    async def actor(self) -> Actor: ...

    async def settle(self, action: ActionT, actor: Actor) -> tuple[ActionT, TargetScope]: ...


class ActionProcessor:
    """Runs actions one at a time for one actor.

    Writes are audited, in a dry run only where they are denied; denials of reads are, too.

    ``service_of`` builds the service of a noun on first use; the method is the one whose
    ``action`` parameter is annotated with the action's class.
    """

    def __init__(
        self,
        *,
        service_of: Callable[[str], object],
        authorizer: Authorizer,
        audit: AuditLog,
        clock: Clock,
        new_id: Callable[[], UUID],
        monitors: Sequence[Monitor] = (),
        audit_reads: bool = False,
        dry_run: bool = False,
        warn: Callable[[str], None] = lambda _message: None,
    ) -> None:
        self._service_of = service_of
        self._authorizer = authorizer
        self._audit = audit
        self._clock = clock
        self._new_id = new_id
        self._monitors = monitors
        self._audit_reads = audit_reads
        self._dry_run = dry_run
        self._warn = warn

    async def run(self, action: Action[ResultT]) -> ResultT:
        """Authorize, audit, run and record one action.

        Raises what the service raises, ``Denied`` errors of the validators, and
        ``AuditUnavailable`` when a write cannot be audited beforehand.
        """
        run = Run(action_id=self._new_id(), action=action, actor=None, started_at=self._clock())
        run = await self._admit(run)
        audited = not self._dry_run and (action.operation.is_audited or self._audit_reads)
        if audited:
            await self._record_started(run)
        await self._notify(run)
        try:
            result = cast("ResultT", await self._method_of(run.action)(run.action))
        except BaseException as error:
            await self._finish(run, self._failure(run, error), audited=audited)
            raise
        await self._finish(run, self._success(run, result), audited=audited)
        return result

    async def _admit(self, run: Run) -> Run:
        """A run that is denied is recorded with as much as was known of it by then."""
        if rule_for(type(run.action)) is Rule.LOCAL_OPERATOR:
            return run
        try:
            actor = await self._authorizer.actor()
            run = replace(run, actor=actor)
            action, scope = await self._authorizer.settle(run.action, actor)
            run = replace(run, action=action)
            require(action, actor, scope)
        except Denied as error:
            await self._finish(run, self._failure(run, error), audited=True)
            raise
        return run

    def _method_of(
        self, action: Action[ActionResult]
    ) -> Callable[[Action[ActionResult]], Awaitable[ActionResult]]:
        service = self._service_of(noun_of(type(action)))
        method = service_methods(type(service))[type(action).__name__]
        return cast(
            "Callable[[Action[ActionResult]], Awaitable[ActionResult]]", getattr(service, method)
        )

    async def _record_started(self, run: Run) -> None:
        try:
            await self._audit.record_started(run)
        except SchemaUnsupported:
            raise
        except BackendAIError as error:
            raise AuditUnavailable(
                f"The audit row could not be written, so nothing was done: {error.message}",
                hint=error.hint,
            ) from error

    async def _notify(self, run: Run) -> None:
        for monitor in self._monitors:
            with contextlib.suppress(Exception):
                await monitor.started(run)

    async def _finish(self, run: Run, outcome: Outcome, *, audited: bool) -> None:
        if audited:
            try:
                await self._audit.record_finished(run, outcome)
            except BackendAIError as error:
                self._warn(f"The outcome is missing from the audit log: {error.message}")
        for monitor in reversed(self._monitors):
            with contextlib.suppress(Exception):
                await monitor.finished(run, outcome)

    def _success(self, run: Run, result: ActionResult) -> Outcome:
        return Outcome(
            status=OperationStatus.SUCCESS,
            description=_described(run, "Success"),
            duration=self._clock() - run.started_at,
            entity_id=run.action.entity_id() or result.entity_id(),
        )

    def _failure(self, run: Run, error: BaseException) -> Outcome:
        code = error.error_code if isinstance(error, BackendAIError) else BackendAIError.error_code
        return Outcome(
            status=OperationStatus.ERROR,
            description=_described(run, _failure_text(error)),
            duration=self._clock() - run.started_at,
            entity_id=run.action.entity_id(),
            error_code=code,
        )


def noun_of(action: type[Action[ActionResult]]) -> str:
    """The noun whose ``services/<noun>/actions.py`` defines the action."""
    return action.__module__.split(".")[-2]


def service_methods(service: type) -> Mapping[str, str]:
    """Action class name → method name, from the annotations of a service's public methods."""
    return {
        str(method.__annotations__["action"]): name
        for name, method in vars(service).items()
        if not name.startswith("_") and "action" in getattr(method, "__annotations__", {})
    }


def _failure_text(error: BaseException) -> str:
    if isinstance(error, Denied):
        return f"Denied: {error.message}"
    if isinstance(error, BackendAIError):
        return error.message
    if isinstance(error, Exception):
        return f"{type(error).__name__}: {error}"
    return f"Interrupted ({type(error).__name__})"


def _described(run: Run, text: str) -> str:
    actor = run.actor
    if actor is None or actor.authenticated_by == actor.access_key:
        return text
    return f"{text} [{actor.authenticated_by} acting as {actor.access_key}]"
