"""``bai-manager kernel``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.cli.conftest import HOSTILE

if TYPE_CHECKING:
    from tests.cli.conftest import Ask, Cluster


def sessions_of(out: str) -> set[str]:
    return {row["session_name"] for row in json.loads(out)}


def test_a_list_holds_the_kernels_that_live_and_are_ones_own(ask: Ask, cluster: Cluster) -> None:
    done = ask("alice", "kernel", "list", "-o", "json")
    rows = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert {str(kernel) for kernel in cluster.train.kernel_ids} <= {row["id"] for row in rows}
    assert not {"ended-1", "bobs-1", "carols-1"} & {row["session_name"] for row in rows}


def test_ended_kernels_are_listed_on_request(ask: Ask) -> None:
    found = sessions_of(ask("alice", "kernel", "list", "--all-status", "-o", "json").out)
    assert {"train-1", "ended-1"} <= found


def test_everybodys_kernels_are_for_superadmins_and_monitors(ask: Ask) -> None:
    everybody = ("kernel", "list", "--all", "-o", "json")
    assert {"train-1", "bobs-1", "carols-1"} <= sessions_of(ask("root", *everybody).out)
    assert {"train-1", "bobs-1", "carols-1"} <= sessions_of(ask("monitor", *everybody).out)
    assert ask("alice", *everybody).code == 4


def test_an_admin_may_look_at_a_key_pair_of_the_domain_only(ask: Ask, cluster: Cluster) -> None:
    of_alice = ("--owner", cluster.world.alice.access_key, "-o", "json")
    assert "train-1" in sessions_of(ask("admin", "kernel", "list", *of_alice).out)
    assert ask("other_admin", "kernel", "list", *of_alice).code == 4


def test_a_filter_a_sort_key_and_a_limit_are_obeyed(ask: Ask) -> None:
    words = ("--filter", "session_name=train-1", "--sort", "-cluster_role", "--limit", "1")
    done = ask("alice", "kernel", "list", *words, "--columns", "cluster_hostname")
    assert (done.code, done.out) == (0, "cluster_hostname\nsub1\n")


def test_an_unknown_filter_field_is_a_usage_error_that_names_the_closest(ask: Ask) -> None:
    done = ask("alice", "kernel", "list", "--filter", "sesion_name=x")
    assert (done.code, done.out) == (2, "")
    assert "session_name" in done.err


def test_an_unknown_column_is_a_usage_error(ask: Ask) -> None:
    done = ask("alice", "kernel", "list", "--columns", "id,hostname")
    assert (done.code, done.out) == (2, "")
    assert "cluster_hostname" in done.err


def test_an_empty_list_is_an_empty_array_a_header_or_a_note(ask: Ask) -> None:
    empty = ("kernel", "list", "--status", "PREPARING")
    assert ask("alice", *empty, "-o", "json").out == "[]\n"
    assert ask("alice", *empty).header[0] == "id"
    assert ask("alice", *empty).cells == []
    table = ask("alice", *empty, "-o", "table")
    assert (table.out, table.err) == ("", "No kernels.\n")


def test_a_table_shows_a_short_id_and_the_session(ask: Ask, cluster: Cluster) -> None:
    done = ask("alice", "kernel", "list", "--filter", "session_name=train-1", "-o", "table")
    heading, *lines = done.out.splitlines()
    assert heading.split()[:4] == ["ID", "SESSION", "HOST", "STATUS"]
    assert {line.split()[0] for line in lines} == {str(k)[:8] for k in cluster.train.kernel_ids}


def test_a_hostile_session_name_is_shown_and_not_obeyed(ask: Ask) -> None:
    for form in ("table", "wide", "tsv"):
        out = ask("alice", "kernel", "list", "-o", form).out
        assert "\x1b" not in out
        assert r"\x1b[31mred\x1b[0m[bold]\t=1+1\n" in out
    assert HOSTILE in sessions_of(ask("alice", "kernel", "list", "-o", "json").out)


def test_show_takes_an_id_or_a_unique_prefix(ask: Ask, cluster: Cluster) -> None:
    kernel = str(cluster.train.kernel_ids[1])
    whole = json.loads(ask("alice", "kernel", "show", kernel, "-o", "json").out)
    short = json.loads(ask("alice", "kernel", "show", kernel[:13], "-o", "json").out)
    assert whole == short
    assert (whole["id"], whole["cluster_role"]) == (kernel, "sub")


def test_show_is_titles_and_values_for_a_person(ask: Ask, cluster: Cluster) -> None:
    out = ask("alice", "kernel", "show", str(cluster.train.kernel_ids[0]), "-o", "table").out
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert lines[0] == ["ID", str(cluster.train.kernel_ids[0])]
    assert ["Session", "train-1"] in lines
    assert ["Requested", "cpu=1 mem=1g"] in lines


def test_a_kernel_that_is_unknown_or_somebody_elses_is_not_found(
    ask: Ask, cluster: Cluster
) -> None:
    unknown = ask("alice", "kernel", "show", str(uuid4()))
    foreign = ask("bob", "kernel", "show", str(cluster.train.kernel_ids[0]))
    assert (unknown.code, foreign.code) == (3, 3)
    assert (unknown.out, foreign.out) == ("", "")


def test_an_error_is_one_line_of_json_where_json_was_asked_for(ask: Ask) -> None:
    done = ask("alice", "kernel", "show", "ffffffff", "-o", "json")
    error = json.loads(done.err)["error"]
    assert (done.code, done.out) == (3, "")
    assert error["code"] == "kernel_read_not-found"
    assert "kernel list" in error["hint"]


def test_logs_of_an_ended_kernel_come_from_its_row_and_are_exact_in_a_pipe(
    ask: Ask, cluster: Cluster
) -> None:
    kernel = str(cluster.ended.kernel_ids[0])
    done = ask("alice", "kernel", "logs", kernel)
    assert (done.code, done.out) == (0, "first\n\x1b[31msecond�\n")
    structured = json.loads(ask("alice", "kernel", "logs", kernel, "-o", "json").out)
    assert structured == {"kernel_id": kernel, "logs": done.out}


def test_logs_are_not_for_a_monitor(ask: Ask, cluster: Cluster) -> None:
    assert ask("monitor", "kernel", "logs", str(cluster.ended.kernel_ids[0])).code == 4
