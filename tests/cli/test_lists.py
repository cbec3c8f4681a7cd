"""Every list of people, projects and limits: filters, sort keys, columns, limits and formats.

What a column shows can be asked for and sorted by, unless ``NOT_ASKED_FOR`` says why not.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.architecture import catalogue

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

LISTS: Final = {
    "domain list": "",
    "user list": "",
    "user keypair list": "",
    "group list": "",
    "group members list": "default/default",
    "policy keypair list": "",
    "policy user list": "",
    "policy project list": "",
    "scaling-group list": "",
}
"""Each with its argument."""

EMPTY: Final = {
    "preset list": "",
    "user keypair dotfile list": "",
    "group dotfile list": "default/default",
}
"""Lists of which the seeded system has nothing: their queries are checked all the same."""

NOT_ASKED_FOR: Final = {
    "version": "it names a state of the row, to be given back",
    "agent_counts": "a map, of which agent_count is the sum",
    "available_slots": "added up over agents, after the rows were read",
    "occupied_slots": "added up over agents, after the rows were read",
    "free_slots": "added up over agents, after the rows were read",
    "largest_request": "found among agents, after the rows were read",
    "own_occupied_slots": "added up over kernels, after the rows were read",
    "domains": "asked for with --domain",
    "projects": "of a resource group, asked for with --group",
    "access_keys": "asked for with --keypair",
}
SLOTS: Final = {"total_resource_slots", "resource_slots", "max_pending_session_resource_slots"}
OPTIONS: Final = {"--filter", "--sort", "--limit"}


def _known(ask: Ask, path: str, words: list[str]) -> list[str]:
    """What the message about an unknown field names."""
    done = ask("root", *path.split(), *words, "--sort", "nothing", "-o", "json")
    assert done.code == 2
    known: list[str] = json.loads(done.err)["error"]["details"]["known"]
    return known


def test_the_table_has_every_list_that_can_be_filtered() -> None:
    found = {
        path
        for path, command in catalogue.commands()
        if path.endswith(" list")
        and path.split()[0] in {one.split()[0] for one in (*LISTS, *EMPTY)}
        if {option for parameter in command.params for option in parameter.opts} >= OPTIONS
    }
    assert found == {*LISTS, *EMPTY}


@pytest.mark.parametrize("path", [*LISTS, *EMPTY])
def test_what_a_list_shows_can_be_asked_for_and_sorted_by(ask: Ask, path: str) -> None:
    words = {**LISTS, **EMPTY}[path].split()
    known = _known(ask, path, words)
    done = ask("root", *path.split(), *words, "-o", "tsv")
    assert set(done.header) - set(known) <= set(NOT_ASKED_FOR)
    sorts = ",".join(name if name not in SLOTS else f"-{name}.cpu" for name in known)
    by_all = ask("root", *path.split(), *words, "--sort", sorts, "-o", "tsv")
    assert (by_all.code, sorted(by_all.cells)) == (0, sorted(done.cells))


@pytest.mark.parametrize("path", LISTS)
def test_a_row_is_found_by_what_it_shows(ask: Ask, path: str) -> None:
    """All filters together, each with the cell of the first row, leave at least that row."""
    words = LISTS[path].split()
    known = _known(ask, path, words)
    done = ask("root", *path.split(), *words, "-o", "tsv")
    row = dict(zip(done.header, done.cells[0], strict=True))
    filters = [
        f"--filter={name}={value}"
        for name, value in row.items()
        if name in known and value and value[0] not in "[{"
    ]
    found = ask("root", *path.split(), *words, *filters, "--limit", "1", "-o", "tsv")
    assert found.code == 0, found.err
    assert found.cells == [done.cells[0]]


@pytest.mark.parametrize("path", LISTS)
def test_every_format_has_every_row(ask: Ask, path: str) -> None:
    words = (*path.split(), *LISTS[path].split())
    rows = json.loads(ask("root", *words, "-o", "json").out)
    assert yaml.safe_load(ask("root", *words, "-o", "yaml").out) == rows
    lines = ask("root", *words, "-o", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert len(ask("root", *words, "-o", "name").out.splitlines()) == len(rows)
    cells = list(csv.DictReader(io.StringIO(ask("root", *words, "-o", "csv").out)))
    chosen = ",".join(list(cells[0])[:2])
    table = ask("root", *words, "-o", "table", "--columns", chosen).out.splitlines()
    assert (len(cells), len(table)) == (len(rows), len(rows) + 1)


@pytest.mark.parametrize(
    ("path", "condition", "names"),
    [
        ("user list", "projects=default", 7),
        ("user list", "projects!=default", 0),
        ("user list", "projects~DEF", 7),
        ("user list", "projects=none,other", 0),
        ("user list", "has_password=false", 7),
        ("domain list", "scaling_groups=default", 2),
        ("domain list", "allowed_docker_registries=local", 2),
        ("domain list", "allowed_vfolder_hosts!=local:volume1", 2),
        ("domain list", "total_resource_slots.cpu>=1", 0),
        ("policy keypair list", "allowed_vfolder_hosts=local:volume1", 0),
        ("policy keypair list", "total_resource_slots.mem<10g", 0),
        ("group list", "total_resource_slots.cuda.device>1", 0),
    ],
)
def test_lists_of_names_and_single_slots_are_compared(
    ask: Ask, path: str, condition: str, names: int
) -> None:
    done = ask("root", *path.split(), "--filter", condition, "-o", "name")
    assert (done.code, len(done.out.splitlines())) == (0, names)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("total_resource_slots=8", "of which one is compared"),
        ("total_resource_slots.cpu=many", "not a number"),
        ("total_resource_slots.mem>lots", "not"),
        ("allowed_vfolder_hosts>a", "list of names"),
        ("name.cpu=1", "name.cpu"),
    ],
)
def test_what_cannot_be_compared_is_refused(ask: Ask, condition: str, said: str) -> None:
    done = ask("root", "policy", "keypair", "list", "--filter", condition, "-o", "table")
    assert (done.code, said in done.err) == (2, True)
