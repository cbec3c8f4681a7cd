"""Names and messages that somebody else wrote: nothing in them is obeyed or hidden."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bai_manager.cli.output.encode import json_text, yaml_text
from bai_manager.cli.output.options import ColorMode, Format
from bai_manager.types.text import printable
from tests.cli.output_samples import listed, named, on_terminal, piped, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from bai_manager.cli.output.options import OutputOptions

HOSTILE = {
    "markup": "[red]x[/red] [link=file:///etc]y[/link] :boom:",
    "colour": "\x1b[31mred",
    "clear screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;http://example.org\x1b\\x\x1b]8;;\x1b\\",
    "C1 sequence": "\x9b31m\x9d0;t\x9c",
    "line ends": "a\nb\rc\u2028d\u2029e\x85f\x0bg\x0ch",
    "tabs": "a\tb",
    "overwriting": "secret\b\b\b\b\b\bpublic\x7f",
    "right to left": "user\u202etxt.exe\u202c\u2066\u2069\u200f",
    "invisible": "a\u200b\ufeff\u2060\u00adb\U000e0041",
    "surrogate": "a\ud800b",
    "quotes": "\"'`$(id)\\",
}
LINE_FORMATS = [Format.TABLE, Format.WIDE, Format.TSV, Format.NAME]
every_hostile = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
anything = st.text(st.characters(), max_size=20)


def is_harmless(text: str) -> bool:
    """Nothing is left that ``printable`` would have to make visible, but for line ends and tabs."""
    return printable(text.replace("\r\n", "\n"), multiline=True) == text.replace("\r\n", "\n")


@every_hostile
@pytest.mark.parametrize("form", LINE_FORMATS)
@pytest.mark.parametrize("make_options", [piped, on_terminal])
def test_a_line_format_shows_one_harmless_line_for_each_row(
    name: str, form: Format, make_options: Callable[[Format], OutputOptions]
) -> None:
    text = listed(replace(make_options(form), no_header=True), [named(name)])
    assert is_harmless(text)
    assert text.count("\n") == 1


@every_hostile
@pytest.mark.parametrize("form", LINE_FORMATS)
def test_an_object_shows_harmless_text(name: str, form: Format) -> None:
    assert is_harmless(shown(on_terminal(form), named(name)))


@every_hostile
def test_a_name_adds_no_column_to_tsv(name: str) -> None:
    line = listed(piped(Format.TSV), [named(name)]).splitlines()[1]
    assert line.count("\t") == 5


def test_markup_is_shown_as_it_is() -> None:
    assert HOSTILE["markup"] in listed(on_terminal(Format.WIDE), [named(HOSTILE["markup"])])


def test_hostile_text_in_colour_adds_no_sequence() -> None:
    friendly = listed(on_terminal(Format.WIDE, color=ColorMode.ALWAYS), [named("x")])
    hostile = listed(on_terminal(Format.WIDE, color=ColorMode.ALWAYS), [named("\x1b[5m\x1b]0;t")])
    assert hostile.count("\x1b") == friendly.count("\x1b")


@every_hostile
@pytest.mark.parametrize("form", [Format.JSON, Format.JSONL])
def test_json_is_harmless_and_exact(name: str, form: Format) -> None:
    text = listed(piped(form), [named(name)])
    assert is_harmless(text)
    row = json.loads(text)[0] if form is Format.JSON else json.loads(text)
    assert row["name"] == name


@every_hostile
def test_yaml_is_harmless_and_exact(name: str) -> None:
    text = listed(piped(Format.YAML), [named(name)])
    assert is_harmless(text)
    assert yaml.safe_load(text)[0]["name"] == name.replace("\ud800", "\ufffd")


@settings(max_examples=100, deadline=None)
@given(anything)
def test_any_text_comes_back_from_json_and_yaml(text: str) -> None:
    assert json.loads(json_text(text)) == text
    assert is_harmless(json_text(text))
    assert yaml.safe_load(yaml_text([text])) == [re.sub("[\ud800-\udfff]", "\ufffd", text)]
    assert is_harmless(yaml_text([text]))


@every_hostile
def test_csv_is_exact_in_a_pipe(name: str) -> None:
    text = listed(piped(Format.CSV), [named(name)])
    assert list(csv.reader(io.StringIO(text, newline="")))[1][1] == name


@every_hostile
def test_csv_is_harmless_on_a_terminal(name: str) -> None:
    assert is_harmless(listed(on_terminal(Format.CSV), [named(name)]))


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.TABLE])
def test_a_name_of_64_kib_is_whole_for_programs_and_in_wide(form: Format) -> None:
    name = "n" * 65536
    assert name in listed(piped(form), [named(name)])


@pytest.mark.parametrize("width", [80, 200])
def test_a_name_of_64_kib_does_not_flood_a_table(width: int) -> None:
    lines = listed(on_terminal(Format.TABLE, width=width), [named("n" * 65536)]).splitlines()
    assert all(len(line) <= width for line in lines)
    assert "n…" in lines[1]


def test_a_name_of_64_kib_is_cut_in_a_table_even_where_lines_are_not() -> None:
    lines = listed(piped(Format.TABLE), [named("n" * 65536)]).splitlines()
    assert "n" * 119 + "…" in lines[1]
    assert len(lines[1]) < 200
