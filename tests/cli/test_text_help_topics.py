"""What ``bai-manager help TOPIC`` says."""

from __future__ import annotations

import pytest

from bai_manager.cli.help_topics import (
    TOPICS,
    UnknownTopic,
    exit_code_markdown,
    exit_code_rows,
    topic,
)
from bai_manager.cli.output.options import Format
from bai_manager.config.keys import RESERVED_VARIABLES, known_keys
from bai_manager.errors import ExitCode
from bai_manager.types.query import Op, parse_filter


def test_every_exit_code_has_a_meaning() -> None:
    rows = exit_code_rows()
    assert [row.code for row in rows] == sorted(ExitCode)
    assert all(row.meaning for row in rows)


def test_the_readme_table_has_a_line_for_each_code() -> None:
    lines = exit_code_markdown().splitlines()
    assert lines[:3] == ["| code | meaning |", "|---|---|", "| 0 | done |"]
    assert len(lines) == 2 + len(ExitCode)


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_begins_with_an_example_and_fits_on_the_line(name: str) -> None:
    text = topic(name)
    assert text.startswith("Example:\n  ")
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 110
    assert text == "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_exit_codes_are_all_there() -> None:
    lines = topic("exit-codes").splitlines()
    assert all(any(line.split()[:1] == [str(int(code))] for line in lines) for code in ExitCode)


def test_formats_are_all_there() -> None:
    lines = topic("formats").splitlines()
    assert all(any(line.startswith(f"  {form} ") for line in lines) for form in Format)


def test_settings_and_variables_are_all_there() -> None:
    text = topic("environment")
    variables = {key.variable for key in known_keys().values()} | RESERVED_VARIABLES
    assert [name for name in variables if name not in text] == []


def test_filters_are_such_as_can_be_read() -> None:
    examples = [line.split()[0] for line in topic("filters").splitlines()[5:10]]
    operators = [parse_filter(example).op for example in examples]
    assert operators == [Op.EQ, Op.NE, Op.GE, Op.CONTAINS, Op.EQ]


def test_an_unknown_topic_names_those_there_are() -> None:
    with pytest.raises(UnknownTopic) as caught:
        topic("everything")
    assert caught.value.exit_code is ExitCode.NOT_FOUND
    assert "exit-codes, formats, environment, filters" in (caught.value.hint or "")
