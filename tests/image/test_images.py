"""The rules for images (``reference/services.md`` §14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from bai_manager.errors import BackendAIError
from bai_manager.models.container_registry import container_registries
from bai_manager.models.endpoint import endpoints
from bai_manager.models.image import image_aliases, images
from bai_manager.repositories.versions import RowChanged
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
from bai_manager.services.image.errors import (
    AmbiguousImage,
    ImageAliasAlreadyExists,
    ImageAliasNotFound,
    ImageAlreadyExists,
    ImageAlreadyForgotten,
    ImageInUse,
    InvalidImageDetail,
    InvalidImageLimits,
    RegistryNotFoundForImage,
)
from bai_manager.services.image.types import (
    ImageChanges,
    ImageRegistration,
    LimitsPatch,
    Registered,
)
from bai_manager.services.session.errors import ImageNotFound
from bai_manager.types.errors import (
    InvalidImageLabel,
    InvalidImageTag,
    InvalidName,
    InvalidResourceSlot,
)
from bai_manager.types.query import Filter, Op, Query
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ImageStatus, ImageType
from tests import seeds
from tests.seeds import GIB, IMAGE

if TYPE_CHECKING:
    from uuid import UUID

    from tests.door import Door

DIGEST = f"sha256:{'ab' * 32}"
NEW = "local/stable/torch:2.5-py311"
OWNER_LABEL = "ai.backend.customized-image.owner"


def registration(name: str = NEW, **given: Any) -> ImageRegistration:
    return ImageRegistration(**{"name": name, "architecture": "x86_64", "digest": DIGEST, **given})


def limits(**given: Any) -> ImageChanges:
    return ImageChanges(limits=LimitsPatch(**given))


async def seed_image(door: Door, name: str = NEW, **given: Any) -> UUID:
    async with door.database.transaction() as connection:
        return await seeds.seed_image(connection, name, **given)


async def row_of(door: Door, image_id: UUID) -> Any:
    async with door.database.transaction() as connection:
        found = await connection.execute(
            select(
                images.c.status, images.c.resources, images.c.labels, images.c.config_digest
            ).where(images.c.id == image_id)
        )
        return found.one_or_none()


async def test_an_image_is_found_by_name_alias_id_and_beginning_of_id(door: Door) -> None:
    image_id = door.world.image_id
    for word in (IMAGE, "python", str(image_id), str(image_id)[:12], str(image_id).upper()):
        found = (await door.run("alice", GetImageAction(image=word))).image
        assert found.id == image_id
    assert (found.name, found.aliases, found.status) == (IMAGE, ["python"], ImageStatus.ALIVE)
    assert found.minimum == ResourceSlot({"cpu": 1, "mem": 64 << 20})
    assert found.owner is None


async def test_a_canonical_name_comes_before_an_alias(door: Door) -> None:
    await seed_image(door, NEW, aliases=(IMAGE,))
    assert (await door.run("alice", GetImageAction(image=IMAGE))).image.id == door.world.image_id


async def test_only_alive_images_are_found_by_name_and_alias(door: Door) -> None:
    image_id = await seed_image(door, NEW, aliases=("torch",), status="DELETED")
    for word in (NEW, "torch"):
        with pytest.raises(ImageNotFound):
            await door.run("root", GetImageAction(image=word))
    found = (await door.run("root", GetImageAction(image=str(image_id)))).image
    assert found.status is ImageStatus.DELETED


async def test_what_several_architectures_have_must_be_told_apart(door: Door) -> None:
    for architecture in ("x86_64", "aarch64"):
        await seed_image(door, NEW, architecture=architecture)
    with pytest.raises(AmbiguousImage, match="aarch64"):
        await door.run("root", ForgetImageAction(image=NEW))
    chosen = await door.run("root", ForgetImageAction(image=NEW, architecture="arm64"))
    assert chosen.image.architecture == "aarch64"


async def test_forgotten_images_are_listed_when_asked_for(door: Door) -> None:
    await seed_image(door, NEW, status="DELETED")
    usual = (await door.run("alice", ListImagesAction())).images
    assert [image.name for image in usual] == [IMAGE]
    deleted = Query(filters=(Filter("status", Op.EQ, ("DELETED",)),))
    assert [
        image.name for image in (await door.run("alice", ListImagesAction(query=deleted))).images
    ] == [NEW]


async def test_labels_that_make_no_sense_leave_the_limits_out(door: Door) -> None:
    await seed_image(door, NEW, labels={"ai.backend.resource.min.mem": "plenty"})
    found = (await door.run("alice", GetImageAction(image=NEW))).image
    assert (found.minimum, found.maximum) == (None, None)


async def test_what_is_made_of_an_image_is_counted(door: Door) -> None:
    async with door.database.transaction() as connection:
        await seeds.seed_session(connection, door.world.alice, kernel_count=2)
        await seeds.seed_session(connection, door.world.alice, name="ended-1", status="TERMINATED")
        await _seed_endpoint(connection, door, "ready")
        await _seed_endpoint(connection, door, "destroyed")
    use = (await door.run("root", GetImageAction(image="python"))).use
    assert (use.kernels, use.endpoints) == (2, 1)


async def test_an_alias_names_the_image_from_then_on(door: Door) -> None:
    done = await door.run("root", AliasImageAction(image="python", alias="py"))
    assert (done.created, done.image.aliases) == (True, ["py", "python"])
    assert (await door.run("alice", GetImageAction(image="py"))).image.id == door.world.image_id


async def test_an_alias_stands_for_one_image_only(door: Door) -> None:
    await seed_image(door, NEW)
    with pytest.raises(ImageAliasAlreadyExists, match=IMAGE):
        await door.run("root", AliasImageAction(image=NEW, alias="python"))
    with pytest.raises(ImageAliasAlreadyExists):
        await door.run("root", AliasImageAction(image=NEW, alias="python", if_not_exists=True))
    with pytest.raises(ImageAliasAlreadyExists):
        await door.run("root", AliasImageAction(image="python", alias="python"))
    again = AliasImageAction(image=IMAGE, alias="python", if_not_exists=True)
    assert (await door.run("root", again)).created is False


async def test_an_unknown_image_has_no_alias(door: Door) -> None:
    with pytest.raises(ImageNotFound):
        await door.run("root", AliasImageAction(image="none", alias="x"))
    with pytest.raises(InvalidName):
        await door.run("root", AliasImageAction(image="python", alias=" "))


async def test_a_forgotten_image_gets_no_alias(door: Door) -> None:
    image_id = await seed_image(door, NEW, status="DELETED")
    with pytest.raises(ImageAlreadyForgotten):
        await door.run("root", AliasImageAction(image=str(image_id), alias="x"))


async def test_dealias_removes_the_alias_and_an_unknown_one_is_not_found(door: Door) -> None:
    done = await door.run("root", DealiasImageAction(alias="python"))
    assert (done.image_id, done.image_name) == (door.world.image_id, IMAGE)
    with pytest.raises(ImageAliasNotFound):
        await door.run("root", DealiasImageAction(alias="python"))
    ignored = DealiasImageAction(alias="python", ignore_not_found=True)
    assert (await door.run("root", ignored)).image_id is None


async def test_forgetting_keeps_the_row_and_its_aliases(door: Door) -> None:
    done = await door.run("root", ForgetImageAction(image="python"))
    assert (done.image.status, done.image.aliases) == (ImageStatus.DELETED, ["python"])
    assert (await row_of(door, door.world.image_id)).status == "DELETED"


async def test_a_forgotten_image_is_not_forgotten_again(door: Door) -> None:
    await door.run("root", ForgetImageAction(image="python"))
    with pytest.raises(ImageNotFound):
        await door.run("root", ForgetImageAction(image="python"))
    with pytest.raises(ImageAlreadyForgotten):
        await door.run("root", ForgetImageAction(image=str(door.world.image_id)))


async def test_purging_deletes_the_aliases_and_the_row(both: Door) -> None:
    done = await both.run("root", PurgeImageAction(image="python"))
    assert done.image.name == IMAGE
    assert await row_of(both, both.world.image_id) is None
    async with both.database.transaction() as connection:
        assert (await connection.execute(select(image_aliases.c.alias))).all() == []


async def test_a_forgotten_image_is_purged_by_its_id(door: Door) -> None:
    image_id = await seed_image(door, NEW, status="DELETED", aliases=("torch",))
    with pytest.raises(ImageNotFound):
        await door.run("root", PurgeImageAction(image=NEW))
    await door.run("root", PurgeImageAction(image=str(image_id)))
    assert await row_of(door, image_id) is None


async def test_what_is_in_use_is_not_purged(door: Door) -> None:
    async with door.database.transaction() as connection:
        await seeds.seed_session(connection, door.world.alice, status="PENDING")
    with pytest.raises(ImageInUse, match="1 kernels"):
        await door.run("root", PurgeImageAction(image="python"))
    assert await row_of(door, door.world.image_id) is not None


async def test_an_image_of_a_model_service_is_not_purged(door: Door) -> None:
    async with door.database.transaction() as connection:
        await _seed_endpoint(connection, door, "created")
    with pytest.raises(ImageInUse, match="1 model services"):
        await door.run("root", PurgeImageAction(image="python"))


async def test_ended_sessions_do_not_keep_an_image(door: Door) -> None:
    async with door.database.transaction() as connection:
        await seeds.seed_session(connection, door.world.alice, status="TERMINATED")
    await door.run("root", PurgeImageAction(image="python"))


@pytest.mark.parametrize("status", ["ALIVE", "DELETED"])
async def test_an_owner_purges_the_own_customized_image_in_any_status(
    door: Door, status: str
) -> None:
    mine = {OWNER_LABEL: f"user:{door.world.alice.user_id}"}
    image_id = await seed_image(door, NEW, labels=mine, status=status)
    await door.run("alice", PurgeImageAction(image=str(image_id)))
    assert await row_of(door, image_id) is None


async def test_limits_are_written_as_the_column_holds_them(both: Door) -> None:
    changes = limits(
        minimum=ResourceSlot({"cpu": "2", "mem": "1g"}), maximum=ResourceSlot({"mem": "8g"})
    )
    done = await both.run("root", UpdateImageAction(image="python", changes=changes))
    assert done.changed == ("resources",)
    assert (await row_of(both, both.world.image_id)).resources == {
        "cpu": {"min": "2", "max": None},
        "mem": {"min": str(GIB), "max": str(8 * GIB)},
    }
    assert done.image.minimum == ResourceSlot({"cpu": 2, "mem": GIB})
    assert done.image.maximum == ResourceSlot({"mem": 8 * GIB})


async def test_of_a_label_and_the_own_minimum_the_larger_counts(door: Door) -> None:
    await seed_image(door, NEW, labels={"ai.backend.resource.min.cpu": "10"})
    changes = limits(minimum=ResourceSlot({"cpu": 9}))
    done = await door.run("root", UpdateImageAction(image=NEW, changes=changes))
    assert done.image.minimum is not None
    assert done.image.minimum["cpu"] == 10


async def test_single_limits_can_be_taken_away_and_all_at_once(door: Door) -> None:
    both = ResourceSlot({"cpu": 2, "mem": GIB})
    put = limits(minimum=both, maximum=both)
    await door.run("root", UpdateImageAction(image="python", changes=put))
    drop = limits(drop_minimum=("cpu", "mem"), drop_maximum=("mem",))
    done = await door.run("root", UpdateImageAction(image="python", changes=drop))
    assert done.image.resources == {"cpu": {"min": "0", "max": "2"}}
    clear = UpdateImageAction(image="python", changes=limits(replace=True))
    assert (await door.run("root", clear)).image.resources == {}
    assert (await door.run("root", clear)).changed == ()


async def test_a_minimum_above_its_maximum_is_refused(door: Door) -> None:
    for changes in (
        limits(minimum=ResourceSlot({"cpu": 4}), maximum=ResourceSlot({"cpu": 2})),
        limits(maximum=ResourceSlot({"mem": "32m"})),
    ):
        with pytest.raises(InvalidImageLimits):
            await door.run("root", UpdateImageAction(image="python", changes=changes))
    assert (await row_of(door, door.world.image_id)).resources == {}


@pytest.mark.parametrize("amount", ["-1", "inf", "nan"])
async def test_a_limit_is_a_finite_amount(shared: Door, amount: str) -> None:
    changes = limits(maximum=ResourceSlot({"cpu": amount}))
    with pytest.raises(InvalidResourceSlot):
        await shared.run("root", UpdateImageAction(image="python", changes=changes))


async def test_facts_can_be_corrected(door: Door) -> None:
    changes = ImageChanges(
        digest=DIGEST, size_bytes=5, type=ImageType.SERVICE, is_local=False, accelerators="cuda"
    )
    done = await door.run("root", UpdateImageAction(image="python", changes=changes))
    assert set(done.changed) == {
        "config_digest",
        "size_bytes",
        "type",
        "is_local",
        "accelerators",
    }
    image = done.image
    assert (image.digest, image.size_bytes, image.type) == (DIGEST, 5, ImageType.SERVICE)
    again = await door.run("root", UpdateImageAction(image="python", changes=changes))
    assert again.changed == ()
    cleared = ImageChanges(accelerators=None)
    done = await door.run("root", UpdateImageAction(image="python", changes=cleared))
    assert (done.changed, done.image.accelerators) == (("accelerators",), None)


async def test_an_image_that_changed_since_it_was_shown_is_left_alone(door: Door) -> None:
    version = (await door.run("root", GetImageAction(image="python"))).image.version

    def update(size: int) -> UpdateImageAction:
        changes = ImageChanges(size_bytes=size)
        return UpdateImageAction(image="python", changes=changes, if_unchanged=version)

    await door.run("root", update(1))
    with pytest.raises(RowChanged):
        await door.run("root", update(2))


async def test_an_unknown_image_cannot_be_changed(shared: Door) -> None:
    with pytest.raises(ImageNotFound):
        await shared.run("root", UpdateImageAction(image="none", changes=limits(replace=True)))


@pytest.mark.parametrize("digest", ["", "sha256:ab", f"SHA256:{'ab' * 32}", f"md5:{'ab' * 32}"])
async def test_a_digest_is_that_of_a_configuration(shared: Door, digest: str) -> None:
    for action in (
        RegisterImageAction(registration=registration(digest=digest)),
        UpdateImageAction(image="python", changes=ImageChanges(digest=digest)),
    ):
        with pytest.raises(InvalidImageDetail):
            await shared.run("root", action, dry_run=True)


async def test_a_registered_image_lies_in_its_registry_and_project(door: Door) -> None:
    done = await door.run("root", RegisterImageAction(registration=registration()))
    image = done.image
    assert done.outcome is Registered.CREATED
    assert (image.name, image.registry, image.project) == (NEW, "local", "stable")
    assert (image.tag, image.architecture, image.is_local) == ("2.5-py311", "x86_64", True)
    assert (image.type, image.status) == (ImageType.COMPUTE, ImageStatus.ALIVE)
    async with door.database.transaction() as connection:
        row = (
            await connection.execute(
                select(images.c.image, container_registries.c.registry_name)
                .join(container_registries, container_registries.c.id == images.c.registry_id)
                .where(images.c.id == image.id)
            )
        ).one()
    assert (row.image, row.registry_name) == ("stable/torch", "local")


async def test_the_longest_project_that_fits_is_that_of_the_image(door: Door) -> None:
    async with door.database.transaction() as connection:
        for project in (None, "team", "team/vision"):
            await connection.execute(
                insert(container_registries).values(
                    url="https://cr.example.com",
                    registry_name="cr.example.com",
                    type="harbor2",
                    project=project,
                )
            )
    for name, project in (
        ("cr.example.com/team/vision/torch:1", "team/vision"),
        ("cr.example.com/team/torch:1", "team"),
        ("cr.example.com/other/torch:1", None),
        ("cr.example.com/torch", None),
    ):
        action = RegisterImageAction(registration=registration(name))
        image = (await door.run("root", action)).image
        assert (image.project, image.is_local) == (project, False)
    assert (image.name, image.tag) == ("cr.example.com/torch:latest", "latest")


@pytest.mark.parametrize(
    "name", ["cr.example.com/stable/x:1", "local/other/x:1", "local/stable:1", "x:1"]
)
async def test_an_image_of_no_known_registry_and_project_is_refused(
    shared: Door, name: str
) -> None:
    with pytest.raises(RegistryNotFoundForImage) as raised:
        await shared.run("root", RegisterImageAction(registration=registration(name)))
    assert raised.value.details["known"] == ["local/stable"]


async def test_a_reference_must_be_well_formed(shared: Door) -> None:
    action = RegisterImageAction(registration=registration("local/stable/x:-1"))
    with pytest.raises(InvalidImageTag):
        await shared.run("root", action)


async def test_what_is_registered_already_is_a_conflict_unless_it_may_be(door: Door) -> None:
    first = await door.run("root", RegisterImageAction(registration=registration()))
    with pytest.raises(ImageAlreadyExists):
        await door.run("root", RegisterImageAction(registration=registration()))
    again = RegisterImageAction(registration=registration(size_bytes=9), if_not_exists=True)
    done = await door.run("root", again)
    assert (done.outcome, done.image.id) == (Registered.EXISTED, first.image.id)
    assert done.image.size_bytes == 0
    other = RegisterImageAction(registration=registration(architecture="arm64"))
    assert (await door.run("root", other)).image.architecture == "aarch64"


async def test_registering_brings_a_forgotten_image_up_to_date_and_back(both: Door) -> None:
    image_id = await seed_image(both, NEW, status="DELETED", aliases=("torch",))
    labels = {"ai.backend.features": "batch"}
    action = RegisterImageAction(registration=registration(labels=labels, size_bytes=7))
    done = await both.run("root", action)
    assert (done.outcome, done.image.id) == (Registered.RESTORED, image_id)
    assert (done.image.status, done.image.aliases) == (ImageStatus.ALIVE, ["torch"])
    assert (done.image.digest, done.image.labels, done.image.size_bytes) == (DIGEST, labels, 7)


@pytest.mark.parametrize(
    "labels",
    [
        {"ai.backend.kernelspec": "2"},
        {"ai.backend.role": "COMPUTER"},
        {"ai.backend.role": "INFERENCE"},
        {"ai.backend.service-ports": "jupyter"},
        {"ai.backend.resource.min.cpu": "some"},
        {"ai.backend.resource.min.cpu": "4", "ai.backend.resource.max.cpu": "2"},
    ],
)
async def test_labels_that_sessions_could_not_read_are_refused(
    shared: Door, labels: dict[str, str]
) -> None:
    action = RegisterImageAction(registration=registration(labels=labels))
    with pytest.raises(BackendAIError) as raised:
        await shared.run("root", action, dry_run=True)
    assert raised.value.exit_code == 2


async def test_an_inference_image_says_where_its_model_is(shared: Door) -> None:
    labels = {"ai.backend.role": "INFERENCE"}
    with pytest.raises(InvalidImageLabel, match="model-path"):
        await shared.run("root", RegisterImageAction(registration=registration(labels=labels)))
    labels |= {"ai.backend.model-path": "/models", "ai.backend.model-format": "onnx"}
    action = RegisterImageAction(registration=registration(labels=labels))
    assert (await shared.run("root", action, dry_run=True)).image.labels == labels


async def test_a_dry_run_leaves_everything_as_it_is(shared: Door) -> None:
    actions = (
        ForgetImageAction(image="python"),
        PurgeImageAction(image="python"),
        DealiasImageAction(alias="python"),
        UpdateImageAction(image="python", changes=ImageChanges(size_bytes=3)),
        RegisterImageAction(registration=registration()),
    )
    before = (await shared.run("root", ListImagesAction())).images
    for action in actions:
        await shared.run("root", action, dry_run=True)
    assert (await shared.run("root", ListImagesAction())).images == before


async def _seed_endpoint(connection: Any, door: Door, stage: str) -> None:
    await connection.execute(
        insert(endpoints).values(
            id=uuid4(),
            name=f"service-{stage}",
            created_user=door.world.alice.user_id,
            session_owner=door.world.alice.user_id,
            image=door.world.image_id,
            domain="default",
            project=door.world.project_id,
            resource_group="default",
            lifecycle_stage=stage,
            resource_slots={},
            cluster_mode="SINGLE_NODE",
            cluster_size=1,
            runtime_variant="custom",
            extra_mounts=[],
        )
    )
