"""What is done with domains, in both shapes of the database (``reference/services.md`` §9)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, update

from bai_manager.models.domain import domains
from bai_manager.models.endpoint import endpoints, routings
from bai_manager.models.group import groups
from bai_manager.models.rbac import permission_groups, permissions, roles
from bai_manager.models.resource_policy import project_resource_policies
from bai_manager.models.scaling_group import sgroups_for_domains
from bai_manager.models.session import kernels, session_templates, sessions
from bai_manager.models.user import users
from bai_manager.models.vfolder import vfolders
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.domain.actions import (
    CreateDomainAction,
    DeleteDomainAction,
    GetDomainAction,
    ListDomainsAction,
    PurgeDomainAction,
    UpdateDomainAction,
)
from bai_manager.services.domain.errors import (
    DomainAlreadyExists,
    DomainCannotBeRenamed,
    DomainHasActiveEndpoints,
    DomainHasActiveKernels,
    DomainHasGroups,
    DomainHasUsers,
    DomainHasVFolders,
    DomainNotFound,
    ProjectPolicyMissing,
)
from bai_manager.services.domain.types import DomainChanges, DomainSpec
from bai_manager.services.scaling_group.errors import ScalingGroupNotFound
from bai_manager.types.errors import InvalidName
from bai_manager.types.patches import HostsPatch, NamesPatch, SlotsPatch
from bai_manager.types.query import Query, parse_filter
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.vfolder import VFolderHostPermission
from tests import seeds

if TYPE_CHECKING:
    from sqlalchemy import Insert

    from bai_manager.services.domain.types import DomainData, DomainDetails
    from tests.tenants import Site

HOSTS = {"local:volume1": frozenset({VFolderHostPermission.CREATE})}


async def _create(site: Site, name: str = "lab", **given: object) -> DomainData:
    spec = DomainSpec(name=name, **given)  # type: ignore[arg-type]
    return (await site.run(CreateDomainAction(spec=spec))).domain


async def _update(
    site: Site, domain_name: str, /, **changes: object
) -> tuple[DomainData, tuple[str, ...]]:
    result = await site.run(
        UpdateDomainAction(domain=domain_name, changes=DomainChanges(**changes))  # type: ignore[arg-type]
    )
    return result.domain, result.changed


async def _show(site: Site, name: str) -> DomainDetails:
    return (await site.run(GetDomainAction(domain=name))).domain


async def test_a_domain_has_the_defaults_of_the_reference(shaped_site: Site) -> None:
    await _create(shaped_site)
    (row,) = await shaped_site.rows(select(domains).where(domains.c.name == "lab"))
    assert row.is_active is True
    assert (row.total_resource_slots, row.allowed_vfolder_hosts) == ({}, {})
    assert (row.allowed_docker_registries, row.dotfiles) == ([], b"\x90")
    assert (row.description, row.integration_id) == (None, None)


async def test_a_domain_keeps_every_field_that_is_given(shaped_site: Site) -> None:
    domain = await _create(
        shaped_site,
        description="A lab.",
        is_active=False,
        total_resource_slots=ResourceSlot({"cpu": 8, "mem": "64g"}),
        allowed_vfolder_hosts=HOSTS,
        allowed_docker_registries=("cr.example.com",),
        integration_id="ou=lab",
    )
    assert domain.description == "A lab."
    assert domain.is_active is False
    assert domain.total_resource_slots == ResourceSlot({"cpu": 8, "mem": 64 << 30})
    assert domain.allowed_vfolder_hosts == HOSTS
    assert domain.allowed_docker_registries == ("cr.example.com",)
    assert domain.integration_id == "ou=lab"


async def test_a_domain_comes_with_a_project_for_models(shaped_site: Site) -> None:
    await _create(shaped_site)
    (row,) = await shaped_site.rows(select(groups).where(groups.c.domain_name == "lab"))
    assert (row.name, row.description, row.type) == ("model-store", "Model Store", "model-store")
    assert (row.resource_policy, row.is_active) == ("default", True)


async def test_a_domain_and_its_project_come_with_the_roles_of_their_administrators(
    shaped_site: Site,
) -> None:
    await _create(shaped_site)
    (project,) = await shaped_site.rows(select(groups.c.id).where(groups.c.domain_name == "lab"))
    scopes = {"domain-lab-admin": "lab", f"project-{str(project.id)[:8]}-admin": str(project.id)}
    for name, scope_id in scopes.items():
        found = await shaped_site.rows(
            select(permissions.c.entity_type, permissions.c.operation)
            .join(permission_groups, permission_groups.c.id == permissions.c.permission_group_id)
            .join(roles, roles.c.id == permission_groups.c.role_id)
            .where(roles.c.name == name, permission_groups.c.scope_id == scope_id)
        )
        entities = {row.entity_type for row in found}
        assert entities == {"vfolder", "image", "session", "user"}
        assert len({row.operation for row in found}) == 10


async def test_a_domain_may_come_without_a_project(site: Site) -> None:
    await site.run(CreateDomainAction(spec=DomainSpec(name="lab"), model_store=False))
    assert await site.count(select(groups.c.id).where(groups.c.domain_name == "lab")) == 0


async def test_the_project_needs_the_policy_default(site: Site) -> None:
    await site.execute(
        insert(project_resource_policies).values(
            name="other", max_vfolder_count=0, max_quota_scope_size=-1, max_network_count=3
        ),
        update(groups).values(resource_policy="other"),
        project_resource_policies.delete().where(project_resource_policies.c.name == "default"),
    )
    error = await site.refused(
        CreateDomainAction(spec=DomainSpec(name="lab")), ProjectPolicyMissing
    )
    assert "--no-model-store" in (error.hint or "")
    await site.refused(GetDomainAction(domain="lab"), DomainNotFound)


async def test_resource_groups_that_are_named_are_opened_to_a_new_domain(site: Site) -> None:
    spec = DomainSpec(name="lab")
    created = await site.run(CreateDomainAction(spec=spec, scaling_groups=("default",)))
    assert created.domain.scaling_groups == ("default",)


async def test_a_resource_group_that_is_not_there_leaves_no_domain_behind(site: Site) -> None:
    action = CreateDomainAction(spec=DomainSpec(name="lab"), scaling_groups=("default", "gpu"))
    await site.refused(action, ScalingGroupNotFound)
    await site.refused(GetDomainAction(domain="lab"), DomainNotFound)


async def test_a_name_that_is_taken_is_a_conflict(site: Site) -> None:
    action = CreateDomainAction(spec=DomainSpec(name="default", description="Mine."))
    await site.refused(action, DomainAlreadyExists)


async def test_a_domain_that_may_be_there_is_left_as_it_is(site: Site) -> None:
    spec = DomainSpec(name="default", description="Mine.")
    result = await site.run(CreateDomainAction(spec=spec, if_not_exists=True))
    assert (result.created, result.domain.description) == (False, None)
    assert await site.count(select(groups).where(groups.c.name == "model-store")) == 0


@pytest.mark.parametrize(
    "name", ["", "-lab", "_lab", "..lab", "lab-", "la--b", "la._b", "la b", "x" * 65, "l/b"]
)
async def test_a_name_that_is_no_slug_is_refused(site: Site, name: str) -> None:
    await site.refused(CreateDomainAction(spec=DomainSpec(name=name)), InvalidName)
    change = DomainChanges(name=name)
    await site.refused(UpdateDomainAction(domain="other", changes=change), InvalidName)


@pytest.mark.parametrize("name", ["연구소", "lab.example.com", ".hidden", "a_b-c.d", "x" * 64])
async def test_a_slug_may_be_unicode_with_dots(site: Site, name: str) -> None:
    assert (await _create(site, name)).name == name


async def test_an_update_sets_what_is_given_and_nothing_else(shaped_site: Site) -> None:
    await _update(shaped_site, "other", description="A lab.", integration_id="x", is_active=False)
    domain, changed = await _update(shaped_site, "other", description=None, is_active=True)
    assert changed == ("description", "is_active")
    assert (domain.description, domain.is_active, domain.integration_id) == (None, True, "x")


async def test_an_update_says_when_it_was(site: Site) -> None:
    before = (await _show(site, "other")).modified_at
    domain, _ = await _update(site, "other", description="Later.")
    assert before is not None
    assert domain.modified_at is not None
    assert domain.modified_at > before


async def test_slots_hosts_and_registries_are_changed_one_by_one(shaped_site: Site) -> None:
    await _create(
        shaped_site,
        total_resource_slots=ResourceSlot({"cpu": 8, "mem": 1024}),
        allowed_vfolder_hosts=HOSTS,
        allowed_docker_registries=("a", "b"),
    )
    mount = frozenset({VFolderHostPermission.MOUNT_IN_SESSION})
    domain, _ = await _update(
        shaped_site,
        "lab",
        total_resource_slots=SlotsPatch(put=ResourceSlot({"cuda.device": 2}), drop=("mem",)),
        allowed_vfolder_hosts=HostsPatch(put={"local:volume2": mount}),
        allowed_docker_registries=NamesPatch(put=("c",), drop=("a",)),
    )
    assert domain.total_resource_slots == ResourceSlot({"cpu": 8, "cuda.device": 2})
    assert domain.allowed_vfolder_hosts == {**HOSTS, "local:volume2": mount}
    assert domain.allowed_docker_registries == ("b", "c")


async def test_an_update_that_changes_nothing_says_so_and_leaves_the_version(site: Site) -> None:
    version = (await _show(site, "default")).version
    domain, changed = await _update(site, "default", is_active=True)
    assert (changed, domain.version) == ((), version)


async def test_an_update_of_a_domain_that_is_not_there_is_not_found(site: Site) -> None:
    await site.refused(UpdateDomainAction(domain="x", changes=DomainChanges()), DomainNotFound)


async def test_a_domain_that_changed_since_it_was_shown_is_left_alone(site: Site) -> None:
    version = (await _show(site, "default")).version
    await _update(site, "default", description="first")
    late = UpdateDomainAction(
        domain="default", changes=DomainChanges(description="second"), if_unchanged=version
    )
    await site.refused(late, RowChanged)
    assert (await _show(site, "default")).description == "first"


async def test_a_domain_nobody_is_in_takes_another_name_with_all_that_follows(
    shaped_site: Site,
) -> None:
    spec = DomainSpec(name="lab")
    await shaped_site.run(CreateDomainAction(spec=spec, scaling_groups=("default",)))
    domain, changed = await _update(shaped_site, "lab", name="labor")
    assert changed == ("name",)
    assert (domain.name, domain.project_count, domain.scaling_groups) == ("labor", 1, ("default",))
    scopes = await shaped_site.rows(
        select(permission_groups.c.scope_id, roles.c.name)
        .join(roles, roles.c.id == permission_groups.c.role_id)
        .where(permission_groups.c.scope_type == "domain")
    )
    assert [tuple(row) for row in scopes] == [("labor", "domain-labor-admin")]


async def test_a_domain_with_users_keeps_its_name(shaped_site: Site) -> None:
    action = UpdateDomainAction(domain="default", changes=DomainChanges(name="main"))
    error = await shaped_site.refused(action, DomainCannotBeRenamed)
    assert error.details["users"] == 5
    assert (await _show(shaped_site, "default")).name == "default"


async def test_a_domain_takes_no_name_that_another_has(site: Site) -> None:
    await _create(site)
    action = UpdateDomainAction(domain="lab", changes=DomainChanges(name="other"))
    await site.refused(action, DomainAlreadyExists)


async def test_deleting_deactivates_and_can_be_undone(shaped_site: Site) -> None:
    result = await shaped_site.run(DeleteDomainAction(domain="other"))
    assert (result.changed, (await _show(shaped_site, "other")).is_active) == (True, False)
    again = await shaped_site.run(DeleteDomainAction(domain="other"))
    assert again.changed is False
    domain, _ = await _update(shaped_site, "other", is_active=True)
    assert domain.is_active


async def test_deleting_what_is_not_there_is_not_found_unless_ignored(site: Site) -> None:
    await site.refused(DeleteDomainAction(domain="none"), DomainNotFound)
    ignored = await site.run(DeleteDomainAction(domain="none", ignore_not_found=True))
    assert ignored.domain is None


async def test_a_list_counts_users_projects_and_live_sessions(shaped_site: Site) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_session(connection, shaped_site.world.alice)
        await seeds.seed_session(
            connection, shaped_site.world.alice, name="ended", status="TERMINATED"
        )
    listed = (await shaped_site.run(ListDomainsAction())).domains
    counts = {d.name: (d.user_count, d.project_count, d.session_count) for d in listed}
    assert counts == {"default": (5, 1, 1), "other": (2, 1, 0)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("user_count>2", ["default"]),
        ("name~oth", ["other"]),
        ("is_active=false", []),
        ("session_count=0", ["default", "other"]),
        ("created_at>1h", ["default", "other"]),
    ],
)
async def test_domains_are_found_by_what_is_shown(
    shaped_site: Site, text: str, names: list[str]
) -> None:
    query = Query(filters=(parse_filter(text),))
    listed = await shaped_site.run(ListDomainsAction(query=query))
    assert [domain.name for domain in listed.domains] == names


async def _emptied(site: Site, name: str = "lab") -> None:
    """A domain whose only user and session are gone but for the records."""
    await site.run(CreateDomainAction(spec=DomainSpec(name=name), scaling_groups=("default",)))


async def test_purging_removes_a_domain_its_model_store_and_its_roles(shaped_site: Site) -> None:
    await _emptied(shaped_site)
    result = await shaped_site.run(PurgeDomainAction(domain="lab"))
    assert result.purged is not None
    assert (result.purged.model_store, result.purged.roles) == (True, 1)
    await shaped_site.refused(GetDomainAction(domain="lab"), DomainNotFound)
    for statement in (
        select(groups).where(groups.c.domain_name == "lab"),
        select(sgroups_for_domains).where(sgroups_for_domains.c.domain == "lab"),
        select(roles),
        select(permission_groups),
        select(permissions),
    ):
        assert await shaped_site.count(statement) == 0


async def test_what_a_purge_says_beforehand_is_what_it_then_removes(shaped_site: Site) -> None:
    await _emptied(shaped_site)
    contents = (await _show(shaped_site, "lab")).contents
    assert (await shaped_site.run(PurgeDomainAction(domain="lab"))).purged == contents


async def test_purging_what_is_not_there_is_not_found_unless_ignored(site: Site) -> None:
    await site.refused(PurgeDomainAction(domain="none"), DomainNotFound)
    ignored = await site.run(PurgeDomainAction(domain="none", ignore_not_found=True))
    assert ignored.purged is None


@pytest.mark.parametrize("status", ["RUNNING", "PENDING", "ERROR"])
async def test_active_kernels_are_the_first_reason_not_to_purge(
    shaped_site: Site, status: str
) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_session(connection, shaped_site.world.carol, status=status)
    error = await shaped_site.refused(PurgeDomainAction(domain="other"), DomainHasActiveKernels)
    assert (error.details["count"], error.details["first"]) == (1, ["train-1"])


async def test_users_are_the_second_reason_not_to_purge(shaped_site: Site) -> None:
    error = await shaped_site.refused(PurgeDomainAction(domain="other"), DomainHasUsers)
    assert error.details["first"] == ["carol@example.com", "other-admin@example.com"]
    assert "user list" in (error.hint or "")


async def _without_users(site: Site) -> None:
    """Move everybody out of the domain ``other``."""
    await site.execute(
        update(users).where(users.c.domain_name == "other").values(domain_name="default")
    )


async def test_projects_are_the_third_reason_not_to_purge(shaped_site: Site) -> None:
    await _without_users(shaped_site)
    error = await shaped_site.refused(PurgeDomainAction(domain="other"), DomainHasGroups)
    assert error.details["first"] == ["default"]


async def test_a_model_store_with_a_folder_is_a_project_like_others(site: Site) -> None:
    await _emptied(site)
    (store,) = await site.rows(select(groups.c.id).where(groups.c.domain_name == "lab"))
    await site.execute(_folder("models", domain="lab", group=store.id))
    await site.refused(PurgeDomainAction(domain="lab"), DomainHasGroups)


async def test_folders_that_are_not_deleted_are_a_reason_not_to_purge(site: Site) -> None:
    await _emptied(site)
    await site.execute(_folder("data", domain="lab"), _folder("old", "delete-complete", "lab"))
    error = await site.refused(PurgeDomainAction(domain="lab"), DomainHasVFolders)
    assert (error.details["count"], error.details["first"]) == (1, ["data"])


async def test_services_that_are_not_destroyed_are_a_reason_not_to_purge(
    shaped_site: Site,
) -> None:
    await _emptied(shaped_site)
    await _service(shaped_site, "ready")
    await shaped_site.refused(PurgeDomainAction(domain="lab"), DomainHasActiveEndpoints)


async def test_records_of_what_ended_go_with_the_domain(shaped_site: Site) -> None:
    """Their references to the domain would make deleting it fail."""
    await _emptied(shaped_site)
    await _service(shaped_site, "destroyed")
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_session(
            connection, shaped_site.world.alice, name="ended", status="TERMINATED", kernel_count=2
        )
        await connection.execute(update(sessions).values(domain_name="lab"))
        await connection.execute(update(kernels).values(domain_name="lab"))
        await connection.execute(
            insert(session_templates).values(
                is_active=True,
                domain_name="lab",
                user_uuid=shaped_site.world.alice.user_id,
                type="TASK",
                name="mine",
                template={},
            )
        )
    purged = (await shaped_site.run(PurgeDomainAction(domain="lab"))).purged
    assert purged is not None
    assert (purged.sessions, purged.kernels, purged.services, purged.templates) == (1, 2, 1, 1)
    for table in (sessions, kernels, endpoints, routings, session_templates):
        assert await shaped_site.count(select(table)) == 0


async def test_a_refused_purge_leaves_everything(site: Site) -> None:
    await site.refused(PurgeDomainAction(domain="other"), DomainHasUsers)
    domain = await _show(site, "other")
    assert (domain.user_count, domain.project_count, domain.scaling_groups) == (2, 1, ("default",))


async def _service(site: Site, lifecycle: str) -> None:
    """A model service of the domain ``lab``, with a route."""
    endpoint_id = uuid4()
    alice = site.world.alice
    shared = {"domain": "lab", "project": alice.project_id, "session_owner": alice.user_id}
    await site.execute(
        insert(endpoints).values(
            **shared,
            id=endpoint_id,
            name="chat",
            created_user=alice.user_id,
            image=site.world.image_id,
            resource_group="default",
            lifecycle_stage=lifecycle,
            runtime_variant="custom",
            resource_slots={},
        ),
        insert(routings).values(
            **shared, endpoint=endpoint_id, status="terminated", traffic_ratio=1
        ),
    )


def _folder(name: str, status: str = "ready", domain: str = "lab", group: object = None) -> Insert:
    return insert(vfolders).values(
        host="local:volume1",
        domain_name=domain,
        quota_scope_id=f"user:{uuid4()}",
        name=name,
        usage_mode="general",
        permission="rw",
        ownership_type="group" if group else "user",
        group=group,
        cloneable=False,
        status=status,
    )
