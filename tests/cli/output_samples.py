"""Streams, options and a few rows for the tests of the output layer."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from bai_manager.cli.output.columns import (
    Column,
    id_column,
    size_column,
    slots_column,
    status_column,
    time_column,
)
from bai_manager.cli.output.options import ColorMode, Format, OutputOptions
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


class Stream(io.StringIO):
    """A stream that may say it is a terminal."""

    def __init__(self, *, tty: bool = False) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@dataclass(frozen=True)
class Job:
    id: str
    name: str
    status: str
    size: int | None
    created_at: datetime
    slots: ResourceSlot


TRAIN = Job(
    id="3f2a9c1e-0000-4000-8000-000000000001",
    name="train",
    status="RUNNING",
    size=1536,
    created_at=NOW - timedelta(minutes=5),
    slots=ResourceSlot({"cpu": 2, "mem": "4g"}),
)
MANUAL = Job(
    id="77aa9c1e-0000-4000-8000-000000000002",
    name="수동",
    status="ERROR",
    size=None,
    created_at=NOW - timedelta(days=90),
    slots=ResourceSlot({"cuda.device": 1}),
)

COLUMNS: Sequence[Column[Job]] = (
    id_column("id", lambda job: job.id),
    Column("name", lambda job: job.name),
    status_column("status", lambda job: job.status),
    size_column("size", lambda job: job.size),
    time_column("created_at", lambda job: job.created_at),
    slots_column("slots", lambda job: job.slots, wide=True),
)
PIPED = OutputOptions(
    stdout=Stream(), stderr=Stream(), environ=MappingProxyType({}), clock=lambda: NOW
)


def named(name: str) -> Job:
    return replace(TRAIN, name=name)


def piped(form: Format | None = None, *columns: str) -> OutputOptions:
    """Fresh streams, no terminal; all columns unless some are named."""
    return replace(
        PIPED, stdout=Stream(), stderr=Stream(), format=form, columns=tuple(columns) or None
    )


def on_terminal(
    form: Format | None = None, *, width: int = 80, color: ColorMode = ColorMode.NEVER
) -> OutputOptions:
    return replace(
        PIPED,
        stdout=Stream(tty=True),
        stderr=Stream(tty=True),
        format=form,
        width=width,
        color=color,
    )


def listed(
    options: OutputOptions, rows: Iterable[Job] = (TRAIN, MANUAL), *, total: int | None = None
) -> str:
    """What a list of ROWS looks like on stdout."""
    emit_rows(options, COLUMNS, rows, name=lambda job: job.name, noun="jobs", total=total)
    return written(options)


def shown(options: OutputOptions, job: Job = TRAIN) -> str:
    """What one JOB looks like on stdout."""
    emit_object(options, job, COLUMNS, name=lambda shown: shown.name)
    return written(options)


def written(options: OutputOptions) -> str:
    assert isinstance(options.stdout, io.StringIO)
    return options.stdout.getvalue()


def said(options: OutputOptions) -> str:
    """What was written on stderr."""
    assert isinstance(options.stderr, io.StringIO)
    return options.stderr.getvalue()
