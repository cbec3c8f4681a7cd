"""Who may do what with images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.services.image.actions import (
    AliasImageAction,
    DealiasImageAction,
    ForgetImageAction,
    GetImageAction,
    ListImagesAction,
    PurgeImageAction,
    RegisterImageAction,
    UpdateImageAction,
)
from bai_manager.services.image.types import ImageChanges, ImageRegistration
from tests import seeds
from tests.door import ROLES

if TYPE_CHECKING:
    from bai_manager.actions.base import Action, ActionResult
    from tests.door import Door

REGISTRATION = ImageRegistration(
    name="local/stable/new:1", architecture="x86_64", digest=f"sha256:{'0' * 64}"
)
READS = (ListImagesAction(), GetImageAction(image="python"))
WRITES = (
    AliasImageAction(image="python", alias="py"),
    DealiasImageAction(alias="python"),
    RegisterImageAction(registration=REGISTRATION),
    UpdateImageAction(image="python", changes=ImageChanges(size_bytes=1)),
    ForgetImageAction(image="python"),
    PurgeImageAction(image="python"),
)


def _named(action: object) -> str:
    return type(action).__name__


@pytest.mark.parametrize("action", READS, ids=_named)
async def test_everybody_reads_images(shared: Door, action: Action[ActionResult]) -> None:
    assert await shared.allowed(action) == set(ROLES)


@pytest.mark.parametrize("action", WRITES, ids=_named)
async def test_only_a_superadmin_changes_what_is_everybody_s(
    shared: Door, action: Action[ActionResult]
) -> None:
    assert await shared.allowed(action) == {"root"}


@pytest.mark.parametrize(
    ("kind", "status"), [(ForgetImageAction, "ALIVE"), (PurgeImageAction, "DELETED")]
)
async def test_a_customized_image_is_its_owner_s_and_the_superadmin_s(
    shared: Door, kind: type[ForgetImageAction | PurgeImageAction], status: str
) -> None:
    owners = {name: getattr(shared.world, name).user_id for name in ("alice", "admin")}
    for name, user_id in owners.items():
        label = {"ai.backend.customized-image.owner": f"user:{user_id}"}
        async with shared.database.transaction() as connection:
            image_id = await seeds.seed_image(
                connection,
                f"local/{name}-{kind.__name__.lower()}/{status.lower()}:1",
                labels=label,
                status=status,
            )
        allowed = await shared.allowed(kind(image=str(image_id)), (*ROLES, "bob", "other_admin"))
        assert allowed == {"root", name}


async def test_no_other_label_makes_an_owner(shared: Door) -> None:
    for index, owner in enumerate(("project:{alice}", "user:", "user:nobody", "{alice}")):
        label = owner.format(alice=shared.world.alice.user_id)
        async with shared.database.transaction() as connection:
            image_id = await seeds.seed_image(
                connection,
                f"local/labels/owned:{index}",
                labels={"ai.backend.customized-image.owner": label},
            )
        assert await shared.allowed(ForgetImageAction(image=str(image_id)), ("alice",)) == set()
