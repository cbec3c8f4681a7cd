from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bai_manager.types.binary_size import BinarySize
from bai_manager.types.errors import InvalidImageLabel
from bai_manager.types.image_labels import (
    DEFAULT_SHMEM,
    ROLE_OF_SESSION_TYPE,
    ImageLabels,
    ImageLimits,
    ImageRole,
    effective_limits,
)
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

GIB = 1024**3
PLAIN = ImageLabels({})


def labels(**entries: str) -> ImageLabels:
    return ImageLabels(
        {f"ai.backend.{key.replace('__', '.').replace('_', '-')}": v for key, v in entries.items()}
    )


def slots(**amounts: int | str) -> ResourceSlot:
    return ResourceSlot({name.replace("_", "."): amount for name, amount in amounts.items()})


def test_an_image_without_labels_has_the_defaults() -> None:
    assert PLAIN.kernelspec == 1
    assert PLAIN.role is ImageRole.COMPUTE
    assert PLAIN.features == {"uid-match"}
    assert (PLAIN.runtime_type, PLAIN.runtime_path) == ("app", "/bin/true")
    assert (PLAIN.base_distro, PLAIN.customized_owner, PLAIN.customized_name) == (None,) * 3
    assert (PLAIN.model_path, PLAIN.model_format) == (None, None)
    assert PLAIN.service_ports == ()
    assert PLAIN.accelerators == ()
    assert PLAIN.preferred_shmem == DEFAULT_SHMEM == 64 * 1024**2


def test_lists_are_split_and_trimmed() -> None:
    image = labels(
        features="uid-match batch", accelerators="cuda, rocm,", envs__corecount="OMP_NUM_THREADS"
    )
    assert image.features == {"uid-match", "batch"}
    assert image.accelerators == ("cuda", "rocm")
    assert image.corecount_variables == ("OMP_NUM_THREADS",)


def test_endpoint_ports_mark_inference_services() -> None:
    image = labels(service_ports="web:http:8080,api:preopen:8000", endpoint_ports="api")
    assert [port.is_inference for port in image.service_ports] == [False, True]


@pytest.mark.parametrize("text", ["", "lots", "-1g"])
def test_a_senseless_shared_memory_is_64_mebibytes(text: str) -> None:
    assert labels(resource__preferred__shmem=text).preferred_shmem == DEFAULT_SHMEM


def test_the_preferred_shared_memory_is_a_size() -> None:
    assert labels(resource__preferred__shmem="1g").preferred_shmem == BinarySize(GIB)


def test_resource_labels_are_slots() -> None:
    image = labels(
        resource__min__cpu="2", resource__min__mem="256m", resource__max__cuda__device="4"
    )
    assert image.minimum == slots(cpu=2, mem=256 * 1024**2)
    assert image.maximum == slots(cuda_device=4)


@pytest.mark.parametrize(
    ("image", "read"),
    [
        (labels(role="boss"), "role"),
        (labels(kernelspec="2"), "kernelspec"),
        (labels(resource__min__cpu="two"), "minimum"),
    ],
)
def test_a_bad_label_is_named(image: ImageLabels, read: str) -> None:
    with pytest.raises(InvalidImageLabel, match=r"ai\.backend"):
        getattr(image, read)


def test_an_image_that_does_not_say_needs_a_core_and_a_gibibyte() -> None:
    assert effective_limits({}, PLAIN) == ImageLimits(slots(cpu=1, mem=GIB), ResourceSlot())
    assert effective_limits(None, PLAIN).minimum == slots(cpu=1, mem=GIB)


def test_labels_may_need_less_than_the_default() -> None:
    image = labels(resource__min__mem="64m")
    assert effective_limits({}, image).minimum == slots(cpu=1, mem=64 * 1024**2)


def test_the_larger_minimum_wins_as_a_number() -> None:
    image = labels(resource__min__cpu="9", resource__min__mem="2g")
    custom: JsonObject = {
        "cpu": {"min": "10", "max": None},
        "mem": {"min": "512m", "max": "8g"},
    }
    limits = effective_limits(custom, image)
    assert limits.minimum == slots(cpu=10, mem=2 * GIB)
    assert limits.maximum == slots(mem=8 * GIB)


def test_a_maximum_of_the_row_replaces_that_of_the_label() -> None:
    image = labels(resource__max__cpu="4", resource__max__mem="4g")
    limits = effective_limits({"cpu": {"min": None, "max": "8"}}, image)
    assert limits.maximum == slots(cpu=8, mem=4 * GIB)


def test_a_request_is_held_against_each_slot() -> None:
    limits = ImageLimits(slots(cpu=2, mem=GIB), slots(cpu=4))
    request = slots(cpu=1, mem=8 * GIB, cuda_device=1)
    assert [short.slot for short in limits.below_minimum(request)] == ["cpu"]
    assert limits.above_maximum(request) == ()
    assert [short.slot for short in limits.above_maximum(slots(cpu=5, mem=GIB))] == ["cpu"]


def test_shared_memory_comes_on_top_of_the_minimum() -> None:
    limits = ImageLimits(slots(cpu=1, mem=GIB), ResourceSlot()).including(DEFAULT_SHMEM)
    assert limits.minimum["mem"] == GIB + DEFAULT_SHMEM
    assert limits.below_minimum(slots(cpu=1, mem=GIB))


def test_every_session_type_has_its_image_role() -> None:
    assert set(ROLE_OF_SESSION_TYPE) == set(SessionType)
