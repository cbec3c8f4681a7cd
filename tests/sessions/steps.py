"""Every change of a status while something goes on, against what states may follow each other."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sessions.system import System

_WATCH = """
CREATE TABLE steps (number serial, place text, id uuid, before text, after text,
                    old_history jsonb, history jsonb);
CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO steps (place, id, before, after, old_history, history)
    VALUES (TG_TABLE_NAME, NEW.id, OLD.status, NEW.status, OLD.status_history, NEW.status_history);
    RETURN NEW;
END $$;
CREATE TRIGGER note_step AFTER UPDATE ON sessions FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION note_step();
CREATE TRIGGER note_step AFTER UPDATE ON kernels FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION note_step();
"""
_UNWATCH = "DROP TABLE steps; DROP FUNCTION note_step CASCADE"

# ``reference/state-machines.md`` §1.2 and §2; besides, a start may be marked at any time (§7.4)
# and is given back after the last try (§7.3).
_STARTING = ("SCHEDULED", "PREPARING", "PULLING", "PREPARED", "CREATING")
_AHEAD = {
    "PENDING": {"SCHEDULED", "CANCELLED"},
    "SCHEDULED": {"PREPARING", "PULLING", "PREPARED"},
    "PREPARING": {"PULLING", "PREPARED"},
    "PULLING": {"PREPARED"},
    "PREPARED": {"CREATING"},
    "CREATING": {"RUNNING"},
    "RUNNING": {"TERMINATING", "TERMINATED", "RESTARTING"},
    "RESTARTING": {"RUNNING", "TERMINATING", "TERMINATED"},
    "TERMINATING": {"TERMINATED"},
    "TERMINATED": set(),
    "CANCELLED": set(),
}
MAY_FOLLOW = {
    before: after | ({"TERMINATING", "CANCELLED", "PENDING"} if before in _STARTING else set())
    for before, after in _AHEAD.items()
}


@contextmanager
def every_step(system: System) -> Iterator[list[dict[str, Any]]]:
    """Collect the steps of all sessions and kernels; they are there at the end."""
    system.execute(_WATCH)
    steps: list[dict[str, Any]] = []
    try:
        yield steps
        steps += system.rows("SELECT * FROM steps ORDER BY number")
    finally:
        system.execute(_UNWATCH)


def check_steps(steps: list[dict[str, Any]]) -> None:
    """Each is a legal one, and no history loses an entry or dates one before another's.

    A kernel of which one ran may be TERMINATING while its session still starts.
    """
    assert steps
    for step in steps:
        assert step["after"] in MAY_FOLLOW[step["before"]], step
        if step["after"] == "PENDING":  # begins anew
            continue
        before, after = step["old_history"] or {}, step["history"] or {}
        assert before.keys() <= after.keys(), step
        added = [time for status, time in after.items() if before.get(status) != time]
        assert all(time >= max(before.values(), default="") for time in added), step
