"""Templates: what may be in one, who sees and changes which, and what a session takes from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import yaml
from sqlalchemy import delete, insert, update

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.models.session import session_templates
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.session.errors import ProjectNotFound
from bai_manager.services.template.actions import (
    CreateTemplateAction,
    DeleteTemplateAction,
    GetTemplateAction,
    ListTemplatesAction,
    UpdateTemplateAction,
)
from bai_manager.services.template.body import MASK, parse, session_fields
from bai_manager.services.template.errors import (
    AmbiguousTemplate,
    InvalidTemplate,
    TaskTemplateNotFound,
    TemplateAlreadyExists,
    TemplateNotApplicable,
)
from bai_manager.services.template.types import TemplateData, TemplateType
from bai_manager.types.status import SessionType

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject
    from tests.door import Door

TASK = """
apiVersion: v1
kind: taskTemplate
metadata: {name: train, tag: nightly}
spec:
  sessionType: Interactive
  kernel:
    image: python
    environ: {LEVEL: debug, COUNT: 3}
    run: {bootstrap: "echo one", startupCommand: "true"}
    git: {repository: "https://git.example.com/a/tools.git", branch: "b c", commit: abc}
  resources: {cpu: 2, mem: 4g}
  scaling_group: default
"""


def body(**changed: object) -> JsonObject:
    """That of the task; ``changed`` are keys of its ``spec``."""
    found: Any = yaml.safe_load(TASK)
    found["spec"] |= changed
    whole: JsonObject = found
    return whole


def cluster(*listed: tuple[str, object, object]) -> JsonObject:
    nodes: Any = [
        {"role": role, "session_template": task, "replicas": count} for role, task, count in listed
    ]
    return {
        "api_version": "v1",
        "kind": "cluster_template",
        "metadata": {"name": "farm"},
        "spec": {"nodes": nodes},
    }


def stored(template: JsonObject, *, group_name: str | None = None) -> TemplateData:
    return TemplateData(
        id=uuid4(),
        name="train",
        type=TemplateType.TASK,
        domain_name="default",
        group_id=None,
        group_name=group_name,
        user_id=uuid4(),
        user_email=None,
        is_active=True,
        created_at=None,
        template=template,
        version="1",
    )


async def create(door: Door, who: str = "alice", **given: Any) -> TemplateData:
    action = CreateTemplateAction(**{"body": body(), **given})
    return (await door.run(who, action)).template


async def forget_all(door: Door) -> None:
    async with door.database.transaction() as connection:
        await connection.execute(delete(session_templates))


def test_a_template_is_kept_in_snake_case_with_what_was_left_out() -> None:
    spec = parse(body())
    assert (spec.name, spec.type) == ("train", TemplateType.TASK)
    assert spec.body["kind"] == "task_template"
    assert spec.body["spec"] == {
        "session_type": "interactive",
        "kernel": {
            "image": "python",
            "architecture": "x86_64",
            "environ": {"LEVEL": "debug", "COUNT": "3"},
            "run": {"bootstrap": "echo one", "startup_command": "true"},
            "git": {
                "repository": "https://git.example.com/a/tools.git",
                "branch": "b c",
                "commit": "abc",
                "dest_dir": None,
            },
        },
        "scaling_group": "default",
        "mounts": {},
        "resources": {"cpu": "2", "mem": "4g"},
        "agent_list": None,
    }
    assert parse(spec.body) == spec


TASK_ID = str(uuid4())
WRONG: dict[str, object] = {
    "the whole": ["list"],
    "kind": {**body(), "kind": "pod"},
    "metadata.name": {**body(), "metadata": {}},
    "api_version": {key: value for key, value in body().items() if key != "apiVersion"},
    "spec.kernel": body(kernel=None),
    "spec.kernel.image": body(kernel={"image": " "}),
    "has no key colour": body(colour="red"),
    "credential": body(
        kernel={"image": "python", "git": {"repository": "x", "credential": {"a": 1}}}
    ),
    "says what cannot be": body(resources={"cpu": "many"}),
    "mode is of clusters alone": {**body(), "mode": "single-node"},
    "mode says what cannot be": {**cluster(("main", TASK_ID, 1)), "mode": "sideways"},
    "spec.nodes is no list": cluster(),
    "needs one node of the role main": cluster(("sub", TASK_ID, 1)),
    "role main, once": cluster(("main", TASK_ID, 2)),
    "spec.nodes[0].session_template": cluster(("main", "train", 1)),
    "spec.nodes[0].replicas": cluster(("main", TASK_ID, True)),
}


def test_what_no_session_can_be_made_of_is_refused() -> None:
    for where, wrong in WRONG.items():
        given: Any = wrong
        with pytest.raises(InvalidTemplate) as raised:
            parse(given)
        assert where in raised.value.message, where
    with pytest.raises(InvalidTemplate, match="longer than 128"):
        parse(body(), name="n" * 129)


def test_a_session_takes_what_a_task_says() -> None:
    fields = session_fields(stored(parse(body()).body, group_name="vision"))
    assert fields == {
        "image": "python",
        "architecture": "x86_64",
        "session_type": SessionType.INTERACTIVE,
        "environ": {"LEVEL": "debug", "COUNT": "3"},
        "resources": {"cpu": "2", "mem": "4g"},
        "scaling_group": "default",
        "group": "vision",
        "tag": "nightly",
        "startup_command": "true",
        "bootstrap_script": "echo one\n"
        "git clone -b 'b c' -- https://git.example.com/a/tools.git tools\n"
        "git -C tools checkout abc\n",
    }


def test_what_cannot_be_asked_for_here_is_said() -> None:
    for wanted in (body(mounts={"data": {}}), body(agent_list=["i-1"])):
        template = stored(parse(wanted).body)
        with pytest.raises(TemplateNotApplicable):
            session_fields(template)


async def test_a_template_lives_until_it_is_deleted(both: Door) -> None:
    made = await create(both)
    assert (made.name, made.user_email, made.domain_name) == (
        "train",
        "alice@example.com",
        "default",
    )
    with pytest.raises(TemplateAlreadyExists):
        await create(both)
    again = CreateTemplateAction(body=body(), if_not_exists=True)
    assert (await both.run("alice", again)).created is False
    rename = UpdateTemplateAction(template="train", name="large", if_unchanged=made.version)
    done = await both.run("alice", rename)
    assert (done.template.name, done.changed) == ("large", ("name", "template"))
    assert done.template.template["metadata"] == {"name": "large", "tag": "nightly"}
    stale = UpdateTemplateAction(template="large", name="x", if_unchanged=made.version)
    with pytest.raises(RowChanged):
        await both.run("alice", stale)
    second = await create(both)
    with pytest.raises(TemplateAlreadyExists):
        await both.run("alice", UpdateTemplateAction(template="large", name="train"))
    same = UpdateTemplateAction(template=str(second.id), body=second.template)
    assert (await both.run("alice", same)).changed == ()
    await both.run("alice", DeleteTemplateAction(template="large"))
    for gone in ("large", str(made.id)):
        with pytest.raises(TaskTemplateNotFound):
            await both.run("alice", GetTemplateAction(template=gone))
    listed = await both.run("alice", ListTemplatesAction())
    assert [one.name for one in listed.templates] == ["train"]
    every = await both.run("alice", ListTemplatesAction(include_deleted=True))
    assert [(one.name, one.is_active) for one in every.templates] == [
        ("large", False),
        ("train", True),
    ]


async def test_members_use_what_only_its_owner_changes(shared: Door) -> None:
    await forget_all(shared)
    own = await create(shared, name="own")
    team = await create(shared, name="team", group="default")
    everybody = {"root", "admin", "alice", "monitor"}
    for template, who in ((own, everybody), (team, everybody | {"bob"})):
        word = str(template.id)
        for name in ("root", "admin", "alice", "monitor", "bob", "carol", "other_admin"):
            try:
                shown = await shared.run(name, GetTemplateAction(template=word))
            except TaskTemplateNotFound:
                assert name not in who
            else:
                assert name in who
                assert shown.template.id == template.id
    for action in (
        UpdateTemplateAction(template=str(team.id), name="y"),
        DeleteTemplateAction(template=str(team.id)),
    ):
        may = await shared.allowed(action, ("root", "admin", "alice", "bob", "monitor"))
        assert may == {"root", "admin", "alice"}
    seen = {
        name: {one.name for one in (await shared.run(name, ListTemplatesAction())).templates}
        for name in ("alice", "bob", "carol", "admin", "other_admin", "root", "monitor")
    }
    both_of_them = {"own", "team"}
    assert seen == {
        "alice": both_of_them,
        "bob": {"team"},
        "carol": set(),
        "admin": both_of_them,
        "other_admin": set(),
        "root": both_of_them,
        "monitor": both_of_them,
    }


async def test_one_makes_templates_for_oneself_and_for_one_s_projects(shared: Door) -> None:
    await forget_all(shared)
    owner = shared.world.alice.access_key
    made = await create(shared, "root", owner=owner)
    assert made.user_email == "alice@example.com"
    with pytest.raises(InsufficientPrivilege):
        await create(shared, "bob", owner=owner, name="other")
    with pytest.raises(InsufficientPrivilege):
        await create(shared, "monitor")
    with pytest.raises(ProjectNotFound):
        await create(shared, group="no-such-project", name="other")


async def test_of_several_of_a_name_one_s_own_is_meant(shared: Door) -> None:
    await forget_all(shared)
    for who in ("alice", "bob"):
        await create(shared, who, group="default")
    found = await shared.run("bob", GetTemplateAction(template="train"))
    assert found.template.user_email == "bob@example.com"
    with pytest.raises(AmbiguousTemplate):
        await shared.run("root", GetTemplateAction(template="train"))


async def test_a_password_in_a_row_is_not_shown(shared: Door) -> None:
    await forget_all(shared)
    kept: Any = parse(body()).body
    kept["spec"]["kernel"]["git"]["credential"] = {"username": "u", "password": "git-secret"}
    made: UUID = (await create(shared)).id
    async with shared.database.transaction() as connection:
        await connection.execute(
            update(session_templates).where(session_templates.c.id == made).values(template=kept)
        )
        await connection.execute(
            insert(session_templates).values(
                is_active=True,
                domain_name="default",
                user_uuid=shared.world.alice.user_id,
                type="TASK",
                name="odd",
                template={"spec": 3},
            )
        )
    listed = (await shared.run("alice", ListTemplatesAction())).templates
    assert "git-secret" not in str(listed)
    shown = next(one for one in listed if one.name == "train")
    assert MASK in str(shown.template)
    with pytest.raises(TemplateNotApplicable, match="git credentials"):
        session_fields(shown)
