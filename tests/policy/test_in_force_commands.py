"""``bai-manager policy explain`` and ``what-if``: words, formats, and the shapes for programs."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from bai_manager.cli.policy_changes import read_changes
from bai_manager.cli.schema import schema_of
from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyChanges
from bai_manager.services.policy.types import PolicyKind
from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyChanges
from bai_manager.services.user_resource_policy.types import UserResourcePolicyChanges
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from bai_manager.types.vfolder import VFolderHostPermission
from tests.cli.test_nouns_schema import problems
from tests.printed import said, shape

if TYPE_CHECKING:
    from tests.cli.conftest import Ask

EXPLAINED: dict[str, type | None] = {
    "access_key": str,
    "user_email": str,
    "domain_name": str,
    "project_name": str,
    "keypair_policy": str,
    "user_policy": str,
    "project_policy": str,
    "scaling_groups": list,
    "nearest": dict,
    "limits": list,
    "hosts": list,
    "outlook": None,
}
LINE: dict[str, type | None] = {
    "scope": str,
    "name": str,
    "kind": str,
    "resource": str,
    "unit": str,
    "limit": str,
    "used": str,
    "left": str,
    "source": str,
    "requested": None,
    "fits": None,
    "binds": bool,
    "unknown": None,
}
OUTLOOK: dict[str, type | None] = {
    "spec": dict,
    "requested": dict,
    "allowed": int,
    "hit": list,
    "fits": int,
    "more": bool,
    "groups": list,
}
REHEARSAL: dict[str, type | None] = {
    "kind": str,
    "policy": str,
    "changed": list,
    "bound": int,
    "over": list,
    "sessions": list,
    "endings": list,
    "folders": list,
    "fields": list,
}
SPEC = ("--session-spec", "cpu=1,mem=1g")


def _explained(ask: Ask, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = said(ask("alice", "policy", "explain", *words, "-o", "json"))
    return found


def test_programs_get_one_object(ask: Ask) -> None:
    found = _explained(ask)
    assert shape(found) == EXPLAINED
    assert shape(found["limits"][0]) == LINE
    assert [one["resource"] for one in found["limits"][:2]] == ["cpu", "cpu"]
    asked = _explained(ask, *SPEC)
    for printed in (found, asked):
        assert list(problems(printed, schema_of("policy", "explain"))) == []
    outlook = asked["outlook"]
    assert shape(outlook) == OUTLOOK
    assert (outlook["allowed"], outlook["fits"]) == (30, 4)


def test_rows_are_the_limits_in_full(ask: Ask) -> None:
    done = ask("alice", "policy", "explain", "-o", "tsv")
    header, first = done.header, done.cells[0]
    row = dict(zip(header, first, strict=True))
    assert set(header) == set(LINE)
    assert (row["resource"], row["scope"], row["limit"]) == ("cpu", "keypair", "Infinity")
    assert row["source"].startswith("key pair policy default")


def test_people_see_who_it_is_and_what_is_limited(ask: Ask) -> None:
    done = ask("alice", "policy", "explain", "-o", "table")
    lines = done.out.splitlines()
    assert lines[0].split() == ["User", "alice@example.com"]
    heading = next(line for line in lines if line.startswith("RESOURCE"))
    assert "TAKES" not in heading
    assert "unlimited" not in done.out
    assert "more are unlimited" in done.err
    assert "unlimited" in ask("alice", "policy", "explain", "-o", "wide").out


def test_people_see_how_many_such_sessions_fit(ask: Ask) -> None:
    out = ask("alice", "policy", "explain", *SPEC, "-o", "table").out
    assert "Allowed by limits  30" in out
    assert "default: 4, then " in out
    assert "resource-group default: cpu" in out
    assert "TAKES  FIT" in out


def test_chosen_columns_are_those_of_the_limits(ask: Ask) -> None:
    done = ask("alice", "policy", "explain", "--columns", "resource,left", "-o", "table")
    assert done.out.splitlines()[0].split() == ["RESOURCE", "LEFT"]


@pytest.mark.parametrize(
    ("words", "code", "said_"),
    [
        (("--session-spec", "cpu"), 2, "SLOT=AMOUNT"),
        (("--session-spec", "type=batch"), 2, "asks for nothing"),
        (("--session-spec", "cpu=1,cluster-size=0"), 2, "cluster-size"),
        (("--session-spec", "cpu=1,type=none"), 2, "session type"),
        (("--session-spec", "tpu=1"), 2, "tpu"),
        (("bob@example.com",), 4, "may not"),
        (("nobody@example.com",), 3, "nobody"),
        (("AKIAAAAAAAAAAAAAAAAA",), 3, "AKIAAAAAAAAAAAAAAAAA"),
        (("--columns", "none"), 2, "none"),
    ],
)
def test_what_cannot_be_explained(ask: Ask, words: tuple[str, ...], code: int, said_: str) -> None:
    done = ask("alice", "policy", "explain", *words, "-o", "table")
    assert (done.code, said_ in done.err) == (code, True)


def _what_if(ask: Ask, kind: str, *sets: str, form: str = "json") -> Any:
    words = [word for text in sets for word in ("--set", text)]
    return ask("root", "policy", "what-if", kind, "default", *words, "-o", form)


@pytest.mark.parametrize("kind", list(PolicyKind))
def test_a_rehearsal_has_one_shape(ask: Ask, kind: PolicyKind) -> None:
    field = {
        PolicyKind.KEYPAIR: "max_concurrent_sessions",
        PolicyKind.USER: "max_vfolder_count",
        PolicyKind.PROJECT: "max_network_count",
    }[kind]
    found = said(_what_if(ask, kind.value, f"{field}=1"))
    assert shape(found) == REHEARSAL
    assert list(problems(found, schema_of("policy", "what-if"))) == []
    assert (found["kind"], found["changed"]) == (kind.value, [field])


def test_people_see_that_nobody_is_over(ask: Ask) -> None:
    lines = _what_if(ask, "user", "max_vfolder_count=1", form="table").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "Policy",
        "Binds",
        "Changed",
        "Would be over",
        "Waiting sessions",
        "Meaning",
    ]


@pytest.mark.parametrize(
    ("kind", "text", "said_"),
    [
        ("keypair", "max_concurrent_sessions", "FIELD=VALUE"),
        ("keypair", "max_vfolder_count=1", "not a known field of a keypair policy"),
        ("keypair", "total_resource_slots=4", "is a map"),
        ("keypair", "idle_timeout.x=4", "is no map"),
        ("user", "max_vfolder_count=many", "many"),
        ("keypair", "max_containers_per_session=0", "between 1 and"),
    ],
)
def test_a_change_that_is_none_is_refused(ask: Ask, kind: str, text: str, said_: str) -> None:
    done = _what_if(ask, kind, text, form="table")
    assert (done.code, said_ in done.err) == (2, True)


def test_every_field_of_a_policy_can_be_set() -> None:
    """As it is written in the table below ``show``; ``unlimited`` is whatever the column has."""
    keypair = read_changes(
        PolicyKind.KEYPAIR,
        [
            "default_for_unspecified=limited",
            "total_resource_slots.cpu=4",
            "total_resource_slots.cuda.device=unlimited",
            "total_resource_slots.mem=",
            "max_session_lifetime=2h",
            "max_concurrent_sessions=unlimited",
            "max_concurrent_sftp_sessions=2",
            "max_containers_per_session=3",
            "max_pending_session_count=unlimited",
            "max_pending_session_resource_slots.mem=1g",
            "idle_timeout=default",
            "allowed_vfolder_hosts.local:volume1=upload-file",
        ],
    )
    assert keypair == KeypairResourcePolicyChanges(
        default_for_unspecified=DefaultForUnspecified.LIMITED,
        total_resource_slots=SlotsPatch(
            put=ResourceSlot({"cpu": 4, "cuda.device": "inf"}), drop=("mem",)
        ),
        max_session_lifetime=7200,
        max_concurrent_sessions=0,
        max_concurrent_sftp_sessions=2,
        max_containers_per_session=3,
        max_pending_session_count=None,
        max_pending_session_resource_slots=SlotsPatch(put=ResourceSlot({"mem": 1 << 30})),
        idle_timeout=-1,
        allowed_vfolder_hosts=HostsPatch(
            put={"local:volume1": frozenset({VFolderHostPermission.UPLOAD_FILE})}
        ),
    )
    user = [f"{field.name}=7" for field in fields(UserResourcePolicyChanges)]
    project = [f"{field.name}=unlimited" for field in fields(ProjectResourcePolicyChanges)]
    assert read_changes(PolicyKind.USER, user) == UserResourcePolicyChanges(
        max_vfolder_count=7,
        max_quota_scope_size=7,
        max_session_count_per_model_session=7,
        max_customized_image_count=7,
    )
    assert read_changes(PolicyKind.PROJECT, project) == ProjectResourcePolicyChanges(
        max_vfolder_count=0, max_quota_scope_size=-1, max_network_count=-1
    )


def test_consequences_are_rows_with_what_whose_and_how_much(change: Ask) -> None:
    words = ("--set", "total_resource_slots.cpu=0")
    done = change("root", "policy", "what-if", "keypair", "default", *words, "-o", "tsv")
    rows = [dict(zip(done.header, cells, strict=True)) for cells in done.cells]
    assert [(row["what"], row["resource"], row["used"], row["excess"]) for row in rows] == [
        ("would be over", "cpu", "1", "1"),
        ("would be over", "cpu", "1", "1"),
    ]
    assert rows[1]["whose"] == "alice@example.com"
    printed = said(change("root", "policy", "what-if", "keypair", "default", *words, "-o", "json"))
    assert list(problems(printed, schema_of("policy", "what-if"))) == []
    out = change("root", "policy", "what-if", "keypair", "default", *words, "-o", "table").out
    assert "Would be over     2 newly" in out
    assert "over         alice@example.com" in out
