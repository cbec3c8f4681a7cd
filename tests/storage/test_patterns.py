"""Which files a transfer takes."""

from __future__ import annotations

import pytest

from bai_manager.clients.storage_proxy.patterns import Filter, InvalidPattern, Pattern


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.py", "a.py", True),
        ("*.py", "deep/in/a.py", True),
        ("*.py", "a.pyc", False),
        ("data", "deep/data", True),
        ("data/*.csv", "data/a.csv", True),
        ("data/*.csv", "data/sub/a.csv", False),
        ("data/*.csv", "deep/data/a.csv", False),
        ("/data/*.csv", "data/a.csv", True),
        ("data/**/*.csv", "data/a.csv", True),
        ("data/**/*.csv", "data/sub/deep/a.csv", True),
        ("data/**", "data/sub/deep/a.csv", True),
        ("**/a", "a", True),
        ("**/a", "x/y/a", True),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("[a-c].txt", "b.txt", True),
        ("[!a-c].txt", "b.txt", False),
        ("[]x].txt", "].txt", True),
        ("[.txt", "[.txt", True),
        ("a[&~|]b", "a&b", True),
        ("(a|b)+$", "(a|b)+$", True),
        ("a\nb*", "a\nbc", True),
        ("*", "a\nb", True),
        ("", "a", False),
    ],
)
def test_pattern_matches_what_a_shell_would(pattern: str, path: str, matches: bool) -> None:
    assert Pattern.parse(pattern).matches(path, is_folder=False) is matches


def test_pattern_with_a_slash_at_its_end_is_for_folders() -> None:
    pattern = Pattern.parse("build/")
    assert pattern.matches("deep/build", is_folder=True)
    assert not pattern.matches("deep/build", is_folder=False)


def test_pattern_that_makes_no_sense_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidPattern) as raised:
        Pattern.parse("[z-a]")
    assert raised.value.hint == "for example: *.csv"


def test_excluded_folder_is_not_looked_into() -> None:
    chosen = Filter(exclude=["node_modules/", "*.log"])
    assert not chosen.enters("a/node_modules")
    assert chosen.enters("a")
    assert not chosen.takes_file("a/x.log")
    assert chosen.takes_file("a/x.txt")


def test_included_folder_brings_all_below() -> None:
    chosen = Filter(include=["data"], exclude=["*.tmp"])
    assert chosen.takes_file("data/deep/x")
    assert not chosen.takes_file("data/deep/x.tmp")
    assert not chosen.takes_file("other/x")
    assert chosen.enters("other")
    assert not chosen.takes_folder("other")


def test_without_patterns_everything_is_taken() -> None:
    chosen = Filter()
    assert chosen.takes_file("x")
    assert chosen.takes_folder("y")
