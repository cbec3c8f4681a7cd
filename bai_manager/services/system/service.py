"""Setting a local system up, once or again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, Protocol

from bai_manager import __version__
from bai_manager.services.system.actions import InitializeActionResult
from bai_manager.services.system.images import local_images
from bai_manager.services.system.types import Secrets, SystemSpec
from bai_manager.types.credentials import Secret, new_access_key, new_secret_key
from bai_manager.types.names import (
    check_domain_name,
    check_email,
    check_name,
    check_project_name,
    check_username,
)
from bai_manager.types.password import hash_password

if TYPE_CHECKING:
    from bai_manager.clients.agent.local.host import HostFacts
    from bai_manager.services.system.actions import InitializeAction
    from bai_manager.services.system.types import Superadmin

AGENT_ID: Final = "i-local"
AGENT_ADDR: Final = "local://"
STORAGE_HOST: Final = "local:volume1"
_PASSWORD_BYTES: Final = 15


class CredentialVault(Protocol):
    """The profile's credentials: 0600, never printed."""

    profile: str

    def load(self) -> Secrets | None: ...

    def save(self, secrets: Secrets) -> None: ...


class VolumeRoot(Protocol):
    """Where the local storage keeps its volumes."""

    def prepare(self, host: str) -> bool:
        """Make the volume's folder; whether it was missing."""


class SystemStore(Protocol):
    """The rows of a system."""

    async def superadmin(self) -> Superadmin | None: ...

    async def complete(self, spec: SystemSpec) -> list[str]:
        """Insert what is missing; the names of what was."""


class NothingYet:
    """The rows of a system that has not been made, for who only asks what would be."""

    async def superadmin(self) -> None:
        """There is none."""

    async def complete(self, spec: SystemSpec) -> list[str]:
        """Everything would be created."""
        return [
            "database",
            *(f"{noun} resource policy default" for noun in ("keypair", "user", "project")),
            f"domain {spec.domain_name}",
            f"resource group {spec.scaling_group}",
            f"project {spec.project_name}",
            f"superadmin {spec.admin_email}",
            f"key pair {spec.secrets.access_key}",
            f"agent {spec.agent_id}",
            *(f"image {image.canonical}" for image in spec.images),
        ]


class SystemService:
    """Creates the rows and folders of a local system; running it again completes them."""

    def __init__(
        self,
        *,
        system: SystemStore,
        vault: CredentialVault,
        host: HostFacts,
        volumes: VolumeRoot,
    ) -> None:
        self._system = system
        self._vault = vault
        self._host = host
        self._volumes = volumes

    async def initialize(self, action: InitializeAction) -> InitializeActionResult:
        """Secrets first, then every row in one transaction: a kill in between loses nothing."""
        _check_names(action)
        existing = await self._system.superadmin()
        proof = self._vault.load()
        if proof is None:
            proof = (
                Secrets(
                    access_key=existing.access_key,
                    secret_key=existing.secret_key,
                    admin_password=None,
                )
                if existing
                else _new_secrets()
            )
            self._vault.save(proof)
        spec = self._spec(action, proof, admin_exists=existing is not None)
        created = await self._system.complete(spec)
        if self._volumes.prepare(STORAGE_HOST):
            created.append(f"volume {STORAGE_HOST}")
        return InitializeActionResult(
            profile=self._vault.profile,
            admin_email=existing.email if existing else action.admin_email,
            access_key=proof.access_key,
            domain_name=spec.domain_name,
            project_name=spec.project_name,
            scaling_group=spec.scaling_group,
            agent_id=spec.agent_id,
            storage_host=spec.storage_host,
            images=[image.canonical for image in spec.images],
            created=created,
        )

    def _spec(self, action: InitializeAction, proof: Secrets, *, admin_exists: bool) -> SystemSpec:
        password = proof.admin_password
        return SystemSpec(
            domain_name=action.domain_name,
            project_name=action.project_name,
            scaling_group=action.scaling_group,
            storage_host=STORAGE_HOST,
            admin_email=action.admin_email,
            admin_username=action.admin_username,
            admin_full_name=action.admin_full_name,
            secrets=proof,
            password_hash="" if admin_exists or password is None else hash_password(password),
            agent_id=AGENT_ID,
            agent_addr=AGENT_ADDR,
            agent_version=__version__,
            architecture=self._host.architecture,
            available_slots=self._host.available_slots,
            images=local_images(self._host),
        )


def _check_names(action: InitializeAction) -> None:
    check_email(action.admin_email)
    check_username(action.admin_username)
    check_domain_name(action.domain_name)
    check_project_name(action.project_name)
    check_name(action.scaling_group, "resource group")


def _new_secrets() -> Secrets:
    return Secrets(
        access_key=new_access_key(),
        secret_key=new_secret_key(),
        admin_password=Secret(secrets.token_urlsafe(_PASSWORD_BYTES)),
    )
