"""The services of people and of what binds them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from bai_manager.app.work import WorkServices

if TYPE_CHECKING:
    from bai_manager.services.auth.service import AuthService
    from bai_manager.services.domain.service import DomainService
    from bai_manager.services.group.service import GroupService
    from bai_manager.services.keypair.service import KeypairService
    from bai_manager.services.keypair_resource_policy.service import KeypairResourcePolicyService
    from bai_manager.services.manifest.service import ManifestService
    from bai_manager.services.policy.service import PolicyService
    from bai_manager.services.project_resource_policy.service import ProjectResourcePolicyService
    from bai_manager.services.resource_preset.service import ResourcePresetService
    from bai_manager.services.scaling_group.service import ScalingGroupService
    from bai_manager.services.session.actions import (
        DestroySessionAction,
        DestroySessionActionResult,
    )
    from bai_manager.services.user.service import UserService
    from bai_manager.services.user_import.service import Journal, UserImportService
    from bai_manager.services.user_resource_policy.service import UserResourcePolicyService


class LaterSessions:
    """Ends sessions through the session service, which is loaded when there are some to end."""

    def __init__(self, app: WorkServices) -> None:
        self._app = app

    async def destroy_session(self, action: DestroySessionAction) -> DestroySessionActionResult:
        return await self._app.session_service.destroy_session(action)


class PeopleServices(WorkServices):
    """Users, projects, domains, policies."""

    @cached_property
    def auth_service(self) -> AuthService:
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.password import PasswordRepository  # noqa: PLC0415
        from bai_manager.services.auth.service import AuthService  # noqa: PLC0415
        from bai_manager.types.password import hash_password, verify  # noqa: PLC0415

        return AuthService(
            owners=OwnerRepository(self.database),
            passwords=PasswordRepository(self.database),
            hash_password=hash_password,
            verify_password=verify,
        )

    @cached_property
    def keypair_resource_policy_service(self) -> KeypairResourcePolicyService:
        from bai_manager.repositories.resource_policy import (  # noqa: PLC0415
            KeypairResourcePolicyRepository,
        )
        from bai_manager.services.keypair_resource_policy.service import (  # noqa: PLC0415
            KeypairResourcePolicyService,
        )

        return KeypairResourcePolicyService(
            policies=KeypairResourcePolicyRepository(self.database), memory=self.manager_memory
        )

    @cached_property
    def user_resource_policy_service(self) -> UserResourcePolicyService:
        from bai_manager.repositories.resource_policy import (  # noqa: PLC0415
            UserResourcePolicyRepository,
        )
        from bai_manager.services.user_resource_policy.service import (  # noqa: PLC0415
            UserResourcePolicyService,
        )

        return UserResourcePolicyService(
            policies=UserResourcePolicyRepository(self.database), memory=self.manager_memory
        )

    @cached_property
    def project_resource_policy_service(self) -> ProjectResourcePolicyService:
        from bai_manager.repositories.resource_policy import (  # noqa: PLC0415
            ProjectResourcePolicyRepository,
        )
        from bai_manager.services.project_resource_policy.service import (  # noqa: PLC0415
            ProjectResourcePolicyService,
        )

        return ProjectResourcePolicyService(
            policies=ProjectResourcePolicyRepository(self.database), memory=self.manager_memory
        )

    @cached_property
    def policy_service(self) -> PolicyService:
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.policy import PolicyRepository  # noqa: PLC0415
        from bai_manager.repositories.storage import StorageRepository  # noqa: PLC0415
        from bai_manager.services.policy.service import PolicyService  # noqa: PLC0415
        from bai_manager.services.policy.storage_use import ScopeUses  # noqa: PLC0415

        return PolicyService(
            policies=PolicyRepository(self.database),
            owners=OwnerRepository(self.database),
            open_groups=OpenGroupRepository(self.database),
            uses=ScopeUses(storage=StorageRepository(self.database), storages=self.storages),
            idle=self.idle_facts,
            clock=self._clock,
        )

    @cached_property
    def scaling_group_service(self) -> ScalingGroupService:
        from bai_manager.repositories.scaling_group import ScalingGroupRepository  # noqa: PLC0415
        from bai_manager.services.scaling_group.service import ScalingGroupService  # noqa: PLC0415

        return ScalingGroupService(
            scaling_groups=ScalingGroupRepository(self.database), memory=self.manager_memory
        )

    @cached_property
    def domain_service(self) -> DomainService:
        from bai_manager.repositories.domain import DomainRepository  # noqa: PLC0415
        from bai_manager.services.domain.service import DomainService  # noqa: PLC0415

        return DomainService(domains=DomainRepository(self.database), memory=self.manager_memory)

    @cached_property
    def resource_preset_service(self) -> ResourcePresetService:
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.preset_room import PresetRoomRepository  # noqa: PLC0415
        from bai_manager.repositories.resource_preset import (  # noqa: PLC0415
            ResourcePresetRepository,
        )
        from bai_manager.services.resource_preset.service import (  # noqa: PLC0415
            ResourcePresetService,
        )

        return ResourcePresetService(
            presets=ResourcePresetRepository(self.database),
            room=PresetRoomRepository(self.database),
            owners=OwnerRepository(self.database),
            open_groups=OpenGroupRepository(self.database),
            clock=self._clock,
            memory=self.manager_memory,
        )

    @cached_property
    def user_service(self) -> UserService:
        from bai_manager.repositories.usage import UsageRepository  # noqa: PLC0415
        from bai_manager.repositories.user import UserRepository  # noqa: PLC0415
        from bai_manager.repositories.user_purge import UserPurgeRepository  # noqa: PLC0415
        from bai_manager.services.user.service import UserService  # noqa: PLC0415
        from bai_manager.types.password import hash_password  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return UserService(
            users=UserRepository(self.database),
            purges=UserPurgeRepository(self.database),
            usage=UsageRepository(self.database),
            sessions=LaterSessions(self),
            hash_password=hash_password,
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            clock=self._clock,
            memory=self.manager_memory,
        )

    @cached_property
    def keypair_service(self) -> KeypairService:
        from bai_manager.repositories.keypair import KeypairRepository  # noqa: PLC0415
        from bai_manager.services.keypair.service import KeypairService  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return KeypairService(
            keypairs=KeypairRepository(self.database),
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            memory=self.manager_memory,
        )

    @cached_property
    def group_service(self) -> GroupService:
        from bai_manager.repositories.group import GroupRepository  # noqa: PLC0415
        from bai_manager.repositories.group_purge import GroupPurgeRepository  # noqa: PLC0415
        from bai_manager.repositories.usage import UsageRepository  # noqa: PLC0415
        from bai_manager.services.group.service import GroupService  # noqa: PLC0415

        return GroupService(
            groups=GroupRepository(self.database),
            purges=GroupPurgeRepository(self.database),
            usage=UsageRepository(self.database),
            sessions=LaterSessions(self),
            clock=self._clock,
            memory=self.manager_memory,
        )

    @property
    def _only_planned(self) -> bool:
        """Whether this is a dry run without a database."""
        return self._dry_run and not self.embedded.is_running()

    @cached_property
    def user_import_service(self) -> UserImportService:
        from bai_manager.repositories.user_import import UserImportRepository  # noqa: PLC0415
        from bai_manager.services.user_import.service import UserImportService  # noqa: PLC0415
        from bai_manager.types.password import hash_password, verify  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return UserImportService(
            imports=UserImportRepository(self.database),
            journal_of=self._import_journal,
            hash_password=hash_password,
            verify_password=verify,
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            memory=self.manager_memory,
        )

    def _import_journal(self, digest: str, secret_file: str | None) -> Journal:
        from bai_manager.clients.import_journal import ImportJournal, NoJournal  # noqa: PLC0415

        if self._dry_run:
            return NoJournal()
        folder = self._config.paths.state_dir / "imports"
        journal = ImportJournal(folder / f"{digest}.jsonl", secret_file)
        self._journals.append(journal)
        return journal

    @cached_property
    def manifest_service(self) -> ManifestService:
        from bai_manager.repositories.manifest import ManifestRepository  # noqa: PLC0415
        from bai_manager.services.manifest.service import ManifestService  # noqa: PLC0415
        from bai_manager.types.ssh_keys import new_ssh_keypair  # noqa: PLC0415

        return ManifestService(
            manifests=ManifestRepository(self.database),
            new_ssh_keypair=new_ssh_keypair,
            token=os.urandom,
            memory=self.manager_memory,
        )
