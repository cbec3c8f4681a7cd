"""Every field of the three kinds of policy, in both shapes (``reference/value-types.md`` §14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Text, cast, select, update

from bai_manager.models.resource_policy import (
    keypair_resource_policies,
    project_resource_policies,
    user_resource_policies,
)
from bai_manager.models.user import keypairs
from bai_manager.services.keypair_resource_policy import types as keypair_types
from bai_manager.services.keypair_resource_policy.actions import (
    CreateKeypairResourcePolicyAction,
    DeleteKeypairResourcePolicyAction,
    GetKeypairResourcePolicyAction,
    ListKeypairResourcePoliciesAction,
    UpdateKeypairResourcePolicyAction,
)
from bai_manager.services.keypair_resource_policy.errors import (
    KeypairResourcePolicyInUse,
    KeypairResourcePolicyNotFound,
)
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicySpec,
)
from bai_manager.services.project_resource_policy import types as project_types
from bai_manager.services.project_resource_policy.actions import (
    CreateProjectResourcePolicyAction,
    DeleteProjectResourcePolicyAction,
    ListProjectResourcePoliciesAction,
    UpdateProjectResourcePolicyAction,
)
from bai_manager.services.project_resource_policy.errors import ProjectResourcePolicyInUse
from bai_manager.services.project_resource_policy.types import (
    ProjectResourcePolicyChanges,
    ProjectResourcePolicySpec,
)
from bai_manager.services.user_resource_policy import types as user_types
from bai_manager.services.user_resource_policy.actions import (
    CreateUserResourcePolicyAction,
    DeleteUserResourcePolicyAction,
    ListUserResourcePoliciesAction,
    UpdateUserResourcePolicyAction,
)
from bai_manager.services.user_resource_policy.errors import UserResourcePolicyInUse
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicySpec,
)
from bai_manager.types.errors import InvalidName, InvalidResourceSlot, InvalidStorageHost
from bai_manager.types.limits import INT4, INT8, InvalidLimitValue
from bai_manager.types.patches import HostsPatch, SlotsPatch
from bai_manager.types.query import Query, SortKey, parse_filter
from bai_manager.types.resource_slot import DefaultForUnspecified, ResourceSlot
from bai_manager.types.vfolder import VFolderHostPermission
from tests import seeds

if TYPE_CHECKING:
    from bai_manager.services.keypair_resource_policy.types import KeypairResourcePolicyData
    from tests.tenants import Site

CREATE = frozenset({VFolderHostPermission.CREATE})
FULL = KeypairResourcePolicySpec(
    name="gold",
    default_for_unspecified=DefaultForUnspecified.LIMITED,
    total_resource_slots=ResourceSlot({"cpu": 8, "mem": "64g", "cuda.device": "inf"}),
    max_session_lifetime=3600,
    max_concurrent_sessions=5,
    max_concurrent_sftp_sessions=2,
    max_containers_per_session=4,
    max_pending_session_count=6,
    max_pending_session_resource_slots=ResourceSlot({"cpu": 16}),
    idle_timeout=900,
    allowed_vfolder_hosts={"local:volume1": CREATE},
)


async def _update(site: Site, /, **changes: object) -> tuple[str, ...]:
    action = UpdateKeypairResourcePolicyAction(
        policy="gold",
        changes=KeypairResourcePolicyChanges(**changes),  # type: ignore[arg-type]
    )
    return (await site.run(action)).changed


async def _gold(site: Site) -> KeypairResourcePolicyData:
    return (await site.run(GetKeypairResourcePolicyAction(policy="gold"))).policy


async def test_a_key_pair_policy_keeps_every_field(shaped_site: Site) -> None:
    created = await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    assert keypair_types.spec_of(created.policy) == FULL
    assert keypair_types.spec_of(await _gold(shaped_site)) == FULL


async def test_a_key_pair_policy_is_stored_as_the_reference_says(shaped_site: Site) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    table = keypair_resource_policies
    (row,) = await shaped_site.rows(
        select(table, cast(table.c.default_for_unspecified, Text).label("default")).where(
            table.c.name == "gold"
        )
    )
    assert row.default == "LIMITED"
    assert row.total_resource_slots == {
        "cpu": "8",
        "mem": str(64 << 30),
        "cuda.device": "Infinity",
    }
    assert row.max_pending_session_resource_slots == {"cpu": "16"}
    assert row.allowed_vfolder_hosts == {"local:volume1": ["create-vfolder"]}


async def test_a_key_pair_policy_of_the_defaults_limits_little(shaped_site: Site) -> None:
    spec = KeypairResourcePolicySpec(name="gold")
    policy = (await shaped_site.run(CreateKeypairResourcePolicyAction(spec=spec))).policy
    assert policy.default_for_unspecified is DefaultForUnspecified.UNLIMITED
    assert (policy.max_session_lifetime, policy.max_concurrent_sftp_sessions) == (0, 1)
    assert policy.max_pending_session_count is None
    assert policy.max_pending_session_resource_slots is None
    assert (policy.total_resource_slots, policy.allowed_vfolder_hosts) == (ResourceSlot(), {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("default_for_unspecified", DefaultForUnspecified.UNLIMITED),
        ("max_session_lifetime", 0),
        ("max_concurrent_sessions", 0),
        ("max_concurrent_sessions", -1),
        ("max_concurrent_sftp_sessions", 0),
        ("max_containers_per_session", 1),
        ("max_pending_session_count", None),
        ("max_pending_session_count", 0),
        ("max_pending_session_resource_slots", None),
        ("idle_timeout", 0),
        ("idle_timeout", -1),
        ("idle_timeout", INT8),
    ],
)
async def test_each_field_of_a_key_pair_policy_is_set_by_itself(
    shaped_site: Site, field: str, value: object
) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    assert await _update(shaped_site, **{field: value}) == (field,)
    changed = keypair_types.spec_of(await _gold(shaped_site))
    assert getattr(changed, field) == value
    others = {name for name in FULL.__dataclass_fields__ if name != field}
    assert all(getattr(changed, name) == getattr(FULL, name) for name in others)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_session_lifetime", -1),
        ("max_session_lifetime", INT4 + 1),
        ("max_concurrent_sessions", INT4 + 1),
        ("max_concurrent_sftp_sessions", INT4 + 1),
        ("max_containers_per_session", 0),
        ("max_pending_session_count", -1),
        ("idle_timeout", INT8 + 1),
    ],
)
async def test_a_number_that_a_key_pair_policy_does_not_take_is_refused(
    site: Site, field: str, value: int
) -> None:
    spec = KeypairResourcePolicySpec(name="gold", **{field: value})  # type: ignore[arg-type]
    await site.refused(CreateKeypairResourcePolicyAction(spec=spec), InvalidLimitValue)
    changes = KeypairResourcePolicyChanges(**{field: value})  # type: ignore[arg-type]
    update_default = UpdateKeypairResourcePolicyAction(policy="default", changes=changes)
    error = await site.refused(update_default, InvalidLimitValue)
    assert field in error.message


async def test_an_odd_row_can_be_mended_field_by_field(site: Site) -> None:
    """What a policy held before is not held against a change of something else."""
    await site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    odd = update(keypair_resource_policies).where(keypair_resource_policies.c.name == "gold")
    await site.execute(odd.values(max_containers_per_session=0))
    assert await _update(site, idle_timeout=60) == ("idle_timeout",)


async def test_slots_that_are_not_given_stay(shaped_site: Site) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    patch = SlotsPatch(put=ResourceSlot({"cpu": 16}), drop=("mem",))
    await _update(shaped_site, total_resource_slots=patch)
    slots = (await _gold(shaped_site)).total_resource_slots
    assert slots.to_json() == {"cpu": "16", "cuda.device": "Infinity"}


async def test_slots_can_be_replaced_as_a_whole(shaped_site: Site) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    patch = SlotsPatch(put=ResourceSlot({"cpu": 1}), replace=True)
    await _update(shaped_site, total_resource_slots=patch)
    assert (await _gold(shaped_site)).total_resource_slots.to_json() == {"cpu": "1"}


async def test_limits_on_what_waits_begin_where_there_were_none(shaped_site: Site) -> None:
    spec = KeypairResourcePolicySpec(name="gold")
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=spec))
    patch = SlotsPatch(put=ResourceSlot({"cpu": 4}))
    await _update(shaped_site, max_pending_session_resource_slots=patch)
    pending = (await _gold(shaped_site)).max_pending_session_resource_slots
    assert pending == ResourceSlot({"cpu": 4})


async def test_hosts_that_are_not_given_stay(shaped_site: Site) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    await _update(shaped_site, allowed_vfolder_hosts=HostsPatch(put={"local:volume2": CREATE}))
    hosts = (await _gold(shaped_site)).allowed_vfolder_hosts
    assert hosts == {"local:volume1": CREATE, "local:volume2": CREATE}
    await _update(shaped_site, allowed_vfolder_hosts=HostsPatch(drop=("local:volume1",)))
    assert set((await _gold(shaped_site)).allowed_vfolder_hosts) == {"local:volume2"}


@pytest.mark.parametrize("amount", ["-1", "NaN", "-inf"])
async def test_an_amount_below_zero_is_refused(site: Site, amount: str) -> None:
    slots = ResourceSlot({"cpu": amount})
    for field in ("total_resource_slots", "max_pending_session_resource_slots"):
        spec = KeypairResourcePolicySpec(name="gold", **{field: slots})  # type: ignore[arg-type]
        await site.refused(CreateKeypairResourcePolicyAction(spec=spec), InvalidResourceSlot)
        patch = KeypairResourcePolicyChanges(**{field: SlotsPatch(put=slots)})  # type: ignore[arg-type]
        action = UpdateKeypairResourcePolicyAction(policy="default", changes=patch)
        await site.refused(action, InvalidResourceSlot)


async def test_a_host_is_a_proxy_and_a_volume(site: Site) -> None:
    spec = KeypairResourcePolicySpec(name="gold", allowed_vfolder_hosts={"volume1": CREATE})
    await site.refused(CreateKeypairResourcePolicyAction(spec=spec), InvalidStorageHost)


@pytest.mark.parametrize("name", ["", " gold", "x" * 257])
async def test_a_name_is_text_of_up_to_256_characters(site: Site, name: str) -> None:
    for action in (
        CreateKeypairResourcePolicyAction(spec=KeypairResourcePolicySpec(name=name)),
        CreateUserResourcePolicyAction(spec=UserResourcePolicySpec(name=name)),
        CreateProjectResourcePolicyAction(spec=ProjectResourcePolicySpec(name=name)),
    ):
        await site.refused(action, InvalidName)


async def test_a_user_policy_keeps_every_field(shaped_site: Site) -> None:
    spec = UserResourcePolicySpec(
        name="gold",
        max_vfolder_count=7,
        max_quota_scope_size=1 << 40,
        max_session_count_per_model_session=2,
        max_customized_image_count=9,
    )
    created = await shaped_site.run(CreateUserResourcePolicyAction(spec=spec))
    assert user_types.spec_of(created.policy) == spec
    (row,) = await shaped_site.rows(
        select(user_resource_policies).where(user_resource_policies.c.name == "gold")
    )
    assert (row.max_vfolder_count, row.max_quota_scope_size) == (7, 1 << 40)
    assert (row.max_session_count_per_model_session, row.max_customized_image_count) == (2, 9)


async def test_a_user_policy_of_the_defaults_is_unlimited_but_for_images(site: Site) -> None:
    policy = (
        await site.run(CreateUserResourcePolicyAction(spec=UserResourcePolicySpec(name="gold")))
    ).policy
    assert policy.max_vfolder_count <= 0
    assert policy.max_quota_scope_size <= 0
    assert policy.max_customized_image_count == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_vfolder_count", INT4 + 1),
        ("max_quota_scope_size", INT8 + 1),
        ("max_session_count_per_model_session", -1),
        ("max_customized_image_count", -1),
    ],
)
async def test_a_number_that_a_user_policy_does_not_take_is_refused(
    site: Site, field: str, value: int
) -> None:
    spec = UserResourcePolicySpec(name="gold", **{field: value})
    await site.refused(CreateUserResourcePolicyAction(spec=spec), InvalidLimitValue)
    changes = UserResourcePolicyChanges(**{field: value})
    action = UpdateUserResourcePolicyAction(policy="default", changes=changes)
    await site.refused(action, InvalidLimitValue)


async def test_a_project_policy_keeps_every_field(shaped_site: Site) -> None:
    spec = ProjectResourcePolicySpec(
        name="gold", max_vfolder_count=7, max_quota_scope_size=1 << 40, max_network_count=-1
    )
    created = await shaped_site.run(CreateProjectResourcePolicyAction(spec=spec))
    assert project_types.spec_of(created.policy) == spec
    (row,) = await shaped_site.rows(
        select(project_resource_policies).where(project_resource_policies.c.name == "gold")
    )
    assert (row.max_vfolder_count, row.max_quota_scope_size, row.max_network_count) == (
        7,
        1 << 40,
        -1,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_vfolder_count", INT4 + 1),
        ("max_quota_scope_size", INT8 + 1),
        ("max_network_count", -2),
    ],
)
async def test_a_number_that_a_project_policy_does_not_take_is_refused(
    site: Site, field: str, value: int
) -> None:
    spec = ProjectResourcePolicySpec(name="gold", **{field: value})
    await site.refused(CreateProjectResourcePolicyAction(spec=spec), InvalidLimitValue)
    changes = ProjectResourcePolicyChanges(**{field: value})
    action = UpdateProjectResourcePolicyAction(policy="default", changes=changes)
    await site.refused(action, InvalidLimitValue)


async def test_a_policy_in_use_says_by_how_many_and_names_some(shaped_site: Site) -> None:
    keys = await shaped_site.refused(
        DeleteKeypairResourcePolicyAction(policy="default"), KeypairResourcePolicyInUse
    )
    users = await shaped_site.refused(
        DeleteUserResourcePolicyAction(policy="default"), UserResourcePolicyInUse
    )
    projects = await shaped_site.refused(
        DeleteProjectResourcePolicyAction(policy="default"), ProjectResourcePolicyInUse
    )
    assert (keys.details["key_pairs"], users.details["users"]) == (7, 7)
    assert projects.details["projects"] == 2
    assert projects.details["first"] == ["default/default", "other/default"]
    assert users.details["first"] == [
        "admin@example.com",
        "alice@example.com",
        "bob@example.com",
        "carol@example.com",
        "monitor@example.com",
    ]
    assert "and 2 more" in users.message
    named = keys.details["first"]
    assert isinstance(named, list)
    assert all("@example.com)" in str(one) for one in named)


async def test_a_policy_that_binds_nobody_any_more_is_deleted(shaped_site: Site) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    await shaped_site.execute(update(keypairs).values(resource_policy="gold"))
    result = await shaped_site.run(DeleteKeypairResourcePolicyAction(policy="default"))
    assert result.policy is not None
    assert result.policy.name == "default"
    await shaped_site.refused(
        GetKeypairResourcePolicyAction(policy="default"), KeypairResourcePolicyNotFound
    )


async def test_lists_count_whom_each_policy_binds(shaped_site: Site) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    await shaped_site.execute(
        update(keypairs)
        .where(keypairs.c.access_key == shaped_site.world.bob.access_key)
        .values(resource_policy="gold")
    )
    listed = (await shaped_site.run(ListKeypairResourcePoliciesAction())).policies
    assert {policy.name: policy.keypair_count for policy in listed} == {"default": 6, "gold": 1}
    (users,) = (await shaped_site.run(ListUserResourcePoliciesAction())).policies
    (projects,) = (await shaped_site.run(ListProjectResourcePoliciesAction())).policies
    assert (users.user_count, projects.project_count) == (7, 2)


async def test_an_admin_counts_the_own_domain_and_a_user_what_is_own(shaped_site: Site) -> None:
    counts = {}
    for name in ("root", "monitor", "admin", "other_admin", "alice"):
        who = getattr(shaped_site.world, name)
        (keys,) = (await shaped_site.run(ListKeypairResourcePoliciesAction(), who)).policies
        (users,) = (await shaped_site.run(ListUserResourcePoliciesAction(), who)).policies
        (projects,) = (await shaped_site.run(ListProjectResourcePoliciesAction(), who)).policies
        counts[name] = (keys.keypair_count, users.user_count, projects.project_count)
    assert counts == {
        "root": (7, 7, 2),
        "monitor": (7, 7, 2),
        "admin": (5, 5, 1),
        "other_admin": (2, 2, 1),
        "alice": (1, 1, 1),
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("keypair_count>0", ["default"]),
        ("keypair_count=0", ["gold"]),
        ("default_for_unspecified=limited", ["gold"]),
        ("max_pending_session_count>=6", ["gold"]),
        ("idle_timeout<1000", ["gold"]),
        ("name~def", ["default"]),
    ],
)
async def test_policies_are_found_by_what_is_shown(
    shaped_site: Site, text: str, names: list[str]
) -> None:
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    query = Query(filters=(parse_filter(text),))
    listed = await shaped_site.run(ListKeypairResourcePoliciesAction(query=query))
    assert [policy.name for policy in listed.policies] == names


@pytest.mark.parametrize("field", ["default_for_unspecified", "keypair_count", "created_at"])
async def test_policies_are_sorted_the_same_in_both_shapes(shaped_site: Site, field: str) -> None:
    """The labels of an enumeration are in another order there, so they are sorted as text."""
    await shaped_site.run(CreateKeypairResourcePolicyAction(spec=FULL))
    orders = {"default_for_unspecified": ["gold", "default"]}
    query = Query(sort=(SortKey(field),))
    listed = await shaped_site.run(ListKeypairResourcePoliciesAction(query=query))
    expected = orders.get(field, ["default", "gold"])
    if field == "keypair_count":
        expected = ["gold", "default"]
    assert [policy.name for policy in listed.policies] == expected


async def test_seeded_policies_of_another_tool_read_back_the_same(shaped_site: Site) -> None:
    async with shaped_site.database.transaction() as connection:
        await seeds.seed_keypair_policy(
            connection,
            "odd",
            total_resource_slots={"cpu": "1.5", "mem": None},
            max_pending_session_resource_slots={},
        )
    policy = (await shaped_site.run(GetKeypairResourcePolicyAction(policy="odd"))).policy
    assert policy.total_resource_slots.to_json() == {"cpu": "1.5"}
    assert policy.max_pending_session_resource_slots == ResourceSlot()
