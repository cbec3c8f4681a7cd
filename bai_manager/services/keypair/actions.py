"""What can be done with key pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bai_manager.actions.base import Action, ActionResult, EntityType, Operation
from bai_manager.actions.targets import KeypairTarget, SystemTarget, Target, VisibleTarget
from bai_manager.services.keypair.types import KeypairSpec
from bai_manager.types.query import Query

if TYPE_CHECKING:
    from bai_manager.actions.targets import Visibility
    from bai_manager.services.keypair.types import KeypairChanges, KeypairData
    from bai_manager.types.credentials import Secret
    from bai_manager.types.dotfiles import Dotfile

ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairAction(Action[ResultT_co]):
    """Administrators change one key pair, by its access key."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR

    access_key: str

    def target(self) -> Target:
        return SystemTarget()

    def entity_id(self) -> str | None:
        return self.access_key


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnKeypairAction(Action[ResultT_co]):
    """What belongs to one key pair; None is the actor's own, which is settled beforehand."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR

    owner: str | None = None

    def target(self) -> Target:
        return KeypairTarget(self.owner)

    def entity_id(self) -> str | None:
        return self.owner


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairActionResult(ActionResult):
    """The key pair as it is now."""

    keypair: KeypairData

    def entity_id(self) -> str | None:
        return self.keypair.access_key


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKeypairsActionResult(ActionResult):
    keypairs: list[KeypairData]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKeypairsAction(Action[ListKeypairsActionResult]):
    """List the key pairs that the actor may see, of one user or of all."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR
    operation: ClassVar[Operation] = Operation.LIST

    user: str | None = None
    query: Query = field(default_factory=Query)
    visible: Visibility | None = None

    def target(self) -> Target:
        return VisibleTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKeypairActionResult(KeypairActionResult):
    """``live_sessions`` counts those that were created with it and have not ended."""

    live_sessions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GetKeypairAction(OwnKeypairAction[GetKeypairActionResult]):
    """Show one key pair, never its secrets."""

    operation: ClassVar[Operation] = Operation.GET


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateKeypairActionResult(KeypairActionResult):
    secret_key: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateKeypairAction(Action[CreateKeypairActionResult]):
    """Create another key pair of a user."""

    entity_type: ClassVar[EntityType] = EntityType.KEYPAIR
    operation: ClassVar[Operation] = Operation.CREATE

    user: str
    spec: KeypairSpec = field(default_factory=KeypairSpec)

    def target(self) -> Target:
        return SystemTarget()


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateKeypairActionResult(KeypairActionResult):
    """``changed`` names the fields that have another value now."""

    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateKeypairAction(KeypairAction[UpdateKeypairActionResult]):
    """Change fields of a key pair; ``if_unchanged`` is the version that was looked at."""

    operation: ClassVar[Operation] = Operation.UPDATE

    changes: KeypairChanges
    if_unchanged: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RotateKeypairActionResult(KeypairActionResult):
    secret_key: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class RotateKeypairAction(KeypairAction[RotateKeypairActionResult]):
    """Give a key pair another secret key; the old one is worth nothing from then on."""

    operation: ClassVar[Operation] = Operation.ROTATE


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteKeypairActionResult(ActionResult):
    """``keypair`` is what was deleted; None where there was nothing and that was to be ignored."""

    keypair: KeypairData | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteKeypairAction(KeypairAction[DeleteKeypairActionResult]):
    """Delete a key pair that is no user's main one."""

    operation: ClassVar[Operation] = Operation.DELETE

    ignore_not_found: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SSHPublicKeyActionResult(ActionResult):
    """``public_key`` is one OpenSSH line, empty where there is none."""

    access_key: str
    public_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSSHKeypairAction(OwnKeypairAction[SSHPublicKeyActionResult]):
    """Show the public half of a key pair's SSH key."""

    operation: ClassVar[Operation] = Operation.GET_SSH_KEYPAIR


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateSSHKeypairActionResult(SSHPublicKeyActionResult):
    """``private_key`` is PEM."""

    private_key: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateSSHKeypairAction(OwnKeypairAction[GenerateSSHKeypairActionResult]):
    """Make another SSH key, which new sessions accept instead of the old one."""

    operation: ClassVar[Operation] = Operation.GENERATE_SSH_KEYPAIR


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadSSHKeypairAction(OwnKeypairAction[SSHPublicKeyActionResult]):
    """Keep an SSH key that somebody made elsewhere."""

    operation: ClassVar[Operation] = Operation.UPLOAD_SSH_KEYPAIR

    public_key: str
    private_key: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypairDotfilesActionResult(ActionResult):
    """All dotfiles of the key pair, as they are now."""

    access_key: str
    dotfiles: tuple[Dotfile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListKeypairDotfilesAction(OwnKeypairAction[KeypairDotfilesActionResult]):
    """List the dotfiles of a key pair."""

    operation: ClassVar[Operation] = Operation.LIST_DOTFILES

    query: Query = field(default_factory=Query)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateKeypairDotfileAction(OwnKeypairAction[KeypairDotfilesActionResult]):
    """Add a dotfile to a key pair."""

    operation: ClassVar[Operation] = Operation.CREATE_DOTFILE

    dotfile: Dotfile


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateKeypairDotfileAction(OwnKeypairAction[KeypairDotfilesActionResult]):
    """Change a dotfile of a key pair; ``permission`` None leaves that as it is."""

    operation: ClassVar[Operation] = Operation.UPDATE_DOTFILE

    path: str
    data: str
    permission: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteKeypairDotfileAction(OwnKeypairAction[KeypairDotfilesActionResult]):
    """Delete a dotfile of a key pair."""

    operation: ClassVar[Operation] = Operation.DELETE_DOTFILE

    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BootstrapScriptActionResult(ActionResult):
    """``script`` is empty where there is none."""

    access_key: str
    script: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GetBootstrapScriptAction(OwnKeypairAction[BootstrapScriptActionResult]):
    """Show what the key pair's sessions run first."""

    operation: ClassVar[Operation] = Operation.GET_BOOTSTRAP_SCRIPT


@dataclass(frozen=True, kw_only=True, slots=True)
class SetBootstrapScriptAction(OwnKeypairAction[BootstrapScriptActionResult]):
    """Say what the key pair's sessions run first, unless they name another script."""

    operation: ClassVar[Operation] = Operation.SET_BOOTSTRAP_SCRIPT

    script: str
