"""One door: the order of things, and what is recorded however a run ends."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import timedelta
from typing import NoReturn
from uuid import UUID

import pytest

from bai_manager.actions.errors import AuditUnavailable, AuthorizationFailed, InsufficientPrivilege
from bai_manager.actions.monitors.base import OperationStatus
from bai_manager.actions.monitors.trace import TraceMonitor
from bai_manager.errors import BackendAIError, Conflict, ExitCode, NotFound, Unreachable
from tests.actions.parts import (
    ACTION_ID,
    START,
    ReadThing,
    SetUp,
    Stage,
    ThingResult,
    Watcher,
    WriteThing,
    actor,
)


class Taken(Conflict):
    error_code = "session_create_already-exists"


def _raising(error: BaseException) -> NoReturn:
    raise error


async def test_a_write_is_authenticated_authorized_audited_run_and_completed_in_order() -> None:
    stage = Stage()
    result = await stage.processor.run(WriteThing())
    assert result == ThingResult(thing="lamp")
    assert stage.events == ["authenticate", "access", "audit started", "service", "audit success"]


async def test_monitors_start_in_their_order_and_finish_in_reverse_around_the_service() -> None:
    events: list[str] = []
    watchers = [Watcher(events, "first"), Watcher(events, "second")]
    await Stage(watchers=watchers, events=events).processor.run(WriteThing())
    assert events[2:] == [
        "audit started",
        "first started create",
        "second started create",
        "service",
        "audit success",
        "second success",
        "first success",
    ]


async def test_the_service_sees_the_action_as_the_validators_settled_it() -> None:
    stage = Stage()
    await stage.processor.run(ReadThing())
    assert stage.service.seen == [ReadThing(owner=actor().access_key)]


async def test_the_audit_row_names_actor_action_and_times() -> None:
    stage = Stage()
    await stage.processor.run(WriteThing())
    (started,) = stage.log.started
    ((finished, outcome),) = stage.log.finished
    assert started.action_id == finished.action_id == ACTION_ID
    assert started.actor == actor()
    assert started.started_at == START
    assert outcome.status is OperationStatus.SUCCESS
    assert outcome.description == "Success"
    assert outcome.duration == timedelta(seconds=1)
    assert outcome.error_code is None


async def test_the_entity_is_the_result_s_where_the_action_could_not_know_it() -> None:
    written, read = Stage(), Stage(audit_reads=True)
    await written.processor.run(WriteThing())
    await read.processor.run(ReadThing())
    assert written.log.outcome.entity_id == "id of lamp"
    assert read.log.outcome.entity_id == "lamp"


async def test_a_read_is_not_audited() -> None:
    stage = Stage()
    await stage.processor.run(ReadThing())
    assert stage.events == ["authenticate", "access", "service"]


async def test_a_read_is_audited_where_the_profile_says_so() -> None:
    stage = Stage(audit_reads=True)
    await stage.processor.run(ReadThing())
    assert stage.events[2:] == ["audit started", "service", "audit success"]


async def test_a_dry_run_audits_nothing() -> None:
    stage = Stage(dry_run=True, audit_reads=True)
    await stage.processor.run(WriteThing())
    assert stage.events == ["authenticate", "access", "service"]


@pytest.mark.parametrize("action", [ReadThing(), WriteThing()], ids=["read", "write"])
async def test_a_denial_is_audited_with_its_actor_and_the_service_never_called(
    action: ReadThing | WriteThing,
) -> None:
    denied = InsufficientPrivilege("not you")
    stage = Stage(refuses={"access": denied})
    with pytest.raises(InsufficientPrivilege):
        await stage.processor.run(action)
    assert stage.events == ["authenticate", "access", "audit error"]
    ((run, outcome),) = stage.log.finished
    assert run.action_id == ACTION_ID
    assert run.actor == actor()
    assert outcome.status is OperationStatus.ERROR
    assert outcome.description == "Denied: not you"
    assert outcome.error_code == "user_auth_forbidden"


async def test_what_is_denied_is_recorded_as_it_was_settled() -> None:
    stage = Stage(owner=UUID(int=2))
    with pytest.raises(InsufficientPrivilege):
        await stage.processor.run(ReadThing(name="heater"))
    ((run, _outcome),) = stage.log.finished
    assert run.action == ReadThing(name="heater", owner=actor().access_key)
    assert run.actor == actor()
    assert stage.service.seen == []


async def test_a_failed_authentication_is_audited_without_an_actor() -> None:
    stage = Stage(refuses={"authenticate": AuthorizationFailed("wrong secret")})
    with pytest.raises(AuthorizationFailed):
        await stage.processor.run(ReadThing())
    assert stage.events == ["authenticate", "audit error"]
    ((run, outcome),) = stage.log.finished
    assert run.actor is None
    assert outcome.description == "Denied: wrong secret"


async def test_what_is_not_found_is_no_denial() -> None:
    stage = Stage(refuses={"access": NotFound("no such lamp")})
    with pytest.raises(NotFound):
        await stage.processor.run(WriteThing())
    assert stage.events == ["authenticate", "access"]


async def test_a_denial_that_cannot_be_recorded_is_a_denial_still() -> None:
    stage = Stage(
        refuses={"access": InsufficientPrivilege("not you")},
        audit_failure=Unreachable("gone"),
        audit_fails_when="finished",
    )
    with pytest.raises(InsufficientPrivilege):
        await stage.processor.run(WriteThing())
    assert stage.warnings == ["The outcome is missing from the audit log: gone"]


async def test_a_write_does_not_run_when_its_audit_row_cannot_be_written() -> None:
    stage = Stage(
        audit_failure=Unreachable("the disk is full", hint="make room"), audit_fails_when="started"
    )
    with pytest.raises(AuditUnavailable, match="the disk is full") as raised:
        await stage.processor.run(WriteThing())
    assert stage.service.seen == []
    assert raised.value.hint == "make room"
    assert stage.events == ["authenticate", "access", "audit started"]


async def test_a_write_that_was_done_stays_done_when_its_outcome_cannot_be_recorded() -> None:
    stage = Stage(audit_failure=Unreachable("gone"), audit_fails_when="finished")
    assert await stage.processor.run(WriteThing()) == ThingResult(thing="lamp")
    assert stage.warnings == ["The outcome is missing from the audit log: gone"]


async def test_a_failing_monitor_fails_no_action_and_stops_no_other_monitor() -> None:
    events: list[str] = []
    broken = Watcher(events, "broken", failure=RuntimeError("no metrics today"))
    watching = Watcher(events, "watching")
    stage = Stage(watchers=[broken, watching, broken], events=events)
    assert await stage.processor.run(WriteThing()) == ThingResult(thing="lamp")
    assert events.count("broken started create") == events.count("broken success") == 2
    assert [outcome.status for outcome in watching.outcomes] == [OperationStatus.SUCCESS]


@pytest.mark.parametrize(
    ("error", "description", "code"),
    [
        (Taken("the name is taken"), "the name is taken", "session_create_already-exists"),
        (ValueError("odd"), "ValueError: odd", "backendai_generic_internal-error"),
        (
            asyncio.CancelledError(),
            "Interrupted (CancelledError)",
            "backendai_generic_internal-error",
        ),
        (
            KeyboardInterrupt(),
            "Interrupted (KeyboardInterrupt)",
            "backendai_generic_internal-error",
        ),
    ],
    ids=["domain error", "crash", "cancelled", "interrupted"],
)
async def test_however_a_write_ends_its_row_says_so(
    error: BaseException, description: str, code: str
) -> None:
    stage = Stage(behaviour=lambda: _raising(error))
    with pytest.raises(type(error)) as raised:
        await stage.processor.run(WriteThing())
    assert raised.value is error
    assert stage.events[-1] == "audit error"
    assert stage.log.outcome.description == description
    assert stage.log.outcome.error_code == code


async def test_the_outcome_of_a_failure_names_what_the_action_was_about() -> None:
    stage = Stage(behaviour=lambda: _raising(Taken("taken")), audit_reads=True)
    with pytest.raises(Taken):
        await stage.processor.run(ReadThing())
    assert stage.log.outcome.entity_id == "lamp"


@pytest.mark.parametrize("failure", [None, Taken("taken")], ids=["success", "failure"])
async def test_acting_as_somebody_names_both(failure: Taken | None) -> None:
    both = actor(user=2, authenticated_by="AKIAROOT")
    stage = Stage(who=both, behaviour=lambda: _raising(failure) if failure else None)
    try:
        await stage.processor.run(WriteThing())
    except Taken:
        assert failure is not None
    (started,) = stage.log.started
    assert started.actor == both
    end = f"[AKIAROOT acting as {both.access_key}]"
    assert stage.log.outcome.description.endswith(end)


async def test_who_has_the_folder_sets_up_without_credentials_and_is_audited() -> None:
    stage = Stage(refuses={"authenticate": AssertionError("nobody to ask")})
    await stage.processor.run(SetUp())
    assert stage.events == ["audit started", "service", "audit success"]
    (started,) = stage.log.started
    assert started.actor is None


async def test_two_runs_at_once_are_two_rows() -> None:
    stage = Stage()
    await asyncio.gather(*(stage.processor.run(WriteThing()) for _ in range(2)))
    assert len(stage.log.started) == len(stage.log.finished) == 2


async def test_a_trace_is_two_lines_of_json_without_secrets() -> None:
    stream = io.StringIO()
    await Stage(watchers=[TraceMonitor(stream)]).processor.run(WriteThing())
    started, finished = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert "hidden-secret" not in stream.getvalue()
    assert started == {
        "event": "started",
        "action_id": str(ACTION_ID),
        "type": "session:create",
        "action": {"secret": "***", "owner": actor().access_key},
        "actor": actor().access_key,
    }
    assert finished["event"] == "finished"
    assert finished["outcome"]["status"] == "success"
    assert finished["outcome"]["duration"] == 1


async def test_a_trace_shows_a_denial_too() -> None:
    stream = io.StringIO()
    stage = Stage(
        refuses={"access": InsufficientPrivilege("not you")}, watchers=[TraceMonitor(stream)]
    )
    with pytest.raises(InsufficientPrivilege):
        await stage.processor.run(ReadThing())
    (finished,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert finished["outcome"]["error_code"] == "user_auth_forbidden"


def test_a_write_that_cannot_be_audited_is_a_failure() -> None:
    assert AuditUnavailable("x").exit_code is ExitCode.FAILURE
    assert issubclass(AuditUnavailable, BackendAIError)
