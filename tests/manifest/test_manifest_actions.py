"""Documents at the one door: export, diff and apply on a real database."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from bai_manager.actions.errors import InsufficientPrivilege
from bai_manager.clients.cluster.memory import NoMemory
from bai_manager.errors import Conflict
from bai_manager.models.audit import audit_logs
from bai_manager.models.group import groups
from bai_manager.models.rbac import association_scopes_entities, permissions, roles, user_roles
from bai_manager.models.scaling_group import scaling_groups
from bai_manager.models.user import users
from bai_manager.repositories.manifest import ManifestRepository
from bai_manager.services.manifest.actions import (
    ApplyManifestAction,
    DiffManifestAction,
    ExportManifestAction,
)
from bai_manager.services.manifest.errors import InvalidManifest, ManifestPlanChanged
from bai_manager.services.manifest.service import ManifestService
from bai_manager.services.manifest.types import Section, Verb
from bai_manager.services.purging import fingerprint
from bai_manager.services.user.actions import CreateUserAction
from bai_manager.services.user.types import UserSpec
from tests.people import SSH_KEYPAIR
from tests.tenants import Site

if TYPE_CHECKING:
    from pathlib import Path

    from bai_manager.services.manifest.types import Plan

DOCUMENT = """\
version: 1
keypair_policies:
- name: small
  default_for_unspecified: LIMITED
  total_resource_slots: {cpu: 4, mem: 16g}
  max_pending_session_resource_slots: {cpu: 1}
user_policies: [{name: small, max_vfolder_count: 3, max_quota_scope_size: 10g}]
project_policies: [{name: small, max_network_count: 1}]
domains:
- name: lab
  total_resource_slots: {cpu: 64}
  allowed_vfolder_hosts: {"local:volume1": [mount-in-session]}
  allowed_docker_registries: [cr.example.com, local]
users:
- email: eve@example.com
  domain_name: lab
  role: admin
  status: inactive
  resource_policy: small
  keypair_resource_policy: small
  rate_limit: 7
  allowed_client_ip: [10.0.0.0/8, 192.0.2.1]
  container_gids: [3, 2]
groups:
- name: research
  domain_name: lab
  resource_policy: small
  container_registry: {registry: cr.example.com, project: lab}
  members: [eve@example.com]
- {name: store, domain_name: lab, type: model-store}
scaling_groups:
- name: gpus
  scheduler: drf
  driver_opts: {a: [1, {b: null}]}
  scheduler_opts: {pending_timeout: 60, agent_selection_strategy: concentrated}
  domains: [lab]
  projects: [lab/research]
  keypairs: [eve@example.com]
presets:
- {name: tiny, resource_slots: {cpu: 1, mem: 1g}, shared_memory: 64m}
- {name: tiny, scaling_group_name: gpus, resource_slots: {cpu: 1, mem: 2g}}
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bai_manager.types.ssh_keys.new_ssh_keypair", lambda: SSH_KEYPAIR)


async def applied(site: Site, document: str, *, prune: bool = False) -> Plan:
    action = ApplyManifestAction(document=document, source="a.yaml", prune=prune)
    return (await site.run(action)).plan


async def differing(site: Site, document: str, *, prune: bool = False) -> Plan:
    action = DiffManifestAction(document=document, source="a.yaml", prune=prune)
    return (await site.run(action)).plan


async def exported(site: Site) -> str:
    return json.dumps((await site.run(ExportManifestAction())).document)


async def test_an_export_applied_to_an_empty_system_reproduces_it(
    site: Site, shaped_database: str, tmp_path: Path
) -> None:
    await applied(site, DOCUMENT)
    document = await exported(site)
    empty = Site(shaped_database, site.world, tmp_path, rolled_back=False)
    service = ManifestService(
        manifests=ManifestRepository(empty.database),
        new_ssh_keypair=lambda: SSH_KEYPAIR,
        token=os.urandom,
        memory=NoMemory(),
    )
    await service.apply_manifest(ApplyManifestAction(document=document, source="a.yaml"))
    there = await service.export_manifest(ExportManifestAction())
    await empty.close()
    assert there.document == json.loads(document)


async def test_applying_twice_changes_nothing(site: Site) -> None:
    first = await applied(site, DOCUMENT)
    assert [change.verb for change in first.changes] == [Verb.CREATE] * 10
    assert (await applied(site, DOCUMENT)).changes == ()
    own = await differing(site, await exported(site), prune=True)
    assert own.changes == ()


async def test_fields_are_compared_and_changed_one_by_one(site: Site) -> None:
    await applied(site, DOCUMENT)
    other = (
        DOCUMENT.replace("{cpu: 4, mem: 16g}", "{mem: 32g}")
        .replace("role: admin", "role: user")
        .replace("rate_limit: 7", "rate_limit: 8")
        .replace("keypairs: [eve@example.com]", "keypairs: []")
        .replace("strategy: concentrated", "strategy: roundrobin")
        .replace("shared_memory: 64m", "shared_memory: null")
        .replace("[cr.example.com, local]", "[local]")
    )
    plan = await applied(site, other)
    found = {
        (change.section, change.name, one.field): (one.before, one.after)
        for change in plan.changes
        for one in change.differences
    }
    policies, eve = Section.KEYPAIR_POLICIES, "eve@example.com"
    assert found == {
        (policies, "small", "total_resource_slots.cpu"): (4, None),
        (policies, "small", "total_resource_slots.mem"): ("16g", "32g"),
        (Section.DOMAINS, "lab", "allowed_docker_registries"): (
            ["cr.example.com", "local"],
            ["local"],
        ),
        (Section.USERS, eve, "role"): ("admin", "user"),
        (Section.USERS, eve, "rate_limit"): (7, 8),
        (Section.SCALING_GROUPS, "gpus", "scheduler_opts.agent_selection_strategy"): (
            "concentrated",
            "roundrobin",
        ),
        (Section.SCALING_GROUPS, "gpus", "keypairs"): (eve, None),
        (Section.PRESETS, "tiny", "shared_memory"): (64 << 20, None),
    }
    assert (await differing(site, other)).changes == ()


async def test_rows_are_as_the_commands_make_them(site: Site) -> None:
    spec = UserSpec(email="ann@example.com", username="ann", domain_name="default")
    await site.run(CreateUserAction(spec=spec))
    await applied(site, "users: [{email: eve@example.com, username: eve, domain_name: default}]")

    async def rows_of(email: str) -> tuple[int, int]:
        (row,) = await site.rows(select(users.c.uuid).where(users.c.email == email))
        granted = (
            select(func.count())
            .select_from(user_roles.join(roles, roles.c.id == user_roles.c.role_id))
            .where(user_roles.c.user_id == row.uuid)
        )
        placed = select(func.count()).where(
            association_scopes_entities.c.entity_id == str(row.uuid)
        )
        (held,), (places,) = (await site.rows(granted))[0], (await site.rows(placed))[0]
        return held, places

    assert await rows_of("eve@example.com") == await rows_of("ann@example.com") == (1, 1)
    (count,) = (await site.rows(select(func.count()).select_from(permissions)))[0]
    assert count == 2 * 39


async def test_what_is_not_named_stays_and_is_counted(site: Site) -> None:
    plan = await differing(site, "users: []\npresets: []")
    assert (plan.changes, plan.unlisted) == ((), 6)  # without who asks


async def test_pruning_deactivates_people_and_deletes_what_binds_nobody(site: Site) -> None:
    await applied(site, DOCUMENT)
    document = "groups: [{name: research, domain_name: lab}]\npresets: []\nscaling_groups: []"
    with pytest.raises(Conflict):  # the resource group 'default' has an agent
        await applied(site, document, prune=True)
    plan = await applied(site, "groups: []\npresets: []", prune=True)
    verbs = {(change.section, change.name): change.verb for change in plan.changes}
    assert verbs[Section.GROUPS, "lab/research"] is Verb.DEACTIVATE
    assert verbs[Section.PRESETS, "tiny@gpus"] is Verb.DELETE
    assert (await differing(site, "groups: []\npresets: []", prune=True)).changes == ()


async def test_who_asks_is_never_pruned(site: Site) -> None:
    plan = await differing(site, "users: []", prune=True)
    assert "root@example.com" not in {change.name for change in plan.changes}


async def test_one_change_that_cannot_be_made_takes_back_all(site: Site) -> None:
    document = (
        "user_policies: [{name: default, max_vfolder_count: 1}]\nkeypair_policies: [{name: new}]"
    )
    before = await exported(site)
    with pytest.raises(Conflict):  # 'default' of key pairs binds people
        await applied(site, document, prune=True)
    assert await exported(site) == before


async def test_a_plan_that_is_not_what_was_shown_is_not_carried_out(site: Site) -> None:
    shown = fingerprint(await differing(site, DOCUMENT))
    await applied(site, "domains: [{name: lab}]")
    action = ApplyManifestAction(document=DOCUMENT, source="a.yaml", expected=shown)
    await site.refused(action, ManifestPlanChanged)


async def test_two_who_apply_at_once_lose_nothing(own_site: Site) -> None:
    def of(number: int) -> str:
        """Both change the same limit, and each something of its own."""
        return (
            f"user_policies: [{{name: default, max_vfolder_count: {number}}}]\n"
            f"presets: [{{name: p{number}, resource_slots: {{cpu: 1, mem: 1g}}}}]"
        )

    async def one(number: int) -> bool:
        document = of(number)
        shown = fingerprint(await differing(own_site, document))
        await ready.wait()
        app = own_site.app()
        try:
            await app.processor.run(
                ApplyManifestAction(document=document, source="a.yaml", expected=shown)
            )
        except ManifestPlanChanged:
            return False
        return True

    ready = asyncio.Barrier(2)
    done = await asyncio.gather(one(1), one(2))
    assert sorted(done) == [False, True]
    winner = 1 + done.index(True)
    assert (await differing(own_site, of(winner))).changes == ()
    assert len((await differing(own_site, of(3 - winner))).changes) == 2


async def test_a_row_that_somebody_else_changes_meanwhile_is_waited_for(own_site: Site) -> None:
    document = "groups: [{name: default, domain_name: default, description: ours}]"
    shown = fingerprint(await differing(own_site, document))
    action = ApplyManifestAction(document=document, source="a.yaml", expected=shown)
    begun = select(audit_logs.c.id).where(audit_logs.c.operation == "apply")
    async with own_site.database.transaction() as connection:
        await connection.execute(
            update(groups).where(groups.c.name == "default").values(description="theirs")
        )
        applying = asyncio.create_task(own_site.app().processor.run(action))
        while not await own_site.count(begun):
            pass
        assert not applying.done()
    with pytest.raises(ManifestPlanChanged):
        await applying


async def test_no_secret_is_written(site: Site) -> None:
    token = "hidden-token"
    await site.execute(update(scaling_groups).values(wsproxy_api_token=token))
    document = await exported(site)
    for secret in (token, site.world.root.secret_key.reveal(), "pbkdf2", "PRIVATE KEY"):
        assert secret not in document


async def test_monitors_read_and_only_superadmins_apply(site: Site) -> None:
    world = site.world
    await site.run(ExportManifestAction(), world.monitor)
    await site.run(DiffManifestAction(document="", source="a"), world.monitor)
    apply = ApplyManifestAction(document="", source="a")
    for action, person in (
        (apply, world.monitor),
        (apply, world.admin),
        (ExportManifestAction(), world.admin),
        (ExportManifestAction(), world.alice),
    ):
        await site.refused(action, InsufficientPrivilege, person)


async def test_names_are_those_of_the_system_or_of_the_document(site: Site) -> None:
    document = DOCUMENT.replace("projects: [lab/research]", "projects: [lab/reserch]")
    error = await site.refused(
        ApplyManifestAction(document=document, source="a.yaml"), InvalidManifest
    )
    assert "there is no project lab/reserch; did you mean lab/research" in error.message
    members = "groups: [{name: default, domain_name: other, members: [alice@example.com]}]"
    error = await site.refused(
        ApplyManifestAction(document=members, source="a.yaml"), InvalidManifest
    )
    assert "a user of another domain, default" in error.message
