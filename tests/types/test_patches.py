"""Patches of maps and lists: what two people do to different entries is both done."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from bai_manager.types.patches import HostsPatch, JsonPatch, NamesPatch, SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.vfolder import VFolderHostPermission

NAMES = st.sampled_from(["cpu", "mem", "cuda.device", "cuda.shares", "tpu.device"])
AMOUNTS = st.integers(0, 1 << 50).map(Decimal) | st.just(Decimal("Infinity"))
SLOTS = st.dictionaries(NAMES, AMOUNTS).map(ResourceSlot)
PATCHES = st.builds(SlotsPatch, put=SLOTS, drop=st.lists(NAMES).map(tuple))


@given(SLOTS, PATCHES)
def test_a_patch_drops_and_puts_and_leaves_the_rest(slots: ResourceSlot, patch: SlotsPatch) -> None:
    patched = patch.applied_to(slots)
    expected = {name: amount for name, amount in slots.items() if name not in patch.drop}
    assert dict(patched) == {**expected, **patch.put}


@given(SLOTS, PATCHES, PATCHES)
def test_patches_of_different_entries_may_come_in_any_order(
    slots: ResourceSlot, one: SlotsPatch, other: SlotsPatch
) -> None:
    assume(not {*one.put, *one.drop} & {*other.put, *other.drop})
    first = other.applied_to(one.applied_to(slots))
    second = one.applied_to(other.applied_to(slots))
    assert dict(first) == dict(second)


@given(SLOTS, PATCHES)
def test_a_patch_applied_twice_is_a_patch_applied_once(
    slots: ResourceSlot, patch: SlotsPatch
) -> None:
    once = patch.applied_to(slots)
    assert dict(patch.applied_to(once)) == dict(once)


@given(SLOTS, SLOTS)
def test_a_replacement_is_all_there_is(slots: ResourceSlot, put: ResourceSlot) -> None:
    assert dict(SlotsPatch(put=put, replace=True).applied_to(slots)) == dict(put)


def test_names_keep_their_order_and_are_there_once() -> None:
    patch = NamesPatch(put=("d", "b"), drop=("a",))
    assert patch.applied_to(["a", "b", "c"]) == ("b", "c", "d")
    assert NamesPatch(put=("x",), replace=True).applied_to(["a"]) == ("x",)


def test_the_permissions_on_a_host_are_put_as_a_whole() -> None:
    create, mount = VFolderHostPermission.CREATE, VFolderHostPermission.MOUNT_IN_SESSION
    hosts = {"a:b": frozenset({create}), "c:d": frozenset({create})}
    patch = HostsPatch(put={"a:b": frozenset({mount})})
    assert patch.applied_to(hosts) == {"a:b": frozenset({mount}), "c:d": frozenset({create})}


def test_members_of_an_object_are_put_as_a_whole() -> None:
    patch = JsonPatch(put={"a": {"x": 1}}, drop=("b",))
    assert patch.applied_to({"a": {"y": 2}, "b": 1, "c": None}) == {"a": {"x": 1}, "c": None}
