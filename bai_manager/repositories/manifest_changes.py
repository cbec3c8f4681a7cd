"""Carrying out a plan, one repository call for each change: rows are as the commands make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bai_manager.repositories.domain import DomainRepository
from bai_manager.repositories.group import GroupRepository
from bai_manager.repositories.keypair import KeypairRepository
from bai_manager.repositories.resource_policy import (
    KeypairResourcePolicyRepository,
    ProjectResourcePolicyRepository,
    UserResourcePolicyRepository,
)
from bai_manager.repositories.resource_preset import ResourcePresetRepository
from bai_manager.repositories.scaling_group import ScalingGroupRepository
from bai_manager.repositories.user import UserRepository
from bai_manager.services.domain.types import DomainChanges, DomainSpec
from bai_manager.services.group.types import GroupChanges, GroupSpec
from bai_manager.services.keypair.types import KeypairChanges
from bai_manager.services.keypair_resource_policy.types import (
    KeypairResourcePolicyChanges,
    KeypairResourcePolicySpec,
)
from bai_manager.services.manifest.forms import FORMS
from bai_manager.services.manifest.planning import OF_MAIN_KEY, fields_of, names_in
from bai_manager.services.manifest.types import Section, Verb
from bai_manager.services.project_resource_policy.types import (
    ProjectResourcePolicyChanges,
    ProjectResourcePolicySpec,
)
from bai_manager.services.resource_preset.types import ResourcePresetChanges, ResourcePresetSpec
from bai_manager.services.scaling_group.types import (
    ScalingGroupChanges,
    ScalingGroupSpec,
    Scopes,
)
from bai_manager.services.user.types import UserChanges, UserSpec
from bai_manager.services.user_resource_policy.types import (
    UserResourcePolicyChanges,
    UserResourcePolicySpec,
)
from bai_manager.types.patches import HostsPatch, JsonPatch, NamesPatch, SlotsPatch
from bai_manager.types.query import Query
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.scaling_group_options import ScalingGroupOptions, SchedulerName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from bai_manager.repositories.database import Database
    from bai_manager.services.manifest.types import Change, Entry, Manifest, Plan
    from bai_manager.services.user.types import NewUserSecrets


async def carry_out(
    database: Database, wanted: Manifest, plan: Plan, secrets: Iterator[NewUserSecrets]
) -> None:
    """Do everything in a plan, in its order; ``secrets`` are those of new users.

    Raises what the repositories of the nouns raise.
    """
    hand = _Hand(database, wanted, secrets)
    for change in plan.changes:
        await hand.do(change)


class _Hand:
    """Does one change at a time."""

    def __init__(
        self, database: Database, wanted: Manifest, secrets: Iterator[NewUserSecrets]
    ) -> None:
        self._wanted = wanted
        self._secrets = secrets
        self._keypair_policies = KeypairResourcePolicyRepository(database)
        self._user_policies = UserResourcePolicyRepository(database)
        self._project_policies = ProjectResourcePolicyRepository(database)
        self._domains = DomainRepository(database)
        self._users = UserRepository(database)
        self._keypairs = KeypairRepository(database)
        self._groups = GroupRepository(database)
        self._scaling_groups = ScalingGroupRepository(database)
        self._presets = ResourcePresetRepository(database)
        self._put: Mapping[Section, Callable[[Entry, Change], Awaitable[None]]] = {
            Section.KEYPAIR_POLICIES: self._put_keypair_policy,
            Section.USER_POLICIES: self._put_user_policy,
            Section.PROJECT_POLICIES: self._put_project_policy,
            Section.DOMAINS: self._put_domain,
            Section.USERS: self._put_user,
            Section.GROUPS: self._put_group,
            Section.SCALING_GROUPS: self._put_scaling_group,
            Section.PRESETS: self._put_preset,
        }

    async def do(self, change: Change) -> None:
        if change.verb in {Verb.CREATE, Verb.UPDATE}:
            entry = self._wanted.entries(change.section)[change.name]
            await self._put[change.section](entry, change)
        else:
            await self._remove(change)

    async def _put_keypair_policy(self, entry: Entry, change: Change) -> None:
        if change.verb is Verb.CREATE:
            spec = KeypairResourcePolicySpec(**_meant(entry))
            await self._keypair_policies.create_policy(spec, if_not_exists=False)
            return
        changes = KeypairResourcePolicyChanges(**_patches(entry, change))
        await self._keypair_policies.update_policy(entry.name, changes, if_unchanged=None)

    async def _put_user_policy(self, entry: Entry, change: Change) -> None:
        if change.verb is Verb.CREATE:
            spec = UserResourcePolicySpec(**_meant(entry))
            await self._user_policies.create_policy(spec, if_not_exists=False)
            return
        changes = UserResourcePolicyChanges(**_patches(entry, change))
        await self._user_policies.update_policy(entry.name, changes, if_unchanged=None)

    async def _put_project_policy(self, entry: Entry, change: Change) -> None:
        if change.verb is Verb.CREATE:
            spec = ProjectResourcePolicySpec(**_meant(entry))
            await self._project_policies.create_policy(spec, if_not_exists=False)
            return
        changes = ProjectResourcePolicyChanges(**_patches(entry, change))
        await self._project_policies.update_policy(entry.name, changes, if_unchanged=None)

    async def _put_domain(self, entry: Entry, change: Change) -> None:
        """Without a model store of its own: the document says which projects there are."""
        if change.verb is Verb.CREATE:
            await self._domains.create_domain(
                DomainSpec(**_meant(entry)),
                scaling_groups=(),
                model_store=False,
                if_not_exists=False,
            )
            return
        changes = DomainChanges(**_patches(entry, change))
        await self._domains.update_domain(entry.name, changes, if_unchanged=None)

    async def _put_user(self, entry: Entry, change: Change) -> None:
        if change.verb is Verb.CREATE:
            meant = {"username": entry.name, **_meant(entry)}
            await self._users.create_user(UserSpec(**meant), next(self._secrets))
            return
        values = _patches(entry, change)
        of_key: dict[str, Any] = {name: values.pop(name) for name in OF_MAIN_KEY if name in values}
        user = await self._users.find_user(entry.name)
        if values:
            await self._users.update_user(entry.name, UserChanges(**values), if_unchanged=None)
        if of_key and user is not None and user.main_access_key is not None:
            if "keypair_resource_policy" in of_key:
                of_key["resource_policy"] = of_key.pop("keypair_resource_policy")
            await self._keypairs.update_keypair(
                user.main_access_key, KeypairChanges(**of_key), if_unchanged=None
            )

    async def _put_group(self, entry: Entry, change: Change) -> None:
        if change.verb is Verb.CREATE:
            await self._groups.create_group(GroupSpec(**_meant(entry)), if_not_exists=False)
        group_id = await self._groups.resolve(entry.name)
        if change.verb is Verb.UPDATE and (values := _patches(entry, change)):
            await self._groups.update_group(group_id, GroupChanges(**values), if_unchanged=None)
        for difference in change.differences:
            if difference.field == "members":
                for email in names_in(difference.before):
                    await self._groups.remove_member(group_id, email)
                for email in names_in(difference.after):
                    await self._groups.add_member(group_id, email)

    async def _put_scaling_group(self, entry: Entry, change: Change) -> None:
        name = entry.name
        if change.verb is Verb.CREATE:
            spec = ScalingGroupSpec(**_meant(entry))
            await self._scaling_groups.create_group(spec, Scopes(), if_not_exists=False)
        elif values := _scheduling(_patches(entry, change), change):
            changes = ScalingGroupChanges(**values)
            await self._scaling_groups.update_group(name, changes, if_unchanged=None)
        closed, opened = await self._scopes(change, "before"), await self._scopes(change, "after")
        if closed:
            await self._scaling_groups.dissociate([name], closed, ignore_not_found=True)
        if opened:
            await self._scaling_groups.associate([name], opened)

    async def _put_preset(self, entry: Entry, change: Change) -> None:
        if change.verb is Verb.CREATE:
            spec = ResourcePresetSpec(**_meant(entry))
            await self._presets.create_preset(spec, if_not_exists=False)
            return
        changes = ResourcePresetChanges(**_patches(entry, change))
        await self._presets.update_preset(
            await self._preset_id(entry.name), changes, if_unchanged=None
        )

    async def _remove(self, change: Change) -> None:
        name = change.name
        match change.section:
            case Section.KEYPAIR_POLICIES:
                await self._keypair_policies.delete_policy(name, ignore_not_found=True)
            case Section.USER_POLICIES:
                await self._user_policies.delete_policy(name, ignore_not_found=True)
            case Section.PROJECT_POLICIES:
                await self._project_policies.delete_policy(name, ignore_not_found=True)
            case Section.DOMAINS:
                inactive = DomainChanges(is_active=False)
                await self._domains.update_domain(name, inactive, if_unchanged=None)
            case Section.USERS:
                await self._users.delete_user(name)
            case Section.GROUPS:
                await self._groups.deactivate_group(await self._groups.resolve(name))
            case Section.SCALING_GROUPS:
                await self._scaling_groups.delete_group(name, ignore_not_found=True)
            case Section.PRESETS:
                preset = await self._preset_id(name)
                await self._presets.delete_preset(preset, ignore_not_found=True)

    async def _preset_id(self, name: str) -> str:
        """The id of the preset that is called so among all of them."""
        form = FORMS[Section.PRESETS]
        listed = await self._presets.list_presets(Query())
        return next(str(one.id) for one in listed if form.name_of(form.written(one)) == name)

    async def _scopes(self, change: Change, side: str) -> Scopes:
        """What a resource group is closed to (``before``) or opened to (``after``)."""
        found: dict[str, list[str]] = {"domains": [], "projects": [], "keypairs": []}
        for difference in change.differences:
            if difference.field in found:
                found[difference.field].extend(names_in(getattr(difference, side)))
        return Scopes(
            domains=tuple(found["domains"]),
            projects=tuple(found["projects"]),
            access_keys=tuple([await self._access_key(name) for name in found["keypairs"]]),
        )

    async def _access_key(self, name: str) -> str:
        """The main access key of the user of that e-mail, or the access key itself."""
        user = await self._users.find_user(name)
        return name if user is None or user.main_access_key is None else user.main_access_key


def _meant(entry: Entry) -> dict[str, Any]:
    return FORMS[entry.section].meant(entry)


def _patches(entry: Entry, change: Change) -> dict[str, Any]:
    """What an update sets; maps and lists are put as a whole."""
    meant = FORMS[entry.section].meant(entry, fields_of(change))
    return {name: _patch(name, value) for name, value in meant.items()}


def _patch(name: str, value: object) -> object:
    match value:
        case ResourceSlot():
            return SlotsPatch(put=value, replace=True)
        case dict() if name == "allowed_vfolder_hosts":
            return HostsPatch(put=value, replace=True)
        case dict():
            return JsonPatch(put=value, replace=True)
        case tuple() if name == "allowed_docker_registries":
            return NamesPatch(put=value, replace=True)
    return value


def _scheduling(values: dict[str, Any], change: Change) -> dict[str, Any]:
    """Options of a scheduler are changed one by one."""
    options = values.pop("scheduler_opts", None)
    if isinstance(scheduler := values.get("scheduler"), str):
        values["scheduler"] = SchedulerName.parse(scheduler)
    if not isinstance(options, ScalingGroupOptions):
        return values
    changed = {
        one.field.split(".")[1] for one in change.differences if "scheduler_opts." in one.field
    }
    of_options = {
        name: _patch(name, getattr(options, name))
        for name in changed.intersection(ScalingGroupChanges.__dataclass_fields__)
    }
    return {**values, **of_options}
