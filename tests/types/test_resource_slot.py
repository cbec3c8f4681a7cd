from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.errors import InvalidResourceSlot, UnknownResourceSlot
from bai_manager.types.resource_slot import (
    INTRINSIC_SLOTS,
    DefaultForUnspecified,
    ResourceSlot,
    Shortage,
    SlotUnit,
    guess_unit,
    is_accelerator,
    parse_assignments,
)

if TYPE_CHECKING:
    from bai_manager.types.json import JsonValue

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

KNOWN = {**INTRINSIC_SLOTS, "cuda.device": SlotUnit.COUNT, "tpu.device": SlotUnit.UNIQUE}
GIB = 1024**3

finite = st.decimals(min_value=-(10**12), max_value=10**12, places=3)
amounts = finite | st.just(Decimal("Infinity"))
names = st.sampled_from(["cpu", "mem", "cuda.device", "cuda.shares"])
slots = st.dictionaries(names, amounts).map(ResourceSlot)
finite_slots = st.dictionaries(names, finite).map(ResourceSlot)


def slot(**amounts: Decimal | int | str) -> ResourceSlot:
    return ResourceSlot({name.replace("_", "."): amount for name, amount in amounts.items()})


# Reading


def test_null_entries_are_dropped() -> None:
    assert dict(ResourceSlot({"cpu": None, "mem": 1})) == {"mem": Decimal(1)}
    assert dict(ResourceSlot.from_json({"cpu": None})) == {}


def test_null_column_is_the_empty_map() -> None:
    assert len(ResourceSlot.from_json(None)) == 0


def test_json_holds_decimal_text() -> None:
    read = ResourceSlot.from_json({"cpu": "0.5", "mem": "1073741824", "cuda.shares": "Infinity"})
    assert read == slot(cpu="0.5", mem=GIB, cuda_shares=Decimal("Infinity"))


def test_json_that_a_person_wrote_is_read_like_user_input() -> None:
    assert ResourceSlot.from_json({"mem": "4g", "cpu": 2}) == slot(mem=4 * GIB, cpu=2)


def test_a_json_float_is_read_as_it_is_written() -> None:
    assert ResourceSlot.from_json({"cpu": 0.1})["cpu"] == Decimal("0.1")


@pytest.mark.parametrize("value", [[], "cpu=2", {"cpu": []}, {"cpu": "two"}, {"cpu": "4g"}])
def test_json_that_is_no_map_of_amounts_is_refused(value: JsonValue) -> None:
    with pytest.raises(InvalidResourceSlot):
        ResourceSlot.from_json(value)


def test_user_input_fills_known_slots_with_zero() -> None:
    read = ResourceSlot.from_user_input({"cpu": "2", "mem": "1.5 GiB"}, KNOWN)
    assert read.to_json() == {
        "cpu": "2",
        "mem": str(GIB * 3 // 2),
        "cuda.device": "0",
        "tpu.device": "0",
    }


def test_user_input_without_known_slots_guesses_units_and_fills_nothing() -> None:
    read = ResourceSlot.from_user_input({"cuda.mem": "2g", "cpu": "1"}, None)
    assert read.to_json() == {"cuda.mem": str(2 * GIB), "cpu": "1"}


@pytest.mark.parametrize("zero", [0, "0", "0.0", Decimal(0), None])
def test_zeros_may_name_any_slot(zero: int | str | Decimal | None) -> None:
    assert "rocm.device" not in ResourceSlot.from_user_input({"rocm.device": zero}, KNOWN)


def test_an_unknown_slot_is_answered_with_similar_ones() -> None:
    with pytest.raises(UnknownResourceSlot) as caught:
        ResourceSlot.from_user_input({"cuda.devices": "1"}, KNOWN)
    assert "did you mean cuda.device" in (caught.value.hint or "")


def test_shared_memory_is_pointed_to_resource_options() -> None:
    with pytest.raises(InvalidResourceSlot, match="resource option"):
        ResourceSlot.from_user_input({"shmem": "64m"}, KNOWN)


@pytest.mark.parametrize(
    ("text", "amount"), [("0.0005", "0"), ("0.0015", "0.002"), ("2.500", "2.5"), ("1e2", "100")]
)
def test_counts_are_rounded_to_three_places_half_even(text: str, amount: str) -> None:
    assert ResourceSlot.from_user_input({"cpu": text}, KNOWN).to_json()["cpu"] == amount


@pytest.mark.parametrize("text", ["inf", "Infinity", "infinite"])
def test_no_limit_is_written_as_infinity(text: str) -> None:
    read = ResourceSlot.from_user_input({"cpu": text, "mem": text}, None)
    assert read.to_json() == {"cpu": "Infinity", "mem": "Infinity"}


@pytest.mark.parametrize(
    "given_slots",
    [
        {"cpu": "-1"},
        {"cpu": "nan"},
        {"cpu": "4g"},
        {"cpu": ""},
        {"cpu": "1e99"},
        {"cpu": "٣"},
        {"mem": "1.5"},
        {"mem": "-1g"},
        {"mem": "lots"},
        {"mem": -1},
    ],
)
def test_user_input_that_is_no_amount_is_refused_with_its_slot(
    given_slots: dict[str, str | int],
) -> None:
    with pytest.raises(InvalidResourceSlot) as caught:
        ResourceSlot.from_user_input(given_slots, KNOWN)
    assert next(iter(given_slots)) in caught.value.message
    assert "cpu=2" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("default", "filled"),
    [(DefaultForUnspecified.LIMITED, "0"), (DefaultForUnspecified.UNLIMITED, "Infinity")],
)
def test_a_policy_has_exactly_the_known_slots(default: DefaultForUnspecified, filled: str) -> None:
    policy = ResourceSlot.from_policy(slot(cpu=4, rocm_device=1), default, {"cpu", "mem"})
    assert policy.to_json() == {"cpu": "4", "mem": filled} or policy.to_json() == {
        "mem": filled,
        "cpu": "4",
    }


def test_assignments_are_split_into_slot_and_text() -> None:
    assert parse_assignments(["cpu=2", " mem = 4g ", "cuda.device:a100=1"]) == {
        "cpu": "2",
        "mem": "4g",
        "cuda.device:a100": "1",
    }


@pytest.mark.parametrize("text", ["cpu", "cpu=", "=2", "c p u=2", "\x1b=1"])
def test_an_assignment_has_a_slot_and_an_amount(text: str) -> None:
    with pytest.raises(InvalidResourceSlot, match="SLOT=AMOUNT"):
        parse_assignments([text])


def test_a_slot_is_assigned_once() -> None:
    with pytest.raises(InvalidResourceSlot, match="twice"):
        parse_assignments(["cpu=1", "cpu=2"])


@pytest.mark.parametrize(
    ("name", "unit"),
    [("mem", SlotUnit.BYTES), ("cuda.mem", SlotUnit.BYTES), ("cpu", SlotUnit.COUNT)],
)
def test_a_unit_is_guessed_from_the_name(name: str, unit: SlotUnit) -> None:
    assert guess_unit(name) is unit


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cuda.device", True),
        ("cuda.devices", True),
        ("cuda.shares", True),
        ("cuda.share", True),
        ("cuda.device:a100", True),
        ("hyperaccel-lpu.device", True),
        ("cuda.mem", False),
        ("cuda.smp", False),
        ("cpu", False),
        ("device", False),
        ("cuda.device.x", False),
    ],
)
def test_an_accelerator_is_a_device_or_share(name: str, *, expected: bool) -> None:
    assert is_accelerator(name) is expected


# Arithmetic


@given(finite_slots, finite_slots)
@quick
def test_subtracting_what_was_added_gives_it_back(one: ResourceSlot, other: ResourceSlot) -> None:
    assert one + other - other == one


@given(slots, slots, slots)
@quick
def test_addition_is_commutative_and_associative(
    one: ResourceSlot, other: ResourceSlot, third: ResourceSlot
) -> None:
    assert one + other == other + one
    assert (one + other) + third == one + (other + third)
    assert ResourceSlot.total([one, other, third]) == one + other + third


@given(finite_slots)
@quick
def test_negation_is_the_inverse(one: ResourceSlot) -> None:
    opposite = -one
    assert -opposite == one
    assert one + opposite == ResourceSlot()


@given(slots, slots)
@quick
def test_no_operation_changes_its_operands(one: ResourceSlot, other: ResourceSlot) -> None:
    before = dict(one), dict(other)
    _ = one + other, one - other, -one, one <= other, one == other, one > other
    assert (dict(one), dict(other)) == before


def test_the_result_has_the_slots_of_both() -> None:
    assert (slot(cpu=1) - slot(mem=2)).to_json() == {"cpu": "1", "mem": "-2"}


def test_unlimited_minus_used_is_unlimited() -> None:
    unlimited = slot(cpu=Decimal("Infinity"))
    assert unlimited - slot(cpu=5) == unlimited


def test_unlimited_minus_unlimited_is_nothing_one_could_compare() -> None:
    unlimited = slot(cpu=Decimal("Infinity"))
    unknown = unlimited - unlimited
    assert unknown["cpu"].is_nan()
    assert not unknown <= unlimited
    assert not unknown >= slot(cpu=0)
    assert unknown.to_json() == {"cpu": "NaN"}
    assert slot(cpu=1).shortages(unknown)


# Order


@given(slots)
@quick
def test_the_order_is_reflexive(one: ResourceSlot) -> None:
    assert one <= one  # noqa: PLR0124 - the law itself
    assert one >= one  # noqa: PLR0124
    assert not one < one  # noqa: PLR0124
    assert one == copy.copy(one)


@given(slots, slots)
@quick
def test_the_order_is_antisymmetric(one: ResourceSlot, other: ResourceSlot) -> None:
    assert (one <= other <= one) == (one == other)
    assert (one < other) == (one <= other and one != other)
    assert (one < other) == (other > one)


@given(slots, slots, slots)
@quick
def test_the_order_is_transitive(
    one: ResourceSlot, other: ResourceSlot, third: ResourceSlot
) -> None:
    larger = one + ResourceSlot({n: abs(a) for n, a in other.items()})
    largest = larger + ResourceSlot({n: abs(a) for n, a in third.items()})
    assert one <= larger <= largest
    assert one <= largest


@given(slots, slots)
@quick
def test_equal_amounts_have_equal_hashes(one: ResourceSlot, other: ResourceSlot) -> None:
    padded = one + ResourceSlot.zero(other)
    assert padded == one
    assert hash(padded) == hash(one)
    if one == other:
        assert hash(one) == hash(other)


def test_of_two_amounts_neither_may_be_larger() -> None:
    one, other = slot(cpu=1, mem=2), slot(cpu=2, mem=1)
    assert not one <= other
    assert not one >= other
    assert not one > other


def test_less_is_not_equal() -> None:
    assert slot(cpu=1) < slot(cpu=1, mem=1)
    assert not slot(cpu=1) < slot(cpu=1, mem=0)


@given(slots, slots)
@quick
def test_shortages_are_empty_exactly_when_it_fits(one: ResourceSlot, other: ResourceSlot) -> None:
    present = ResourceSlot({name: other.get(name, Decimal(0)) for name in one})
    assert (one.shortages(other) == ()) == (one <= present)


def test_shortages_name_every_slot_that_is_short() -> None:
    assert slot(mem=8, cpu=4, tpu_device=1).shortages(slot(cpu=2, mem=8)) == (
        Shortage("cpu", Decimal(4), Decimal(2)),
        Shortage("tpu.device", Decimal(1), Decimal(0)),
    )


def test_a_minimum_missed_in_one_slot_is_missed_even_if_another_is_exceeded() -> None:
    minimum, request = slot(cpu=2, mem=GIB), slot(cpu=1, mem=8 * GIB)
    assert not minimum > request
    assert [short.slot for short in minimum.shortages(request)] == ["cpu"]


def test_eq_contains_wants_other_slots_to_be_zero() -> None:
    assert slot(cpu=1, mem=2).eq_contains(slot(cpu=1, tpu_device=0))
    assert not slot(cpu=1).eq_contains(slot(cpu=1, tpu_device=1))
    assert not slot(cpu=1).eq_contains(slot(cpu=2))


def test_eq_contained_wants_own_slots_to_be_zero() -> None:
    assert slot(cpu=1, tpu_device=0).eq_contained(slot(cpu=1, mem=2))
    assert not slot(cpu=1, mem=2).eq_contained(slot(cpu=1))


def test_other_types_are_never_equal() -> None:
    assert slot(cpu=1) != {"cpu": Decimal(1)}


# Writing


@given(slots)
@quick
def test_json_survives_a_round_trip(one: ResourceSlot) -> None:
    read = ResourceSlot.from_json(one.to_json())
    assert read == one
    assert list(read) == list(one)


def test_json_has_no_exponents() -> None:
    assert ResourceSlot({"cpu": Decimal("1E+3")}).to_json() == {"cpu": "1000"}


def test_people_see_memory_in_short_form() -> None:
    shown = slot(cpu="2.50", mem=GIB * 3 // 2, cuda_device=Decimal("Infinity"))
    assert shown.humanized() == {"cpu": "2.5", "mem": "1.5g", "cuda.device": "inf"}
    assert str(shown) == "cpu=2.5 mem=1.5g cuda.device=inf"


def test_units_may_be_told() -> None:
    assert slot(vram=GIB).humanized({"vram": SlotUnit.BYTES}) == {"vram": "1g"}


def test_what_people_see_can_be_given_back() -> None:
    shown = slot(cpu=2, mem=4 * GIB, cuda_device=1)
    assert ResourceSlot.from_user_input(parse_assignments(str(shown).split()), None) == shown


def test_slots_can_be_pickled_and_copied() -> None:
    one = slot(cpu=1)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own bytes
    assert copy.deepcopy(one) == one
