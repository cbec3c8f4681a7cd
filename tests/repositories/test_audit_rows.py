"""One row for each run, as ``reference/actions.md`` §3.1 has it, on both shapes of the database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import select

from bai_manager.actions.monitors.base import OperationStatus, Outcome, Run
from bai_manager.models.audit import audit_logs
from bai_manager.repositories.audit import AuditRepository
from bai_manager.services.session.actions import CreateSessionAction, DestroySessionAction
from bai_manager.types.query import Filter, Op, Query
from tests.seeds import NOW, seed_world

if TYPE_CHECKING:
    from bai_manager.actions.actor import Actor
    from bai_manager.repositories.database import Database

RAN_FOR = timedelta(seconds=1, microseconds=500)


def _run(actor: Actor | None = None, *, session: str | None = None, minute: int = 0) -> Run:
    return Run(
        action_id=uuid4(),
        action=DestroySessionAction(session=session)
        if session
        else CreateSessionAction(name="train-1", image="python"),
        actor=actor,
        started_at=NOW + timedelta(minutes=minute),
    )


def _outcome(
    status: OperationStatus = OperationStatus.SUCCESS,
    description: str = "Success",
    entity_id: str | None = "the id",
) -> Outcome:
    return Outcome(status=status, description=description, duration=RAN_FOR, entity_id=entity_id)


async def _rows(db: Database) -> list[dict[str, object]]:
    async with db.transaction() as connection:
        found = await connection.execute(select(audit_logs).order_by(audit_logs.c.created_at))
        return [dict(row) for row in found.mappings()]


async def _world_actor(db: Database) -> Actor:
    async with db.transaction() as connection:
        return (await seed_world(connection)).alice.actor


async def test_a_run_that_began_is_a_running_row(shaped_db: Database) -> None:
    actor = await _world_actor(shaped_db)
    run = _run(actor, session="train-1")
    await AuditRepository(shaped_db).record_started(run)
    assert await _rows(shaped_db) == [
        {
            "id": run.action_id,
            "action_id": run.action_id,
            "entity_type": "session",
            "operation": "destroy",
            "entity_id": "train-1",
            "created_at": NOW,
            "request_id": "(unknown)",
            "triggered_by": str(actor.user_id),
            "description": "Running",
            "duration": None,
            "status": "running",
        }
    ]


async def test_its_end_completes_the_same_row(shaped_db: Database) -> None:
    audit, run = AuditRepository(shaped_db), _run(await _world_actor(shaped_db))
    await audit.record_started(run)
    (before,) = await _rows(shaped_db)
    await audit.record_finished(run, _outcome())
    (after,) = await _rows(shaped_db)
    assert before["entity_id"] == "(unknown)"
    assert after == {
        **before,
        "entity_id": "the id",
        "description": "Success",
        "duration": RAN_FOR,
        "status": "success",
    }


async def test_an_end_without_a_beginning_is_a_whole_row(shaped_db: Database) -> None:
    actor = await _world_actor(shaped_db)
    run = _run(actor)
    denied = _outcome(OperationStatus.ERROR, "Denied: not you", None)
    await AuditRepository(shaped_db).record_finished(run, denied)
    (row,) = await _rows(shaped_db)
    assert row["id"] == run.action_id
    assert row["triggered_by"] == str(actor.user_id)
    assert row["entity_id"] == "(unknown)"
    assert row["status"] == "error"
    assert row["description"] == "Denied: not you"
    assert row["created_at"] == NOW


async def test_an_end_recorded_twice_is_one_row(db: Database) -> None:
    audit, run = AuditRepository(db), _run()
    await audit.record_finished(run, _outcome(OperationStatus.ERROR, "first"))
    await audit.record_finished(run, _outcome())
    (row,) = await _rows(db)
    assert (row["status"], row["description"]) == ("success", "Success")


async def test_nobody_is_null(db: Database) -> None:
    await AuditRepository(db).record_started(_run())
    (row,) = await _rows(db)
    assert row["triggered_by"] is None


async def test_a_run_that_was_killed_stays_running(db: Database) -> None:
    audit = AuditRepository(db)
    killed, whole = _run(minute=1), _run(minute=2)
    for run in (killed, whole):
        await audit.record_started(run)
    await audit.record_finished(whole, _outcome())
    rows = {row["id"]: (row["status"], row["duration"]) for row in await _rows(db)}
    assert rows == {killed.action_id: ("running", None), whole.action_id: ("success", RAN_FOR)}


async def test_rows_are_listed_newest_first_with_the_e_mail_of_who_did_it(
    shaped_db: Database,
) -> None:
    actor = await _world_actor(shaped_db)
    audit = AuditRepository(shaped_db)
    runs = [_run(actor, minute=1), _run(minute=3), _run(actor, minute=2)]
    for run in runs:
        await audit.record_started(run)
    listed = await audit.list_logs(Query(), owner=None)
    assert [log.id for log in listed] == [runs[1].action_id, runs[2].action_id, runs[0].action_id]
    assert [log.user_email for log in listed] == [None, actor.email, actor.email]


async def test_of_an_owner_only_what_that_user_did_is_listed(db: Database) -> None:
    async with db.transaction() as connection:
        world = await seed_world(connection)
    audit = AuditRepository(db)
    mine, theirs = _run(world.alice.actor), _run(world.bob.actor)
    for run in (mine, theirs, _run()):
        await audit.record_started(run)
    listed = await audit.list_logs(Query(), owner=world.alice.access_key)
    assert [log.id for log in listed] == [mine.action_id]
    assert await audit.list_logs(Query(), owner="AKIANOBODY") == []


async def test_rows_of_a_real_manager_are_listed_too(db: Database) -> None:
    """Their ``id`` is not the action's, and ``triggered_by`` may be no user's."""
    async with db.transaction() as connection:
        await connection.execute(
            audit_logs.insert().values(
                action_id=UUID(int=1),
                entity_type="vfolder",
                operation="create",
                entity_id=None,
                request_id=None,
                created_at=NOW,
                triggered_by="not a uuid",
                description="Success",
                status="success",
            )
        )
    query = Query(filters=(Filter("entity_type", Op.EQ, ("vfolder",)),))
    (log,) = await AuditRepository(db).list_logs(query, owner=None)
    assert (log.action_id, log.entity_id, log.user_email) == (UUID(int=1), None, None)
