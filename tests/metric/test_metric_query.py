"""What is asked of Prometheus, for whom, and how it is printed."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.metric.fake import FakeSeries

if TYPE_CHECKING:
    from tests.cli.conftest import Cluster
    from tests.metric.conftest import AskMetrics
    from tests.metric.fake import FakePrometheus

FAMILY = "backendai_container_utilization"
SOME = {"session_id": "00000000-0000-4000-9000-000000000001"}
RANGE = ("--since", "10m", "--step", "1m")


@pytest.fixture(autouse=True)
def _one_series(fake: FakePrometheus) -> None:
    fake.series = [FakeSeries(SOME, lambda time: f"{time / 7:.3f}")]


@pytest.mark.parametrize(
    ("words", "promql"),
    [
        (("mem",), 'sum by (session_id) (F{container_metric_name="mem",value_type="current"})'),
        (
            ("cpu_util", "--by", "kernel,user"),
            'sum by (kernel_id,user_id) (rate(F{container_metric_name="cpu_util",value_type="current"}[60s])) / 10',  # noqa: E501
        ),
        (
            ("net_rx", "--by", "all", "--window", "5m"),
            'sum by () (rate(F{container_metric_name="net_rx",value_type="current"}[300s]))',
        ),
        (
            ("cpu_util", "--value", "capacity"),
            'sum by (session_id) (F{container_metric_name="cpu_util",value_type="capacity"}) / 10',
        ),
        (
            ("mem", "--value", "pct", "--by", "agent"),
            (
                '100 * sum by (agent_id) (F{container_metric_name="mem",value_type="current"})'
                ' / sum by (agent_id) (F{container_metric_name="mem",value_type="capacity"})'
            ),
        ),
    ],
)
def test_each_kind_of_metric_has_its_expression(
    ask: AskMetrics, fake: FakePrometheus, words: tuple[str, ...], promql: str
) -> None:
    assert ask("root", "query", *words, *RANGE).code == 0
    assert fake.queries == [promql.replace("F{", f"{FAMILY}{{")]


def test_a_rate_is_taken_over_the_whole_step(ask: AskMetrics, fake: FakePrometheus) -> None:
    ask("root", "query", "net_tx", "--since", "2d", "--step", "1h")
    assert "[3600s]" in fake.queries[0]


def test_a_superadmin_and_a_monitor_see_everything(ask: AskMetrics, fake: FakePrometheus) -> None:
    for person in ("root", "monitor"):
        ask(person, "query", "mem", *RANGE)
    assert all("user_id" not in query and "project_id" not in query for query in fake.queries)


def test_a_user_sees_what_is_theirs(
    ask: AskMetrics, fake: FakePrometheus, cluster: Cluster
) -> None:
    ask("alice", "query", "mem", *RANGE)
    assert f'user_id="{cluster.world.alice.user_id}"' in fake.queries[0]


def test_an_admin_sees_the_projects_of_the_domain(
    ask: AskMetrics, fake: FakePrometheus, cluster: Cluster
) -> None:
    ask("admin", "query", "mem", *RANGE)
    assert f'project_id="{cluster.world.project_id}"' in fake.queries[0]
    assert str(cluster.world.other_project_id) not in fake.queries[0]


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ("bob", ("--session", "train-1")),
        ("bob", ("--user", "alice@example.com")),
        ("admin", ("--user", "carol@example.com")),
        ("other_admin", ("--session", "train-1")),
        ("bob", ("--kernel", "00000000-0000-4000-8000-000000000001")),
        ("bob", ("--session", "00000000-0000-4000-9000-000000000001")),
        ("root", ("--group", "no-such-project")),
    ],
)
def test_what_cannot_be_seen_is_not_found_and_never_asked_for(
    ask: AskMetrics, fake: FakePrometheus, person: str, words: tuple[str, ...]
) -> None:
    assert ask(person, "query", "mem", *words).code == 3
    assert fake.queries == []


def test_names_become_ids(ask: AskMetrics, fake: FakePrometheus, cluster: Cluster) -> None:
    done = ask(
        "root", "query", "mem", "-s", "train-1", "-u", "alice@example.com", "--agent", "i-1|.*",
        "--agent", 'i-"2', *RANGE,
    )  # fmt: skip
    assert done.code == 0, done.err
    query = fake.queries[0]
    assert f'session_id="{cluster.train.id}"' in query
    assert f'user_id="{cluster.world.alice.user_id}"' in query
    assert r'agent_id=~"i-1\\|\\.\\*|i-\"2"' in query


def test_every_format_holds_the_same_rows(ask: AskMetrics, fake: FakePrometheus) -> None:
    fixed = {60.0 * minute: text for minute, text in enumerate(["1.5", "2048", "NaN", "1e+22"])}

    def value(time: float) -> str:
        return fixed[time / 60 % 4 * 60]

    fake.series = [FakeSeries(SOME | {"user_id": "undefined"}, value)]
    moments = ("--since", "2026-01-01T00:00Z", "--until", "2026-01-01T00:05Z", "--step", "1m")
    words = ("query", "mem", *moments, "--by", "session,user", "-o")
    whole = json.loads(ask("root", *words, "json").out)
    assert len(whole) == 6
    assert [row["value"] for row in whole[:4]] == [1.5, 2048, None, 1e22]
    lines = [json.loads(line) for line in ask("root", *words, "jsonl").out.splitlines()]
    assert lines == whole
    assert list(lines[0]) == list(whole[0])
    tsv = ask("root", *words, "tsv")
    commas = list(csv.reader(io.StringIO(ask("root", *words, "csv").out)))
    assert commas == [tsv.header, *tsv.cells]
    assert tsv.header == list(whole[0])
    for cells, row in zip(tsv.cells, whole, strict=True):
        expected = ["" if cell is None else cell for cell in row.values()]
        assert [cells[0], *cells[2:]] == [expected[0], *expected[2:]]
        assert cells[1] == ("" if row["value"] is None else repr(row["value"]))


def test_columns_can_be_chosen(ask: AskMetrics) -> None:
    done = ask("root", "query", "mem", *RANGE, "--columns", "value,session_id")
    assert done.header == ["value", "session_id"]
    assert {cells[1] for cells in done.cells} == {SOME["session_id"]}


def test_a_person_sees_names(ask: AskMetrics, fake: FakePrometheus, cluster: Cluster) -> None:
    fake.series[0].labels = {
        "session_id": str(cluster.train.id),
        "user_id": str(cluster.world.alice.user_id),
    }
    done = ask("root", "query", "mem", "--by", "session,user", *RANGE, "-o", "table")
    assert re.search(r"train-1 +alice@example.com", done.out)
    assert str(cluster.train.id) not in done.out


def test_a_long_range_is_joined(ask: AskMetrics, fake: FakePrometheus) -> None:
    done = ask("root", "query", "mem", "--since", "9d", "--until", "now", "--step", "1m")
    times = [cells[0] for cells in done.cells]
    assert len(fake.ranges) == 2
    assert 12_900 < len(times) == len(set(times))
    assert times == sorted(times)
    assert all((end - start) / step <= 11_000 for start, end, step in fake.ranges)


def test_metrics_are_listed_with_kind_and_unit(ask: AskMetrics) -> None:
    rows = {cells[0]: cells[1:3] for cells in ask("bob", "list").cells}
    assert rows["cpu_util"] == ["diff", "% of a core"]
    assert rows["mem"] == ["gauge", "bytes"]
    assert rows["net_rx"] == ["rate", "bytes/s"]
    assert rows["cuda_util"] == ["gauge", "%"]
