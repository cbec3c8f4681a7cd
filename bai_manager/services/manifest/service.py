"""A system as a document: written, compared, and brought about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bai_manager.services.manifest.actions import (
    ApplyManifestActionResult,
    DiffManifestActionResult,
    ExportManifestActionResult,
)
from bai_manager.services.manifest.errors import InvalidManifest, ManifestPlanChanged
from bai_manager.services.manifest.planning import plan_of
from bai_manager.services.manifest.reading import read_manifest
from bai_manager.services.manifest.types import FORMAT, Section, Verb
from bai_manager.services.purging import fingerprint
from bai_manager.services.user.types import NewUserSecrets
from bai_manager.types.credentials import new_access_key, new_secret_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bai_manager.clients.cluster.memory import ManagerMemory
    from bai_manager.repositories.manifest import ManifestRepository
    from bai_manager.services.manifest.actions import (
        ApplyManifestAction,
        DiffManifestAction,
        ExportManifestAction,
    )
    from bai_manager.services.manifest.types import Manifest, Plan, Problem, SiteState
    from bai_manager.types.credentials import Token
    from bai_manager.types.ssh_keys import SSHKeypair


class ManifestService:
    """Documents in and out.

    ``token`` is where random bytes come from; ``memory`` is what a manager remembers of presets.
    """

    def __init__(
        self,
        *,
        manifests: ManifestRepository,
        new_ssh_keypair: Callable[[], SSHKeypair],
        token: Token,
        memory: ManagerMemory,
    ) -> None:
        self._manifests = manifests
        self._new_ssh_keypair = new_ssh_keypair
        self._token = token
        self._memory = memory

    async def export_manifest(self, action: ExportManifestAction) -> ExportManifestActionResult:
        """All that a document can say about the system, as of one moment."""
        state = await self._manifests.read()
        return ExportManifestActionResult(
            document={
                "version": FORMAT,
                **{
                    section.value: [
                        entry.fields for _, entry in sorted(state.manifest.entries(section).items())
                    ]
                    for section in action.sections or Section
                },
            }
        )

    async def diff_manifest(self, action: DiffManifestAction) -> DiffManifestActionResult:
        """What there is to do. Raises ``InvalidManifest``."""
        manifest, problems = read_manifest(action.document, action.source)
        decide = _decision(action, manifest, problems)
        return DiffManifestActionResult(plan=decide(await self._manifests.read()))

    async def apply_manifest(self, action: ApplyManifestAction) -> ApplyManifestActionResult:
        """Do all of it, if it is what was shown.

        Raises ``InvalidManifest``, ``ManifestPlanChanged``, ``ManifestNotReached``, and what
        the commands of a noun raise for what cannot be done.
        """
        manifest, problems = read_manifest(action.document, action.source)
        decide = _decision(action, manifest, problems)
        plan = decide(await self._manifests.read())
        if action.expected not in {None, fingerprint(plan)}:
            raise ManifestPlanChanged
        if plan.changes:
            secrets = await asyncio.to_thread(self._new_secrets, plan)
            await self._manifests.apply(
                manifest, decide, expected=fingerprint(plan), secrets=secrets
            )
            await self._memory.forget_room()
        if any(change.section is Section.PRESETS for change in plan.changes):
            await self._memory.forget_presets()
        return ApplyManifestActionResult(plan=plan)

    def _new_secrets(self, plan: Plan) -> Iterator[NewUserSecrets]:
        """Those of new users, whose SSH keys take their time; made before anything is locked."""
        count = sum(
            change.section is Section.USERS and change.verb is Verb.CREATE
            for change in plan.changes
        )
        return iter([self._new_secret() for _ in range(count)])

    def _new_secret(self) -> NewUserSecrets:
        return NewUserSecrets(
            password_hash=None,
            access_key=new_access_key(self._token),
            secret_key=new_secret_key(self._token),
            ssh_keypair=self._new_ssh_keypair(),
        )


def _decision(
    action: DiffManifestAction | ApplyManifestAction, manifest: Manifest, problems: list[Problem]
) -> Callable[[SiteState], Plan]:
    """What decides what there is to do; raises ``InvalidManifest`` with all that is wrong."""

    def decide(state: SiteState) -> Plan:
        plan, found = plan_of(manifest, state, prune=action.prune, requester=action.requester)
        if problems or found:
            raise InvalidManifest(action.source, [*problems, *found])
        return plan

    return decide
