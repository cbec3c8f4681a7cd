"""Several targets in one call."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bai_manager.cli.output.bulk import run_bulk
from bai_manager.cli.output.options import ColorMode, Format
from bai_manager.errors import Conflict, ExitCode, NotFound
from tests.cli.output_samples import on_terminal, piped, said, written

if TYPE_CHECKING:
    from bai_manager.cli.output.options import OutputOptions

TARGETS = ["one", "two", "three"]


async def destroy(target: str) -> str:
    if target == "two":
        raise Conflict("it is\nbusy", hint="Wait.")
    return "destroyed"


async def bulk(options: OutputOptions, *targets: str, fail_fast: bool = False) -> ExitCode:
    return await run_bulk(options, targets, destroy, noun="sessions", fail_fast=fail_fast)


async def test_one_failure_does_not_stop_the_rest() -> None:
    options = on_terminal()
    assert await bulk(options, *TARGETS) is ExitCode.PARTIAL
    assert written(options) == (
        "OK      one  destroyed\nFAILED  two  it is\\nbusy\nOK      three  destroyed\n"
    )
    assert said(options) == "3 sessions: 2 ok, 1 failed.\n"


async def test_fail_fast_stops_and_says_what_was_not_tried() -> None:
    options = on_terminal()
    assert await bulk(options, *TARGETS, fail_fast=True) is ExitCode.PARTIAL
    assert written(options) == "OK      one  destroyed\nFAILED  two  it is\\nbusy\n"
    assert said(options) == "3 sessions: 1 ok, 1 failed, 1 not tried.\n"


async def test_all_is_well() -> None:
    options = on_terminal()
    assert await bulk(options, "one", "three") is ExitCode.OK
    assert said(options) == "2 sessions: 2 ok, 0 failed.\n"


async def test_a_single_target_fails_with_its_own_error() -> None:
    options = on_terminal()
    with pytest.raises(Conflict):
        await bulk(options, "two")
    assert (written(options), said(options)) == ("", "")


async def test_programs_get_whole_errors() -> None:
    options = piped(Format.JSON)
    await bulk(options, "one", "two")
    assert json.loads(written(options)) == [
        {"target": "one", "result": "OK", "message": "destroyed", "error": None},
        {
            "target": "two",
            "result": "FAILED",
            "message": "it is\nbusy",
            "error": {
                "code": "backendai_generic_conflict",
                "message": "it is\nbusy",
                "hint": "Wait.",
                "details": {},
            },
        },
    ]


async def test_a_pipe_gets_a_line_for_each_target() -> None:
    options = piped()
    await bulk(options, *TARGETS)
    assert written(options) == (
        "target\tresult\tmessage\n"
        "one\tOK\tdestroyed\ntwo\tFAILED\tit is\\nbusy\nthree\tOK\tdestroyed\n"
    )


async def test_a_defect_is_not_taken_for_the_failure_of_a_target() -> None:
    async def broken(_target: str) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_bulk(on_terminal(), TARGETS, broken)


async def test_a_dry_run_is_marked() -> None:
    options = replace(piped(), dry_run=True, quiet=True)
    await bulk(options, *TARGETS)
    assert said(options) == "dry run: nothing was changed\n"


async def test_names_of_targets_are_not_obeyed() -> None:
    async def miss(target: str) -> str:
        raise NotFound(f"no {target}")

    options = on_terminal()
    await run_bulk(options, ["\x1b[2J", "\u202e"], miss)
    assert "\\x1b[2J  no \\x1b[2J\n" in written(options)
    assert "\u202e" not in written(options)


async def test_colour_repeats_the_word() -> None:
    options = on_terminal(color=ColorMode.ALWAYS)
    await bulk(options, "one", "two")
    assert written(options).startswith("\x1b[32mOK    \x1b[0m  one")
    assert "\x1b[31mFAILED\x1b[0m  two" in written(options)
