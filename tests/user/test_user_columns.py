"""Columns of users and key pairs that nobody sets by hand, and what they do not take (§7, §17)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.services.keypair.actions import GetKeypairAction, UpdateKeypairAction
from bai_manager.services.keypair.types import KeypairChanges
from bai_manager.services.user.actions import GetUserAction, UpdateUserAction
from bai_manager.services.user.types import UserChanges
from bai_manager.types.errors import InvalidName, InvalidValue

if TYPE_CHECKING:
    from tests.tenants import Site

ALICE = "alice@example.com"


async def test_an_update_of_a_user_says_when_it_was(own_site: Site) -> None:
    before = (await own_site.run(GetUserAction(user=ALICE))).user.modified_at
    action = UpdateUserAction(user=ALICE, changes=UserChanges(description="x"))
    after = (await own_site.run(action)).user.modified_at
    assert before is not None
    assert after is not None
    assert after > before


async def test_an_update_of_a_key_pair_says_when_it_was(own_site: Site) -> None:
    key = own_site.world.alice.access_key
    before = (await own_site.run(GetKeypairAction(owner=key))).keypair.modified_at
    action = UpdateKeypairAction(access_key=key, changes=KeypairChanges(rate_limit=7))
    after = (await own_site.run(action)).keypair.modified_at
    assert before is not None
    assert after is not None
    assert after > before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"username": "a" * 65}, InvalidName),
        ({"username": ""}, InvalidName),
        ({"full_name": "a" * 65}, InvalidValue),
        ({"description": "a" * 501}, InvalidValue),
        ({"allowed_client_ip": ("10.0.0.1/8",)}, InvalidValue),
        ({"allowed_client_ip": ("nowhere",)}, InvalidValue),
        ({"container_uid": 2**31}, InvalidValue),
        ({"container_uid": -1}, InvalidValue),
        ({"container_gids": (2**31,)}, InvalidValue),
    ],
)
async def test_an_update_takes_no_more_than_a_column(
    people: Site, changes: dict[str, Any], error: type[InvalidValue]
) -> None:
    await people.refused(UpdateUserAction(user=ALICE, changes=UserChanges(**changes)), error)
