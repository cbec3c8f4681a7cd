"""Every format, to the byte."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from rich.cells import cell_len

from bai_manager.cli.output.options import ColorMode, Format
from bai_manager.cli.output.rows import row_writer
from tests.cli.output_samples import (
    COLUMNS,
    MANUAL,
    TRAIN,
    Job,
    listed,
    named,
    on_terminal,
    piped,
    said,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HUMAN = [Format.TABLE, Format.WIDE]
TRAIN_JSON = (
    '{"id": "3f2a9c1e-0000-4000-8000-000000000001", "name": "train", "status": "RUNNING", '
    '"size": 1536, "created_at": "2026-01-31T11:55:00.000000Z", '
    '"slots": {"cpu": "2", "mem": "4294967296"}}'
)
MANUAL_JSON = (
    '{"id": "77aa9c1e-0000-4000-8000-000000000002", "name": "수동", "status": "ERROR", '
    '"size": null, "created_at": "2025-11-02T12:00:00.000000Z", "slots": {"cuda.device": "1"}}'
)
HEADER = "id\tname\tstatus\tsize\tcreated_at\tslots\n"
TRAIN_TSV = (
    "3f2a9c1e-0000-4000-8000-000000000001\ttrain\tRUNNING\t1536\t2026-01-31T11:55:00.000000Z\t"
    '{"cpu": "2", "mem": "4294967296"}\n'
)
MANUAL_TSV = (
    "77aa9c1e-0000-4000-8000-000000000002\t수동\tERROR\t\t2025-11-02T12:00:00.000000Z\t"
    '{"cuda.device": "1"}\n'
)


def test_a_table_shortens_what_a_person_does_not_need() -> None:
    assert listed(on_terminal(Format.TABLE)) == (
        "ID        NAME   STATUS      SIZE  CREATED\n"
        "3f2a9c1e  train  RUNNING  1.5 KiB  5m ago\n"
        "77aa9c1e  수동   ERROR          -  2025-11-02\n"
    )


def test_wide_shows_all_columns_and_cuts_nothing() -> None:
    assert listed(on_terminal(Format.WIDE, width=40)) == (
        "ID                                    NAME   STATUS      SIZE  CREATED     SLOTS\n"
        "3f2a9c1e-0000-4000-8000-000000000001  train  RUNNING  1.5 KiB  5m ago      cpu=2 mem=4g\n"
        "77aa9c1e-0000-4000-8000-000000000002  수동   ERROR          -  2025-11-02  cuda.device=1\n"
    )


def test_json_is_an_array_with_one_whole_object_a_line() -> None:
    text = listed(piped(Format.JSON))
    assert text == f"[\n  {TRAIN_JSON},\n  {MANUAL_JSON}\n]\n"
    assert [row["name"] for row in json.loads(text)] == ["train", "수동"]


def test_jsonl_is_one_object_a_line() -> None:
    assert listed(piped(Format.JSONL)) == f"{TRAIN_JSON}\n{MANUAL_JSON}\n"


def test_yaml_is_a_sequence_of_whole_objects() -> None:
    text = listed(piped(Format.YAML))
    assert text == (
        "- id: 3f2a9c1e-0000-4000-8000-000000000001\n"
        "  name: train\n"
        "  status: RUNNING\n"
        "  size: 1536\n"
        "  created_at: '2026-01-31T11:55:00.000000Z'\n"
        "  slots:\n"
        "    cpu: '2'\n"
        "    mem: '4294967296'\n"
        "- id: 77aa9c1e-0000-4000-8000-000000000002\n"
        "  name: 수동\n"
        "  status: ERROR\n"
        "  size: null\n"
        "  created_at: '2025-11-02T12:00:00.000000Z'\n"
        "  slots:\n"
        "    cuda.device: '1'\n"
    )
    assert yaml.safe_load(text) == json.loads(f"[{TRAIN_JSON}, {MANUAL_JSON}]")


def test_csv_follows_rfc_4180() -> None:
    text = listed(piped(Format.CSV), [named('a "b", c\nd')])
    assert text == (
        "id,name,status,size,created_at,slots\r\n"
        '3f2a9c1e-0000-4000-8000-000000000001,"a ""b"", c\nd",RUNNING,1536,'
        '2026-01-31T11:55:00.000000Z,"{""cpu"": ""2"", ""mem"": ""4294967296""}"\r\n'
    )
    assert list(csv.reader(io.StringIO(text, newline="")))[1][1] == 'a "b", c\nd'


def test_csv_leaves_formulas_exact() -> None:
    assert ",=1+1," in listed(piped(Format.CSV), [named("=1+1")])


def test_tsv_has_a_header_and_full_values() -> None:
    assert listed(piped(Format.TSV)) == HEADER + TRAIN_TSV + MANUAL_TSV


def test_tsv_escapes_what_would_break_a_line() -> None:
    text = listed(piped(Format.TSV, "name"), [named("a\tb\nc\\d\re")])
    assert text == "name\na\\tb\\nc\\\\d\\re\n"


def test_names_select_in_another_command() -> None:
    assert listed(piped(Format.NAME)) == "train\n수동\n"


def test_a_terminal_gets_a_table_and_a_pipe_tsv() -> None:
    assert listed(on_terminal()).startswith("ID        NAME")
    assert listed(piped()).startswith("id\tname\t")


@pytest.mark.parametrize("form", HUMAN)
def test_a_table_in_a_pipe_is_not_cut(form: Format) -> None:
    name = "n" * 110
    assert name in listed(piped(form), [named(name)])


@pytest.mark.parametrize("form", [Format.TABLE, Format.CSV, Format.TSV])
def test_the_header_can_be_left_out(form: Format) -> None:
    options = replace(piped(form, "name"), no_header=True)
    assert listed(options).split() == ["train", "수동"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Format.JSON, "[]\n"),
        (Format.JSONL, ""),
        (Format.YAML, "[]\n"),
        (Format.CSV, "id,name,status,size,created_at,slots\r\n"),
        (Format.TSV, HEADER),
        (Format.NAME, ""),
        (Format.TABLE, ""),
        (Format.WIDE, ""),
    ],
)
def test_an_empty_list_is_still_in_its_format(form: Format, expected: str) -> None:
    options = piped(form)
    assert listed(options, []) == expected
    assert said(options) == ("No jobs.\n" if form in HUMAN else "")


def test_quiet_drops_notes() -> None:
    options = replace(piped(Format.TABLE), quiet=True)
    listed(options, [])
    assert said(options) == ""


def test_one_object_is_a_list_of_titles_and_full_values() -> None:
    assert shown(on_terminal(Format.TABLE, width=20)) == (
        "ID       3f2a9c1e-0000-4000-8000-000000000001\n"
        "Name     train\n"
        "Status   RUNNING\n"
        "Size     1.5 KiB\n"
        "Created  2026-01-31T11:55:00Z (5m ago)\n"
        "Slots    cpu=2 mem=4g\n"
    )


def test_lines_of_a_value_stand_below_each_other() -> None:
    assert "Name     one\n         two\n" in shown(on_terminal(Format.TABLE), named("one\ntwo"))


def test_one_object_is_a_json_object() -> None:
    text = shown(piped(Format.JSON), MANUAL)
    assert text.startswith('{\n  "id": "77aa9c1e-0000-4000-8000-000000000002",\n')
    assert text.endswith('  "slots": {\n    "cuda.device": "1"\n  }\n}\n')
    assert json.loads(text) == json.loads(MANUAL_JSON)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Format.JSONL, TRAIN_JSON + "\n"),
        (Format.TSV, HEADER + TRAIN_TSV),
        (Format.NAME, "train\n"),
    ],
)
def test_one_object_is_one_line(form: Format, expected: str) -> None:
    assert shown(piped(form)) == expected


def test_one_object_is_a_yaml_mapping() -> None:
    assert yaml.safe_load(shown(piped(Format.YAML))) == json.loads(TRAIN_JSON)


@pytest.mark.parametrize("form", [Format.JSON, Format.JSONL, Format.YAML])
def test_an_object_of_a_dry_run_says_so_itself(form: Format) -> None:
    options = replace(piped(form), dry_run=True)
    assert yaml.safe_load(shown(options))["dry_run"] is True
    assert said(options) == ""


@pytest.mark.parametrize("form", [Format.TABLE, Format.TSV, Format.CSV, Format.NAME])
def test_the_other_formats_say_it_on_stderr(form: Format) -> None:
    options = replace(piped(form), dry_run=True, quiet=True)
    assert "dry" not in shown(options)
    assert said(options) == "dry run: nothing was changed\n"


@pytest.mark.parametrize("form", list(Format))
def test_a_list_of_a_dry_run_says_so_on_stderr(form: Format) -> None:
    options = replace(piped(form), dry_run=True)
    assert "dry" not in listed(options)
    assert said(options) == "dry run: nothing was changed\n"


def test_colours_repeat_what_the_words_say() -> None:
    plain = listed(on_terminal(Format.TABLE))
    colored = listed(on_terminal(Format.TABLE, color=ColorMode.ALWAYS))
    assert "\x1b[32mRUNNING\x1b[0m" in colored
    assert "\x1b[31mERROR  \x1b[0m" in colored
    assert "\x1b" not in plain
    assert [word for word in plain.split() if word not in colored] == []


@pytest.mark.parametrize("form", [form for form in Format if form not in HUMAN])
def test_programs_never_get_colours(form: Format) -> None:
    assert "\x1b" not in listed(replace(piped(form), color=ColorMode.ALWAYS))


@pytest.mark.parametrize("form", HUMAN)
def test_environment_of_the_process_does_not_leak_in(
    form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "10", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    assert "\x1b" not in listed(piped(form))


def test_a_narrow_terminal_cuts_the_widest_columns_first() -> None:
    wordy = [named("a-long-name-of-some-session"), TRAIN]
    text = listed(on_terminal(Format.TABLE, width=50), wordy)
    assert text == (
        "ID        NAME           STATUS      SIZE  CREATED\n"
        "3f2a9c1e  a-long-name-…  RUNNING  1.5 KiB  5m ago\n"
        "3f2a9c1e  train          RUNNING  1.5 KiB  5m ago\n"
    )


@pytest.mark.parametrize("width", [28, 40, 60, 80, 200])
def test_a_table_fits_the_terminal(width: int) -> None:
    text = listed(on_terminal(Format.TABLE, width=width), [named("x" * 100), MANUAL])
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_broad_terminal_cuts_nothing() -> None:
    name = "a-long-name-of-some-session" * 3
    assert name in listed(on_terminal(Format.TABLE, width=200), [named(name)])


def test_a_table_stops_at_a_screenful_of_screens() -> None:
    options = on_terminal(Format.TABLE)
    asked_for = 0

    def endless() -> Iterator[Job]:
        nonlocal asked_for
        while True:
            asked_for += 1
            yield TRAIN

    assert len(listed(options, endless()).splitlines()) == 501
    assert asked_for == 501
    assert said(options) == (
        "Showing the first 500 jobs. Narrow with --filter, or take all with -o tsv.\n"
    )


def test_a_table_without_filters_does_not_speak_of_them() -> None:
    options = on_terminal(Format.TABLE)
    rows = row_writer(options, COLUMNS, name=lambda job: job.name, noun="jobs", has_filters=False)
    for _ in range(501):
        rows.write(TRAIN)
    rows.close()
    assert said(options) == "Showing the first 500 jobs. Take all with -o tsv.\n"


def test_a_list_that_was_limited_says_of_how_many() -> None:
    options = on_terminal(Format.TABLE)
    listed(options, [TRAIN], total=9)
    assert said(options).startswith("Showing the first 1 of 9 jobs.")


def test_a_machine_format_that_was_limited_says_nothing() -> None:
    options = piped(Format.TSV)
    assert listed(options, [TRAIN], total=9) == HEADER + TRAIN_TSV
    assert said(options) == ""
