"""What a document may say, and that all that is wrong with one is told with its line."""

from __future__ import annotations

import pytest

from bai_manager.services.manifest.errors import InvalidManifest
from bai_manager.services.manifest.planning import plan_of
from bai_manager.services.manifest.reading import read_manifest
from bai_manager.services.manifest.types import Entry, Manifest, Section, SiteState

EMPTY = SiteState(
    manifest=Manifest(
        sections={
            Section.DOMAINS: {
                "default": Entry(section=Section.DOMAINS, name="default", fields={"name": "d"})
            }
        }
    ),
    access_keys={},
    emails={},
)

WRONG = """\
version: 2
keypair_polices: []
keypair_policies:
- name: small
  max_concurrent_sesions: 2
  max_concurrent_sessions: two
  max_containers_per_session: 0
  max_session_lifetime: -5
  total_resource_slots: {cpu: -4, cpu: 2}
- name: small
users:
- email: noone
  domain_name: defualt
- email: eve@example.com
  domain_name: default
  role: king
  domain_name: default
  sudo_session_enabled: "no"
- domain_name: default
- {email: bob@example.com}
- {email: ann@example.com, domain_name: default, full_name: 2026-01-01}
presets:
- {name: p}
- {name: q, resource_slots: {cpu: 1}}
groups: {a: b}
"""
PROBLEMS = {
    1: "version 2 is not known",
    2: "did you mean keypair_policies",
    5: "did you mean max_concurrent_sessions",
    6: "a whole number is needed",
    7: "max_containers_per_session lies between 1",
    8: "max_session_lifetime lies between 0",
    9: "'cpu' is on line 9 already",
    10: "key pair policy small is on line 4 already",
    12: "it has one @",
    13: "there is no domain defualt; did you mean default?",
    16: "'king' is not a known user role",
    17: "'domain_name' is on line 15 already",
    18: "true or false is needed",
    19: "a user needs 'email'",
    20: "a new user needs 'domain_name'",
    21: "a text is needed",
    23: "a new preset needs 'resource_slots'",
    24: "it has no mem",
    25: "groups is a list",
}


def test_everything_that_is_wrong_is_told_with_its_line() -> None:
    manifest, unread = read_manifest(WRONG, "a.yaml")
    _, unfit = plan_of(manifest, EMPTY, prune=False, requester=None)
    found: dict[int, list[str]] = {}
    for problem in (*unread, *unfit):
        found.setdefault(problem.line, []).append(problem.message)
    assert set(found) == set(PROBLEMS)
    for line, said in PROBLEMS.items():
        assert any(said in message for message in found[line]), found[line]


@pytest.mark.parametrize("text", ["a: [1,\n b: }", "\t", "[" * 999])
def test_what_is_no_yaml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(InvalidManifest) as raised:
        read_manifest(text, "a.yaml")
    assert "line" in raised.value.message


@pytest.mark.parametrize("text", ["- x", "users: !!python/object:os.system x", "&a [*a]"])
def test_what_is_no_document_has_a_problem(text: str) -> None:
    assert read_manifest(text, "a.yaml")[1]


def test_amounts_are_read_as_people_write_them() -> None:
    text = "presets:\n- {name: p, resource_slots: {mem: 4g, cpu: 0.5}, shared_memory: 64m}\n"
    manifest, problems = read_manifest(text, "a.yaml")
    assert problems == []
    fields = manifest.entries(Section.PRESETS)["p"].fields
    assert fields["resource_slots"] == {"cpu": "0.5", "mem": "4g"}
    assert fields["shared_memory"] == 64 << 20


def test_an_amount_that_would_be_rounded_is_written_in_full() -> None:
    text = f"domains: [{{name: d, total_resource_slots: {{mem: {(1 << 40) + 1}, cpu: inf}}}}]"
    manifest, _ = read_manifest(text, "a.yaml")
    assert manifest.entries(Section.DOMAINS)["d"].fields["total_resource_slots"] == {
        "cpu": "inf",
        "mem": str((1 << 40) + 1),
    }


def test_members_are_a_set_and_differ_one_by_one() -> None:
    def group(*members: str) -> Manifest:
        text = f"groups: [{{name: g, domain_name: default, members: [{', '.join(members)}]}}]"
        return read_manifest(text, "a.yaml")[0]

    state = SiteState(manifest=group("b@x", "a@x"), access_keys={}, emails={})
    same, _ = plan_of(group("a@x", "b@x", "a@x"), state, prune=False, requester=None)
    assert same.changes == ()
    other, problems = plan_of(group("a@x", "c@x"), state, prune=False, requester=None)
    (changed,) = other.changes
    found = [(one.field, one.before, one.after) for one in changed.differences]
    assert found == [("members", "b@x", None), ("members", None, "c@x")]
    assert ["there is no user c@x" in problem.message for problem in problems] == [True]


def test_names_that_look_alike_are_told_apart() -> None:
    slots = "resource_slots: {cpu: 1, mem: 1g}"
    text = (
        f"presets:\n- {{name: a@b, {slots}}}\n- {{name: a, scaling_group_name: b, {slots}}}\n"
        f"- {{name: '\"a@b\"', {slots}}}\n"
    )
    manifest, problems = read_manifest(text, "a.yaml")
    assert problems == []
    assert len(manifest.entries(Section.PRESETS)) == 3


def test_a_main_key_pair_is_its_user() -> None:
    def group(*keypairs: str) -> Manifest:
        text = f"scaling_groups: [{{name: g, keypairs: [{', '.join(keypairs)}]}}]"
        return read_manifest(text, "a.yaml")[0]

    keys = {"AKIAMAIN": "a@x", "AKIAOTHER": "AKIAOTHER"}
    state = SiteState(manifest=group("a@x", "AKIAOTHER"), access_keys=keys, emails={})
    wanted = group("AKIAOTHER", "AKIAMAIN")
    assert plan_of(wanted, state, prune=False, requester=None)[0].changes == ()
