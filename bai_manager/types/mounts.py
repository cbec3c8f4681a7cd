"""Where folders appear inside a session (``reference/value-types.md`` §6)."""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.errors import InvalidInput
from bai_manager.types.choice import Choice
from bai_manager.types.errors import InvalidMount
from bai_manager.types.names import is_reserved_vfolder_name
from bai_manager.types.status import VFolderUsageMode
from bai_manager.types.vfolder import VFolderID, VFolderPermission

if TYPE_CHECKING:
    from typing import Self

    from bai_manager.types.json import JsonObject, JsonValue

HOME: Final = "/home/work"

_ARGUMENT_EXAMPLE: Final = "datasets, datasets:/data:ro or datasets/2026:/data"
_EXPRESSION_EXAMPLE: Final = "type=bind,source=/data,target=/mnt/data,perm=ro"
_STORED_EXAMPLE: Final = "name, vfid, host_path, kernel_path and mount_perm"
_PIECE: Final = re.compile(r"(?:\\[,:=\\]|[^\\]|\\(?![,:=\\]))", re.DOTALL)
_KEYS: Final = {
    "type": "type",
    "source": "source",
    "target": "target",
    "perm": "permission",
    "permission": "permission",
}


class MountType(Choice):
    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"
    K8S_GENERIC = "k8s-generic"
    K8S_HOSTPATH = "k8s-hostpath"


@dataclass(frozen=True, kw_only=True, slots=True)
class MountRequest:
    """A folder, or a path in it, to mount; without ``target`` at ``/home/work/<name>``."""

    folder: str
    subpath: str = "."
    target: str | None = None
    permission: VFolderPermission | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME[/SUBPATH][:PATH][:ro|rw|wd]``, NAME being a name or an id.

        A relative PATH lies under ``/home/work``. Raises ``InvalidMount``.
        """
        reference, *rest = text.strip().split(":")
        permission = _permission(rest[-1]) if rest else None
        if permission is not None:
            rest.pop()
        if len(rest) > 1:
            raise InvalidMount(text, "it is not NAME[:PATH][:ro|rw|wd]", example=_ARGUMENT_EXAMPLE)
        folder, _, subpath = reference.partition("/")
        if not folder:
            raise InvalidMount(text, "it names no folder", example=_ARGUMENT_EXAMPLE)
        return cls(
            folder=folder,
            subpath=_inside(text, subpath),
            target=_kernel_path(text, rest[0]) if rest else None,
            permission=permission,
        )

    def __str__(self) -> str:
        subpath = "" if self.subpath == "." else f"/{self.subpath}"
        parts = (f"{self.folder}{subpath}", self.target, self.permission)
        return ":".join(part for part in parts if part is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class MountExpression:
    """``type=…,source=…,target=…,perm=…``; tmpfs has no source."""

    type: MountType = MountType.BIND
    source: str | None = None
    target: str
    permission: VFolderPermission | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        r"""Read ``key=value`` pairs joined by ``,`` or ``:``; ``\`` escapes ``,`` ``:`` ``=``.

        A first key other than type, source, target, perm and permission is the source, its
        value the target: ``/data=/mnt/data``. Raises ``InvalidMount`` and ``InvalidChoice``.
        """
        values: dict[str, str] = {}
        for number, (key, value) in enumerate(_pairs(text)):
            if number == 0 and key not in _KEYS:
                values |= {"source": key, "target": value}
                continue
            if key not in _KEYS:
                raise InvalidMount(text, f"{key!r} is no key", example=_EXPRESSION_EXAMPLE)
            if _KEYS[key] in values:
                raise InvalidMount(text, f"{key} is given twice", example=_EXPRESSION_EXAMPLE)
            values[_KEYS[key]] = value
        if not values.get("target"):
            raise InvalidMount(text, "it has no target", example=_EXPRESSION_EXAMPLE)
        permission = values.get("permission")
        return cls(
            type=MountType.parse(values.get("type", MountType.BIND)),
            source=values.get("source"),
            target=values["target"],
            permission=None if permission is None else VFolderPermission.parse(permission),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class VFolderMount:
    """A mount as sessions and kernels store it (``vfolder_mounts``) and agents receive it."""

    name: str
    vfid: VFolderID
    host_path: str
    kernel_path: str
    mount_perm: VFolderPermission
    vfsubpath: str = "."
    usage_mode: VFolderUsageMode = VFolderUsageMode.GENERAL

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read one stored object. Raises ``InvalidMount``."""
        if not isinstance(value, dict):
            raise InvalidMount(value, "an object is needed", example=_STORED_EXAMPLE)
        try:
            return cls(
                name=str(value["name"]),
                vfid=VFolderID.parse(str(value["vfid"])),
                vfsubpath=str(value.get("vfsubpath") or "."),
                host_path=str(value["host_path"]),
                kernel_path=str(value["kernel_path"]),
                mount_perm=VFolderPermission.parse(str(value["mount_perm"])),
                usage_mode=VFolderUsageMode.parse(str(value.get("usage_mode") or "general")),
            )
        except KeyError as error:
            raise InvalidMount(value, f"{error} is missing", example=_STORED_EXAMPLE) from None
        except InvalidInput as error:
            raise InvalidMount(value, error.message, example=_STORED_EXAMPLE) from None

    @classmethod
    def json_schema(cls) -> JsonObject:
        names = [
            "name",
            "vfid",
            "vfsubpath",
            "host_path",
            "kernel_path",
            "mount_perm",
            "usage_mode",
        ]
        properties: JsonObject = {name: {"type": "string"} for name in names}
        return {"type": "object", "properties": properties, "required": [*names]}

    def __str__(self) -> str:
        subpath = "" if self.vfsubpath == "." else f"/{self.vfsubpath}"
        return f"{self.name}{subpath}:{self.kernel_path}:{self.mount_perm.value}"

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "vfid": str(self.vfid),
            "vfsubpath": self.vfsubpath,
            "host_path": self.host_path,
            "kernel_path": self.kernel_path,
            "mount_perm": self.mount_perm.value,
            "usage_mode": self.usage_mode.value,
        }


def stored_mounts(value: JsonValue) -> list[VFolderMount]:
    """Read a column ``vfolder_mounts``; what is unreadable in it is left out."""
    found: list[VFolderMount] = []
    for one in value if isinstance(value, list) else ():
        with suppress(InvalidInput):
            found.append(VFolderMount.from_json(one))
    return found


def paths_overlap(one: str, other: str) -> bool:
    """Tell whether one of two normalized paths contains the other."""
    shorter, longer = sorted((one.rstrip("/"), other.rstrip("/")), key=len)
    return longer == shorter or longer.startswith(f"{shorter}/")


def _permission(text: str) -> VFolderPermission | None:
    lowered = text.strip().lower()
    found = (member for member in VFolderPermission if member.value == lowered)
    return next(found, None)


def _inside(text: str, subpath: str) -> str:
    """Normalize a path in a folder, which it must not leave."""
    normal = posixpath.normpath(subpath.strip("/") or ".")
    if normal == ".." or normal.startswith("../"):
        raise InvalidMount(text, "the path leaves the folder", example=_ARGUMENT_EXAMPLE)
    return normal


def _kernel_path(text: str, path: str) -> str:
    """Make a path inside the session absolute; it must not be home itself or a reserved place."""
    full = f"/{posixpath.normpath(posixpath.join(HOME, path.strip())).lstrip('/')}"
    inner = full.removeprefix(f"{HOME}/")
    if not path.strip() or f"{HOME}/".startswith(f"{full.rstrip('/')}/"):
        raise InvalidMount(text, "the path would hide the home folder", example=_ARGUMENT_EXAMPLE)
    if is_reserved_vfolder_name(inner):
        raise InvalidMount(text, f"{path} is reserved", example=_ARGUMENT_EXAMPLE)
    return full


def _pairs(text: str) -> list[tuple[str, str]]:
    """Cut at ``,`` and ``:`` and each part at its first ``=``, none of them escaped."""
    pairs: list[list[str]] = [[""]]
    for piece in _PIECE.findall(text.strip()):
        if piece in (",", ":"):
            pairs.append([""])
        elif piece == "=" and len(pairs[-1]) == 1:
            pairs[-1].append("")
        else:
            pairs[-1][-1] += piece[-1]
    if any(len(pair) == 1 for pair in pairs):
        raise InvalidMount(text, "it is not made of key=value pairs", example=_EXPRESSION_EXAMPLE)
    return [(pair[0].strip(), pair[1].strip()) for pair in pairs]
