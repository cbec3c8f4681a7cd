"""Names of container images (``reference/value-types.md`` §10.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.types.errors import InvalidImageReference, InvalidImageTag, InvalidName
from bai_manager.types.names import check_image_tag

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Self

    from bai_manager.types.json import JsonObject

DEFAULT_REGISTRY: Final = "index.docker.io"
DEFAULT_TAG: Final = "latest"
DEFAULT_REPOSITORY: Final = "lablup"
ANY_REGISTRY: Final = "*"

_EXAMPLE: Final = "cr.backend.ai/stable/python:3.9-ubuntu20.04"
_TAG_EXAMPLE: Final = "3.9-ubuntu20.04-cuda11"
_ARCHITECTURES: Final = {
    "arm64": "aarch64",
    "amd64": "x86_64",
    "x64": "x86_64",
    "x32": "x86",
    "i686": "x86",
}
_IP_ADDRESS: Final = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.IGNORECASE
)
_PLATFORM_TAG: Final = re.compile(r"(?P<name>[a-zA-Z_]+)(?P<version>\d+(?:\.\d+)*[a-z0-9]*)?")
_VERSION: Final = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<stage>dev|a|alpha|b|beta|c|rc|pre|preview|post|rev|r)[-_.]?(?P<number>\d*))?"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_STAGES: Final = {
    "dev": -4,
    **dict.fromkeys(("a", "alpha"), -3),
    **dict.fromkeys(("b", "beta"), -2),
    **dict.fromkeys(("c", "rc", "pre", "preview"), -1),
    "": 0,
    **dict.fromkeys(("post", "rev", "r"), 1),
}

VersionKey = tuple[int, tuple[int, ...], int, int, str]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """``[registry/][project/]name[:tag]`` for one architecture.

    ``project`` is empty where the registry is not divided; the name then holds the whole path.
    ``<`` compares versions of one image: newer is larger, and of equal versions the one with
    fewer platform tags.
    """

    registry: str
    project: str
    name: str
    tag: str = DEFAULT_TAG
    architecture: str = "x86_64"

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        registries: Collection[str] = (),
        default_registry: str = DEFAULT_REGISTRY,
        project: str | None = None,
        architecture: str = "x86_64",
    ) -> Self:
        """Read a reference.

        What stands before the first ``/`` is the registry if it is one of ``registries`` (``*``:
        any) or looks like an IP address; otherwise all of it is a path at ``default_registry``.
        With ``project`` the path must lie in it. Raises ``InvalidImageReference`` and
        ``InvalidImageTag``.
        """
        if "://" in text or text.startswith("//"):
            raise InvalidImageReference(text, "it is written like a URL", example=_EXAMPLE)
        registry, rest = _split_registry(text, registries, default_registry)
        path, tag = _split_tag(text, rest)
        if not all(path.split("/")) or path != path.strip():
            raise InvalidImageReference(text, "a part of its path is empty", example=_EXAMPLE)
        if _is_docker_hub(registry) and "/" not in path:
            path = f"{DEFAULT_REPOSITORY}/{path}"
        name = path if project is None else _in_project(text, path, project)
        return cls(registry, project or "", name, tag, normalized_architecture(architecture))

    @property
    def path(self) -> str:
        """``project/name``: the column ``images.image``."""
        return "/".join(filter(None, (self.project, self.name)))

    @property
    def canonical(self) -> str:
        """``registry/project/name:tag``: the column ``images.name``."""
        parts = "/".join(filter(None, (self.registry, self.project, self.name)))
        return f"{parts}:{self.tag}"

    @property
    def version(self) -> str:
        """What stands before the first ``-`` of the tag."""
        return self.tag.partition("-")[0]

    @property
    def platform_tags(self) -> Mapping[str, str]:
        """Name and version of each further part of the tag: ``{"ubuntu": "20.04"}``.

        Raises ``InvalidImageTag`` for a part of another form, or one that comes twice.
        """
        tags: dict[str, str] = {}
        for part in self.tag.split("-")[1:]:
            matched = _PLATFORM_TAG.fullmatch(part)
            if matched is None:
                raise InvalidImageTag(
                    self.tag, f"{part!r} is no word with a version", example=_TAG_EXAMPLE
                )
            if matched["name"] in tags:
                raise InvalidImageTag(
                    self.tag, f"{matched['name']!r} comes twice", example=_TAG_EXAMPLE
                )
            tags[matched["name"]] = matched["version"] or ""
        return tags

    @classmethod
    def json_schema(cls) -> JsonObject:
        return {"type": "string"}

    def to_json(self) -> str:
        return self.canonical

    def __str__(self) -> str:
        return self.canonical

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, ImageRef):
            return NotImplemented
        if (self.project, self.name) != (other.project, other.name):
            return NotImplemented
        mine, theirs = version_key(self.version), version_key(other.version)
        if mine != theirs:
            return mine < theirs
        tags, other_tags = self.platform_tags, other.platform_tags
        for name in sorted(tags.keys() & other_tags.keys()):
            mine, theirs = version_key(tags[name]), version_key(other_tags[name])
            if mine != theirs:
                return mine < theirs
        return len(tags) > len(other_tags)


def normalized_architecture(name: str) -> str:
    """``arm64`` is ``aarch64``; ``amd64`` and ``x64`` are ``x86_64``; ``x32``, ``i686`` ``x86``."""
    return _ARCHITECTURES.get(name.strip().lower(), name.strip().lower())


def version_key(text: str) -> VersionKey:
    """Order versions as PEP 440 does; what is no version comes before all that are."""
    matched = _VERSION.fullmatch(text)
    if matched is None:
        return (-1, (), 0, 0, text)
    release = [int(number) for number in matched["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    stage = (matched["stage"] or "").lower()
    return (
        int(matched["epoch"] or 0),
        tuple(release),
        _STAGES[stage],
        int(matched["number"] or 0),
        matched["rest"],
    )


def _split_registry(
    text: str, registries: Collection[str], default_registry: str
) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_REGISTRY, text
    if first in registries or ANY_REGISTRY in registries or _IP_ADDRESS.fullmatch(first):
        return first, rest
    return default_registry, text


def _split_tag(text: str, rest: str) -> tuple[str, str]:
    path, colon, tag = rest.rpartition(":")
    if not colon:
        return rest, DEFAULT_TAG
    try:
        return path, check_image_tag(tag)
    except InvalidName as error:
        why = f"its tag {tag!r} is wrong: {error.details['reason']}"
        raise InvalidImageTag(text, why, example=_EXAMPLE) from None


def _is_docker_hub(registry: str) -> bool:
    return registry == "docker.io" or registry.endswith(".docker.io")


def _in_project(text: str, path: str, project: str) -> str:
    if path == project:
        return ""
    if not path.startswith(f"{project}/"):
        raise InvalidImageReference(text, f"it is not in the project {project!r}", example=_EXAMPLE)
    return path[len(project) + 1 :]
