"""Who may do what to policies, presets, resource groups and domains.

``reference/actions.md`` §7.3: all of it is changed by superadmins alone; a monitor reads what they
read; others read what is theirs; who is not active does nothing. Checked on a real database.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from bai_manager.actions.errors import AuthorizationFailed, InsufficientPrivilege
from bai_manager.actions.processor import noun_of
from bai_manager.errors import BackendAIError
from bai_manager.models.domain import domains
from bai_manager.models.resource_preset import resource_presets
from bai_manager.services.domain import actions as domain
from bai_manager.services.domain.types import DomainChanges, DomainSpec
from bai_manager.services.keypair_resource_policy import actions as keypair
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicySpec,
)
from bai_manager.services.policy import actions as policy
from bai_manager.services.project_resource_policy import actions as project
from bai_manager.services.project_resource_policy.types import (
    ProjectResourcePolicyChanges,
    ProjectResourcePolicySpec,
)
from bai_manager.services.resource_preset import actions as preset
from bai_manager.services.resource_preset.types import ResourcePresetChanges, ResourcePresetSpec
from bai_manager.services.scaling_group import actions as scaling_group
from bai_manager.services.scaling_group.types import (
    ScalingGroupChanges,
    ScalingGroupSpec,
    Scopes,
)
from bai_manager.services.user_resource_policy import actions as user
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicySpec,
)
from bai_manager.types.credentials import new_access_key
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import UserStatus
from tests import seeds
from tests.architecture import catalogue

if TYPE_CHECKING:
    from bai_manager.actions.base import Action, ActionResult
    from tests.seeds import Person
    from tests.tenants import Site

PEOPLE = ("root", "monitor", "admin", "other_admin", "alice")
NOUNS = {
    "domain",
    "keypair_resource_policy",
    "policy",
    "project_resource_policy",
    "resource_preset",
    "scaling_group",
    "user_resource_policy",
}
REHEARSAL = policy.RehearsePolicyChangeAction(
    policy="default", changes=KeypairResourcePolicyChanges(idle_timeout=1)
)
SLOTS = ResourceSlot({"cpu": 1, "mem": "1g"})

READS: list[Action[ActionResult]] = [
    domain.ListDomainsAction(),
    domain.GetDomainAction(domain="default"),
    keypair.ListKeypairResourcePoliciesAction(),
    keypair.GetKeypairResourcePolicyAction(policy="default"),
    user.ListUserResourcePoliciesAction(),
    user.GetUserResourcePolicyAction(policy="default"),
    project.ListProjectResourcePoliciesAction(),
    project.GetProjectResourcePolicyAction(policy="default"),
    preset.ListResourcePresetsAction(),
    preset.GetResourcePresetAction(preset="small"),
    preset.CheckResourcePresetsAction(),
    policy.ExplainPolicyAction(),
    scaling_group.ListScalingGroupsAction(),
    scaling_group.GetScalingGroupAction(scaling_group="default"),
]
WRITES: list[Action[ActionResult]] = [
    domain.CreateDomainAction(spec=DomainSpec(name="lab")),
    domain.UpdateDomainAction(domain="default", changes=DomainChanges(description="x")),
    domain.DeleteDomainAction(domain="other"),
    domain.PurgeDomainAction(domain="empty"),
    keypair.CreateKeypairResourcePolicyAction(spec=KeypairResourcePolicySpec(name="gold")),
    keypair.UpdateKeypairResourcePolicyAction(
        policy="default", changes=KeypairResourcePolicyChanges(idle_timeout=1)
    ),
    keypair.DeleteKeypairResourcePolicyAction(policy="unused"),
    user.CreateUserResourcePolicyAction(spec=UserResourcePolicySpec(name="gold")),
    user.UpdateUserResourcePolicyAction(
        policy="default", changes=UserResourcePolicyChanges(max_vfolder_count=1)
    ),
    user.DeleteUserResourcePolicyAction(policy="unused"),
    project.CreateProjectResourcePolicyAction(spec=ProjectResourcePolicySpec(name="gold")),
    project.UpdateProjectResourcePolicyAction(
        policy="default", changes=ProjectResourcePolicyChanges(max_vfolder_count=1)
    ),
    project.DeleteProjectResourcePolicyAction(policy="unused"),
    preset.CreateResourcePresetAction(spec=ResourcePresetSpec(name="new", resource_slots=SLOTS)),
    preset.UpdateResourcePresetAction(preset="small", changes=ResourcePresetChanges(name="tiny")),
    preset.DeleteResourcePresetAction(preset="small"),
    scaling_group.CreateScalingGroupAction(spec=ScalingGroupSpec(name="gpu")),
    scaling_group.UpdateScalingGroupAction(
        scaling_group="default", changes=ScalingGroupChanges(description="x")
    ),
    scaling_group.DeleteScalingGroupAction(scaling_group="unused"),
    scaling_group.AssociateScalingGroupsAction(
        scaling_groups=("unused",), scopes=Scopes(domains=("default",))
    ),
    scaling_group.DissociateScalingGroupsAction(
        scaling_groups=("default",), scopes=Scopes(domains=("other",))
    ),
]


def _named(action: Action[ActionResult]) -> str:
    return type(action).__name__


@pytest.fixture
async def governed(site: Site) -> Site:
    """The world with a preset, and with a policy, a resource group and a domain nobody uses."""
    async with site.database.transaction() as connection:
        await seeds.seed_policies(connection, "unused")
        await seeds.seed_scaling_group(connection, "unused", domains=())
        await seeds.seed_domain(connection, "empty")
        await connection.execute(
            insert(resource_presets).values(name="small", resource_slots=SLOTS.to_json())
        )
    return site


async def _outcome(site: Site, action: Action[ActionResult], who: Person) -> str:
    try:
        await site.run(action, who)
    except InsufficientPrivilege:
        return "denied"
    except BackendAIError as error:
        return type(error).__name__
    return "allowed"


def test_the_matrix_has_every_action_of_these_nouns() -> None:
    listed = {type(action) for action in (*READS, *WRITES, REHEARSAL)}
    assert listed == {action for action in catalogue.actions() if noun_of(action) in NOUNS}


def test_reads_and_writes_are_what_they_are_called() -> None:
    assert not any(action.operation.is_write for action in READS)
    assert all(action.operation.is_write for action in WRITES)


@pytest.mark.parametrize("action", [*WRITES, REHEARSAL], ids=_named)
async def test_only_a_superadmin_changes_anything(
    governed: Site, action: Action[ActionResult]
) -> None:
    found = {
        name: await _outcome(governed, action, getattr(governed.world, name))
        for name in reversed(PEOPLE)
    }
    assert found == dict.fromkeys(PEOPLE, "denied") | {"root": "allowed"}


@pytest.mark.parametrize("action", READS, ids=_named)
async def test_everybody_who_is_active_reads_what_is_theirs(
    governed: Site, action: Action[ActionResult]
) -> None:
    found = {
        name: await _outcome(governed, action, getattr(governed.world, name)) for name in PEOPLE
    }
    expected = dict.fromkeys(PEOPLE, "allowed")
    if action == domain.GetDomainAction(domain="default"):
        expected["other_admin"] = "DomainNotFound"
    assert found == expected


@pytest.mark.parametrize("inactive", ["user", "key pair"])
async def test_who_is_not_active_does_nothing(governed: Site, inactive: str) -> None:
    root = governed.world.root
    async with governed.database.transaction() as connection:
        if inactive == "user":
            idle = await seeds.seed_user(
                connection, "idle", role=root.role, status=UserStatus.INACTIVE
            )
        else:
            idle = replace(root, access_key=new_access_key())
            await seeds.seed_keypair(connection, idle, is_active=False)
    found = {_named(action): await _outcome(governed, action, idle) for action in (*READS, *WRITES)}
    assert found == dict.fromkeys(found, AuthorizationFailed.__name__)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("root", "allowed"),
        ("monitor", "allowed"),
        ("admin", "allowed"),
        ("alice", "allowed"),
        ("bob", "denied"),
        ("other_admin", "denied"),
    ],
)
async def test_what_fits_for_somebody_and_binds_them_is_for_them_and_those_above(
    governed: Site, name: str, outcome: str
) -> None:
    alice = governed.world.alice
    who = getattr(governed.world, name)
    for action in (
        preset.CheckResourcePresetsAction(user=alice.email),
        preset.CheckResourcePresetsAction(owner=alice.access_key),
        policy.ExplainPolicyAction(user=alice.email),
        policy.ExplainPolicyAction(owner=alice.access_key),
    ):
        assert await _outcome(governed, action, who) == outcome


async def test_an_admin_does_not_check_for_a_superadmin(governed: Site) -> None:
    world = governed.world
    for action in (
        preset.CheckResourcePresetsAction(user=world.root.email),
        policy.ExplainPolicyAction(user=world.root.email),
    ):
        assert await _outcome(governed, action, world.admin) == "denied"


async def test_what_was_denied_changed_nothing(governed: Site) -> None:
    for action in WRITES:
        await _outcome(governed, action, governed.world.monitor)
    assert await governed.count(domains.select()) == 3
    shown = await governed.run(keypair.GetKeypairResourcePolicyAction(policy="default"))
    assert shown.policy.idle_timeout == 1800
