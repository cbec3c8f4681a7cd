"""What is done with resource groups, in both shapes (``reference/services.md`` §6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert, select, text, update

from bai_manager.models.agent import agents
from bai_manager.models.endpoint import endpoints
from bai_manager.models.resource_preset import resource_presets
from bai_manager.models.scaling_group import (
    scaling_groups,
    sgroups_for_domains,
    sgroups_for_groups,
    sgroups_for_keypairs,
)
from bai_manager.repositories.versions import RowChanged
from bai_manager.services.scaling_group.actions import (
    AssociateScalingGroupsAction,
    CreateScalingGroupAction,
    DeleteScalingGroupAction,
    DissociateScalingGroupsAction,
    GetScalingGroupAction,
    ListScalingGroupsAction,
    UpdateScalingGroupAction,
)
from bai_manager.services.scaling_group.errors import (
    NothingToAssociate,
    ScalingGroupAlreadyExists,
    ScalingGroupInUse,
    ScalingGroupNotAssociated,
    ScalingGroupNotFound,
    UnknownDomains,
    UnknownKeypairs,
    UnknownProjects,
)
from bai_manager.services.scaling_group.types import (
    ScalingGroupChanges,
    ScalingGroupSpec,
    Scopes,
    spec_of,
)
from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidName, InvalidSchedulerOptions, UnknownField
from bai_manager.types.limits import InvalidLimitValue
from bai_manager.types.patches import JsonPatch
from bai_manager.types.query import Query, parse_filter
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.scaling_group_options import (
    AgentSelectionStrategy,
    ScalingGroupOptions,
    SchedulerName,
)
from bai_manager.types.status import RouteStatus, SessionType
from tests import seeds
from tests.seeds import GIB

if TYPE_CHECKING:
    from bai_manager.services.scaling_group.types import ScalingGroupData
    from tests.seeds import Person
    from tests.tenants import Site

FULL = ScalingGroupSpec(
    name="gpu",
    description="Fast ones.",
    is_active=False,
    is_public=False,
    wsproxy_addr="http://proxy.example.com:5050",
    wsproxy_api_token=Secret("hidden-token"),
    driver="static",
    driver_opts={"region": "here"},
    scheduler="drf",
    scheduler_opts=ScalingGroupOptions(
        allowed_session_types=(SessionType.BATCH,),
        pending_timeout=timedelta(hours=1),
        config={"num_retries_to_skip": 3},
        agent_selection_strategy=AgentSelectionStrategy.CONCENTRATED,
        agent_selector_config={"a": 1},
        enforce_spreading_endpoint_replica=True,
        allow_fractional_resource_fragmentation=False,
        route_cleanup_target_statuses=(RouteStatus.DEGRADED,),
    ),
    use_host_network=True,
)
GPU = CreateScalingGroupAction(spec=ScalingGroupSpec(name="gpu"))


async def _show(site: Site, name: str = "gpu", who: Person | None = None) -> ScalingGroupData:
    return (await site.run(GetScalingGroupAction(scaling_group=name), who)).scaling_group


async def _update(site: Site, name: str, /, **changes: object) -> tuple[str, ...]:
    action = UpdateScalingGroupAction(
        scaling_group=name,
        changes=ScalingGroupChanges(**changes),  # type: ignore[arg-type]
    )
    return (await site.run(action)).changed


async def _names(site: Site, who: Person | None = None, **open_to: tuple[str, ...]) -> list[str]:
    action = ListScalingGroupsAction(open_to=Scopes(**open_to))
    return [group.name for group in (await site.run(action, who)).scaling_groups]


async def test_a_resource_group_keeps_every_field(shaped_site: Site) -> None:
    created = await shaped_site.run(CreateScalingGroupAction(spec=FULL))
    assert spec_of(created.scaling_group) == FULL
    assert spec_of(await _show(shaped_site)) == FULL


async def test_a_resource_group_has_the_defaults_of_the_reference(shaped_site: Site) -> None:
    await shaped_site.run(GPU)
    (row,) = await shaped_site.rows(select(scaling_groups).where(scaling_groups.c.name == "gpu"))
    assert (row.is_active, row.is_public, row.use_host_network) == (True, True, False)
    assert (row.wsproxy_addr, row.wsproxy_api_token, row.driver_opts) == (None, None, {})
    assert row.scheduler_opts == {
        "allowed_session_types": ["interactive", "batch", "inference"],
        "pending_timeout": 0,
        "config": {},
        "agent_selection_strategy": "dispersed",
        "agent_selector_config": {},
        "enforce_spreading_endpoint_replica": False,
        "allow_fractional_resource_fragmentation": True,
        "route_cleanup_target_statuses": ["unhealthy"],
    }


async def test_options_that_a_row_lacks_read_as_the_reference_says(shaped_site: Site) -> None:
    await shaped_site.run(GPU)
    await shaped_site.execute(
        update(scaling_groups).where(scaling_groups.c.name == "gpu").values(scheduler_opts={})
    )
    options = (await _show(shaped_site)).scheduler_opts
    assert options is not None
    assert options.allowed_session_types == (SessionType.INTERACTIVE, SessionType.BATCH)
    assert options.allow_fractional_resource_fragmentation is True


async def test_keys_of_newer_managers_are_kept(shaped_site: Site) -> None:
    await shaped_site.run(GPU)
    newer = {"allowed_session_types": ["batch"], "from_the_future": {"deep": [1]}}
    await shaped_site.execute(
        update(scaling_groups).where(scaling_groups.c.name == "gpu").values(scheduler_opts=newer)
    )
    await _update(shaped_site, "gpu", pending_timeout=timedelta(minutes=1))
    (row,) = await shaped_site.rows(select(scaling_groups).where(scaling_groups.c.name == "gpu"))
    assert row.scheduler_opts["from_the_future"] == {"deep": [1]}
    assert row.scheduler_opts["pending_timeout"] == 60
    assert row.scheduler_opts["allowed_session_types"] == ["batch"]


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({"description": None}, "description", None),
        ({"is_active": True}, "is_active", True),
        ({"is_public": True}, "is_public", True),
        ({"wsproxy_addr": None}, "wsproxy_addr", None),
        ({"wsproxy_api_token": None}, "wsproxy_api_token", None),
        ({"wsproxy_api_token": Secret("other")}, "wsproxy_api_token", "other"),
        ({"driver": "other"}, "driver", "other"),
        ({"driver_opts": JsonPatch(put={"b": 2}, drop=("region",))}, "driver_opts", {"b": 2}),
        ({"scheduler": SchedulerName.LIFO}, "scheduler", "lifo"),
        ({"use_host_network": False}, "use_host_network", False),
    ],
)
async def test_each_column_is_set_by_itself(
    shaped_site: Site, changes: dict[str, object], column: str, value: object
) -> None:
    await shaped_site.run(CreateScalingGroupAction(spec=FULL))
    assert await _update(shaped_site, "gpu", **changes) == (column,)
    (row,) = await shaped_site.rows(select(scaling_groups).where(scaling_groups.c.name == "gpu"))
    assert row._mapping[column] == value


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        (
            {"allowed_session_types": (SessionType.SYSTEM,)},
            {"allowed_session_types": ["system"]},
        ),
        ({"pending_timeout": timedelta()}, {"pending_timeout": 0}),
        (
            {"config": JsonPatch(put={"x": [1]}, drop=("num_retries_to_skip",))},
            {"config": {"x": [1]}},
        ),
        (
            {"agent_selector_config": JsonPatch(put={"b": 2})},
            {"agent_selector_config": {"a": 1, "b": 2}},
        ),
        (
            {"enforce_spreading_endpoint_replica": False},
            {"enforce_spreading_endpoint_replica": False},
        ),
        (
            {"allow_fractional_resource_fragmentation": True},
            {"allow_fractional_resource_fragmentation": True},
        ),
        (
            {"route_cleanup_target_statuses": (RouteStatus.HEALTHY, RouteStatus.UNHEALTHY)},
            {"route_cleanup_target_statuses": ["healthy", "unhealthy"]},
        ),
    ],
)
async def test_each_option_is_set_by_itself(
    shaped_site: Site, changes: dict[str, object], options: dict[str, object]
) -> None:
    await shaped_site.run(CreateScalingGroupAction(spec=FULL))
    assert await _update(shaped_site, "gpu", **changes) == ("scheduler_opts",)
    (row,) = await shaped_site.rows(select(scaling_groups).where(scaling_groups.c.name == "gpu"))
    assert row.scheduler_opts == {**FULL.scheduler_opts.to_json(), **options}


async def test_a_strategy_is_written_where_the_scheduler_reads_it_too(shaped_site: Site) -> None:
    await shaped_site.run(CreateScalingGroupAction(spec=FULL))
    await _update(shaped_site, "gpu", agent_selection_strategy=AgentSelectionStrategy.ROUNDROBIN)
    options = (await _show(shaped_site)).scheduler_opts
    assert options is not None
    assert options.agent_selection_strategy is AgentSelectionStrategy.ROUNDROBIN
    assert options.effective_strategy is AgentSelectionStrategy.ROUNDROBIN
    assert options.config["num_retries_to_skip"] == 3


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"allowed_session_types": ()}, InvalidSchedulerOptions),
        ({"pending_timeout": timedelta(days=40_000)}, InvalidSchedulerOptions),
        (
            {"route_cleanup_target_statuses": (RouteStatus.TERMINATED,)},
            InvalidSchedulerOptions,
        ),
        ({"description": "x" * 513}, InvalidLimitValue),
        ({"wsproxy_addr": "x" * 1025}, InvalidLimitValue),
        ({"wsproxy_api_token": Secret("hidden" * 30)}, InvalidLimitValue),
        ({"driver": "x" * 65}, InvalidLimitValue),
    ],
)
async def test_options_that_cannot_be_are_refused(
    site: Site, changes: dict[str, object], error: type[InvalidLimitValue]
) -> None:
    action = UpdateScalingGroupAction(
        scaling_group="default",
        changes=ScalingGroupChanges(**changes),  # type: ignore[arg-type]
    )
    refusal = await site.refused(action, error)
    assert "hidden" not in f"{refusal.message}{refusal.details}"


@pytest.mark.parametrize("name", ["", "gpu ", "x" * 65])
async def test_a_name_is_text_of_up_to_64_characters(site: Site, name: str) -> None:
    action = CreateScalingGroupAction(spec=ScalingGroupSpec(name=name))
    await site.refused(action, InvalidName)


async def test_a_name_that_is_taken_is_a_conflict_unless_one_may_be_there(site: Site) -> None:
    spec = ScalingGroupSpec(name="default", description="Mine.")
    await site.refused(CreateScalingGroupAction(spec=spec), ScalingGroupAlreadyExists)
    result = await site.run(CreateScalingGroupAction(spec=spec, if_not_exists=True))
    assert (result.created, result.scaling_group.description) == (False, None)


async def test_a_group_that_changed_since_it_was_shown_is_left_alone(site: Site) -> None:
    version = (await _show(site, "default")).version
    await _update(site, "default", description="first")
    late = UpdateScalingGroupAction(
        scaling_group="default",
        changes=ScalingGroupChanges(description="second"),
        if_unchanged=version,
    )
    await site.refused(late, RowChanged)


async def test_associations_do_not_make_another_version(site: Site) -> None:
    version = (await _show(site, "default")).version
    key = (site.world.alice.access_key,)
    await site.run(
        AssociateScalingGroupsAction(scaling_groups=("default",), scopes=Scopes(access_keys=key))
    )
    assert (await _show(site, "default")).version == version


async def test_what_is_not_there_is_not_found(site: Site) -> None:
    scopes = Scopes(domains=("default",))
    for action in (
        GetScalingGroupAction(scaling_group="none"),
        UpdateScalingGroupAction(scaling_group="none", changes=ScalingGroupChanges()),
        DeleteScalingGroupAction(scaling_group="none"),
        AssociateScalingGroupsAction(scaling_groups=("default", "none"), scopes=scopes),
        DissociateScalingGroupsAction(scaling_groups=("none",), scopes=scopes),
    ):
        await site.refused(action, ScalingGroupNotFound)
    ignored = DeleteScalingGroupAction(scaling_group="none", ignore_not_found=True)
    assert (await site.run(ignored)).scaling_group is None


async def test_a_group_says_whom_it_is_open_to(shaped_site: Site) -> None:
    world = shaped_site.world
    await shaped_site.execute(
        insert(sgroups_for_groups).values(scaling_group="default", group=world.project_id),
        insert(sgroups_for_keypairs).values(
            scaling_group="default", access_key=world.carol.access_key
        ),
    )
    group = await _show(shaped_site, "default")
    assert group.domains == ("default", "other")
    assert group.projects == ("default/default",)
    assert group.access_keys == (world.carol.access_key,)
    of_admin = await _show(shaped_site, "default", world.admin)
    assert (of_admin.domains, of_admin.projects, of_admin.access_keys) == (
        ("default",),
        ("default/default",),
        (),
    )


async def test_associating_opens_groups_to_domains_projects_and_key_pairs(
    shaped_site: Site,
) -> None:
    await shaped_site.run(GPU)
    world = shaped_site.world
    scopes = Scopes(
        domains=("default",),
        projects=("other/default", str(world.project_id)),
        access_keys=(world.alice.access_key,),
    )
    result = await shaped_site.run(
        AssociateScalingGroupsAction(scaling_groups=("gpu", "default"), scopes=scopes)
    )
    done = [
        (one.scaling_group, one.scope.value, one.name, one.changed) for one in result.associations
    ]
    assert done == [
        ("gpu", "domain", "default", True),
        ("gpu", "project", "other/default", True),
        ("gpu", "project", "default/default", True),
        ("gpu", "keypair", world.alice.access_key, True),
        ("default", "domain", "default", False),
        ("default", "project", "other/default", True),
        ("default", "project", "default/default", True),
        ("default", "keypair", world.alice.access_key, True),
    ]


async def test_an_association_there_is_already_is_no_mistake(site: Site) -> None:
    action = AssociateScalingGroupsAction(
        scaling_groups=("default",), scopes=Scopes(domains=("default",))
    )
    (association,) = (await site.run(action)).associations
    assert association.changed is False
    assert await site.count(select(sgroups_for_domains)) == 2


@pytest.mark.parametrize(
    ("scopes", "error"),
    [
        (Scopes(domains=("default", "none")), UnknownDomains),
        (Scopes(domains=("default",), projects=("none",)), UnknownProjects),
        (Scopes(domains=("default",), projects=("default",)), UnknownProjects),
        (Scopes(domains=("default",), access_keys=("AKIANONE",)), UnknownKeypairs),
        (Scopes(), NothingToAssociate),
    ],
)
async def test_all_is_associated_or_nothing(
    site: Site, scopes: Scopes, error: type[UnknownDomains]
) -> None:
    """A project's name that two domains have names neither."""
    await site.run(GPU)
    action = AssociateScalingGroupsAction(scaling_groups=("gpu",), scopes=scopes)
    await site.refused(action, error)
    assert (await _show(site)).domains == ()


async def test_dissociating_closes_what_is_named(shaped_site: Site) -> None:
    action = DissociateScalingGroupsAction(
        scaling_groups=("default",), scopes=Scopes(domains=("other",))
    )
    (association,) = (await shaped_site.run(action)).associations
    assert (association.name, association.changed) == ("other", True)
    assert (await _show(shaped_site, "default")).domains == ("default",)


async def test_dissociating_what_is_not_associated_is_not_found_unless_ignored(
    site: Site,
) -> None:
    await site.run(GPU)
    scopes = Scopes(domains=("default",))
    action = DissociateScalingGroupsAction(scaling_groups=("gpu",), scopes=scopes)
    await site.refused(action, ScalingGroupNotAssociated)
    ignored = DissociateScalingGroupsAction(
        scaling_groups=("gpu",), scopes=scopes, ignore_not_found=True
    )
    assert [one.changed for one in (await site.run(ignored)).associations] == [False]
    await site.refused(
        DissociateScalingGroupsAction(scaling_groups=("default",)), NothingToAssociate
    )


async def test_a_group_is_closed_to_everybody_at_once(shaped_site: Site) -> None:
    world = shaped_site.world
    await shaped_site.execute(
        insert(sgroups_for_groups).values(scaling_group="default", group=world.project_id),
        insert(sgroups_for_keypairs).values(
            scaling_group="default", access_key=world.alice.access_key
        ),
    )
    action = DissociateScalingGroupsAction(scaling_groups=("default",), everybody=True)
    assert len((await shaped_site.run(action)).associations) == 4
    group = await _show(shaped_site, "default")
    assert (group.domains, group.projects, group.access_keys) == ((), (), ())


async def test_a_new_group_is_open_to_those_it_is_created_for(shaped_site: Site) -> None:
    spec = ScalingGroupSpec(name="gpu")
    action = CreateScalingGroupAction(spec=spec, scopes=Scopes(domains=("other",)))
    await shaped_site.run(action)
    assert (await _show(shaped_site)).domains == ("other",)
    wrong = CreateScalingGroupAction(
        spec=ScalingGroupSpec(name="tpu"), scopes=Scopes(domains=("none",))
    )
    await shaped_site.refused(wrong, UnknownDomains)
    await shaped_site.refused(GetScalingGroupAction(scaling_group="tpu"), ScalingGroupNotFound)


async def test_agents_are_counted_by_status_and_summed(shaped_site: Site) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-lost", status="LOST")
        await seeds.seed_agent(connection, "i-closed", schedulable=False)
        await seeds.seed_agent(connection, "i-large", slots={"cpu": "16", "cuda.device": "2"})
        await seeds.seed_session(connection, shaped_site.world.alice, kernel_count=2)
    group = await _show(shaped_site, "default")
    assert group.agent_counts == {"ALIVE": 3, "LOST": 1}
    assert group.available_slots == ResourceSlot({"cpu": 24, "mem": 16 * GIB, "cuda.device": 2})
    assert group.occupied_slots == ResourceSlot({"cpu": 2, "mem": 2 * GIB})
    assert group.free_slots == ResourceSlot({"cpu": 18, "mem": 6 * GIB, "cuda.device": 2})
    assert group.session_count == 1


async def test_the_largest_request_is_the_most_that_one_schedulable_agent_offers(
    shaped_site: Site,
) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_agent(connection, "i-closed", schedulable=False, slots={"cpu": "99"})
        await seeds.seed_agent(connection, "i-lost", status="LOST", slots={"cpu": "98"})
        await seeds.seed_agent(connection, "i-large", slots={"cpu": "16", "cuda.device": "2"})
    group = await _show(shaped_site, "default")
    assert group.largest_request == ResourceSlot({"cpu": 16, "mem": 8 * GIB, "cuda.device": 2})


async def test_a_group_without_agents_has_nothing(site: Site) -> None:
    await site.run(GPU)
    group = await _show(site)
    assert (group.agent_counts, group.session_count) == ({}, 0)
    assert (group.available_slots, group.free_slots, group.largest_request) == (
        ResourceSlot(),
        ResourceSlot(),
        ResourceSlot(),
    )


async def test_ordinary_users_see_names_and_what_they_hold_themselves(shaped_site: Site) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_session(connection, shaped_site.world.alice)
        await seeds.seed_session(connection, shaped_site.world.bob, name="bobs", kernel_count=2)
    await _update(shaped_site, "default", wsproxy_api_token=Secret("hidden"))
    group = await _show(shaped_site, "default", shaped_site.world.alice)
    assert group.own_occupied_slots == ResourceSlot({"cpu": 1, "mem": GIB})
    assert (group.name, group.is_active) == ("default", True)
    hidden = set(group.__dataclass_fields__) - {"name", "is_active", "own_occupied_slots"}
    assert {getattr(group, name) for name in hidden} == {None, ()}


async def test_ordinary_users_cannot_ask_for_what_they_are_not_shown(site: Site) -> None:
    query = Query(filters=(parse_filter("description~secret"),))
    await site.refused(ListScalingGroupsAction(query=query), UnknownField, site.world.alice)


async def _several(site: Site) -> None:
    async with site.database.transaction() as connection:
        await seeds.seed_scaling_group(connection, "closed", domains=())
        await seeds.seed_scaling_group(connection, "old", is_active=False)
        await seeds.seed_scaling_group(connection, "private", is_public=False)
        await seeds.seed_scaling_group(connection, "elsewhere", domains=("other",))


async def test_people_see_the_groups_open_to_them(shaped_site: Site) -> None:
    await _several(shaped_site)
    world = shaped_site.world
    everything = ["closed", "default", "elsewhere", "old", "private"]
    assert await _names(shaped_site) == everything
    assert await _names(shaped_site, world.monitor) == everything
    assert await _names(shaped_site, world.admin) == ["default", "old", "private"]
    assert await _names(shaped_site, world.alice) == ["default"]
    assert await _names(shaped_site, world.carol) == ["default", "elsewhere"]


@pytest.mark.parametrize("scope", ["project", "keypair"])
async def test_a_group_open_to_a_project_or_key_pair_is_seen_by_its_people(
    shaped_site: Site, scope: str
) -> None:
    await _several(shaped_site)
    world = shaped_site.world
    await shaped_site.execute(
        insert(sgroups_for_groups).values(scaling_group="closed", group=world.project_id)
        if scope == "project"
        else insert(sgroups_for_keypairs).values(
            scaling_group="closed", access_key=world.alice.access_key
        )
    )
    seen = {
        name: "closed" in await _names(shaped_site, getattr(world, name))
        for name in ("alice", "admin", "bob", "carol", "other_admin")
    }
    members = scope == "project"
    assert seen == {
        "alice": True,
        "admin": True,
        "bob": members,
        "carol": False,
        "other_admin": False,
    }


async def test_the_groups_somebody_may_use_are_the_union_of_what_is_open(
    shaped_site: Site,
) -> None:
    """Of a domain, a project and a key pair; active ones, by name."""
    await _several(shaped_site)
    key = shaped_site.world.alice.access_key
    await shaped_site.execute(
        insert(sgroups_for_keypairs).values(scaling_group="closed", access_key=key)
    )
    assert await _names(shaped_site, domains=("default",)) == ["default", "private"]
    assert await _names(shaped_site, access_keys=(key,)) == ["closed"]
    both = await _names(shaped_site, domains=("other",), access_keys=(key,))
    assert both == ["closed", "default", "elsewhere"]
    assert await _names(shaped_site, projects=("other/default",)) == []


@pytest.mark.parametrize(
    ("text_of_filter", "names"),
    [
        ("agent_count>0", ["default"]),
        ("is_active=false", ["old"]),
        ("is_public=no", ["private"]),
        ("session_count=0", ["closed", "default", "elsewhere", "old", "private"]),
        ("scheduler=lifo", []),
    ],
)
async def test_groups_are_found_by_what_is_shown(
    shaped_site: Site, text_of_filter: str, names: list[str]
) -> None:
    await _several(shaped_site)
    query = Query(filters=(parse_filter(text_of_filter),))
    listed = await shaped_site.run(ListScalingGroupsAction(query=query))
    assert [group.name for group in listed.scaling_groups] == names


async def test_a_group_with_agents_is_not_deleted(shaped_site: Site) -> None:
    error = await shaped_site.refused(
        DeleteScalingGroupAction(scaling_group="default"), ScalingGroupInUse
    )
    assert error.details["agents"] == 1
    assert "1 agent." in error.message
    assert "--inactive" in (error.hint or "")


@pytest.mark.parametrize(("status", "live"), [("RUNNING", 1), ("TERMINATED", 0)])
async def test_a_group_with_sessions_and_kernels_is_not_deleted(
    shaped_site: Site, status: str, live: int
) -> None:
    await shaped_site.run(GPU)
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_session(
            connection,
            shaped_site.world.alice,
            status=status,
            scaling_group="gpu",
            kernel_count=2,
        )
    error = await shaped_site.refused(
        DeleteScalingGroupAction(scaling_group="gpu"), ScalingGroupInUse
    )
    assert error.details == {
        "scaling_group": "gpu",
        "agents": 0,
        "live_sessions": live,
        "ended_sessions": 1 - live,
        "kernels": 2,
        "endpoints": 0,
    }


async def _service(site: Site, group: str) -> None:
    alice = site.world.alice
    await site.execute(
        insert(endpoints).values(
            id=uuid4(),
            name="chat",
            created_user=alice.user_id,
            session_owner=alice.user_id,
            image=site.world.image_id,
            domain="default",
            project=alice.project_id,
            resource_group=group,
            lifecycle_stage="destroyed",
            runtime_variant="custom",
            resource_slots={},
        )
    )


async def test_a_group_with_model_services_is_not_deleted(shaped_site: Site) -> None:
    await shaped_site.run(GPU)
    await _service(shaped_site, "gpu")
    error = await shaped_site.refused(
        DeleteScalingGroupAction(scaling_group="gpu"), ScalingGroupInUse
    )
    assert error.details["endpoints"] == 1


async def test_an_upgraded_database_refers_to_groups_in_one_more_column(
    shaped_site: Site,
) -> None:
    """There, ``endpoints.scaling_group`` is ``default`` for every service."""
    await shaped_site.run(GPU)
    await _service(shaped_site, "gpu")
    await shaped_site.execute(delete(agents))
    found = await shaped_site.rows(
        text(
            "SELECT 1 FROM information_schema.columns"
            " WHERE table_name = 'endpoints' AND column_name = 'scaling_group'"
        )
    )
    action = DeleteScalingGroupAction(scaling_group="default")
    if found:
        error = await shaped_site.refused(action, ScalingGroupInUse)
        assert error.details["endpoints"] == 1
    else:
        assert (await shaped_site.run(action)).scaling_group is not None


async def test_deleting_takes_associations_and_the_presets_for_it_along(
    shaped_site: Site,
) -> None:
    await shaped_site.run(
        CreateScalingGroupAction(
            spec=ScalingGroupSpec(name="gpu"), scopes=Scopes(domains=("default",))
        )
    )
    slots = {"cpu": "1", "mem": "1"}
    await shaped_site.execute(
        insert(resource_presets).values(name="b", resource_slots=slots, scaling_group_name="gpu"),
        insert(resource_presets).values(name="a", resource_slots=slots, scaling_group_name="gpu"),
        insert(resource_presets).values(name="c", resource_slots=slots),
    )
    result = await shaped_site.run(DeleteScalingGroupAction(scaling_group="gpu"))
    assert result.presets == ("a", "b")
    assert await shaped_site.count(select(resource_presets)) == 1
    left = select(sgroups_for_domains).where(sgroups_for_domains.c.scaling_group == "gpu")
    assert await shaped_site.count(left) == 0


async def test_the_token_is_never_shown(site: Site) -> None:
    await site.run(CreateScalingGroupAction(spec=FULL))
    group = await _show(site)
    assert "hidden-token" not in repr(group)
