"""A Prometheus that answers what a test tells it to, and people who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from tests.cli.conftest import cluster, typed
from tests.metric.fake import FakePrometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cluster, Done, Typed

__all__ = ["cluster", "typed"]


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with FakePrometheus() as server:
        yield server


class AskMetrics(Protocol):
    """``ask("alice", "query", "mem", "--since", "1h")``."""

    def __call__(self, person: str, *words: str) -> Done: ...


@pytest.fixture
def ask(cluster: Cluster, typed: Typed, fake: FakePrometheus) -> AskMetrics:
    """Run ``metric …`` as somebody of the seeded cluster, whose Prometheus is ``fake``."""

    def ask_(person: str, *words: str) -> Done:
        environ = {
            **cluster.environ(person),
            "BAI_PROMETHEUS_URL": fake.url,
            "BAI_PROMETHEUS_TIMEOUT": "0.5s",
        }
        return typed("metric", *words, env=environ)

    return ask_
