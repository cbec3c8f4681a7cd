from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bai_manager.types.errors import InvalidImageReference, InvalidImageTag
from bai_manager.types.image_ref import ImageRef, normalized_architecture, version_key

quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KNOWN = {"cr.backend.ai", "registry.example.com:5000"}


def ref(tag: str) -> ImageRef:
    return ImageRef("cr.backend.ai", "stable", "python", tag)


@pytest.mark.parametrize(
    ("text", "registry", "name", "tag"),
    [
        ("cr.backend.ai/stable/python:3.9", "cr.backend.ai", "stable/python", "3.9"),
        ("cr.backend.ai/stable/python", "cr.backend.ai", "stable/python", "latest"),
        ("registry.example.com:5000/a/b", "registry.example.com:5000", "a/b", "latest"),
        ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000", "a/b", "1"),
        ("[::1]:5000/a:1", "[::1]:5000", "a", "1"),
        ("python:3.9", "index.docker.io", "lablup/python", "3.9"),
        ("python", "index.docker.io", "lablup/python", "latest"),
        ("other.io/team/python:3.9", "index.docker.io", "other.io/team/python", "3.9"),
    ],
)
def test_the_registry_is_what_is_known_or_an_address(
    text: str, registry: str, name: str, tag: str
) -> None:
    assert ImageRef.parse(text, registries=KNOWN) == ImageRef(registry, "", name, tag)


def test_any_registry_is_taken_where_all_are_allowed() -> None:
    parsed = ImageRef.parse("other.io/team/python", registries={"*"})
    assert (parsed.registry, parsed.name) == ("other.io", "team/python")


def test_a_path_belongs_to_the_default_registry() -> None:
    parsed = ImageRef.parse("stable/python:3.9", default_registry="cr.backend.ai")
    assert parsed.canonical == "cr.backend.ai/stable/python:3.9"


def test_only_docker_hub_has_a_default_repository() -> None:
    assert ImageRef.parse("docker.io/python", registries={"docker.io"}).path == "lablup/python"
    assert ImageRef.parse("1.2.3.4/python").path == "python"


@pytest.mark.parametrize(
    ("project", "name"),
    [("stable", "ngc/python"), ("stable/ngc", "python"), (None, "stable/ngc/python")],
)
def test_the_project_is_split_from_the_name(project: str | None, name: str) -> None:
    parsed = ImageRef.parse("cr.backend.ai/stable/ngc/python:1", registries=KNOWN, project=project)
    assert parsed.name == name
    assert parsed.path == "stable/ngc/python"
    assert parsed.canonical == "cr.backend.ai/stable/ngc/python:1"


def test_a_path_that_is_the_project_has_an_empty_name() -> None:
    parsed = ImageRef.parse("cr.backend.ai/stable:1", registries=KNOWN, project="stable")
    assert (parsed.name, parsed.canonical) == ("", "cr.backend.ai/stable:1")


def test_a_path_outside_the_project_is_refused() -> None:
    with pytest.raises(InvalidImageReference, match="not in the project"):
        ImageRef.parse("cr.backend.ai/stable2/python", registries=KNOWN, project="stable")


@pytest.mark.parametrize(
    "text", ["https://cr.backend.ai/a", "//a/b", "", "a//b", "cr.backend.ai/", ":1", "a b /c "]
)
def test_what_is_no_reference_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidImageReference) as caught:
        ImageRef.parse(text, registries=KNOWN)
    assert "cr.backend.ai/stable/python" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["python:", "python:-1", "python:a b", "host:5000/python"])
def test_a_wrong_tag_is_named(text: str) -> None:
    with pytest.raises(InvalidImageTag, match="tag"):
        ImageRef.parse(text)


words = st.from_regex(r"\A[a-z0-9]{1,6}\Z")


@given(words, st.lists(words, max_size=2), words)
@quick
def test_a_canonical_name_is_read_back(project: str, path: list[str], tag: str) -> None:
    one = ImageRef("cr.backend.ai", project, "/".join([*path, "python"]), tag)
    assert ImageRef.parse(one.canonical, registries=KNOWN, project=project) == one
    assert str(one) == one.canonical


def test_a_tag_is_a_version_and_platform_tags() -> None:
    parsed = ref("3.9-ubuntu20.04-cuda11-py")
    assert parsed.version == "3.9"
    assert parsed.platform_tags == {"ubuntu": "20.04", "cuda": "11", "py": ""}


@pytest.mark.parametrize("tag", ["3.9-20.04", "3.9-cuda11-cuda12", "3.9-", "3.9-a.b"])
def test_a_platform_tag_is_a_word_with_a_version_once(tag: str) -> None:
    with pytest.raises(InvalidImageTag):
        _ = ref(tag).platform_tags


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("3.9", "3.10"),
        ("3.9-ubuntu22.04", "3.10-ubuntu18.04"),
        ("3.9-ubuntu18.04", "3.9-ubuntu20.04"),
        ("3.9-ubuntu20.04-cuda11", "3.9-ubuntu20.04"),
        ("latest", "3.9"),
        ("3.9rc1", "3.9"),
    ],
)
def test_newer_images_are_larger(older: str, newer: str) -> None:
    assert ref(older) < ref(newer)
    assert ref(newer) > ref(older)
    assert max(ref(older), ref(newer)) == ref(newer)


def test_an_image_is_not_less_than_itself() -> None:
    assert not ref("3.9-a1") < ref("3.9-a1")
    assert not ref("1.0") < ref("1")


def test_different_images_have_no_order() -> None:
    with pytest.raises(TypeError):
        _ = ref("1") < ImageRef("cr.backend.ai", "stable", "r-base", "1")


def test_versions_are_ordered_as_in_pep_440() -> None:
    texts = "nightly 0 0.9 1.0.dev1 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0.post1 1.0.1 1.2 1.10 2 1!0.1"
    assert all(version_key(a) < version_key(b) for a, b in pairwise(texts.split()))
    assert version_key("1.0") == version_key("v1")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("arm64", "aarch64"),
        ("AMD64", "x86_64"),
        ("x64", "x86_64"),
        ("i686", "x86"),
        ("riscv64", "riscv64"),
    ],
)
def test_architectures_have_one_name(alias: str, name: str) -> None:
    assert normalized_architecture(alias) == name
    assert ImageRef.parse("python", architecture=alias).architecture == name
