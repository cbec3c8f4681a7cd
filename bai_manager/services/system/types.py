"""What a new system is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.types.credentials import Secret
    from bai_manager.types.resource_slot import ResourceSlot


@dataclass(frozen=True, kw_only=True, slots=True)
class Secrets:
    """What proves the superadmin; kept in the profile's credentials file."""

    access_key: str
    secret_key: Secret
    admin_password: Secret | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalImage:
    """An image row for something this machine can run; ``canonical`` is its whole name.

    ``former_labels`` are those that earlier releases wrote.
    """

    canonical: str
    registry: str
    project: str
    image: str
    tag: str
    architecture: str
    labels: Mapping[str, str]
    aliases: tuple[str, ...]
    former_labels: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemSpec:
    """The rows of a new system; ``password_hash`` is None when the superadmin exists already."""

    domain_name: str
    project_name: str
    scaling_group: str
    storage_host: str
    admin_email: str
    admin_username: str
    admin_full_name: str
    secrets: Secrets
    password_hash: str
    agent_id: str
    agent_addr: str
    agent_version: str
    architecture: str
    available_slots: ResourceSlot
    images: tuple[LocalImage, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Superadmin:
    """The first superadmin of a database, with a key pair that acts for it."""

    email: str
    access_key: str
    secret_key: Secret
