from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.binary_size import BinarySize, parse_size_or_infinity
from bai_manager.types.errors import InvalidSize

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("1_000", 1000),
        ("2k", 2048),
        ("2K", 2048),
        ("2KiB", 2048),
        ("2 kibibytes"[:5], 2048),
        ("1.5g", GIB * 3 // 2),
        ("1.5 GiB", GIB * 3 // 2),
        ("10GiB", 10 * GIB),
        ("10 GB", 10 * GIB),
        ("512m", 512 * 1024**2),
        ("3 tbytes", 3 * 1024**4),
        ("3tibyte", 3 * 1024**4),
        ("100 bytes", 100),
        ("1 byte", 1),
        ("7 b", 7),
        (" 1y ", 1024**8),
        ("0", 0),
        ("0.0001k", 0),
    ],
)
def test_sizes_are_powers_of_1024_in_any_case(text: str, size: int) -> None:
    assert BinarySize.parse(text) == size


@pytest.mark.parametrize(
    "text",
    ["", " ", "1.5", "1.5 bytes", "10ki", "1024b", "10x", "g", "-1g", "1e3", "1..5g", "٣g", "inf"],
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidSize) as caught:
        BinarySize.parse(text)
    assert repr(text) in caught.value.message
    assert "1.5g" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["inf", "Infinite", "INFINITY"])
def test_infinity_is_a_size_where_it_is_asked_for(text: str) -> None:
    assert parse_size_or_infinity(text) == Decimal("Infinity")


def test_a_finite_size_stays_a_size_where_infinity_is_allowed() -> None:
    assert parse_size_or_infinity("2k") == BinarySize(2048)


@pytest.mark.parametrize(
    ("size", "text", "short"),
    [
        (0, "0 bytes", "0"),
        (1, "1 byte", "1"),
        (1023, "1023 bytes", "1023"),
        (1024, "1 KiB", "1k"),
        (GIB * 3 // 2, "1.5 GiB", "1.5g"),
        (1024**2 - 1, "1 MiB", "1m"),
        (1024**9, "1024 YiB", "1024y"),
        (-2048, "-2 KiB", "-2k"),
        (100 * GIB, "100 GiB", "100g"),
    ],
)
def test_a_size_is_shown_in_its_natural_unit(size: int, text: str, short: str) -> None:
    assert str(BinarySize(size)) == text
    assert f"{BinarySize(size)}" == text
    assert BinarySize(size).short() == short


@pytest.mark.parametrize(
    ("unit", "text"), [("k", "1572864k"), ("G", "1.5g"), ("m", "1536m"), ("t", "0t")]
)
def test_a_size_can_be_forced_into_a_unit(unit: str, text: str) -> None:
    assert BinarySize(GIB * 3 // 2).in_unit(unit) == text


def test_json_has_the_integer() -> None:
    assert json.dumps({"size": BinarySize(2048)}) == '{"size": 2048}'


@given(st.integers(0, 1023), st.sampled_from(["", *"kmgtpezy"]))
@quick
def test_whole_units_survive_both_forms(number: int, unit: str) -> None:
    size = BinarySize.parse(f"{number}{unit}")
    assert BinarySize.parse(str(size)) == size
    assert BinarySize.parse(size.short()) == size


@given(st.integers(0, 2**80))
@quick
def test_the_short_form_is_within_half_a_percent(number: int) -> None:
    read_back = BinarySize.parse(BinarySize(number).short())
    assert abs(read_back - number) * 200 <= number + 200  # whole bytes, too


@given(st.integers(0, 2**70), st.integers(0, 2**70))
@quick
def test_the_size_is_monotonous_in_its_text(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert BinarySize.parse(BinarySize(small).short()) <= BinarySize.parse(
        BinarySize(large).short()
    )
