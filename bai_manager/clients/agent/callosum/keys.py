"""Which keys two sides of a CURVE connection know of each other (``reference/agent-rpc.md`` §2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bai_manager.clients.agent.callosum.errors import KeypairUnusable, NoAnswer

if TYPE_CHECKING:
    from pathlib import Path

_KEY: Final = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
"""32 bytes in Z85."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Z85; ``agent`` is the agent's public key, the others are the manager's pair."""

    agent: bytes
    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Keys(agent={self.agent!r})"


def load_keys(agent_key: str, manager_keypair: Path | None) -> Keys:
    """Raises ``KeypairUnusable``, and ``NoAnswer`` when the agent's key is none."""
    agent = agent_key.strip().encode("ascii", "replace")
    if not _KEY.fullmatch(agent):
        raise NoAnswer("its public key in the database is not one of 40 characters")
    if manager_keypair is None:
        raise KeypairUnusable(None, "the profile names none")
    from zmq.auth.certs import load_certificate  # noqa: PLC0415 - few agents ask for keys

    try:
        public, secret = load_certificate(manager_keypair)
    except OSError as error:
        why = error.strerror or "there is no such file"
        raise KeypairUnusable(manager_keypair, why) from error
    except ValueError as error:
        raise KeypairUnusable(manager_keypair, "it holds no public key") from error
    if secret is None:
        raise KeypairUnusable(manager_keypair, "it holds no secret key")
    if not (_KEY.fullmatch(public) and _KEY.fullmatch(secret)):
        raise KeypairUnusable(manager_keypair, "its keys are not of 40 characters")
    return Keys(agent, public, secret)
