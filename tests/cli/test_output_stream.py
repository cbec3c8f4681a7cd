"""Long lists: flat memory, whole lines, no surprise when something ends early."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.output.columns import Column
from bai_manager.cli.output.options import Format
from bai_manager.cli.output.rows import emit_stream
from bai_manager.errors import ExitCode
from tests.cli.output_samples import (
    COLUMNS,
    TRAIN,
    Job,
    Stream,
    listed,
    on_terminal,
    piped,
    written,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bai_manager.cli.output.options import OutputOptions

MEGABYTE = 1 << 20
MACHINE = [form for form in Format if not form.is_human]


class Counted(Stream):
    """Forgets what is written, but for the number of lines."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        return len(text)


async def jobs(count: int) -> AsyncIterator[Job]:
    for _ in range(count):
        yield TRAIN


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def stream(options: OutputOptions, rows: AsyncIterator[Job]) -> None:
    await emit_stream(options, COLUMNS, rows, name=lambda job: job.name, noun="jobs")


async def test_a_hundred_thousand_rows_need_no_memory() -> None:
    counted = Counted()
    options = replace(piped(Format.JSONL), stdout=counted)
    columns: list[Column[int]] = [Column("number", lambda number: number)]

    async def emit(count: int) -> None:
        await emit_stream(options, columns, numbers(count), name=str)

    await emit(10)
    tracemalloc.start()
    try:
        await emit(100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted.lines == 100_010
    assert peak < MEGABYTE


@pytest.mark.parametrize("form", list(Format))
async def test_a_stream_looks_like_a_list(form: Format) -> None:
    streamed, whole = piped(form), piped(form)
    await stream(streamed, jobs(3))
    assert written(streamed) == listed(whole, [TRAIN] * 3)


class LostConnectionError(Exception):
    pass


def failing(after: int) -> Iterator[Job]:
    yield from [TRAIN] * after
    raise LostConnectionError


@pytest.mark.parametrize("form", MACHINE)
def test_an_error_before_the_first_row_leaves_no_output(form: Format) -> None:
    options = piped(form)
    with pytest.raises(LostConnectionError):
        listed(options, failing(after=0))
    assert written(options) == ""


@pytest.mark.parametrize("form", [Format.JSONL, Format.TSV, Format.CSV, Format.NAME, Format.YAML])
def test_an_error_in_the_middle_leaves_whole_lines(form: Format) -> None:
    options = piped(form)
    with pytest.raises(LostConnectionError):
        listed(options, failing(after=2))
    assert written(options) == listed(piped(form), [TRAIN] * 2)


def test_a_json_array_that_was_cut_cannot_be_read_as_a_whole_one() -> None:
    options = piped(Format.JSON)
    with pytest.raises(LostConnectionError):
        listed(options, failing(after=2))
    with pytest.raises(json.JSONDecodeError):
        json.loads(written(options))


async def test_a_stream_is_closed_when_a_table_is_full() -> None:
    closed = False

    async def endless() -> AsyncIterator[Job]:
        nonlocal closed
        try:
            while True:
                yield TRAIN
        finally:
            closed = True

    await stream(on_terminal(Format.TABLE), endless())
    assert closed


PROGRAM = """
import sys
from bai_manager.cli.output.options import Format, OutputOptions
from bai_manager.cli.output.pipes import guard_stdout
from bai_manager.cli.output.rows import emit_object, emit_rows
from bai_manager.cli.output.columns import Column

columns = [Column("name", lambda row: row["name"])]
options = OutputOptions(stdout=sys.stdout, stderr=sys.stderr, format=Format(sys.argv[1]))

def rows():
    for number in range(int(sys.argv[2])):
        yield {"name": f"row {number}"}

with guard_stdout():
    emit_rows(options, columns, rows(), name=lambda row: row["name"])
    emit_object(options, {"name": "x"}, columns, name=lambda row: row["name"])
print(" ".join(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("form", [Format.TSV, Format.JSONL])
def test_a_reader_that_leaves_early_is_met_with_silence(form: Format) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, form, "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == ExitCode.CLOSED_PIPE


def test_a_reader_that_was_never_there_is_noticed_in_the_last_flush() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed_pipe:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "name", "1"],
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (ExitCode.CLOSED_PIPE, b"")


OTHER_PIPE = """
from bai_manager.cli.output.pipes import guard_stdout

with guard_stdout():
    raise BrokenPipeError("the agent's socket")
"""


def test_another_broken_pipe_is_not_silenced() -> None:
    done = subprocess.run([sys.executable, "-c", OTHER_PIPE], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"the agent's socket" in done.stderr


SURROGATE = """
from bai_manager.cli.output.pipes import guard_stdout

with guard_stdout():
    print("a\\udc80b")
"""


def test_text_that_utf_8_cannot_hold_is_escaped() -> None:
    done = subprocess.run([sys.executable, "-c", SURROGATE], capture_output=True, check=True)
    assert done.stdout == b"a\\udc80b\n"


@pytest.mark.parametrize(
    ("form", "not_imported"),
    [
        ("tsv", {"rich", "yaml", "csv"}),
        ("csv", {"rich", "yaml"}),
        ("json", {"rich", "yaml", "csv"}),
        ("jsonl", {"rich", "yaml", "csv"}),
        ("name", {"rich", "yaml", "csv", "json"}),
        ("yaml", {"rich", "csv"}),
        ("table", {"yaml", "csv"}),
    ],
)
def test_a_format_imports_only_what_it_uses(form: str, not_imported: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form, "2"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    modules = set(done.stderr.split())
    assert "bai_manager.cli.output.rows" in modules
    never = {"typer", "sqlalchemy", "httpx", "pydantic", "asyncio"}
    assert modules & (not_imported | never) == set()


async def test_rows_reach_the_reader_as_they_come() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as pipe:
        options = replace(piped(Format.JSONL), stdout=pipe)

        async def rows() -> AsyncIterator[Job]:
            yield TRAIN
            assert select.select([reader], [], [], 0)[0] == [reader]

        await stream(options, rows())
