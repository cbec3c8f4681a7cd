"""Which columns are shown, and how their values look."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

import pytest
import yaml

from bai_manager.cli.output.columns import Column, UnknownColumn, select_columns
from bai_manager.cli.output.human import age_text, human_text, status_style
from bai_manager.cli.output.options import Format
from bai_manager.errors import ExitCode
from bai_manager.types.status import (
    AgentStatus,
    EndpointLifecycle,
    ImageStatus,
    KernelStatus,
    RouteStatus,
    SessionStatus,
    UserStatus,
    VFolderInvitationState,
    VFolderStatus,
)
from tests.cli.output_samples import NOW, TRAIN, Job, listed, on_terminal, piped, said, written


def test_columns_come_in_the_order_asked_for() -> None:
    assert listed(piped(Format.TSV, "status", "name"), [TRAIN]) == "status\tname\nRUNNING\ttrain\n"


def test_a_wide_column_that_is_asked_for_is_in_the_table() -> None:
    assert listed(piped(Format.TABLE, "slots"), [TRAIN]) == "SLOTS\ncpu=2 mem=4g\n"


@pytest.mark.parametrize("form", [Format.JSON, Format.JSONL, Format.YAML])
def test_objects_hold_only_the_columns_asked_for(form: Format) -> None:
    parsed = yaml.safe_load(listed(piped(form, "name", "size"), [TRAIN]))
    assert (parsed if form is Format.JSONL else parsed[0]) == {"name": "train", "size": 1536}


@pytest.mark.parametrize("form", list(Format))
def test_an_unknown_column_is_a_usage_error_before_any_row_is_read(form: Format) -> None:
    options = piped(form, "naem")

    rows = iter([TRAIN])
    with pytest.raises(UnknownColumn) as caught:
        listed(options, rows)
    assert next(rows) is TRAIN
    assert caught.value.exit_code is ExitCode.USAGE
    assert "did you mean name?" in (caught.value.hint or "")
    assert "id, name, status, size, created_at, slots" in (caught.value.hint or "")
    assert (written(options), said(options)) == ("", "")


def test_no_choice_is_all_columns() -> None:
    columns: list[Column[Job]] = [Column("a", lambda job: job.id), Column("b", lambda job: job.id)]
    assert select_columns(columns, None) == tuple(columns)


def test_a_title_is_made_from_the_name() -> None:
    column: Column[Job] = Column("access_key", lambda job: job.id)
    assert column.heading == "Access key"


class Shape(Enum):
    ROUND = "round"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("", ""),
        ("x", "x"),
        (Shape.ROUND, "round"),
        (["a", None, Shape.ROUND], "a, -, round"),
        ([], "-"),
        ({"a": 1, "b": True}, "a=1, b=yes"),
        (timedelta(days=2, hours=3, minutes=4), "2d 3h"),
        (NOW, "2026-01-31T12:00:00Z"),
    ],
)
def test_values_for_a_person(value: object, text: str) -> None:
    assert human_text(value) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(0), "0s ago"),
        (timedelta(milliseconds=900), "0s ago"),
        (timedelta(seconds=59), "59s ago"),
        (timedelta(minutes=5, seconds=59), "5m ago"),
        (timedelta(hours=23, minutes=59), "23h ago"),
        (timedelta(days=59), "59d ago"),
        (timedelta(days=60), "2025-12-02"),
        (timedelta(hours=-2), "in 2h"),
    ],
)
def test_ages(age: timedelta, text: str) -> None:
    assert age_text(NOW - age, NOW) == text


@pytest.mark.parametrize(
    "statuses",
    [
        SessionStatus,
        KernelStatus,
        AgentStatus,
        VFolderStatus,
        UserStatus,
        ImageStatus,
        EndpointLifecycle,
        RouteStatus,
        VFolderInvitationState,
    ],
)
def test_every_status_has_a_colour(statuses: type[SessionStatus]) -> None:
    assert [status for status in statuses if not status_style(status)] == []


def test_a_status_of_another_kind_has_none() -> None:
    assert status_style("whatever") == ""


def test_a_size_is_read_by_people_on_a_terminal() -> None:
    assert listed(on_terminal(Format.TABLE), [TRAIN]).splitlines()[1].split()[3:5] == ["1.5", "KiB"]
