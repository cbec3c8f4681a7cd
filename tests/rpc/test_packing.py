"""The extension types: read as agents write them, written as agents read them, and nothing else."""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bai_manager.clients.agent.callosum import pickles
from bai_manager.clients.agent.callosum.errors import Unreadable
from bai_manager.clients.agent.callosum.packing import pack, to_json, unpack
from bai_manager.clients.agent.callosum.pickles import WireImage
from bai_manager.clients.agent.callosum.timestamps import read_timestamp
from bai_manager.types.resource_slot import ResourceSlot
from tests.rpc import upstream

READERS = {
    3: pickles.read_decimal,
    6: pickles.read_enum,
    7: pickles.read_image,
    8: pickles.read_slots,
    9: pickles.read_slot_name,
    16: pickles.read_size,
}
RECORDED = {
    "d801" + "00" * 15 + "05": UUID(int=5),
    "c70902ebf5004620a0000d00": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "d70257ea008c41400000": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "d70257ea008c41400fa0": datetime(2026, 1, 2, 3, 4, 5, 1000, tzinfo=UTC),
    "c70902ebf55f9cef7e847f98": datetime(
        2026, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=9, minutes=30))
    ),
    "c72c0380059521000000000000008c07646563696d616c948c07446563696d616c9493948c03312e35948594529"
    "42e": Decimal("1.5"),
    "c7310380059526000000000000008c07646563696d616c948c07446563696d616c9493948c08496e66696e6974"
    "79948594"
    "52942e": Decimal("Infinity"),
    "c789088005957e000000000000008c1761692e6261636b656e642e636f6d6d6f6e2e7479706573948c0c5265"
    "736f75726365536c6f749493942981944e7d948c0464617461947d94288c03637075948c07646563696d616c94"
    "8c07446563696d616c9493948c013194859452948c036d656d94680a8c0a323134373438333634389485945294"
    "75738694622e": ResourceSlot({"cpu": 1, "mem": 2**31}),
    "c795098005958a000000000000008c1761692e6261636b656e642e636f6d6d6f6e2e7479706573948c08536c6f"
    "744e616d659493948c0b637564612e64657669636594859481947d948c0464617461946803737d94288c075f70"
    "617273656494898c0c5f6465766963655f6e616d65948c00948c0b5f6d616a6f725f7479706594680b8c0b5f6d"
    "696e6f725f7479706594680b758694622e": "cuda.device",
    "c7401080059535000000000000008c1761692e6261636b656e642e636f6d6d6f6e2e7479706573948c0a42696e"
    "61727953697a659493948a050000000002859481942e": 2**33,
    "c748068005953d000000000000008c1761692e6261636b656e642e636f6d6d6f6e2e7479706573948c0b436c75"
    "737465724d6f64659493948c0b73696e676c652d6e6f646594859452942e": "single-node",
    "c7740680059569000000000000008c3161692e6261636b656e642e636f6d6d6f6e2e6576656e74732e6576656e"
    "745f74797065732e6b65726e656c2e7479706573948c1a4b65726e656c4c6966656379636c654576656e745265"
    "61736f6e9493948c0e757365722d72657175657374656494859452942e": "user-requested",
    "c8010407800595f9000000000000008c1861692e6261636b656e642e636f6d6d6f6e2e646f636b6572948c0849"
    "6d6167655265669493942981947d94288c046e616d65948c06707974686f6e948c0770726f6a656374948c0673"
    "7461626c65948c03746167948c0f332e392d7562756e747532302e3034948c087265676973747279948c0d6372"
    "2e6261636b656e642e6169948c0c617263686974656374757265948c067838365f3634948c0869735f6c6f6361"
    "6c94898c085f7461675f736574948c03332e399468008c0e506c6174666f726d5461675365749493942981944e"
    "7d948c055f64617461947d948c067562756e7475948c0532302e3034947373869462869475622e": WireImage(
        "python", "stable", "3.9-ubuntu20.04", "cr.backend.ai", "x86_64", False
    ),
}
"""What agents of 25.17.0 were seen to pack, in hexadecimal."""

slot_names = st.text(min_size=1, max_size=20)
numbers = st.decimals(allow_nan=False, min_value=-(10**20), max_value=10**20, places=4)
words = st.text(min_size=1, max_size=300)
images = st.builds(
    WireImage,
    name=words,
    project=st.none() | words,
    tag=words,
    registry=words,
    architecture=words,
    is_local=st.booleans(),
)


@pytest.mark.parametrize(("recorded", "value"), RECORDED.items(), ids=lambda part: str(part)[:24])
def test_recorded_value_is_read(recorded: str, value: object) -> None:
    assert unpack(bytes.fromhex(recorded)) == value


@given(st.uuids())
def test_id_comes_back(value: UUID) -> None:
    assert unpack(pack(value)) == value


@given(numbers | st.just(Decimal("Infinity")) | st.just(Decimal("-Infinity")))
def test_number_is_read(value: Decimal) -> None:
    assert unpack(upstream.packed(value)) == value


@given(st.dictionaries(slot_names, numbers, max_size=30))
def test_slots_are_read(amounts: dict[str, Decimal]) -> None:
    read = unpack(upstream.packed(upstream.ResourceSlot(amounts)))
    assert isinstance(read, ResourceSlot)
    assert dict(read) == amounts


def test_amount_that_comes_twice_is_read() -> None:
    """The second time, a pickle only refers to the first."""
    same = Decimal(1)
    slots = upstream.ResourceSlot({"cpu": same, "cuda.device": same})
    assert unpack(upstream.packed(slots)) == ResourceSlot({"cpu": 1, "cuda.device": 1})


@given(slot_names)
def test_slot_name_is_read(name: str) -> None:
    assert unpack(upstream.packed(upstream.SlotName(name))) == name


@given(st.integers(min_value=-(2**80), max_value=2**80))
def test_size_is_read(size: int) -> None:
    assert unpack(upstream.packed(upstream.BinarySize(size))) == size


@given(images)
def test_image_is_read(image: WireImage) -> None:
    theirs = upstream.ImageRef(
        image.name, image.project, image.tag, image.registry, image.architecture, image.is_local
    )
    assert unpack(upstream.packed(theirs)) == image


@given(images)
def test_image_is_written_as_agents_load_it(image: WireImage) -> None:
    assert upstream.unpacked(pack(image)) == (
        image.name,
        image.project,
        image.tag,
        image.registry,
        image.architecture,
        image.is_local,
    )


@given(
    st.datetimes(
        min_value=datetime(1, 1, 1),  # noqa: DTZ001 - the zone is another parameter
        max_value=datetime(4000, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    st.booleans(),
)
def test_point_in_time_is_read(value: datetime, zoned: bool) -> None:
    assert read_timestamp(_temporenc(value, zoned=zoned)) == value


def _temporenc(value: datetime, *, zoned: bool) -> bytes:
    """Date, time, microseconds and if wanted the zone UTC."""
    fields = [(0b111, 3) if zoned else (0b01, 2), (0b01, 2)]
    fields += [(value.year, 12), (value.month - 1, 4), (value.day - 1, 5)]
    fields += [(value.hour, 5), (value.minute, 6), (value.second, 6), (value.microsecond, 20)]
    fields += [(64, 7)] if zoned else []
    bits = "".join(format(number, f"0{width}b") for number, width in fields)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_plain_value_comes_back_as_json(value: object) -> None:
    assert to_json(unpack(upstream.packed(value))) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(data: bytes) -> None:
    with suppress(Unreadable):
        to_json(unpack(data))


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
def test_any_pickle_is_read_or_unreadable(code: int, data: bytes) -> None:
    with pytest.raises(Unreadable):
        READERS[code](b"\x80\x05" + data)


@given(st.sampled_from(sorted(RECORDED)), st.data())
def test_recorded_value_with_a_flaw_is_read_or_unreadable(
    recorded: str, data: st.DataObject
) -> None:
    flawed = bytearray.fromhex(recorded)
    for _ in range(data.draw(st.integers(1, 3))):
        flawed[data.draw(st.integers(0, len(flawed) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Unreadable):
        unpack(bytes(flawed))


class Anything:
    """Pickled as a call of whatever it is given."""

    def __init__(self, function: object, *args: object) -> None:
        self._made = (function, args)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self._made


@pytest.mark.parametrize(
    "evil",
    [
        Anything(sys.exit, 3),
        Anything(eval, "1/0"),
        Anything(getattr, Decimal(1), "real"),
        Anything(Decimal, Anything(sys.exit, 3)),
        Anything(Decimal, "1", "2"),
        Anything(Decimal, "9" * 5000),
        Anything(Decimal, "1E999999"),
        Anything(Decimal, "_1"),
        [Decimal(1)],
        {"a": 1},
        {1, 2},
        b"bytes",
        1.5,
        "text",
        None,
    ],
    ids=lambda value: repr(getattr(value, "_made", value))[:30],
)
@pytest.mark.parametrize("code", READERS)
def test_pickle_of_anything_else_is_unreadable(code: int, evil: object) -> None:
    with pytest.raises(Unreadable):
        READERS[code](pickle.dumps(evil, protocol=5))


@pytest.mark.parametrize("code", READERS)
@pytest.mark.parametrize("protocol", [0, 1, 2, 3])
def test_pickle_of_an_older_protocol_is_unreadable(code: int, protocol: int) -> None:
    with pytest.raises(Unreadable):
        READERS[code](pickle.dumps(Anything(sys.exit, 3), protocol=protocol))


@pytest.mark.parametrize("wrong", [code for code in READERS if code != 3])
def test_value_under_another_code_is_unreadable(wrong: int) -> None:
    with pytest.raises(Unreadable):
        READERS[wrong](upstream.pickled(Decimal(1)))


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x80\x05r\xff\xff\xff\x7f.",
        b"\x80\x05(" + b"t" * 10,
        b"\x80\x05" + b"(" * 16_000 + b".",
        b"\x80\x05N" + b"\x94" * 10 + b"h\xff.",
        b"\x80\x05}\x94h\x00h\x00s.",
        b"\x80\x05]\x94" + b"(h\x00h\x00e" * 100 + b".",
        b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x05\x8b\xff\xff\xff\x7f.",
        b"\x80\x05X\xff\xff\xff\xff.",
        b"\x80\x05N.N.",
    ],
)
def test_bomb_does_not_go_off(bomb: bytes) -> None:
    with pytest.raises(Unreadable):
        pickles.read_decimal(bomb)


def test_pickle_that_takes_what_came_before_its_mark_is_unreadable() -> None:
    decimal = b"\x80\x05\x8c\x07decimal\x8c\x07Decimal\x93\x8c\x011"
    assert pickles.read_decimal(decimal + b"\x85R.") == 1
    with pytest.raises(Unreadable, match="more than it has"):
        pickles.read_decimal(decimal + b"(\x85R.")


def test_size_that_no_disk_has_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        unpack(upstream.packed(upstream.BinarySize(2**100)))


def test_number_of_another_class_is_no_size() -> None:
    mode = b"\x80\x05\x8c\x17ai.backend.common.types\x8c\x0bClusterMode\x93K\x05\x85R."
    assert pickles.read_enum(mode) == 5
    with pytest.raises(Unreadable):
        pickles.read_size(mode)


def test_crowd_of_pickles_is_unreadable() -> None:
    one = upstream.packed(Decimal(1))
    few, many = 1_000, 100_000
    assert unpack(msgpack.Packer().pack_array_header(few) + one * few) == (Decimal(1),) * few
    with pytest.raises(Unreadable, match="more pickles"):
        unpack(msgpack.Packer().pack_array_header(many) + one * many)


def test_what_agents_are_never_sent_is_not_packed() -> None:
    with pytest.raises(TypeError):
        pack(Decimal(1))  # type: ignore[arg-type]


def test_deep_parts_are_no_json() -> None:
    value: object = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(Unreadable, match="too deep"):
        to_json(unpack(upstream.packed(value)))


def test_values_without_a_json_form_become_text() -> None:
    slots = upstream.ResourceSlot({"mem": Decimal("1E+3")})
    packed = upstream.packed({"id": UUID(int=1), "amount": Decimal("1E+3"), "slots": slots})
    assert to_json(unpack(packed)) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "amount": "1000",
        "slots": {"mem": "1000"},
    }
