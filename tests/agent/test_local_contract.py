"""The local agent keeps the contract of all agents."""

from __future__ import annotations

from tests.agent.contract import *  # noqa: F403 - that is what they are there for
