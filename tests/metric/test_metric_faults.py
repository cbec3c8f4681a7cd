"""Whatever Prometheus does wrong, or is asked wrongly: a clear message and its exit code."""

from __future__ import annotations

import json
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.metric.fake import FakeSeries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cluster, Typed
    from tests.metric.conftest import AskMetrics
    from tests.metric.fake import FakePrometheus

SESSION = {"session_id": "00000000-0000-4000-9000-000000000001"}


def refusal(kind: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": "the reason"}).encode()


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        ((400, refusal("bad_data")), 2, "the reason"),
        ((422, refusal("execution")), 6, "the reason"),
        ((503, refusal("timeout")), 6, "the reason"),
        ((401, b"who are you"), 6, "credentials"),
        ((404, b"nothing here"), 6, "prometheus.url"),
        ((500, b"oops"), 6, "oops"),
        ((200, b"<html>a proxy</html>"), 6, "cannot be read"),
        ((200, b'{"status":"success","data":{"resultType":"matrix","result":[{"met'), 6, "breaks"),
    ],
)
@pytest.mark.parametrize("form", ["json", "table"])
def test_a_failing_server_is_told_apart_from_a_wrong_question(
    ask: AskMetrics,
    fake: FakePrometheus,
    answer: tuple[int, bytes],
    code: int,
    says: str,
    form: str,
) -> None:
    fake.raw = answer
    done = ask("root", "query", "mem", "-o", form)
    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_a_server_that_is_not_there_is_unreachable(cluster: Cluster, typed: Typed) -> None:
    environ = {**cluster.environ("root"), "BAI_PROMETHEUS_URL": "http://127.0.0.1:1"}
    done = typed("metric", "query", "mem", env=environ)
    assert (done.code, done.out) == (6, "")
    assert "cannot be reached" in done.err


def test_a_server_that_hangs_is_given_up(ask: AskMetrics, fake: FakePrometheus) -> None:
    fake.hold = Event()
    done = ask("root", "query", "mem")
    assert (done.code, done.out) == (6, "")
    assert "within 0.5 s" in done.err


def test_an_unknown_metric_is_not_found_and_similar_ones_are_named(ask: AskMetrics) -> None:
    done = ask("root", "query", "cpu_utl")
    assert (done.code, done.out) == (3, "")
    assert "cpu_util" in done.err


def test_a_known_metric_without_samples_is_not_found(ask: AskMetrics) -> None:
    done = ask("root", "query", "mem", "-o", "json")
    assert (done.code, done.out) == (3, "")
    assert json.loads(done.err)["error"]["code"] == "metric_list-query_not-found"


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "+2h"),
        ("--since", "1h", "--until", "2h"),
        ("--step", "0s"),
        ("--since", "1yr", "--step", "1s"),
        ("--value", "most"),
        ("--by", "colour"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    ask: AskMetrics, fake: FakePrometheus, words: tuple[str, ...]
) -> None:
    done = ask("root", "query", "mem", *words)
    assert (done.code, done.out) == (2, "")
    assert fake.ranges == [] or words[0] == "--step"


def test_a_limit_of_what_has_none_is_a_usage_error(ask: AskMetrics) -> None:
    assert ask("root", "query", "net_rx", "--value", "pct").code == 2


def test_values_that_are_no_numbers_are_empty(ask: AskMetrics, fake: FakePrometheus) -> None:
    words = iter(["NaN", "+Inf", "-Inf"] * 100)
    fake.series = [FakeSeries(SESSION, lambda _time: next(words))]
    done = ask("root", "query", "mem", "--since", "10m", "--step", "5m", "-o", "json")
    assert done.code == 0
    assert {row["value"] for row in json.loads(done.out)} == {None}


def test_a_picture_of_no_numbers_is_not_drawn(
    ask: AskMetrics, fake: FakePrometheus, tmp_path: Path
) -> None:
    fake.series = [FakeSeries(SESSION, lambda _time: "NaN")]
    done = ask("root", "query", "mem", "--svg", str(tmp_path / "mem.svg"))
    assert done.code == 3
    assert list(tmp_path.glob("*.svg")) == []


def test_a_picture_of_a_broken_answer_is_not_drawn(
    ask: AskMetrics, fake: FakePrometheus, tmp_path: Path
) -> None:
    fake.raw = 200, b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{}'
    done = ask("root", "query", "mem", "--png", str(tmp_path / "mem.png"))
    assert done.code == 6
    assert list(tmp_path.glob("*.png")) == []


def test_one_series_of_a_thousand_that_ends_early_is_read_as_far_as_it_goes(
    ask: AskMetrics, fake: FakePrometheus
) -> None:
    def one(number: int) -> FakeSeries:
        missing = number == 500

        def value(time: float) -> str | None:
            return None if missing and int(time / 60) % 2 else str(number)

        return FakeSeries({"session_id": str(number)}, value)

    fake.series = [one(number) for number in range(1000)]
    done = ask("root", "query", "mem", "--since", "10m", "--step", "1m")
    assert done.code == 0
    of = dict.fromkeys(("499", "500"), 0)
    for cells in done.cells:
        if cells[7] in of:
            of[cells[7]] += 1
    assert of["499"] > of["500"] > 0


def test_without_prometheus_history_is_a_matter_of_configuration(
    cluster: Cluster, typed: Typed
) -> None:
    done = typed("metric", "query", "mem", env=cluster.environ("root"))
    assert (done.code, done.out) == (78, "")
    assert "prometheus.url" in done.err
