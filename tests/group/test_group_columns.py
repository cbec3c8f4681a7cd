"""Columns of a project that nobody sets by hand, and what its columns do not take (§8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.services.group.actions import GetGroupAction, UpdateGroupAction
from bai_manager.services.group.types import GroupChanges
from bai_manager.types.errors import InvalidName, InvalidValue
from bai_manager.types.patches import SlotsPatch
from bai_manager.types.resource_slot import ResourceSlot

if TYPE_CHECKING:
    from tests.tenants import Site

DEFAULT = "default/default"


async def test_an_update_says_when_it_was(own_site: Site) -> None:
    before = (await own_site.run(GetGroupAction(group=DEFAULT))).group
    changes = GroupChanges(description="Ours.")
    after = (await own_site.run(UpdateGroupAction(group=DEFAULT, changes=changes))).group
    assert before.modified_at is not None
    assert after.modified_at is not None
    assert after.modified_at > before.modified_at
    same = (await own_site.run(UpdateGroupAction(group=DEFAULT, changes=changes))).group
    assert same.modified_at == after.modified_at


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "-lab"}, InvalidName),
        ({"name": "a" * 65}, InvalidName),
        ({"name": "a--b"}, InvalidName),
        ({"description": "x" * 513}, InvalidValue),
        ({"integration_id": "x" * 513}, InvalidValue),
        ({"total_resource_slots": SlotsPatch(put=ResourceSlot({"cpu": -1}))}, InvalidValue),
    ],
)
async def test_an_update_takes_no_more_than_a_creation(
    people: Site, changes: dict[str, Any], error: type[InvalidValue]
) -> None:
    action = UpdateGroupAction(group=DEFAULT, changes=GroupChanges(**changes))
    await people.refused(action, error)
