"""``policy what-if``: what becomes of sessions, folders and services that are there."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from bai_manager.errors import Unreachable
from bai_manager.models.domain import domains
from bai_manager.models.group import groups
from bai_manager.models.resource_policy import keypair_resource_policies
from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyChanges
from bai_manager.services.policy.actions import RehearsePolicyChangeAction
from bai_manager.services.policy.meaning import meanings
from bai_manager.services.policy.types import Ending, PolicyKind, Scope
from bai_manager.services.project_resource_policy.types import ProjectResourcePolicyChanges
from bai_manager.services.user_resource_policy.types import UserResourcePolicyChanges
from bai_manager.sokovan.idle import Evidence, IdleRules
from bai_manager.sokovan.idle_facts import IdleReading, IdleView
from bai_manager.types.clock import system_clock
from bai_manager.types.patches import HostsPatch
from bai_manager.types.status import SessionType
from bai_manager.types.vfolder import VFolderHostPermission, host_permissions_to_json
from tests import seeds
from tests.people import endpoint, folder, shared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from bai_manager.services.policy.types import PolicyRehearsal
    from bai_manager.sokovan.idle import RunningSession
    from tests.seeds import Person
    from tests.tenants import Site


async def _session(site: Site, who: Person, name: str, **given: Any) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_session(connection, who, name=name, **given)


async def _rehearsed(site: Site, changes: Any) -> PolicyRehearsal:
    action = RehearsePolicyChangeAction(policy="default", changes=changes)
    return (await site.run(action)).rehearsal


async def _keypairs(site: Site, **changes: Any) -> PolicyRehearsal:
    return await _rehearsed(site, KeypairResourcePolicyChanges(**changes))


def _over(found: PolicyRehearsal) -> list[tuple[object, ...]]:
    return [
        (one.scope, one.name, one.resource, one.used, one.limit, one.excess_before, one.excess)
        for one in found.over
    ]


class Facts:
    """What idle checks go by, made up; an error in place of what cannot be read."""

    def __init__(
        self, rules: IdleRules | Unreachable, used: Mapping[UUID, datetime] | None = None
    ) -> None:
        self._rules = rules
        self._used = used

    async def rules(self) -> IdleRules:
        if isinstance(self._rules, Unreachable):
            raise self._rules
        return self._rules

    async def read(self, _sessions: Sequence[RunningSession], _rules: IdleRules) -> IdleReading:
        if self._used is None:
            raise Unreachable("Valkey does not answer.")
        now = system_clock()
        evidence = {one: Evidence(last_access=used) for one, used in self._used.items()}
        return IdleReading(now=now, age_now=now, evidence=evidence)


async def _watched(site: Site, facts: Facts, **changes: Any) -> PolicyRehearsal:
    """A change where idle checks go by the facts."""
    app = site.app()
    app.idle_facts = facts
    patch = KeypairResourcePolicyChanges(**changes)
    action = RehearsePolicyChangeAction(policy="default", changes=patch)
    return (await app.processor.run(action)).rehearsal


def _endings(found: PolicyRehearsal) -> list[tuple[object, ...]]:
    return [
        (one.name, one.user_email, one.ending, one.reason, one.allowed) for one in found.endings
    ]


async def test_running_sessions_that_have_lived_too_long_would_be_ended(shaped_site: Site) -> None:
    """Those of services live as long as they are needed."""
    site, alice = shaped_site, shaped_site.world.alice
    created = system_clock() - timedelta(hours=3)
    await _session(site, alice, "old", created_at=created, kernel_count=2)
    await _session(site, alice, "new", created_at=system_clock())
    await _session(
        site, site.world.bob, "served", created_at=created, session_type=SessionType.INFERENCE
    )
    found = await _keypairs(site, max_session_lifetime=7200)
    assert _endings(found) == [
        ("old", alice.email, Ending.ENDED, "idle-session-lifetime", Decimal(7200))
    ]
    assert found.endings[0].used >= 3 * 3600
    assert (await _keypairs(site, max_session_lifetime=14400)).endings == ()


async def test_a_longer_lifetime_spares_sessions(site: Site) -> None:
    alice, created = site.world.alice, system_clock() - timedelta(hours=3)
    await site.execute(update(keypair_resource_policies).values(max_session_lifetime=3600))
    await _session(site, alice, "old", created_at=created)
    found = await _keypairs(site, max_session_lifetime=0)
    assert [(one.name, one.ending) for one in found.endings] == [("old", Ending.SPARED)]


async def test_running_sessions_that_idle_too_long_would_be_ended(site: Site) -> None:
    """A batch session is not judged, nor one of which nobody knows when it was used."""
    alice, now = site.world.alice, system_clock()
    ids = [uuid4() for _ in range(4)]
    for name, session_id in zip(("idle", "busy", "batch", "unknown"), ids, strict=True):
        kind = SessionType.BATCH if name == "batch" else SessionType.INTERACTIVE
        await _session(site, alice, name, session_id=session_id, session_type=kind)
    used = (now - timedelta(minutes=20), now, now - timedelta(minutes=20))
    rules = IdleRules(network_timeout=timedelta(hours=1))
    facts = Facts(rules, dict(zip(ids, used, strict=False)))
    found = await _watched(site, facts, idle_timeout=600)
    assert _endings(found) == [("idle", alice.email, Ending.ENDED, "idle-timeout", Decimal(600))]
    assert [(one.field, one.judged) for one in found.fields] == [("idle_timeout", True)]


@pytest.mark.parametrize(
    ("rules", "judged", "said"),
    [
        (IdleRules(), False, "no idle check"),
        (Unreachable("etcd does not answer."), False, "etcd does not answer"),
        (IdleRules(unclear={"network_timeout": "no duration"}), False, "no duration"),
        (IdleRules(network_timeout=timedelta(hours=1)), True, "Valkey does not answer"),
    ],
)
async def test_an_idle_time_out_that_cannot_be_judged_says_why(
    site: Site, rules: IdleRules | Unreachable, judged: bool, said: str
) -> None:
    await _session(site, site.world.alice, "used")
    (outlook,) = (await _watched(site, Facts(rules), idle_timeout=1)).fields
    assert (outlook.judged, said in outlook.meaning) == (judged, True)


async def test_sessions_with_more_kernels_than_allowed_are_over_whether_they_run_or_wait(
    shaped_site: Site,
) -> None:
    site, alice = shaped_site, shaped_site.world.alice
    await _session(site, alice, "runs", kernel_count=3)
    await _session(site, alice, "waits", status="PENDING", kernel_count=4)
    await _session(site, alice, "small", kernel_count=2)
    await _session(site, alice, "gone", status="TERMINATED", kernel_count=9)
    found = await _keypairs(site, max_containers_per_session=2)
    assert _over(found) == [
        (Scope.SESSION, "runs", "kernels per session", 3, 2, 0, 1),
        (Scope.SESSION, "waits", "kernels per session", 4, 2, 0, 2),
    ]
    assert {one.owner for one in found.over} == {alice.email}


async def test_folders_on_hosts_no_longer_granted_are_told(shaped_site: Site) -> None:
    """What the domain or a project still grants is no loss, nor is a host without folders."""
    site, alice, bob = shaped_site, shaped_site.world.alice, shaped_site.world.bob
    every = host_permissions_to_json({"local:volume1": frozenset(VFolderHostPermission)})
    other = {"local:volume2": every["local:volume1"]}
    upload = {"local:volume1": ["upload-file"]}
    await site.execute(
        update(keypair_resource_policies).values(allowed_vfolder_hosts={**every, **other}),
        update(domains).values(allowed_vfolder_hosts=upload),
        update(groups).values(allowed_vfolder_hosts={}),
        folder("one", alice),
        folder("two", alice),
        folder("gone", bob, status="delete-complete"),
    )
    found = await _keypairs(
        site, allowed_vfolder_hosts=HostsPatch(drop=("local:volume1", "local:volume2"))
    )
    (loss,) = found.folders
    assert (loss.user_email, loss.access_key, loss.host, loss.folders) == (
        alice.email,
        alice.access_key,
        "local:volume1",
        2,
    )
    assert set(loss.permissions) == set(VFolderHostPermission) - {VFolderHostPermission.UPLOAD_FILE}
    kept = HostsPatch(put={"local:volume1": frozenset(VFolderHostPermission)})
    assert (await _keypairs(site, allowed_vfolder_hosts=kept)).folders == ()


async def test_shared_and_project_folders_are_lost_with_their_host(site: Site) -> None:
    bob, project = site.world.bob, site.world.project_id
    given = uuid4()
    await site.execute(
        update(keypair_resource_policies).values(
            allowed_vfolder_hosts={"local:volume1": ["mount-in-session"]}
        ),
        update(domains).values(allowed_vfolder_hosts={}),
        update(groups).values(allowed_vfolder_hosts={}),
        folder("shared", site.world.alice, id=given),
        shared(given, bob),
        folder("team", site.world.alice, group=project),
    )
    found = await _keypairs(site, allowed_vfolder_hosts=HostsPatch(drop=("local:volume1",)))
    reached = {one.user_email: one.folders for one in found.folders}
    assert reached[bob.email] == 2


async def test_model_services_with_more_replicas_than_allowed_are_over(shaped_site: Site) -> None:
    site, alice = shaped_site, shaped_site.world.alice
    image = site.world.image_id
    await site.execute(
        endpoint(alice, image, name="served", replicas=4),
        endpoint(alice, image, name="gone", replicas=4, lifecycle_stage="destroyed"),
    )
    found = await _rehearsed(site, UserResourcePolicyChanges(max_session_count_per_model_session=3))
    assert _over(found) == [(Scope.SERVICE, "served", "replicas per model service", 4, 3, 0, 1)]


@pytest.mark.parametrize(
    ("kind", "fields_of"),
    [
        (PolicyKind.KEYPAIR, KeypairResourcePolicyChanges),
        (PolicyKind.USER, UserResourcePolicyChanges),
        (PolicyKind.PROJECT, ProjectResourcePolicyChanges),
    ],
)
def test_every_field_of_a_policy_has_a_meaning_for_what_is_there(
    kind: PolicyKind, fields_of: Any
) -> None:
    names = tuple(field.name for field in fields(fields_of))
    told = meanings(kind, names, IdleView(rules=IdleRules(network_timeout=timedelta(hours=1))))
    assert tuple(one.field for one in told) == names
    assert [one.field for one in told if not one.judged] == [
        name for name in names if name == "max_quota_scope_size"
    ]
