from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.text import printable

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

anything = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]),
        st.characters(max_codepoint=0x9F),
    )
)
OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def harmless_format(character: str) -> bool:
    """Say whether a format character has a visible shape, as Arabic number signs do."""
    return unicodedata.category(character) == "Cf" and character in VISIBLE_FORMAT


VISIBLE_FORMAT = {
    chr(code)
    for first, last in [
        (0x600, 0x605),
        (0x6DD, 0x6DD),
        (0x70F, 0x70F),
        (0x890, 0x891),
        (0x8E2, 0x8E2),
        (0x110BD, 0x110BD),
        (0x110CD, 0x110CD),
        (0x13430, 0x1345F),
        (0x1BCA0, 0x1BCA3),
    ]
    for code in range(first, last + 1)
}


@pytest.mark.parametrize(
    "text", ["plain", "", "한글 이름", "naïve café", "a\\x1b", "😀", "[red]markup[/red]"]
)
def test_ordinary_text_is_untouched(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x00b", "a\\x00b"),
        ("\x7f", "\\x7f"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("soft\xadhyphen", "soft\\xadhyphen"),
        ("one\u2028two", "one\\u2028two"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x85", "\\x85"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_and_tabs_stay_where_lines_are_wanted() -> None:
    assert printable("a\tb\r\nc\x1b\rd\n", multiline=True) == "a\tb\nc\\x1b\\rd\n"


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("", 0, ""),
        ("a\x1bbc", 5, "a\\x1…"),
    ],
)
def test_long_text_is_cut_with_an_ellipsis(text: str, limit: int, shown: str) -> None:
    assert printable(text, limit) == shown


def test_the_limit_counts_a_line_end_once() -> None:
    assert printable("a\r\nb\r\nc\r\n", 5, multiline=True) == "a\nb\n…"


@given(anything, st.booleans())
@quick
def test_no_control_or_format_character_is_left(text: str, multiline: bool) -> None:
    kept = {"\n", "\t"} if multiline else set()
    left = {
        character
        for character in printable(text, multiline=multiline)
        if unicodedata.category(character) in OBEYED and not harmless_format(character)
    }
    assert left <= kept


@given(anything, st.integers(0, 20))
@quick
def test_the_limit_holds_after_escaping(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    if len(printable(text)) <= limit:
        assert shown == printable(text)


@given(anything)
@quick
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(printable(text)) == printable(text)
