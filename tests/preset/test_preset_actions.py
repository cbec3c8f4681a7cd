"""What is done with presets, in both shapes of the database (``reference/services.md`` §10)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from bai_manager.models.resource_preset import resource_presets
from bai_manager.models.scaling_group import sgroups_for_keypairs
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.resource_preset.actions import (
    CreateResourcePresetAction,
    DeleteResourcePresetAction,
    GetResourcePresetAction,
    ListResourcePresetsAction,
    UpdateResourcePresetAction,
)
from bai_manager.services.resource_preset.errors import (
    AmbiguousPreset,
    InvalidPreset,
    ResourcePresetConflict,
    ResourcePresetNotFound,
)
from bai_manager.services.resource_preset.types import ResourcePresetChanges, ResourcePresetSpec
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.types.errors import InvalidName, InvalidResourceSlot
from bai_manager.types.patches import SlotsPatch
from bai_manager.types.query import Query, parse_filter
from bai_manager.types.resource_slot import ResourceSlot
from tests import seeds

if TYPE_CHECKING:
    from bai_manager.services.resource_preset.types import ResourcePresetData
    from tests.seeds import Person
    from tests.tenants import Site

SLOTS = ResourceSlot({"cpu": 2, "mem": "4g"})


async def _create(site: Site, name: str = "small", **given: object) -> ResourcePresetData:
    spec = ResourcePresetSpec(name=name, **{"resource_slots": SLOTS, **given})  # type: ignore[arg-type]
    return (await site.run(CreateResourcePresetAction(spec=spec))).preset


async def _update(site: Site, preset: str, /, **changes: object) -> tuple[str, ...]:
    action = UpdateResourcePresetAction(
        preset=preset,
        changes=ResourcePresetChanges(**changes),  # type: ignore[arg-type]
    )
    return (await site.run(action)).changed


async def _names(
    site: Site, who: Person | None = None, scaling_group: str | None = None
) -> list[str]:
    action = ListResourcePresetsAction(scaling_group=scaling_group)
    return [preset.name for preset in (await site.run(action, who)).presets]


async def test_a_preset_keeps_every_field(shaped_site: Site) -> None:
    preset = await _create(shaped_site, shared_memory=64 << 20, scaling_group_name="default")
    (row,) = await shaped_site.rows(select(resource_presets))
    assert (row.id, row.name, row.shared_memory) == (preset.id, "small", 64 << 20)
    assert (row.scaling_group_name, row.resource_slots) == (
        "default",
        {"cpu": "2", "mem": str(4 << 30)},
    )
    assert preset.resource_slots == SLOTS


@pytest.mark.parametrize("slots", [{"cpu": 1}, {"mem": "1g"}, {}, {"cuda.device": 1}])
async def test_slots_include_cpu_and_mem(site: Site, slots: dict[str, str]) -> None:
    spec = ResourcePresetSpec(name="small", resource_slots=ResourceSlot(slots))
    await site.refused(CreateResourcePresetAction(spec=spec), InvalidPreset)


async def test_slots_include_cpu_and_mem_after_a_change_too(site: Site) -> None:
    await _create(site)
    change = ResourcePresetChanges(resource_slots=SlotsPatch(drop=("mem",)))
    await site.refused(UpdateResourcePresetAction(preset="small", changes=change), InvalidPreset)


@pytest.mark.parametrize("amount", ["-1", "NaN"])
async def test_an_amount_is_a_number_of_0_or_more(site: Site, amount: str) -> None:
    slots = ResourceSlot({"cpu": amount, "mem": "1g"})
    spec = ResourcePresetSpec(name="small", resource_slots=slots)
    await site.refused(CreateResourcePresetAction(spec=spec), InvalidResourceSlot)


@pytest.mark.parametrize("shared", [4 << 30, 5 << 30])
async def test_shared_memory_is_less_than_memory(site: Site, shared: int) -> None:
    spec = ResourcePresetSpec(name="small", resource_slots=SLOTS, shared_memory=shared)
    await site.refused(CreateResourcePresetAction(spec=spec), InvalidPreset)
    await _create(site)
    change = ResourcePresetChanges(shared_memory=shared)
    await site.refused(UpdateResourcePresetAction(preset="small", changes=change), InvalidPreset)


@pytest.mark.parametrize("name", ["", " small", "x" * 257, "a\tb"])
async def test_a_name_is_visible_text_of_up_to_256_characters(site: Site, name: str) -> None:
    spec = ResourcePresetSpec(name=name, resource_slots=SLOTS)
    await site.refused(CreateResourcePresetAction(spec=spec), InvalidName)


async def test_a_name_is_unique_among_presets_for_all_groups(shaped_site: Site) -> None:
    await _create(shaped_site)
    spec = ResourcePresetSpec(name="small", resource_slots=SLOTS)
    await shaped_site.refused(CreateResourcePresetAction(spec=spec), ResourcePresetConflict)


async def test_a_name_is_unique_among_presets_for_one_group(shaped_site: Site) -> None:
    await _create(shaped_site, scaling_group_name="default")
    spec = ResourcePresetSpec(name="small", resource_slots=SLOTS, scaling_group_name="default")
    error = await shaped_site.refused(CreateResourcePresetAction(spec=spec), ResourcePresetConflict)
    assert error.details == {"preset": "small", "scaling_group": "default"}


async def test_a_name_may_be_that_of_a_preset_for_all_and_of_one_for_a_group(
    shaped_site: Site,
) -> None:
    await _create(shaped_site)
    await _create(shaped_site, scaling_group_name="default")
    assert await _names(shaped_site) == ["small", "small"]


async def test_a_preset_that_may_be_there_is_left_as_it_is(shaped_site: Site) -> None:
    first = await _create(shaped_site)
    slots = ResourceSlot({"cpu": 9, "mem": "9g"})
    spec = ResourcePresetSpec(name="small", resource_slots=slots)
    again = await shaped_site.run(CreateResourcePresetAction(spec=spec, if_not_exists=True))
    assert (again.created, again.preset) == (False, first)


async def test_a_resource_group_that_is_not_there_is_not_found(site: Site) -> None:
    spec = ResourcePresetSpec(name="small", resource_slots=SLOTS, scaling_group_name="gpu")
    await site.refused(CreateResourcePresetAction(spec=spec), ScalingGroupNotFound)
    await _create(site)
    change = ResourcePresetChanges(scaling_group_name="gpu")
    await site.refused(
        UpdateResourcePresetAction(preset="small", changes=change), ScalingGroupNotFound
    )


async def test_a_name_that_two_presets_have_names_neither(site: Site) -> None:
    """A manager takes the first it finds."""
    everywhere = await _create(site)
    there = await _create(site, scaling_group_name="default")
    for action in (
        GetResourcePresetAction(preset="small"),
        UpdateResourcePresetAction(preset="small", changes=ResourcePresetChanges(name="x")),
        DeleteResourcePresetAction(preset="small"),
    ):
        error = await site.refused(action, AmbiguousPreset)
        assert error.details["matches"] == [
            {"id": str(everywhere.id), "scaling_group": None},
            {"id": str(there.id), "scaling_group": "default"},
        ]
    assert (await site.run(GetResourcePresetAction(preset=str(there.id)))).preset == there


async def test_an_id_wins_over_a_name(site: Site) -> None:
    first = await _create(site)
    await _create(site, name=str(first.id))
    assert (await site.run(GetResourcePresetAction(preset=str(first.id)))).preset == first


async def test_what_is_not_there_is_not_found(site: Site) -> None:
    for preset in ("none", str(uuid4())):
        await site.refused(GetResourcePresetAction(preset=preset), ResourcePresetNotFound)
        await site.refused(DeleteResourcePresetAction(preset=preset), ResourcePresetNotFound)
        ignored = DeleteResourcePresetAction(preset=preset, ignore_not_found=True)
        assert (await site.run(ignored)).preset is None


async def test_an_update_sets_what_is_given_and_nothing_else(shaped_site: Site) -> None:
    await _create(shaped_site, shared_memory=1 << 20, scaling_group_name="default")
    slots = SlotsPatch(put=ResourceSlot({"cuda.device": 1}))
    changed = await _update(
        shaped_site,
        "small",
        name="gpu",
        resource_slots=slots,
        shared_memory=None,
        scaling_group_name=None,
    )
    assert changed == ("name", "resource_slots", "shared_memory", "scaling_group_name")
    preset = (await shaped_site.run(GetResourcePresetAction(preset="gpu"))).preset
    assert preset.resource_slots == SLOTS + ResourceSlot({"cuda.device": 1})
    assert (preset.shared_memory, preset.scaling_group_name) == (None, None)


async def test_an_update_that_changes_nothing_says_so(site: Site) -> None:
    await _create(site)
    assert await _update(site, "small", name="small", shared_memory=None) == ()


async def test_a_preset_takes_no_name_that_another_has(shaped_site: Site) -> None:
    await _create(shaped_site)
    await _create(shaped_site, name="large")
    action = UpdateResourcePresetAction(preset="large", changes=ResourcePresetChanges(name="small"))
    await shaped_site.refused(action, ResourcePresetConflict)


async def test_a_preset_that_changed_since_it_was_shown_is_left_alone(site: Site) -> None:
    version = (await _create(site)).version
    await _update(site, "small", shared_memory=1)
    late = UpdateResourcePresetAction(
        preset="small", changes=ResourcePresetChanges(shared_memory=2), if_unchanged=version
    )
    await site.refused(late, RowChanged)


async def test_deleting_says_what_was_deleted(shaped_site: Site) -> None:
    preset = await _create(shaped_site)
    assert (await shaped_site.run(DeleteResourcePresetAction(preset="small"))).preset == preset
    assert await _names(shaped_site) == []


async def _three(site: Site) -> None:
    """Presets for all groups, for ``default``, and for ``gpu``, which is open to nobody."""
    async with site.database.transaction() as connection:
        await seeds.seed_scaling_group(connection, "gpu", domains=())
    await _create(site, "anywhere")
    await _create(site, "here", scaling_group_name="default")
    await _create(site, "there", scaling_group_name="gpu")


async def test_a_list_for_a_group_has_those_for_all_and_those_for_it(shaped_site: Site) -> None:
    await _three(shaped_site)
    assert await _names(shaped_site, scaling_group="default") == ["anywhere", "here"]
    assert await _names(shaped_site, scaling_group="gpu") == ["anywhere", "there"]
    assert await _names(shaped_site) == ["anywhere", "here", "there"]


@pytest.mark.parametrize("name", ["alice", "admin", "carol"])
async def test_presets_of_groups_that_are_not_open_are_not_shown(site: Site, name: str) -> None:
    await _three(site)
    who: Person = getattr(site.world, name)
    assert await _names(site, who) == ["anywhere", "here"]
    await site.refused(GetResourcePresetAction(preset="there"), ResourcePresetNotFound, who)
    assert await _names(site, site.world.monitor) == ["anywhere", "here", "there"]


async def test_presets_of_a_group_open_to_a_key_pair_are_shown_to_its_user(site: Site) -> None:
    await _three(site)
    key = site.world.alice.access_key
    await site.execute(insert(sgroups_for_keypairs).values(scaling_group="gpu", access_key=key))
    assert await _names(site, site.world.alice) == ["anywhere", "here", "there"]
    assert await _names(site, site.world.bob) == ["anywhere", "here"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name~here", ["anywhere", "here", "there"]),
        ("scaling_group_name=gpu", ["there"]),
        ("shared_memory>=1m", []),
    ],
)
async def test_presets_are_found_by_what_is_shown(
    shaped_site: Site, text: str, names: list[str]
) -> None:
    await _three(shaped_site)
    query = Query(filters=(parse_filter(text),))
    listed = await shaped_site.run(ListResourcePresetsAction(query=query))
    assert [preset.name for preset in listed.presets] == names
