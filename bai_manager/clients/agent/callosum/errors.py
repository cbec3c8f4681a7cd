"""Why an agent could not be asked, or its answer not be read.

::

    Exception
    ├── NoAnswer                   nothing came, or not in time: becomes AgentUnreachable
    ├── Unreadable                 what came is no answer: becomes AgentUnreachable
    └── RemoteFailure              the agent says that it cannot: becomes AgentError
    ConfigurationError
    ├── ClusterExtraMissing        the packages that speak to agents are not there
    ├── KeypairUnusable            the manager's key pair is not there, or is none
    └── AgentVersionNotSpoken      an agent whose functions are not known here
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


class NoAnswer(Exception):
    """The agent is not there, refuses us, or says nothing in time."""

    def __init__(self, why: str, *, hint: str | None = None) -> None:
        super().__init__(why)
        self.hint = hint


class Unreadable(Exception):
    """What came from outside is not what the protocol says."""


class RemoteFailure(Exception):
    """``name`` is the class of what was raised at the agent, ``text`` its ``repr``."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class ClusterExtraMissing(ConfigurationError):
    """pyzmq or msgpack is not installed."""

    error_code = "agent_setup_not-found"

    def __init__(self, package: str) -> None:
        super().__init__(
            f"Agents of a cluster are asked through {package}, which is not installed here.",
            hint="Install it with: pip install 'bai-manager[cluster]'",
        )


class KeypairUnusable(ConfigurationError):
    """An agent asks for keys, and the manager's are not to be had."""

    error_code = "agent_setup_invalid-parameters"

    def __init__(self, path: Path | None, why: str) -> None:
        file = "the manager's key pair" if path is None else f"the manager's key pair {path}"
        super().__init__(
            f"Agents ask for {file}: {why}.",
            hint="Set agent.rpc_manager_keypair to the file that manager.toml names as"
            " rpc-auth-manager-keypair.",
            details={"path": None if path is None else str(path)},
        )


class AgentVersionNotSpoken(ConfigurationError):
    """The agent is of a version whose functions may be others."""

    error_code = "agent_request_mismatch"

    def __init__(self, agent_id: str, version: str, spoken: str) -> None:
        super().__init__(
            f"Agent {agent_id} is of version {version}; this program knows the functions of"
            f" {spoken} only, and an agent that is asked for another one stops answering.",
            hint=f"Use the version of bai-manager that is made for Backend.AI {version}.",
            details={"agent": agent_id, "version": version, "spoken": spoken},
        )
