from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.binary_size import BinarySize
from bai_manager.types.errors import (
    InvalidChoice,
    InvalidFilter,
    InvalidLimit,
    InvalidSize,
    InvalidSort,
    InvalidTime,
    UnknownField,
)
from bai_manager.types.query import (
    ID,
    INTEGER,
    NUMBER,
    SIZE,
    TEXT,
    TIME,
    TRUTH,
    CheckedFilter,
    FieldKind,
    Filter,
    Op,
    Query,
    SortKey,
    check_query,
    parse_filter,
    parse_sort,
)
from bai_manager.types.status import SessionStatus

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SESSION = UUID("f38dea23-50fa-42a0-b5ae-338f5f4693f4")
FIELDS = {
    "name": TEXT,
    "status": FieldKind.choice(SessionStatus),
    "priority": INTEGER,
    "progress": NUMBER,
    "size": SIZE,
    "created_at": TIME,
    "use_host_network": TRUTH,
    "id": ID,
}


def checked(text: str) -> CheckedFilter:
    query = check_query(Query(filters=(parse_filter(text),)), FIELDS, now=NOW)
    (condition,) = query.filters
    return condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("status=RUNNING,PENDING", Filter("status", Op.EQ, ("RUNNING", "PENDING"))),
        ("status != ERROR", Filter("status", Op.NE, ("ERROR",))),
        ("created_at>2d", Filter("created_at", Op.GT, ("2d",))),
        ("size>=10GiB", Filter("size", Op.GE, ("10GiB",))),
        ("priority<5", Filter("priority", Op.LT, ("5",))),
        ("priority<=5", Filter("priority", Op.LE, ("5",))),
        ("name~a,b", Filter("name", Op.CONTAINS, ("a,b",))),
        ("name=a\\,b,c", Filter("name", Op.EQ, ("a,b", "c"))),
        ("name= \\ a , b ", Filter("name", Op.EQ, (" a", "b"))),
        ("name=a=b", Filter("name", Op.EQ, ("a=b",))),
        ("name=a\\\\", Filter("name", Op.EQ, ("a\\",))),
        ("name=", Filter("name", Op.EQ, ("",))),
        ("name=a,", Filter("name", Op.EQ, ("a", ""))),
        ("requested_slots.cpu>2", Filter("requested_slots.cpu", Op.GT, ("2",))),
    ],
)
def test_a_filter_is_field_operator_and_values(text: str, condition: Filter) -> None:
    assert parse_filter(text) == condition


@pytest.mark.parametrize("text", ["", "status", "=RUNNING", "sta tus=1", "1a=2", "é=1"])
def test_what_is_no_filter_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse_filter(text)
    assert "created_at>2d" in (caught.value.hint or "")


fields = st.from_regex(r"\A[a-z_][a-z0-9_.]{0,8}\Z")
conditions = st.one_of(
    st.builds(
        Filter,
        fields,
        st.sampled_from([Op.EQ, Op.NE]),
        st.lists(st.text(), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Filter,
        fields,
        st.sampled_from([Op.GT, Op.GE, Op.LT, Op.LE, Op.CONTAINS]),
        st.tuples(st.text()),
    ),
)


@given(conditions)
@quick
def test_a_filter_survives_its_text(condition: Filter) -> None:
    assert parse_filter(str(condition)) == condition


def test_sort_keys_come_in_order_minus_descends() -> None:
    assert parse_sort("-created_at, name,+id") == (
        SortKey("created_at", descending=True),
        SortKey("name"),
        SortKey("id"),
    )


@given(st.lists(st.builds(SortKey, fields, st.booleans()), min_size=1, max_size=4))
@quick
def test_a_sort_order_survives_its_text(keys: list[SortKey]) -> None:
    assert parse_sort(",".join(map(str, keys))) == tuple(keys)


@pytest.mark.parametrize("text", ["", "a,,b", "a b", "--a", "a,"])
def test_what_is_no_sort_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidSort):
        parse_sort(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("name=a,b", ("a", "b")),
        ("name>m", ("m",)),
        ("status=running,pending", (SessionStatus.RUNNING, SessionStatus.PENDING)),
        ("priority>=-5", (-5,)),
        ("progress<0.5", (Decimal("0.5"),)),
        ("size>1.5g", (BinarySize(3 * 1024**3 // 2),)),
        ("created_at>2d", (NOW - timedelta(days=2),)),
        ("created_at<2026-01-31", (datetime(2026, 1, 31, tzinfo=UTC),)),
        ("use_host_network=Yes", (True,)),
        ("use_host_network!=false", (False,)),
        (f"id={SESSION}", (SESSION,)),
        ("id~f38d", ("f38d",)),
    ],
)
def test_values_become_what_the_field_holds(text: str, values: tuple[object, ...]) -> None:
    condition = checked(text)
    assert condition.values == values
    assert [type(value) for value in condition.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("priority=high", "'high' is not a whole number"),
        ("priority=1.5", "not a whole number"),
        ("progress=nan", "not a number"),
        ("use_host_network=maybe", "true or false"),
        ("id=f38d", "not a UUID"),
        ("status>RUNNING", "which takes = !="),
        ("use_host_network>true", "which takes = !="),
        ("size~10", "which takes = != > >= < <="),
        ("id>5", "which takes = != ~"),
    ],
)
def test_a_value_or_operator_the_field_does_not_take_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        checked(text)
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("text", "error"),
    [("status=RUNING", InvalidChoice), ("created_at>soon", InvalidTime), ("size>1.5", InvalidSize)],
)
def test_a_value_of_a_type_of_its_own_is_refused_by_that_type(
    text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        checked(text)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query(filters=(parse_filter("stauts=RUNNING"),)), "'stauts' is not a known filter field"),
        (Query(sort=parse_sort("-stauts")), "'stauts' is not a known sort key"),
        (Query(columns=("id", "stauts")), "'stauts' is not a known column"),
    ],
)
def test_an_unknown_field_is_a_usage_error_with_similar_names(query: Query, message: str) -> None:
    with pytest.raises(UnknownField) as caught:
        check_query(query, FIELDS, now=NOW)
    assert caught.value.message == message
    assert "did you mean status" in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def test_columns_may_be_other_than_the_fields_one_can_filter_by() -> None:
    query = Query(columns=("idle_checks",))
    assert check_query(query, FIELDS, now=NOW, columns={"idle_checks"}).columns == query.columns
    with pytest.raises(UnknownField):
        check_query(Query(columns=("id",)), FIELDS, now=NOW, columns={"idle_checks"})


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_one(limit: int) -> None:
    with pytest.raises(InvalidLimit):
        check_query(Query(limit=limit), FIELDS, now=NOW)


def test_the_rest_of_the_query_is_kept() -> None:
    query = Query(sort=parse_sort("-name"), limit=5, columns=("id",))
    result = check_query(query, FIELDS, now=NOW)
    assert (result.sort, result.limit, result.columns) == (query.sort, query.limit, query.columns)
    assert hash(query) == hash(Query(sort=parse_sort("-name"), limit=5, columns=("id",)))
