"""The services of what people work with: sessions, images, folders."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from bai_manager.app.parts import Parts

if TYPE_CHECKING:
    from bai_manager.clients.app_proxy.protocol import AppGateway
    from bai_manager.clients.live.abuse import AbuseReports
    from bai_manager.clients.storage_proxy.pool import StorageMap, StoragePool
    from bai_manager.services.container_registry.service import ContainerRegistryService
    from bai_manager.services.image.service import ImageService
    from bai_manager.services.kernel.service import KernelService
    from bai_manager.services.running import RunningSessions
    from bai_manager.services.session.creation import Creation
    from bai_manager.services.session.mounts import SessionMounts
    from bai_manager.services.session.request import SessionRequest
    from bai_manager.services.session.service import SessionService
    from bai_manager.services.session.types_request import SessionSpec
    from bai_manager.services.session_app.service import SessionAppService
    from bai_manager.services.session_change.service import SessionChangeService
    from bai_manager.services.session_commit.service import SessionCommitService
    from bai_manager.services.session_inside.service import SessionInsideService
    from bai_manager.services.session_record.service import SessionRecordService
    from bai_manager.services.storage.service import StorageService
    from bai_manager.services.template.service import TemplateService
    from bai_manager.services.vfolder.service import VFolderService
    from bai_manager.services.vfolder_file.service import VFolderFileService
    from bai_manager.services.vfolder_invitation.service import VFolderInvitationService


class WorkServices(Parts):
    """Sessions and what they are made of."""

    @cached_property
    def session_service(self) -> SessionService:
        from bai_manager.repositories.session_records import (  # noqa: PLC0415
            SessionRecordRepository,
        )
        from bai_manager.services.session.service import SessionService  # noqa: PLC0415

        return SessionService(
            sessions=self.sessions,
            records=SessionRecordRepository(self.database),
            creation=lambda: self.session_creation,
            scheduler=self.scheduler,
            clock=self._clock,
        )

    @cached_property
    def session_change_service(self) -> SessionChangeService:
        from bai_manager.repositories.session_changes import (  # noqa: PLC0415
            SessionChangeRepository,
        )
        from bai_manager.services.session_change.service import (  # noqa: PLC0415
            SessionChangeService,
        )

        return SessionChangeService(
            sessions=self.sessions,
            changes=SessionChangeRepository(self.database, self._clock),
            running=self.running_sessions,
            scheduler=self.scheduler,
        )

    @cached_property
    def session_inside_service(self) -> SessionInsideService:
        from bai_manager.services.session_inside.service import (  # noqa: PLC0415
            SessionInsideService,
        )

        return SessionInsideService(
            running=self.running_sessions,
            sessions=self.sessions,
            scheduler=self.scheduler,
            console=self._console,
        )

    @cached_property
    def session_record_service(self) -> SessionRecordService:
        from bai_manager.repositories.session_records import (  # noqa: PLC0415
            SessionRecordRepository,
        )
        from bai_manager.services.session_record.service import (  # noqa: PLC0415
            SessionRecordService,
        )

        return SessionRecordService(
            sessions=self.sessions,
            records=SessionRecordRepository(self.database),
            abuse=self._abuse_reports(),
        )

    @cached_property
    def session_creation(self) -> Creation:
        from bai_manager.repositories.image import ImageRepository  # noqa: PLC0415
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.services.session.creation import Creation  # noqa: PLC0415

        return Creation(
            sessions=self.sessions,
            images=ImageRepository(self.database),
            owners=OwnerRepository(self.database),
            scaling_groups=OpenGroupRepository(self.database),
            mounts=self.session_mounts,
            scheduler=self.scheduler,
            clock=self._clock,
        )

    def _abuse_reports(self) -> AbuseReports:
        from bai_manager.clients.live.abuse import (  # noqa: PLC0415
            NoAbuseReports,
            ValkeyAbuseReports,
        )

        settings = self._config.settings
        if settings.kind != "cluster":
            return NoAbuseReports()
        valkey = settings.valkey
        return ValkeyAbuseReports(valkey.url, password=valkey.password, timeout=valkey.timeout)

    @cached_property
    def running_sessions(self) -> RunningSessions:
        from bai_manager.services.running import RunningSessions  # noqa: PLC0415

        return RunningSessions(sessions=self.sessions, agents=self.agents, scheduler=self.scheduler)

    @cached_property
    def session_app_service(self) -> SessionAppService:
        from bai_manager.repositories.session_app import SessionAppRepository  # noqa: PLC0415
        from bai_manager.services.session_app.service import SessionAppService  # noqa: PLC0415

        return SessionAppService(
            running=self.running_sessions,
            sessions=self.sessions,
            apps=SessionAppRepository(self.database),
            gateway=self._gateway(),
        )

    @cached_property
    def session_commit_service(self) -> SessionCommitService:
        from bai_manager.repositories.session_commit import (  # noqa: PLC0415
            SessionCommitRepository,
        )
        from bai_manager.services.session_commit.service import (  # noqa: PLC0415
            SessionCommitService,
        )

        return SessionCommitService(
            running=self.running_sessions,
            commits=SessionCommitRepository(self.database),
            new_id=uuid4,
            clock=self._clock,
        )

    def _gateway(self) -> AppGateway:
        """An app proxy makes ways into a cluster."""
        if self._config.settings.kind == "cluster":
            from bai_manager.clients.app_proxy.coordinator import (  # noqa: PLC0415
                CoordinatorGateway,
            )

            return CoordinatorGateway(dry_run=self._dry_run)
        from bai_manager.clients.app_proxy.loopback import LoopbackGateway  # noqa: PLC0415

        return LoopbackGateway()

    @cached_property
    def session_mounts(self) -> SessionMounts:
        from bai_manager.repositories.session_mounts import (  # noqa: PLC0415
            SessionMountRepository,
        )
        from bai_manager.services.session.mounts import SessionMounts  # noqa: PLC0415

        return SessionMounts(
            folders=SessionMountRepository(self.database),
            storages=self.storages,
            unprivileged=self._config.settings.kind == "embedded",
            warn=self._warn,
        )

    @cached_property
    def kernel_service(self) -> KernelService:
        from bai_manager.services.kernel.service import KernelService  # noqa: PLC0415

        return KernelService(
            sessions=self.sessions,
            agents=self.agents,
            scheduler=self.scheduler,
        )

    async def _plan_session(self, request: SessionRequest) -> SessionSpec:
        from bai_manager.repositories.image import ImageRepository  # noqa: PLC0415
        from bai_manager.repositories.open_groups import OpenGroupRepository  # noqa: PLC0415
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.services.session.planning import plan_session  # noqa: PLC0415

        return await plan_session(
            request,
            images=ImageRepository(self.database),
            owners=OwnerRepository(self.database),
            scaling_groups=OpenGroupRepository(self.database),
            clock=self._clock,
        )

    @cached_property
    def image_service(self) -> ImageService:
        from bai_manager.repositories.image import ImageRepository  # noqa: PLC0415
        from bai_manager.services.image.service import ImageService  # noqa: PLC0415

        return ImageService(images=ImageRepository(self.database))

    @cached_property
    def template_service(self) -> TemplateService:
        from bai_manager.repositories.owner import OwnerRepository  # noqa: PLC0415
        from bai_manager.repositories.template import TemplateRepository  # noqa: PLC0415
        from bai_manager.services.template.service import TemplateService  # noqa: PLC0415

        return TemplateService(
            templates=TemplateRepository(self.database), owners=OwnerRepository(self.database)
        )

    @cached_property
    def container_registry_service(self) -> ContainerRegistryService:
        from bai_manager.repositories.container_registry import (  # noqa: PLC0415
            ContainerRegistryRepository,
        )
        from bai_manager.services.container_registry.service import (  # noqa: PLC0415
            ContainerRegistryService,
        )

        return ContainerRegistryService(registries=ContainerRegistryRepository(self.database))

    @cached_property
    def storages(self) -> StoragePool:
        from bai_manager.clients.storage_proxy.pool import StoragePool  # noqa: PLC0415

        return StoragePool(self._storage_map)

    async def _storage_map(self) -> StorageMap:
        from bai_manager.clients.storage_proxy.profile import storage_map  # noqa: PLC0415

        settings = self._config.settings
        use_etcd = settings.kind == "cluster" and settings.etcd.url is not None
        return storage_map(
            settings,
            folder=self._config.paths.data_dir / "volumes",
            etcd=await self.etcd.get_prefix("volumes/") if use_etcd else {},
            rehearsed=self._dry_run,
        )

    @cached_property
    def vfolder_file_service(self) -> VFolderFileService:
        from bai_manager.services.vfolder_file.service import VFolderFileService  # noqa: PLC0415
        from bai_manager.services.vfolder_file.sink import NullSink  # noqa: PLC0415

        return VFolderFileService(
            storages=self.storages,
            sink=self.file_sink or NullSink(),
            work_folder=self._config.paths.state_dir / "transfers",
            rehearse=self._dry_run,
        )

    @cached_property
    def vfolder_service(self) -> VFolderService:
        from bai_manager.repositories.vfolder_all import VFolderRepositories  # noqa: PLC0415
        from bai_manager.services.vfolder.service import VFolderService  # noqa: PLC0415

        rows = VFolderRepositories(self.database, self._clock)
        return VFolderService(rows=rows, storages=self.storages)

    @cached_property
    def vfolder_invitation_service(self) -> VFolderInvitationService:
        from bai_manager.repositories.vfolder_invitation import (  # noqa: PLC0415
            VFolderInvitationRepository,
        )
        from bai_manager.services.vfolder_invitation.service import (  # noqa: PLC0415
            VFolderInvitationService,
        )

        return VFolderInvitationService(invitations=VFolderInvitationRepository(self.database))

    @cached_property
    def storage_service(self) -> StorageService:
        from bai_manager.repositories.storage import StorageRepository  # noqa: PLC0415
        from bai_manager.services.storage.service import StorageService  # noqa: PLC0415

        return StorageService(storage=StorageRepository(self.database), storages=self.storages)
