"""What an agent packs, made with the real pickle of classes that look like the agent's.

Nothing here uses the code under test: it is the other side.
"""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from types import ModuleType
from typing import Any, Self
from unittest import mock
from uuid import UUID

import msgpack

TYPES = "ai.backend.common.types"
DOCKER = "ai.backend.common.docker"

FUNCTIONS = frozenset(
    """
    ping health gather_hwinfo ping_kernel check_pulling check_creating check_running
    sync_kernel_registry check_and_pull create_kernels destroy_kernel restart_kernel
    interrupt_kernel get_completions get_logs execute trigger_batch_execution start_service
    shutdown_service list_files upload_file download_file download_single commit
    get_commit_status push_image purge_images purge_containers drop_kernel_registry
    get_local_config create_local_network destroy_local_network assign_port release_port
    update_scaling_group scan_gpu_alloc_map reset_agent shutdown_agent
    """.split()  # noqa: SIM905 - the reference's list, as it is written there
)


class ResourceSlot:
    __slots__ = ("data",)

    def __init__(self, data: dict[str, Decimal]) -> None:
        self.data = data


class SlotName:
    __slots__ = ("__dict__", "_device_name", "_major_type", "_minor_type", "_parsed")

    def __init__(self, name: str) -> None:
        self.data = name
        self._parsed = False
        self._device_name = self._major_type = self._minor_type = ""

    def __getnewargs__(self) -> tuple[str]:
        return (self.data,)

    def __new__(cls, *_: str) -> Self:
        return object.__new__(cls)


class BinarySize(int):
    __slots__ = ()


class ClusterMode(StrEnum):
    SINGLE_NODE = "single-node"


class ServicePortProtocols(StrEnum):
    HTTP = "http"


class PlatformTagSet:
    __slots__ = ("_data",)

    def __init__(self, data: dict[str, str]) -> None:
        self._data = data


@dataclass
class ImageRef:
    name: str
    project: str | None
    tag: str
    registry: str
    architecture: str
    is_local: bool

    def __post_init__(self) -> None:
        self._tag_set = (self.tag.partition("-")[0], PlatformTagSet({}))


class Image:
    """What ``ImageRef(…)`` was called with."""

    def __init__(self, *args: object) -> None:
        self.args = args


def _modules() -> dict[str, ModuleType]:
    """Modules of the names that pickles give, which exist while one is written."""
    places = {
        TYPES: [ResourceSlot, SlotName, BinarySize, ClusterMode, ServicePortProtocols],
        DOCKER: [ImageRef, PlatformTagSet],
    }
    modules = {name: ModuleType(name) for name in ("ai", "ai.backend", "ai.backend.common")}
    for name, classes in places.items():
        modules[name] = ModuleType(name)
        for cls in classes:
            cls.__module__ = name
            setattr(modules[name], cls.__name__, cls)
    return modules


_MODULES = _modules()


def pickled(value: object) -> bytes:
    with mock.patch.dict(sys.modules, _MODULES):
        return pickle.dumps(value, protocol=5)


def packed(value: object) -> bytes:
    """As agents pack: bytes are bytes, tuples arrays, everything else an extension."""
    return msgpack.packb(value, default=_extension, strict_types=True)  # type: ignore[no-any-return]


def _extension(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, UUID):
        return msgpack.ExtType(1, value.bytes)
    codes = {
        Decimal: 3,
        Enum: 6,
        ImageRef: 7,
        ResourceSlot: 8,
        SlotName: 9,
        BinarySize: 16,
    }
    code = next(code for cls, code in codes.items() if isinstance(value, cls))
    return msgpack.ExtType(code, pickled(value))


class _ImageUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Image]:
        assert (module, name) == (DOCKER, "ImageRef")
        return Image


def unpacked(data: bytes) -> Any:
    """What an agent makes of a request: ids, and images as it would be asked to make them."""

    def extension(code: int, payload: bytes) -> object:
        if code == 1:
            return UUID(bytes=payload)
        assert code == 7
        image = _ImageUnpickler(io.BytesIO(payload)).load()
        assert isinstance(image, Image)
        return image.args

    return msgpack.unpackb(data, strict_map_key=False, ext_hook=extension)
